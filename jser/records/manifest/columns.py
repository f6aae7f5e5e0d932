"""Which column of a manifest holds what."""

from __future__ import annotations

import difflib
from pathlib import Path

from jser.errors import InputError, one_line
from jser.records.manifest import cells, speakers, tables
from jser.records.manifest.faults import Faults
from jser.records.manifest.options import Options

OPTIONAL = ("session", "text", "start", "end", "split", "sex", "id")
# Names that others give to the times. A table that has them means segments, so they are not passed
# over as other columns are.
_TIMES = {
    "start": ("start_time", "starttime", "start_s", "start_ms", "begin", "onset", "offset", "from"),
    "end": ("end_time", "endtime", "end_s", "end_ms", "stop", "to"),
}
_LABELS = ("emotion", "emotions", "class", "category", "target", "y")


class Columns:
    """Which column holds what."""

    def __init__(self, path: Path, options: Options, faults: Faults, needs_speaker: bool):
        files = (options.path_column,) if options.path_column else ("path", "file")
        label = options.label_column or "label"
        speaker = options.speaker_column or "speaker"
        wanted = [name.lower() for name in (*files, label, speaker, *OPTIONAL)]
        self.table = tables.read(path, wanted, faults)
        table = self.table
        at_path = next((k for name in files if (k := table.find(name)) is not None), None)
        at_label = table.find(label)
        if at_path is None:
            raise table.missing(files[0], "; or name it with --path_column=NAME")
        if at_label is None:
            there = next((c for c in table.columns if c.lower() in _LABELS), "NAME")
            raise table.missing(label, f"; name it with --label_column={there}")
        self.path, self.label = at_path, at_label
        self.speaker = table.find(speaker)
        if self.speaker is None and needs_speaker:
            if options.speaker_column:
                raise table.missing(speaker)
            if options.speaker != "unknown":
                raise table.missing(
                    speaker,
                    f"; {speakers.WHY}. Add the column or name it with --speaker_column=NAME, take "
                    "the speaker from the path, for example --speaker_from='(?P<speaker>[^/]+)/', "
                    f"or from another table with --speaker_table=FILE; {speakers.UNKNOWN}",
                )
        self.optional = {name: table.find(name) for name in OPTIONAL}
        if self.optional["sex"] is None:
            self.optional["sex"] = table.find("gender")
        for meant, others in _TIMES.items():
            strange = [c for c in table.columns if c.lower() in others]
            if self.optional[meant] is None and strange:
                raise InputError(
                    f"{one_line(path)}: column {cells.shown(strange[0])} is not read; call it "
                    f"'{meant}' if it holds the segment's {meant} in seconds, else take it out"
                )
        used = {self.path, self.label, self.speaker, *self.optional.values()}
        self.unused = tuple(c for k, c in enumerate(table.columns) if k not in used and c)
        free = [name for name, k in self.optional.items() if k is None]
        near = {c: difflib.get_close_matches(c.lower(), free, n=1, cutoff=0.8) for c in self.unused}
        self.nearly = {column: names[0] for column, names in near.items() if names}
