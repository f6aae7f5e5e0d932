"""Many files at fault at once: the first on the terminal, every one in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jser.errors import InputError

# More lines than this push the sentence above them off the screen.
SHOWN = 10


class FilesAtFault(InputError):
    """Several files of a corpus cannot be used.

    Attributes:
        sentence: what is wrong, and the way out.
        lines: one a file: its name and what is wrong with it.
    """

    def __init__(self, sentence: str, lines: Sequence[str], more: str = ""):
        super().__init__("\n".join([sentence, *lines[:SHOWN], *([more] if more else [])]))
        self.sentence = sentence
        self.lines = tuple(lines)


def write_list(path: Path, lines: Sequence[str]) -> Path | None:
    """Write one line a file where they are too many for the terminal; the path, or None.

    The list of an earlier build is removed.
    """
    path.unlink(missing_ok=True)
    if len(lines) <= SHOWN:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def listed(error: FilesAtFault, path: Path) -> FilesAtFault:
    """The same error, with all its lines in the file `path` where they are many."""
    rest = len(error.lines) - SHOWN
    try:
        where = write_list(path, error.lines)
        more = f"and {rest} more; all {len(error.lines)} are listed in {where}" if where else ""
    except OSError as problem:
        more = f"and {rest} more; their list cannot be written to {path} ({problem.strerror})"
    return FilesAtFault(error.sentence, error.lines, more)
