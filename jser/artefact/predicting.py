"""`jser predict`: sound files in, a row a recording (or a window) out."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np

from jser import progress
from jser.artefact import listening
from jser.artefact.listening import Answers, Cutting, Said, Summary
from jser.errors import InputError, one_line
from jser.frontend.waveform import SUFFIXES, AudioError, passing

# What stands for a recording that comes by the standard input.
STDIN = "-"
NOT_SURE = "not sure"
SILENCE = "silence"
_ALL_SUFFIXES = (*SUFFIXES, ".oga", ".opus", ".au", ".snd", ".caf", ".w64", ".sph", ".nist")


@dataclass(frozen=True)
class Row:
    """What is said of a recording, or of a window of one.

    Attributes:
        path: as it was given.
        said: of it.
        label: a class; `NOT_SURE` below the threshold; `SILENCE`.
    """

    path: str
    said: Said
    label: str


def files(paths: Sequence[str]) -> list[str]:
    """Sound files that paths name; of a folder all in it and below, by name.

    Raises:
        InputError: a folder without sound files.
    """
    found = []
    for path in paths:
        if path == STDIN or not os.path.isdir(path):
            found.append(path)
            continue
        inside = sorted(
            os.path.join(folder, name)
            for folder, _, names in os.walk(path)
            for name in names
            if name.lower().endswith(_ALL_SUFFIXES) and not name.startswith(".")
        )
        if not inside:
            raise InputError(f"{one_line(path)}: no sound file in this folder or below it")
        found += inside
    return found


def predict(
    paths: Iterable[str],
    artefact: Answers,
    info: Mapping[str, Any],
    cut: Cutting,
    *,
    timeline: bool,
    sure: float,
    refuse: Callable[[AudioError], None],
) -> Iterator[Row]:
    """Rows of recordings, in their order.

    Args:
        paths: of sound files, or `STDIN`.
        artefact: what answers.
        info: of it.
        cut: how long recordings are cut.
        timeline: a row a window, too, in front of that of the recording.
        sure: probability below which the label is `NOT_SURE`.
        refuse: told of a file that cannot be read, which gets no row of its own; those of what lies
            before the damage stay.
    """
    for path in paths:
        summary = Summary()
        try:
            with _named(path) as name:
                windows = listening.windows(passing(name, info["sample_rate"]), cut)
                for said in listening.answer(windows, artefact, info):
                    summary.add(said)
                    if timeline:
                        yield row(path, said, info, sure)
        except AudioError as error:
            refuse(AudioError(path, error.reason))
            continue
        if not timeline:
            yield row(path, summary.said(), info, sure)


@contextlib.contextmanager
def _named(path: str) -> Iterator[str]:
    """A path's file; of the standard input a copy on the disk, since sound files are sought in.

    The copy has no name, so that nothing of it stays however this ends.
    """
    if path != STDIN:
        yield path
        return
    if sys.stdin is None:
        raise AudioError(path, "the standard input is closed; pipe a sound file in")
    with tempfile.TemporaryFile(prefix="jser-") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.seek(0)  # where /dev/fd is this very file, it is read from there on
        yield f"/dev/fd/{file.fileno()}"


def counted(rows: Iterable[Row], files: int) -> Iterator[Row]:
    """Rows as they come, with a bar of the recordings where many are written to a file."""
    if files < 2 or sys.stdout.isatty():  # on a terminal the rows themselves say how far it is
        yield from rows
        return
    with progress.bar(files, "predict", "recording") as tick:
        before = None
        for row in rows:
            if row.path != before:
                tick(1)
            before = row.path
            yield row


def row(path: str, said: Said, info: Mapping[str, Any], sure: float) -> Row:
    """A row, with the most likely class, or that nobody is `sure` enough of it."""
    if said.probabilities is None:
        return Row(path, said, SILENCE)
    best = int(np.argmax(said.probabilities))
    label = info["classes"][best] if said.probabilities[best] >= sure else NOT_SURE
    return Row(path, said, label)


# --- formats --------------------------------------------------------------------------------------


def as_json(row: Row, classes: Sequence[str]) -> dict[str, Any]:
    """A row as data: docs/files.md says what each entry is."""
    said = row.said
    probabilities = None
    if said.probabilities is not None:
        values = (round(float(p), 6) for p in said.probabilities)
        probabilities = dict(zip(classes, values, strict=True))
    return {
        "path": row.path,
        "start": round(said.start, 3),
        "end": round(said.end, 3),
        "label": row.label,
        "probabilities": probabilities,
        "warnings": list(said.warnings.values()),
    }


def write_refusal(error: AudioError, to: TextIO) -> None:
    """The JSON line of a file that cannot be read."""
    made = {"path": str(error.path), "error": error.reason}
    to.write(json.dumps(made, ensure_ascii=False) + "\n")
    to.flush()


def write_json_lines(rows: Iterable[Row], classes: Sequence[str], to: TextIO) -> None:
    """A line a row, as soon as it is there."""
    for row in rows:
        to.write(json.dumps(as_json(row, classes), ensure_ascii=False) + "\n")
        to.flush()


def write_csv(rows: Iterable[Row], classes: Sequence[str], to: TextIO) -> None:
    """A line a row behind a head: path, start, end, label, the classes, warnings."""
    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(["path", "start", "end", "label", *classes, "warnings"])
    for row in rows:
        made = as_json(row, classes)
        values = [] if made["probabilities"] is None else list(made["probabilities"].values())
        values = values or [""] * len(classes)
        shown = [made[name] for name in ("path", "start", "end", "label")]
        writer.writerow([*shown, *values, "; ".join(made["warnings"])])
        to.flush()


def write_table(rows: Iterable[Row], classes: Sequence[str], to: TextIO) -> None:
    """A line a row for people, in columns; warnings beneath."""
    names = [name[:9] for name in classes]
    head = " ".join(f"{name:>9}" for name in names)
    to.write(f"{'recording':<32} {'seconds':>13}  {'label':<12} {head}\n")
    for row in rows:
        said = row.said
        when = f"{said.start:.1f} to {said.end:.1f}"
        values = [] if said.probabilities is None else [f"{p:9.1%}" for p in said.probabilities]
        path = one_line(row.path)
        path = path if len(path) <= 32 else "..." + path[-29:]
        to.write(f"{path:<32} {when:>13}  {row.label:<12} {' '.join(values)}".rstrip() + "\n")
        for name, sentence in said.warnings.items():
            if name != "silence":
                to.write(f"    unlike training: {sentence}\n")
        to.flush()
