"""Arrays that are worth computing once: a file each, under a key that says what made them."""

from __future__ import annotations

import contextlib
import os
import socket
import zipfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np

from jser.errors import InputError

Arrays = Mapping[str, np.ndarray]


def load_or_make(
    folder: Path,
    key: str,
    names: Collection[str],
    make: Callable[[], Arrays],
    what: str,
    option: str = "--data_dir",
) -> tuple[Arrays, bool]:
    """Arrays from the cache, or made and put there; the flag says whether they were there.

    The file is written under a temporary name and renamed, so a kill leaves nothing half-written.

    Args:
        folder: of the cache.
        key: says all that decides the arrays.
        names: of the arrays; a file that holds others is damaged.
        make: computes them.
        what: they are, for the message.
        option: of the command line, by which the user chose where `folder` lies.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """
    path = folder / f"{key}.npz"
    if path.exists():
        try:
            with np.load(path) as stored:
                if set(stored.files) == set(names):
                    return {name: stored[name] for name in names}, True
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile):
            pass
        path.unlink(missing_ok=True)  # a cache is never worth an error: make it anew
    made = make()
    temporary = folder / f"{key}.{socket.gethostname()}.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            np.savez(file, **dict(made))  # type: ignore[arg-type]
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        size = sum(array.nbytes for array in made.values()) / 2**20
        raise InputError(
            f"{folder}: {what} of {size:.0f} MiB cannot be written ({error.strerror}); free some "
            f"space or choose another {option}"
        ) from error
    return made, False
