"""A file that a user named -> its bytes, or why there are none."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from typing import BinaryIO

from jser.errors import one_line
from jser.frontend.damage import Damaged

_CHANGED = "has changed since its hash was taken; run the same command again"
_BLOCK = 1 << 22
# (path, state) -> sha256 of files that this process has read, so that they need not be read again.
_hashed: dict[tuple[str, tuple[int, ...]], str] = {}
_MOST_HASHED = 1 << 16
# A file system's clock ticks every few milliseconds, some every two seconds: what is younger can be
# written to once more without another state.
_SETTLED_NS = 3_000_000_000


@contextlib.contextmanager
def opened(
    path: str | os.PathLike[str], thing: str, sha256: str | None = None
) -> Iterator[BinaryIO]:
    """The file, if it is one: opening a pipe would wait for a writer for ever.

    Args:
        path: of the file.
        thing: what it should be, for messages: 'sound file', 'picture'.
        sha256: hex, of its content, which must still be this when the caller's block begins, and
            must not change within it; None: whatever it is.

    Raises:
        Damaged: it is missing, no file, or cannot be read, or is not what was asked for; OSErrors
            of the caller's block too.
    """
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise Damaged(f"is a folder, not a {thing}; give the files in it")
        if not stat.S_ISREG(mode):
            raise Damaged(f"is a pipe, a socket or a device, not a {thing}; save it as a file")
        with open(path, "rb") as file:
            if sha256 is None:
                yield file
                return
            with unchanged(file):
                known = _hashed.pop((os.fspath(path), state(file)), None)
                check_content(known or digest(file), sha256)
                yield file
    except FileNotFoundError:
        raise Damaged(_why_missing(path)) from None
    except OSError as error:
        raise Damaged(
            f"cannot be read ({error.strerror}); see to the file or leave it out"
        ) from error
    except ValueError as error:
        if "null byte" not in str(error):
            raise
        raise Damaged("is no name that a file can have; is it right?") from error


def content_sha256(path: str | os.PathLike[str]) -> str:
    """Hex sha256 of a file, which `opened` need not take again while the file's state is the same.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        before = state(file)
        found = digest(file)
        settled = time.time_ns() - max(before[2:]) > _SETTLED_NS
        if settled and state(file) == before and len(_hashed) < _MOST_HASHED:
            _hashed[os.fspath(path), before] = found
    return found


@contextlib.contextmanager
def unchanged(file: BinaryIO) -> Iterator[None]:
    """Raise Damaged where the file was written to within the block."""
    before = state(file)
    yield
    if state(file) != before:
        raise Damaged(_CHANGED)


def digest(file: BinaryIO) -> str:
    """Hex sha256 of a file, from its place, which is its beginning again afterwards."""
    found = hashlib.sha256()
    # Not hashlib.file_digest: its buffer is made anew, and takes as long as a small file's hash.
    while block := file.read(_BLOCK):
        found.update(block)
    file.seek(0)
    return found.hexdigest()


def check_content(found: str, sha256: str | None) -> None:
    """Raise Damaged where a file's hash, as it was found, is not the one that was asked for."""
    if sha256 is not None and found != sha256:
        raise Damaged(_CHANGED)


def state(file: BinaryIO) -> tuple[int, ...]:
    """Numbers of which one at least is another once the file was replaced or written to."""
    status = os.fstat(file.fileno())
    # A program may set the time of change back, but not that of the status.
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _why_missing(path: str | os.PathLike[str]) -> str:
    if not os.path.islink(path):
        return "no such file; is the name right?"
    target = one_line(os.readlink(path))
    if "annex/objects/" in target:
        return "is a git-annex link whose content is not here; fetch it with `git annex get`"
    return f"is a link to a file that is not there ({target[-60:]}); copy the file itself"
