"""Who speaks: a column, the path, or another table; and that one person has one name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from jser.errors import InputError
from jser.records.manifest import cells, tables
from jser.records.manifest.faults import Faults
from jser.records.manifest.options import Options
from jser.records.manifest.paths import Paths

WHY = (
    "without it the same voice may be in training and test, and a result says how well voices were "
    "learnt by heart"
)
UNKNOWN = "--speaker=unknown takes such rows, for random splits only, and marks every result"

# (cell of the path, key of the file) -> name; '' where unknown.
Find = Callable[[str, str], str]


def finder(options: Options, paths: Paths) -> Find | None:
    """How speakers are found; None: by their column.

    Raises:
        InputError: the expression or the other table cannot be used.
    """
    if options.speaker_from and options.speaker_table:
        raise InputError("--speaker_from and --speaker_table were given; give one of them")
    if options.speaker_from:
        return _from_path(options.speaker_from)
    if options.speaker_table:
        return _from_table(options, paths)
    return None


def _from_path(expression: str) -> Find:
    try:
        pattern = re.compile(expression)
    except (re.error, RecursionError, OverflowError) as error:
        raise InputError(
            f"--speaker_from={expression}: is no regular expression ({error}); for example "
            "'(?P<speaker>[^/]+)/'"
        ) from error
    if "speaker" not in pattern.groupindex:
        raise InputError(
            f"--speaker_from={expression}: has no group 'speaker'; for example "
            "'(?P<speaker>[^/]+)/'"
        )

    def find(path: str, key: str) -> str:
        match = pattern.search(path.replace("\\", "/"))
        return cells.name("speaker", match["speaker"] or "") if match else ""

    return find


def _from_table(options: Options, paths: Paths) -> Find:
    path = Path(str(options.speaker_table))
    faults = Faults(path)
    names = [options.speaker_column or "speaker"]
    files = [options.path_column] if options.path_column else ["path", "file"]
    table = tables.read(path, [*names, *files], faults)
    at_path = next((k for name in files if (k := table.find(name)) is not None), None)
    at_speaker = table.find(names[0])
    if at_path is None:
        raise table.missing(files[0])
    if at_speaker is None:
        raise table.missing(names[0], "; or name it with --speaker_column=NAME")
    # What only this table names need not be there.
    lenient = Paths(paths.folder, must_exist=False)
    known: dict[str, str] = {}
    n = 0
    for line, row in table.rows:
        n += 1
        try:
            key = lenient.resolve(row[at_path])
            speaker = cells.name("speaker", row[at_speaker])
        except InputError as error:
            faults.add(line, str(error))
            continue
        if known.setdefault(key, speaker) != speaker:
            faults.add(
                line,
                f"gives {cells.shown(key)} the speaker {cells.shown(speaker)}, and an earlier line "
                f"{cells.shown(known[key])}; keep one",
            )
    faults.check(n)

    def find(path: str, key: str) -> str:
        return known.get(key, "")

    return find


class OneName:
    """Notices one person written in two ways: 'Anna' and 'anna', '1' and '01' or '1.0'."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[str, int]] = {}  # plain name -> name, line
        self._seen: set[str] = set()

    def check(self, speaker: str, line: int) -> None:
        """Look at a speaker's name.

        Raises:
            InputError: it differs from an earlier one in nothing that tells people apart.
        """
        if speaker in self._seen:
            return
        plain = re.sub(r"(?<=\d)\.0+$", "", speaker.casefold())
        plain = re.sub(r"0*(\d+)", r"\1", re.sub(r"[\s_-]+", "_", plain))
        other, first = self._first.setdefault(plain, (speaker, line))
        if other != speaker:
            raise InputError(
                f"speaker {cells.shown(speaker)} and {cells.shown(other)} of line {first} differ "
                "in case, blanks or zeros alone; write one person one way, and two not so alike"
            )
        self._seen.add(speaker)
