"""A manifest -> utterances, or all of its faults."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    label: str
    speaker: str
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
        self._known: dict[str, _T | InputError] = {}

    def __call__(self, cell: str) -> _T:
        if cell not in self._known:
            try:
                self._known[cell] = self._parse(cell)
            except InputError as error:
                self._known[cell] = error
        found = self._known[cell]
        if isinstance(found, InputError):
            raise found
        return found


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
        self._label = _Words(self._parse_label)
        self._given_speaker = _Words(lambda cell: cells.name("speaker", cell))
        self._sex = _Words(cells.sex)
        self._split = _Words(lambda cell: self._parse_split(cell))
        self._session = _Words(lambda cell: cells.name("session", cell))
        self._start = _Words(lambda cell: cells.seconds("start", cell))
        self._end = _Words(lambda cell: cells.seconds("end", cell))

    def take(self, line: int, row: Sequence[str]) -> None:
        """One row; its faults are noted."""
        at = self._columns

        def value(parse: Callable[[str], _T], cell: str, default: _T) -> _T:
            try:
                return parse(cell)
            except InputError as error:
                self._faults.add(line, str(error))
                return default

        def cell(name: str) -> str:
            place = at.optional[name]
            return "" if place is None else row[place]

        before = len(self._faults)
        key = value(self._paths.resolve, row[at.path], "")
        made = _Row(
            line=line,
            key=key,
            cut=value(lambda _: self._cut(cell("start"), cell("end")), "", None),
            label=value(self._label, row[at.label], ""),
            speaker=value(lambda c: self._speaker(c, row[at.path], key, line), self._cell(row), ""),
            sex=value(self._sex, cell("sex"), ""),
            session=value(self._session, cell("session"), ""),
            text=value(lambda c: cells.name("text", c, cells.LONGEST_TEXT), cell("text"), ""),
            split=value(self._split, cell("split"), ""),
            id=value(lambda c: cells.name("id", c), cell("id"), ""),
        )
        if len(self._faults) > before:
            return
        first = self._first.setdefault((made.key, made.cut), made)
        if first is made:
            self._rows.append(made)
        elif first[1:] == made[1:]:
            self.repeated.append(Skipped(self._paths.file(key), REPEATED))
        else:
            field = next(f for f in _Row._fields[1:] if getattr(first, f) != getattr(made, f))
            self._faults.add(
                line,
                f"{cells.shown(key)}{_times(made.cut)} is there already in line {first.line}, with "
                f"another {field} ({cells.shown(getattr(first, field))}, here "
                f"{cells.shown(getattr(made, field))}); keep one",
            )

    def _cell(self, row: Sequence[str]) -> str:
        return "" if self._columns.speaker is None else row[self._columns.speaker]

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

    def _speaker(self, cell: str, path: str, key: str, line: int) -> str:
        found = self._given_speaker(cell)
        if self._find_speaker is not None:
            found = self._find_speaker(path, key, cell)
        if not found and self._options.speaker != "unknown":
            where = {"speaker_from": "--speaker_from finds none in", "speaker_table": "the other "
                     "table has none for"}  # fmt: skip
            way = next((text for field, text in where.items() if getattr(self._options, field)), "")
            detail = f" ({way} {cells.shown(path)})" if way else ""
            raise InputError(f"no speaker{detail}; {speakers.WHY}; {speakers.UNKNOWN}")
        if found:
            self._one_name.check(found, line)
        return found

    def _parse_split(self, cell: str) -> str:
        if cells.is_missing(cell):
            return ""
        word = cells.name("split", cell)
        try:
            return split_name(Path("split"), word)
        except InputError as error:
            raise InputError(str(error).removeprefix("split: ")) from None

    def _cut(self, start: str, end: str) -> Cut | None:
        first, last = self._start(start), self._end(end)
        if last is None:
            return Cut(first, None) if first else None
        if last <= (first or 0.0):
            raise InputError(
                f"end {cells.shown(end)} is not behind start {cells.shown(start) or '0'}; correct "
                "the times"
            )
        return Cut(first or 0.0, last)

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
            text_id=row.text.casefold(),
            label=row.label,
            sex=row.sex,
            split=row.split,
            cut=row.cut,
            place=f"line {row.line}",
        )
        for row in rows
    ]
