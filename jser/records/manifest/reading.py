"""A manifest -> utterances, or all of its faults."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from jser import emotions
from jser.errors import InputError, check_folder, one_line
from jser.frontend.decoding import Cut
from jser.records.files import Skipped, Utterance, split_name
from jser.records.manifest import cells, speakers
from jser.records.manifest.columns import Columns
from jser.records.manifest.faults import Faults
from jser.records.manifest.options import Options
from jser.records.manifest.paths import Paths

# More are no set of emotions, but another column.
MOST_CLASSES = 100
REPEATED = "row repeated"


@dataclass(frozen=True)
class Manifest:
    """What a manifest says.

    Attributes:
        path: of its file.
        folder: absolute; the recordings lie in it.
        classes: those that occur: known emotions in the order of `jser.emotions`, then others.
        entries: its utterances, and the rows that only repeat one.
        mapped: label as it is written -> class, where the two differ.
        unused: names of columns that mean nothing here.
        nearly: of those, the name that was perhaps meant.
        n_speakers: different ones.
        n_unknown: utterances without one.
    """

    path: Path
    folder: Path
    classes: tuple[str, ...]
    entries: list[Utterance | Skipped]
    mapped: dict[str, str]
    unused: tuple[str, ...]
    nearly: dict[str, str]
    n_speakers: int
    n_unknown: int


class _Row(NamedTuple):
    line: int
    key: str
    cut: Cut | None
    speaker: str
    label: str
    sex: str
    session: str
    text: str
    split: str
    id: str


_T = TypeVar("_T")


class _Words(Generic[_T]):
    """A column's meaning, worked out once for each different cell."""

    def __init__(self, parse: Callable[[str], _T]):
        self._parse = parse
        self._known: dict[str, _T] = {}
        self._wrong: dict[str, str] = {}

    def __call__(self, cell: str) -> _T:
        if cell in self._known:
            return self._known[cell]
        if cell not in self._wrong:
            try:
                return self._known.setdefault(cell, self._parse(cell))
            except InputError as error:
                self._wrong[cell] = str(error)
        raise InputError(self._wrong[cell])


def read(
    path: Path,
    options: Options,
    corpus_dir: str | os.PathLike[str] | None = None,
    must_exist: bool = True,
) -> Manifest:
    """Read a manifest whole.

    Args:
        path: CSV, TSV or JSON lines with at least the columns of path, label and speaker.
        options: how it is meant.
        corpus_dir: relative paths begin here, and all must lie in it; None: the manifest's folder.
        must_exist: a recording that is not there is a fault; False leaves that to decoding.

    Raises:
        InputError: what makes the table unreadable, or all faults of its rows at once.
    """
    folder = Path(corpus_dir).expanduser() if corpus_dir else path.parent
    if corpus_dir and not folder.is_dir():
        raise InputError(f"{one_line(folder)}: no such folder; correct --corpus_dir")
    check_folder(folder, "--corpus_dir" if corpus_dir else "folder for the manifest")
    folder = Path(os.path.abspath(folder))
    faults = Faults(path)
    paths = Paths(folder, must_exist)
    find_speaker = speakers.finder(options, paths)
    columns = Columns(path, options, faults, needs_speaker=find_speaker is None)
    reader = _Reader(options, faults, paths, columns, find_speaker)
    n = 0
    for line, row in columns.table.rows:
        n += 1
        reader.take(line, row)
    if not n and not len(faults):
        raise InputError(f"{one_line(path)}: has column names and no row; add the recordings")
    rows, classes = reader.finished(path, len(faults) == 0)
    faults.check(n)
    entries = [*_utterances(rows, paths), *reader.repeated]
    return Manifest(
        path=path,
        folder=folder,
        classes=classes,
        entries=entries,
        mapped=reader.mapped,
        unused=columns.unused,
        nearly=columns.nearly,
        n_speakers=len({row.speaker for row in rows} - {""}),
        n_unknown=sum(not row.speaker for row in rows),
    )


