"""CSV, TSV and JSON lines -> rows of text, whatever the file holds."""

from __future__ import annotations

import codecs
import csv
import difflib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jser.errors import InputError, one_line
from jser.records.manifest import cells
from jser.records.manifest.faults import Faults

DELIMITERS = (",", "\t", ";", "|")
# Characters of a line; a cell may have the 131072 of Python's csv module.
LONGEST_LINE = 1 << 20
_WIDE = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SAVE = "save it as UTF-8, for example with `iconv -f ENCODING -t UTF-8`"
_COLUMNS_SHOWN = 12


@dataclass(frozen=True)
class Table:
    """Rows of a file, read as they are asked for.

    Attributes:
        path: of the file.
        columns: names as they stand there, without blanks around them.
        rows: line in the file and cells, one a column; empty rows are left out.
    """

    path: Path
    columns: tuple[str, ...]
    rows: Iterator[tuple[int, Sequence[str]]]

    def find(self, name: str) -> int | None:
        """Place of a column, whatever its case; None where there is none.

        Raises:
            InputError: it is there twice.
        """
        places = [k for k, column in enumerate(self.columns) if column.lower() == name.lower()]
        if len(places) > 1:
            raise InputError(
                f"{one_line(self.path)}: column {cells.shown(name)} is there {len(places)} times; "
                "keep one"
            )
        return places[0] if places else None

    def missing(self, name: str, hint: str = "") -> InputError:
        """The error that a column is missing, with the nearest of those that are there."""
        named = [column for column in self.columns if column]
        near = difflib.get_close_matches(name.lower(), [c.lower() for c in named], n=1)
        there = ", ".join(cells.shown(column) for column in named[:_COLUMNS_SHOWN])
        rest = f" and {len(named) - _COLUMNS_SHOWN} more" if len(named) > _COLUMNS_SHOWN else ""
        mean = f"; did you mean {cells.shown(near[0])}?" if near else ""
        return InputError(
            f"{one_line(self.path)}: no column '{name}' (its first row names {there}{rest})"
            f"{mean}{hint}"
        )


def read(path: Path, wanted: Iterable[str], faults: Faults) -> Table:
    """Open a table: JSON lines where it begins with a brace, else separated values.

    Args:
        path: of the file, UTF-8 with or without a byte order mark.
        wanted: names of columns by which the separator is recognised.
        faults: rows that cannot be read are noted here, while `rows` is iterated.

    Raises:
        InputError: no such file, another encoding, damaged, empty. Reading on in `rows` raises it
            too.
    """
    lines = _lines(path)
    first, text = 0, ""
    for number, line in lines:
        if line.strip():
            first, text = number, line
            break
    if not text:
        raise InputError(f"{one_line(path)}: is empty; it needs a row of column names and rows")
    rest = _chained((first, text), lines)
    if text.lstrip().startswith("{"):
        return _json_lines(path, rest, faults)
    if text.lstrip().startswith("["):
        raise InputError(
            f"{one_line(path)}: is a JSON array; write JSON lines, one object in each line"
        )
    return _separated(path, text, rest, set(wanted), faults)


