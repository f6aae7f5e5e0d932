"""Corpora that may be fetched without asking anyone: one zip archive, unpacked once."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from jser import download
from jser.errors import InputError


def zip_archive(url: str, folder: Path, name: str) -> Path:
    """Download `url` and unpack it into `folder`; does nothing when it is there already.

    Args:
        url: of a zip archive.
        folder: where it is unpacked; it appears only when everything has arrived. A download that
            broke off is taken up again by the next call.
        name: of the corpus, for messages.

    Raises:
        InputError: the archive cannot be fetched or is none; the message gives the way out.
    """
    if folder.is_dir():
        return folder
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    remedy = f"fetch it by hand, unpack it and give --corpus_dir=DIR (build {name})"
    archive = folder.with_name(folder.name + ".zip")
    download.fetch(url, archive, f"download {name}", remedy)
    try:
        with zipfile.ZipFile(archive) as content:
            content.extractall(part)  # Drops '..' and absolute names itself.
        part.rename(folder)
    except zipfile.BadZipFile as error:
        raise InputError(f"{url}: is not a zip archive ({error}); {remedy}") from error
    finally:
        archive.unlink()
        shutil.rmtree(part, ignore_errors=True)
    return folder
