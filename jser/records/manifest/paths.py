"""The paths of a manifest: which file a cell means, and that it lies where recordings may lie."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from jser.errors import InputError, one_line
from jser.records.manifest import cells

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass
class Paths:
    """Cells -> files below one folder; each cell is looked at once.

    A path is taken as it is written: `..` is worked out on the text, and links are followed, as
    everywhere where corpora are read. What is written must lie in the folder.

    Attributes:
        folder: absolute; relative paths begin here.
        must_exist: refuse what is not there.
    """

    folder: Path
    must_exist: bool
    _known: dict[str, tuple[str, str]] = field(default_factory=dict)

    def resolve(self, cell: str) -> str:
        """The file of a cell, relative to the folder, with / between its parts.

        Raises:
            InputError: none given, an address, outside the folder, or not there.
        """
        if cell not in self._known:
            try:
                self._known[cell] = self._resolve(cell), ""
            except InputError as error:
                self._known[cell] = "", str(error)
        key, fault = self._known[cell]
        if fault:
            raise InputError(fault)
        return key

    def file(self, key: str) -> Path:
        """The file of what `resolve` gave."""
        return self.folder / key

    def _resolve(self, cell: str) -> str:
        text = cell.strip()
        if cells.is_missing(text):
            raise InputError("no path; name the recording, or take the line out")
        if _ADDRESS.match(text):
            raise InputError(
                f"path {cells.shown(text)} is an address; download it, and name the file"
            )
        folder = str(self.folder)
        whole = os.path.normpath(os.path.join(folder, text))
        inside = folder.rstrip(os.sep) + os.sep
        if not whole.startswith(inside):
            raise InputError(
                f"path {cells.shown(text)} leads out of {one_line(folder)}; give the folder that "
                "holds all recordings with --corpus_dir=DIR"
            )
        key = whole[len(inside) :]
        if self.must_exist:
            self._check(text, whole)
        return key

    def _check(self, text: str, whole: str) -> None:
        try:
            os.stat(whole)
        except FileNotFoundError:
            if os.path.islink(whole):
                return  # Decoding says what kind of link it is.
            hint = ""
            if "\\" in text:
                hint = "; write / instead of \\"
            raise InputError(
                f"path {cells.shown(text)}: no such file in {one_line(self.folder)}{hint}"
            ) from None
        except OSError as error:
            raise InputError(
                f"path {cells.shown(text)} cannot be read ({error.strerror})"
            ) from None