class _Reader:
    """Rows into utterances, one at a time; what lies between rows in `finished`."""

    def __init__(
        self,
        options: Options,
        faults: Faults,
        paths: Paths,
        columns: Columns,
        find_speaker: speakers.Find | None,
    ):
        self.mapped: dict[str, str] = {}
        self.repeated: list[Utterance | Skipped] = []
        self._options, self._faults, self._paths, self._columns = options, faults, paths, columns
        self._find_speaker = find_speaker
        self._one_name = speakers.OneName()
        self._rows: list[_Row] = []
        self._first: dict[tuple[str, Cut | None], _Row] = {}
        self._given_speaker = _Words(lambda cell: cells.name("speaker", cell))
        self._start = _Words(lambda cell: cells.seconds("start", cell))
        self._end = _Words(lambda cell: cells.seconds("end", cell))
        # In the order of `_Row`, behind the speaker.
        self._words: list[tuple[int | None, Callable[[str], str]]] = [
            (columns.label, _Words(self._parse_label)),
            (columns.optional["sex"], _Words(cells.sex)),
            (columns.optional["session"], _Words(lambda cell: cells.name("session", cell))),
            # The same sentence in other letters is the same sentence.
            (
                columns.optional["text"],
                _Words(lambda cell: cells.name("text", cell, cells.LONGEST_TEXT).casefold()),
            ),
            (columns.optional["split"], _Words(self._parse_split)),
            (columns.optional["id"], lambda cell: cells.name("id", cell)),
        ]

    def take(self, line: int, row: Sequence[str]) -> None:
        """One row; its faults are noted."""
        try:
            made = self._row(line, row)
        except InputError:
            self._note_faults(line, row)
            return
        first = self._first.setdefault((made.key, made.cut), made)
        if first is made:
            self._rows.append(made)
        elif first[1:] == made[1:]:
            self.repeated.append(Skipped(self._paths.file(made.key), REPEATED))
        else:
            field = next(f for f in _Row._fields[1:] if getattr(first, f) != getattr(made, f))
            there, here = (cells.shown(getattr(row, field)) for row in (first, made))
            self._faults.add(
                line,
                f"{cells.shown(made.key)}{_times(made.cut)} is in line {first.line} already, with "
                f"another {field} ({there}, here {here}); keep one",
            )

    def _row(self, line: int, row: Sequence[str]) -> _Row:
        key = self._paths.resolve(row[self._columns.path])
        words = [parse(row[k]) if k is not None else "" for k, parse in self._words]
        return _Row(line, key, self._cut(row), self._speaker(line, row, key), *words)

    def _note_faults(self, line: int, row: Sequence[str]) -> None:
        """Every fault of a row that has some."""
        key = ""

        def resolve() -> None:
            nonlocal key
            key = self._paths.resolve(row[self._columns.path])

        parts: list[Callable[[], object]] = [
            resolve,
            lambda: self._cut(row),
            lambda: self._speaker(line, row, key),
        ]
        parts += [partial(parse, row[k]) for k, parse in self._words if k is not None]
        for part in parts:
            try:
                part()
            except InputError as error:
                self._faults.add(line, str(error))

    def _parse_label(self, cell: str) -> str:
        word = cells.name("label", cell)
        if not word:
            raise InputError("no label; give one, or take the line out")
        try:
            label = emotions.canonical(word)
        except InputError as error:
            if self._options.labels != "own":
                raise InputError(
                    f"label {error}; --labels=own takes unknown words as classes of their own"
                ) from None
            label = word.lower()
        if word != label:
            self.mapped[word] = label
        return label

    def _speaker(self, line: int, row: Sequence[str], key: str) -> str:
        place, path = self._columns.speaker, row[self._columns.path]
        if self._find_speaker is not None:
            found = self._find_speaker(path, key)
        else:
            found = self._given_speaker(row[place]) if place is not None else ""
        if found:
            self._one_name.check(found, line)
        elif self._options.speaker != "unknown":
            option = "speaker_from" if self._options.speaker_from else "speaker_table"
            looked = f" (--{option} finds none for {cells.shown(path)})"
            where = looked if self._find_speaker is not None else ""
            raise InputError(f"no speaker{where}; {speakers.WHY}; {speakers.UNKNOWN}")
        return found

    def _parse_split(self, cell: str) -> str:
        if cells.is_missing(cell):
            return ""
        word = cells.name("split", cell)
        try:
            return split_name(Path("split"), word)
        except InputError as error:
            raise InputError(str(error).removeprefix("split: ")) from None

    def _cut(self, row: Sequence[str]) -> Cut | None:
        at_start, at_end = self._columns.optional["start"], self._columns.optional["end"]
        first = 0.0 if at_start is None else self._start(row[at_start]) or 0.0
        last = None if at_end is None else self._end(row[at_end])
        if last is None:
            return Cut(first, None) if first else None
        if last <= first:
            raise InputError(f"end {last:g} s is not behind start {first:g} s; correct the times")
        return Cut(first, last)

    def finished(self, path: Path, sound: bool) -> tuple[list[_Row], tuple[str, ...]]:
        """All rows, and the classes; checks what concerns several rows."""
        sexes: dict[str, tuple[str, int]] = {}
        for row in self._rows:
            if row.speaker and row.sex:
                sex, line = sexes.setdefault(row.speaker, (row.sex, row.line))
                if sex != row.sex:
                    self._faults.add(
                        row.line,
                        f"speaker {cells.shown(row.speaker)} is '{row.sex}' here and '{sex}' in "
                        f"line {line}; correct one",
                    )
        rows = _with_ids(self._rows, self._faults)
        found = {row.label for row in rows}
        classes = [label for label in emotions.LABELS if label in found]
        classes += sorted(found.difference(classes))
        if sound and len(classes) < 2:
            raise InputError(
                f"{one_line(path)}: all labels are {cells.shown(classes[0])}; two classes or more "
                "are needed to tell them apart"
            )
        if len(classes) > MOST_CLASSES:
            raise InputError(
                f"{one_line(path)}: its labels are {len(classes)} different words, for example "
                f"{cells.shown(classes[-1])}, which is no set of emotions; --label_column=NAME "
                "gives another column"
            )
        return rows, tuple(classes)