def _chained(first: tuple[int, str], lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    yield first
    yield from lines


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines of a UTF-8 file, with their ends, numbered from 1."""
    name = one_line(path)
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{name}: is a folder; give the table's file with --manifest=FILE")
        if not stat.S_ISREG(mode):
            raise InputError(f"{name}: is no regular file; save the table as one")
        with open(path, "rb") as file:
            number = 0
            while raw := file.readline(LONGEST_LINE + 1):
                number += 1
                if number == 1:
                    if raw.startswith(_WIDE):
                        raise InputError(f"{name}: is UTF-16 or UTF-32; {_SAVE}")
                    raw = raw.removeprefix(codecs.BOM_UTF8)
                if len(raw) > LONGEST_LINE:
                    raise InputError(
                        f"{name}, line {number}: is longer than {LONGEST_LINE} bytes; is this a "
                        "table with one recording in a line?"
                    )
                if b"\0" in raw:
                    raise InputError(
                        f"{name}, line {number}: holds NUL bytes, so it is no text, UTF-16, or "
                        f"damaged; {_SAVE}"
                    )
                try:
                    yield number, raw.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise InputError(
                        f"{name}, line {number}: byte 0x{raw[error.start]:02x} at place "
                        f"{error.start + 1} is no UTF-8; {_SAVE}"
                    ) from error
    except FileNotFoundError:
        raise InputError(f"{name}: no such file; give the table with --manifest=FILE") from None
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror}); see to the file") from error
    except ValueError as error:  # a NUL byte in the name
        raise InputError(f"{name}: is no name that a file can have; is it right?") from error


# --- separated values -----------------------------------------------------------------------------


def _separated(
    path: Path, head: str, lines: Iterator[tuple[int, str]], wanted: set[str], faults: Faults
) -> Table:
    delimiter = _delimiter(head, wanted)
    at = [0]

    def text() -> Iterator[str]:
        for number, line in lines:
            at[0] = number
            yield line

    reader = csv.reader(text(), delimiter=delimiter, strict=True)
    try:
        columns = tuple(" ".join(cell.split()) for cell in next(reader))
    except csv.Error as error:
        raise InputError(f"{one_line(path)}, line {at[0]}: {_csv_fault(error)}") from error
    return Table(path, columns, _rows(reader, columns, at, faults))


def _delimiter(head: str, wanted: set[str]) -> str:
    """The separator that finds most of the columns that are wanted, and then most columns."""

    def found(delimiter: str) -> tuple[int, int]:
        try:
            names = next(csv.reader([head], delimiter=delimiter))
        except csv.Error:
            return 0, 0
        return len(wanted.intersection(name.strip().lower() for name in names)), len(names)

    return max(DELIMITERS, key=found)  # the first of equals


def _rows(
    reader: Iterator[list[str]], columns: Sequence[str], at: list[int], faults: Faults
) -> Iterator[tuple[int, Sequence[str]]]:
    n = len(columns)
    while True:
        line = at[0] + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            # Where a row ends is not known from here on.
            faults.add(line, f"{_csv_fault(error)}; the lines behind it were not read")
            return
        if row is None:
            return
        if len(row) != n:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) < n or any(cell.strip() for cell in row[n:]):
                faults.add(
                    line,
                    f"has {len(row)} cells, the first row has {n}; is a separator missing, or a "
                    'cell that holds one not in "quotation marks"?',
                )
                continue
            row = row[:n]
        elif not any(row) or not any(cell.strip() for cell in row):
            continue
        yield line, row


def _csv_fault(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end" in text:
        return "opens a quotation mark that is never closed; close it"
    if "expected after" in text:
        return "has text behind a closing quotation mark; write quotation marks in a cell twice"
    if "field larger" in text:
        return f"has a cell of more than {csv.field_size_limit()} characters; is a quote unclosed?"
    if "new-line" in text:
        return "holds a line end (\\r) within a cell; save it with line ends of Unix or Windows"
    return f"cannot be read ({text}); correct it"


# --- JSON lines -----------------------------------------------------------------------------------


class _Fault(Exception):
    """What is wrong with one line."""


def _json_lines(path: Path, lines: Iterator[tuple[int, str]], faults: Faults) -> Table:
    """The first object's keys are the columns; later ones may add some."""
    columns: dict[str, int] = {}
    ready: list[tuple[int, dict[str, str]]] = []
    for number, line in lines:
        try:
            ready.append((number, _object(line)))
        except _Fault as fault:
            raise InputError(f"{one_line(path)}, line {number}: {fault}") from None
        break
    for key in ready[0][1]:
        columns[key] = len(columns)
    names = tuple(columns)

    def rows() -> Iterator[tuple[int, Sequence[str]]]:
        yield ready[0][0], list(ready[0][1].values())
        for number, line in lines:
            if not line.strip():
                continue
            try:
                entry = _object(line)
            except _Fault as fault:
                faults.add(number, str(fault))
                continue
            if new := [key for key in entry if key not in columns]:
                faults.add(
                    number,
                    f"has the key {cells.shown(new[0])}, which the first line has not; give the "
                    "first line all keys (null where there is nothing)",
                )
                continue
            yield number, [entry.get(name, "") for name in names]

    return Table(path, names, rows())


def _object(line: str) -> dict[str, str]:
    try:
        entry = json.loads(line, object_pairs_hook=_pairs, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        where = getattr(error, "msg", type(error).__name__)
        raise _Fault(f"is no JSON object ({where}); write one in each line") from None
    if not isinstance(entry, dict):
        raise _Fault('is JSON, but no object; write {"path": ..., ...}')
    return {key: _text(key, value) for key, value in entry.items()}


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        name = " ".join(key.split())
        if name in found:
            raise _Fault(f"has the key {cells.shown(name)} twice; keep one")
        found[name] = value
    return found


def _text(key: str, value: Any) -> str:
    """A JSON value as a cell; numbers stand as they are written."""
    if value is None:
        return ""
    if isinstance(value, float):  # NaN and infinity alone: other numbers are text already
        return str(value)
    if not isinstance(value, str):
        kind = {bool: "true or false", list: "a list", dict: "an object"}[type(value)]
        raise _Fault(f"{cells.shown(key)} is {kind}, and not text or a number")
    try:
        (key + value).encode()
    except UnicodeEncodeError:
        raise _Fault(f"{cells.shown(key)} holds half a surrogate pair; correct it") from None
    if "\0" in value:
        raise _Fault(f"{cells.shown(key)} holds a NUL character; take it out")
    return value
