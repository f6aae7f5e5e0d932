"""URLs of object stores, the local folders that stand for them, and which of the two is shown."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from jser.errors import InputError

# Those that have been tried; fsspec knows more, and their guarantees differ.
SCHEMES = ("gs", "s3")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
# Local folder -> URL, of what this process has opened.
_shown: dict[str, str] = {}


def is_url(place: str | os.PathLike[str] | None) -> bool:
    """Whether a place is on a store, or on nothing that is known, rather than on a disk."""
    return isinstance(place, str) and _URL.match(place) is not None


def checked(url: str, option: str) -> str:
    """A URL as all its spellings are: no slash at its end, none twice.

    Args:
        url: as the user gave it.
        option: whose value it is, for messages.

    Raises:
        InputError: of another scheme, or without a bucket.
    """
    match = _URL.match(url)
    assert match is not None
    scheme, rest = match[1].lower(), match[2]
    if scheme not in SCHEMES:
        known = " or ".join(f"{name}://BUCKET/PATH" for name in SCHEMES)
        raise InputError(f"{option}={url}: {scheme}:// is not known; give {known}, or a folder")
    parts = [part for part in rest.split("/") if part]
    if not parts or rest.startswith("/"):
        raise InputError(f"{option}={url}: names no bucket; give {scheme}://BUCKET/PATH")
    if any(part in (".", "..") for part in parts) or not rest.isprintable():
        raise InputError(f"{option}={url}: is no path in a bucket; give {scheme}://BUCKET/PATH")
    return f"{scheme}://{'/'.join(parts)}"


def cache_dir() -> Path:
    """Where the local folders of stores lie: ``$JSER_CACHE``, else with the local data folder."""
    if given := os.environ.get("JSER_CACHE"):
        return Path(given).absolute()
    data = os.environ.get("JSER_DATA")
    local = Path.home() / "jser_data" if not data or is_url(data) else Path(data)
    return local.absolute() / "cache" / "stores"


def folder_of(url: str, what: str) -> Path:
    """The local folder of a checked `url`, which need not exist; `what` is kept there: 'runs'."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", url.rpartition("/")[2])[:40]
    return cache_dir() / what / f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:16]}"


def show(folder: Path, url: str) -> None:
    """From now on messages say `url` where they would say `folder`."""
    for path in (folder, folder.resolve()):
        _shown[str(path)] = url


def shown(text: str | os.PathLike[str]) -> str:
    """A text with URLs in place of the local folders that stand for them."""
    text = os.fspath(text)
    for folder in sorted(_shown, key=len, reverse=True):
        text = text.replace(folder, _shown[folder])
    return text
