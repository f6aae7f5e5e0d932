"""Arrays that are worth computing once: a file each, under a key that says what made them."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np

from jser.errors import InputError

Arrays = Mapping[str, np.ndarray]


def load_or_make(
    folder: Path, key: str, names: Collection[str], make: Callable[[], Arrays], what: str
) -> tuple[Arrays, bool]:
    """Arrays from the cache, or made and put there; the flag says whether they were there.

    The file is written under a temporary name and renamed, so a kill leaves nothing half-written.

    Args:
        folder: of the cache.
        key: says all that decides the arrays.
        names: of the arrays; a file that holds others is damaged.
        make: computes them.
        what: they are, for the message.

    Raises:
        InputError: the disk is full.
    """
    path = folder / f"{key}.npz"
    if path.exists():
        try:
            with np.load(path) as stored:
                if set(stored.files) == set(names):
                    return {name: stored[name] for name in names}, True
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile):
            pass
        path.unlink()  # a cache is never worth an error: make it anew
    made = make()
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{key}.{os.getpid()}.tmp"
    try:
        with temporary.open("wb") as file:
            np.savez(file, **dict(made))  # type: ignore[arg-type]
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        size = sum(array.nbytes for array in made.values()) / 2**20
        raise InputError(
            f"{folder}: {what} of {size:.0f} MiB cannot be written ({error.strerror}); free some "
            "space or choose another --data_dir"
        ) from error
    return made, False
