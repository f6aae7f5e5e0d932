"""Exceptions that are not the program's fault: of what the user gave, and of other hosts."""

from __future__ import annotations

import os


class InputError(Exception):
    """A user's input cannot be used.

    Its text is one sentence that names the file or field, the value, and the way out. The command
    line prints it and exits with status 1.
    """


class HostsUnreachable(Exception):
    """The other hosts of a training cannot be reached now; the same command may reach them later.

    The command line prints its sentence and exits with the status of an end that is gone on from.
    """


def one_line(name: str | bytes | os.PathLike[str] | os.PathLike[bytes]) -> str:
    """A file's name as it can stand in a sentence: line breaks, control characters and bytes that
    are no UTF-8 are escaped.
    """
    text = os.fsdecode(name)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def check_folder(path: str | os.PathLike[str], option: str) -> None:
    """Refuse a folder's name that the libraries which write into it cannot take.

    Raises:
        InputError: its bytes are no UTF-8.
    """
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{one_line(path)}: its name is no UTF-8, which the libraries for records and "
            f"checkpoints need; choose another {option}"
        ) from error
