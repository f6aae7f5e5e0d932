"""Corpora that may be fetched without asking anyone: one zip archive, unpacked once."""

from __future__ import annotations

import http.client
import shutil
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from jser import progress
from jser.errors import InputError

TIMEOUT_SECONDS = 30.0
CHUNK_BYTES = 1 << 20


def zip_archive(url: str, folder: Path, name: str) -> Path:
    """Download `url` and unpack it into `folder`; does nothing when it is there already.

    Args:
        url: of a zip archive.
        folder: where it is unpacked; it appears only when everything has arrived.
        name: of the corpus, for messages.

    Raises:
        InputError: the archive cannot be fetched or is none; the message gives the way out.
    """
    if folder.is_dir():
        return folder
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    remedy = f"fetch it by hand, unpack it and give --corpus_dir=DIR (build {name})"
    try:
        archive = part / "archive.zip"
        try:
            _fetch(url, archive, name)
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
            reason = getattr(error, "reason", None) or error
            raise InputError(f"{url}: cannot be downloaded ({reason}); {remedy}") from error
        try:
            with zipfile.ZipFile(archive) as content:
                content.extractall(part / "content")  # Drops '..' and absolute names itself.
        except zipfile.BadZipFile as error:
            raise InputError(f"{url}: is not a zip archive ({error}); {remedy}") from error
        (part / "content").rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _fetch(url: str, target: Path, name: str) -> None:
    # A default user agent of Python is turned away by some servers.
    request = urllib.request.Request(url, headers={"User-Agent": "jser"})
    with (
        urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer,
        open(target, "wb") as file,
    ):
        promised = int(answer.headers.get("Content-Length") or 0)
        got = 0
        with progress.bar(max(promised >> 10, 1), f"download {name}", unit="KiB") as tick:
            while chunk := answer.read(CHUNK_BYTES):
                file.write(chunk)
                got += len(chunk)
                tick(len(chunk) >> 10)
        if promised and got != promised:
            raise http.client.HTTPException(f"{got} of {promised} bytes arrived")
