"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from jser.errors import InputError, one_line


def check_writable(path: str | Path, option: str) -> None:
    """Refuse a file that could not be written, before hours are spent on what goes into it.

    Raises:
        InputError: it is a folder or a device, or its folder cannot be made or written to.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{option}={one_line(path)}: is a folder; name a file")
    if path.exists() and not path.is_file():
        raise InputError(f"{option}={one_line(path)}: is a device or a pipe; name a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"{option}={one_line(path)}: cannot be written ({error.strerror}); name another file"
        ) from error


def write_text(path: str | Path, text: str) -> None:
    """Write `text` (UTF-8) to a temporary name beside `path`, then rename it into place.

    Raises:
        InputError: `path` is there and no file: a device would be replaced by a file.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise InputError(f"{one_line(path)}: is no file, and is not replaced; name another one")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
