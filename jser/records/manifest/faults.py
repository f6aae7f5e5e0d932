"""What is wrong with a manifest, gathered so that all of it is said at once."""

from __future__ import annotations

from pathlib import Path

from jser.errors import InputError, one_line
from jser.records.faults import FilesAtFault

# Different faults that are told apart; a wrong table may have millions.
KEPT = 10_000


class Faults:
    """Faults by line; the same fault in many lines is one."""

    def __init__(self, path: Path):
        self._name = one_line(path)
        self._found: dict[str, list[int]] = {}  # what -> first line, second line, how often
        self._more = 0

    def add(self, line: int, what: str) -> None:
        """Note a fault of a row, one clause with the value and the way out."""
        known = self._found.get(what)
        if known is not None:
            known[2] += 1
            if known[2] == 2:
                known[1] = line
        elif len(self._found) < KEPT:
            self._found[what] = [line, 0, 1]
        else:
            self._more += 1

    def __len__(self) -> int:
        return sum(n for _, _, n in self._found.values()) + self._more

    def check(self, n_rows: int) -> None:
        """Raise what was found; `n_rows` were read.

        Raises:
            InputError: one fault; FilesAtFault: several.
        """
        if not self._found:
            return
        lines = []
        for what, (first, second, n) in self._found.items():
            again = f" (and in {n - 1} more lines, the next is {second})" if n > 2 else ""
            again = f" (and in line {second})" if n == 2 else again
            lines.append(f"line {first}: {what}{again}")
        if len(self) == 1:
            raise InputError(f"{self._name}, {lines[0]}")
        if self._more:
            lines.append(f"and {self._more} other faults")
        raise FilesAtFault(
            f"{self._name}: {len(self)} faults in {n_rows} rows, of which nothing was built; "
            "correct them",
            lines,
        )
