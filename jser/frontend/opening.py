"""A file that a user named -> its bytes, or why there are none."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

from jser.errors import one_line
from jser.frontend.damage import Damaged


@contextlib.contextmanager
def opened(path: str | os.PathLike[str], thing: str) -> Iterator[BinaryIO]:
    """The file, if it is one: opening a pipe would wait for a writer for ever.

    Args:
        path: of the file.
        thing: what it should be, for messages: 'sound file', 'picture'.

    Raises:
        Damaged: it is missing, no file, or cannot be read; OSErrors of the caller's block too.
    """
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise Damaged(f"is a folder, not a {thing}; give the files in it")
        if not stat.S_ISREG(mode):
            raise Damaged(f"is a pipe, a socket or a device, not a {thing}; save it as a file")
        with open(path, "rb") as file:
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


def _why_missing(path: str | os.PathLike[str]) -> str:
    if not os.path.islink(path):
        return "no such file; is the name right?"
    target = one_line(os.readlink(path))
    if "annex/objects/" in target:
        return "is a git-annex link whose content is not here; fetch it with `git annex get`"
    return f"is a link to a file that is not there ({target[-60:]}); copy the file itself"
