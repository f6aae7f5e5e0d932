"""What can happen to a build on its disk: another build, no space, no right to write."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from jser.errors import InputError
from jser.records import places


def make(root: Path) -> None:
    """Make the data folder where there is none.

    Raises:
        InputError: it cannot be made; OSError where the disk is at fault, see `disk_errors`.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(
            f"{root}: a file is in the way of the data folder; give another --data_dir=DIR"
        ) from error
    except FileNotFoundError as error:
        raise InputError(
            f"{root}: cannot be made ({error.strerror}); give another --data_dir=DIR"
        ) from error


def only_build(root: Path, name: str, variant: str) -> contextlib.AbstractContextManager[None]:
    """Hold the lock of one corpus and variant."""
    path = places.work_dir(root, name, variant).with_suffix(".lock")
    return _only(path, f"{root}: another build of {name} ({variant}) is running; wait for it")


def only_fetch(root: Path) -> contextlib.AbstractContextManager[None]:
    """Hold the lock of what is downloaded or generated; variants and corpora share it."""
    path = places.work_dir(root, "downloads", "all").with_suffix(".lock")
    return _only(path, f"{root}: another build is fetching a corpus into it; wait for it")


@contextlib.contextmanager
def _only(path: Path, sentence: str) -> Iterator[None]:
    """Hold a lock; the system drops it when a program is killed."""
    try:
        import fcntl
    except ImportError:  # Windows: two builds at once are the user's risk.
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(sentence) from None
        yield


@contextlib.contextmanager
def disk_errors(root: Path) -> Iterator[None]:
    """Turn a full or read-only disk into one sentence."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            number = cause.errno if isinstance(cause, OSError) else None
            if number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(cause):
                raise InputError(
                    f"{root}: no space left on the disk; free some or give another --data_dir=DIR "
                    "(finished recordings are kept, the same command goes on from there)"
                ) from error
            if number in (errno.EACCES, errno.EROFS, errno.EPERM):
                raise InputError(
                    f"{root}: cannot be written ({os.strerror(number)}); "
                    "give another --data_dir=DIR"
                ) from error
            cause = cause.__cause__ or cause.__context__
        raise