def _times(cut: Cut | None) -> str:
    if cut is None:
        return ""
    return f" from {_clock(cut.start)} to {'its end' if cut.end is None else _clock(cut.end)} s"


def _clock(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


def _with_ids(rows: list[_Row], faults: Faults) -> list[_Row]:
    """Rows with ids of their own: given, or the path without suffix, and the segment's times."""
    stems = Counter(os.path.splitext(key)[0] for key in {row.key for row in rows})
    first: dict[str, int] = {}
    made = []
    for row in rows:
        name = row.id
        if not name:
            stem = os.path.splitext(row.key)[0]
            name = one_line(stem if stems[stem] == 1 else row.key)
            if row.cut is not None:
                end = "end" if row.cut.end is None else _clock(row.cut.end)
                name += f"@{_clock(row.cut.start)}-{end}"
        line = first.setdefault(name, row.line)
        if line != row.line:
            faults.add(
                row.line, f"id {cells.shown(name)} is that of line {line} too; ids must differ"
            )
        made.append(row._replace(id=name))
    return made


def _utterances(rows: list[_Row], paths: Paths) -> list[Utterance]:
    """Rows as utterances. Speakers who are heard in one file share its session, unless the table
    gives one: they share a room, a microphone and a topic.
    """
    heard: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        heard[row.key].add(row.speaker)
    files = {key: paths.file(key) for key in heard}

    def session(row: _Row) -> str:
        if row.session or not row.speaker:
            return row.session
        return f"file {one_line(row.key)}" if len(heard[row.key]) > 1 else row.speaker

    return [
        Utterance(
            path=files[row.key],
            utterance_id=row.id,
            speaker=row.speaker,
            session=session(row),
            text_id=row.text,
            label=row.label,
            sex=row.sex,
            split=row.split,
            cut=row.cut,
            line=row.line,
        )
        for row in rows
    ]
