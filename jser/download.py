"""One file over HTTP: with progress, and taken up again where it broke off."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

from jser import progress
from jser.errors import InputError

TIMEOUT_SECONDS = 30.0
CHUNK_BYTES = 1 << 20
# The server's answer to a request for the bytes from some place on.
PARTIAL, NOT_SATISFIABLE = 206, 416


def fetch(url: str, target: Path, what: str, remedy: str) -> None:
    """Download `url` to `target`, which appears only when everything has arrived.

    What arrives lies in a file beside `target` with the suffix ``.part``; it is kept when the
    connection breaks, and the next call asks for the rest. Whoever knows the file's hash has to
    check it: a file that changed between two calls is put together of both.

    Args:
        url: http or https.
        target: file; its folder is made.
        what: label of the progress bar.
        remedy: the way out, for messages.

    Raises:
        InputError: it cannot be fetched.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    try:
        _append(url, part, what)
    except (
        urllib.error.URLError,
        http.client.HTTPException,
        TimeoutError,
        ConnectionError,
    ) as error:
        reason = getattr(error, "reason", None) or error
        kept = ""
        if part.exists() and part.stat().st_size:
            kept = f"; {part.stat().st_size / 1e6:.1f} MB are kept, the same command goes on"
        raise InputError(f"{url}: cannot be downloaded ({reason}){kept}; {remedy}") from error
    os.replace(part, target)


def _append(url: str, part: Path, what: str) -> None:
    """Add to `part` what it lacks."""
    have = part.stat().st_size if part.exists() else 0
    # A default user agent of Python is turned away by some servers.
    headers = {"User-Agent": "jser"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS
        )
    except urllib.error.HTTPError as error:
        if not have or error.code != NOT_SATISFIABLE:
            raise
        part.unlink()  # longer than the file, or it has changed: from the beginning
        _append(url, part, what)
        return
    with answer:
        if have and answer.status != PARTIAL:
            have = 0  # the server sends the whole file
        rest = int(answer.headers.get("Content-Length") or 0)
        got = 0
        with (
            open(part, "ab" if have else "wb") as file,
            progress.bar(max((have + rest) >> 10, 1), what, unit="KiB") as tick,
        ):
            tick(have >> 10)
            while chunk := answer.read(CHUNK_BYTES):
                file.write(chunk)
                tick(((have + got + len(chunk)) >> 10) - ((have + got) >> 10))
                got += len(chunk)
        if rest and got != rest:
            raise http.client.HTTPException(f"{have + got} of {have + rest} bytes arrived")
