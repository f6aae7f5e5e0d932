"""Corpora whose labels lie in tables: reading the tables, and finding the recordings they name."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from jser.errors import InputError, one_line
from jser.records.files import SOUND_FILES, FileKind, Skipped, Utterance, files_of, walk

NOT_IN_TABLE = "no line in the corpus' labels"


def find_tables(
    corpus_dir: Path, patterns: Sequence[str], expected: str, kind: FileKind = SOUND_FILES
) -> list[Path]:
    """Files under `corpus_dir`, at any depth, that match one of the glob patterns.

    Args:
        corpus_dir: folder to search; hidden files and folders are ignored.
        patterns: the files come in this order, those of one pattern sorted.
        expected: name or layout, for the message when there is none.
        kind: of the corpus' files.

    Raises:
        InputError: no such folder, or it holds no such file, or no table.
    """
    found = tables_in(corpus_dir, patterns)
    if not found:
        files_of(corpus_dir, kind)  # Says so where the folder is missing, empty or still packed.
        raise InputError(f"{corpus_dir}: no labels in it; expected {expected}")
    return found


def tables_in(corpus_dir: Path, patterns: Sequence[str]) -> list[Path]:
    """`find_tables` of a corpus that can do without them."""
    there = Path(corpus_dir).is_dir()
    files = sorted(
        Path(where, name)
        for where, _, names in (walk(Path(corpus_dir)) if there else ())
        for name in names
        if not name.startswith(".")
    )
    return [path for pattern in patterns for path in files if path.match(pattern)]


def rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The lines of a CSV file with a header; all values are stripped text.

    Bytes that are not UTF-8 (transcripts have some) become U+FFFD.

    Raises:
        InputError: a column is missing, or a line is shorter than the header.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.DictReader(file)
        head = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = head
        missing = [name for name in columns if name not in head]
        if missing:
            raise InputError(
                f"{path}: has no column {', '.join(missing)}; its header is "
                f"'{one_line(','.join(head))}', so it is not the published table"
            )
        lines = []
        for line in reader:
            if any(line[name] is None for name in columns):
                raise InputError(
                    f"{path}: line {reader.line_num} is shorter than the header; fetch it again"
                )
            lines.append({name: line[name].strip() for name in columns})
    return lines


def find_by_table(
    corpus_dir: Path,
    table: Mapping[str, Utterance | Skipped],
    key: Callable[[Path], str | None],
    layout: str,
    kind: FileKind = SOUND_FILES,
) -> list[Utterance | Skipped]:
    """`find` of a corpus whose labels lie in a table.

    Recordings are looked for by name, whatever the folders between. One that is not there stays in
    the list with the path of the table, so that the build counts it among those it cannot use and
    names it. A sound file without a line is skipped and counted.

    Args:
        corpus_dir: folder to search, at any depth.
        table: key -> what the line says; the path is where the recording was published.
        key: of a sound file; None for one that no line can mean.
        layout: what was expected, for the message when nothing is recognised.
        kind: of the corpus' files.

    Raises:
        InputError: no file belongs to any line.
    """
    found: list[Utterance | Skipped] = []
    files = files_of(corpus_dir, kind)
    there: set[str] = set()
    for path in files:
        name = key(path)
        entry = None if name is None else table.get(name)
        if name is None or entry is None:
            found.append(Skipped(path, NOT_IN_TABLE))
            continue
        there.add(name)
        found.append(replace(entry, path=path))
    if not there:
        raise InputError(
            f"{corpus_dir}: none of its {len(files)} {kind.many} has a line in the corpus' labels, "
            f"for example {one_line(files[0].relative_to(corpus_dir))}; expected {layout}"
        )
    absent = [e for name, e in table.items() if name not in there and isinstance(e, Utterance)]
    return found + absent
