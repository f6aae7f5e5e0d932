"""Damaged sound files through `jser predict`, and what became of each."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jser.errors import one_line
from jser.frontend import waveform
from tests.fuzz import sounds
from tests.fuzz.building import REPOSITORY
from tests.fuzz.sound_trial import REFUSED, SAME, UNKNOWABLE, WRONG, Fate

# Of one command, its start and compilation with it.
SECONDS = 900
# Of the command: to compile a small artefact takes up to 1,850, its answers 300.
MIB = 2500
# Of two answers to the same samples, from calls of other sizes.
_CLOSE = 1e-4


def run(
    cases: Sequence[sounds.Damaged], files: Mapping[str, bytes], artefact: Path, folder: Path
) -> tuple[list[Fate], int]:
    """Ask an artefact about all cases and the undamaged files, in one command.

    A case is WRONG when it has neither a row nor a sentence, or both; when what the builder reads
    has no row, or another than the undamaged file of the same samples; when a row is no
    distribution; and all are when the command crashes or prints a traceback.

    Args:
        cases: of one batch.
        files: the good ones.
        artefact: that answers.
        folder: is made; recordings lie in it.

    Returns:
        A fate for each case, in turn, and the command's peak memory in MiB.
    """
    folder.mkdir(parents=True)
    paths = [folder / case.name for case in cases]
    for case, path in zip(cases, paths, strict=True):
        path.write_bytes(case.data)
    good = {name: folder / f"good {name}" for name in files}
    for name, path in good.items():
        path.write_bytes(files[name])
    words = ["predict", artefact, "--json", "--sure=0", *paths, *good.values()]
    status, out, said, peak = _command([str(word) for word in words])
    if status not in (0, 1) or any("Traceback" in line for line in said):
        why = f"status {status}: {' | '.join(said[-8:])}"
        return [Fate(case.kind, WRONG, f"{case.number}: {why}") for case in cases], peak
    rows: dict[str, dict[str, Any]] = {}
    refused: set[str] = set()
    for line in out.split("\n")[:-1]:  # names hold other ends of lines
        row = json.loads(line)
        if "error" in row:
            refused.add(row["path"])
            continue
        assert row["path"] not in rows, f"two rows of {row['path']}"
        rows[row["path"]] = row
    references = {name: rows[str(path)] for name, path in good.items()}
    pcms = {name: waveform.load(path).pcm for name, path in good.items()}
    fates = []
    for case, path in zip(cases, paths, strict=True):
        row = rows.get(str(path))
        assert (str(path) in refused) == (row is None), f"{path}: neither row nor error, or both"
        sentences = [line for line in said if one_line(str(path)) in line]
        verdict, why = _verdict(case, path, row, sentences, references, pcms)
        fates.append(Fate(case.kind, verdict, f"{case.number} {case.name!r}: {why}"))
    return fates, peak


def _command(words: Sequence[str]) -> tuple[int, str, list[str], int]:
    """Exit status, standard output, lines of standard error and peak MiB of `jser WORDS`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(
            [sys.executable, "-m", "jser", *words], cwd=REPOSITORY, stdout=out, stderr=err,
            env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(REPOSITORY)},
        )  # fmt: skip
        late = threading.Timer(SECONDS, child.kill)
        late.start()
        _, waited, usage = os.wait4(child.pid, 0)
        late.cancel()
        child.returncode = os.waitstatus_to_exitcode(waited)
        out.seek(0)
        err.seek(0)
        said = err.read().decode(errors="replace").splitlines()
        return child.returncode, out.read().decode(), said, usage.ru_maxrss >> 10


def _verdict(
    case: sounds.Damaged,
    path: Path,
    row: Mapping[str, Any] | None,
    sentences: Sequence[str],
    references: Mapping[str, Mapping[str, Any]],
    pcms: Mapping[str, Any],
) -> tuple[str, str]:
    if (row is None) == (not sentences):
        return WRONG, f"neither a row nor a sentence, or both: {row} {sentences}"
    try:
        pcm = waveform.load(path).pcm
        refusal = ""
    except waveform.AudioError as error:
        pcm, refusal = None, error.reason
    if row is None:
        (sentence,) = sentences[:1]
        if pcm is not None:
            return WRONG, f"the builder reads it: {sentence}"
        if ";" not in sentence or not sentence.isprintable():
            return WRONG, f"no clear sentence: {sentence!r}"
        return REFUSED, sentence
    if found := fault(row):
        return WRONG, found
    if pcm is None:
        # Silence and what is too short is called so, and noise is unlike training; else no row.
        if row["label"] == "silence" or ("loud noise" in refusal and row["warnings"]):
            return UNKNOWABLE, f"answered {row['label']}; the builder: {refusal}"
        return WRONG, f"answered, though the builder refuses it: {refusal}"
    if case.original and pcm.tobytes() == pcms[case.original].tobytes():
        apart = away(row, references[case.original])
        return (SAME, "") if apart <= _CLOSE else (WRONG, f"same samples, {apart:.2g} away")
    if case.harmless:
        return WRONG, "nothing is damaged, and the samples are others"
    return UNKNOWABLE, "read as the builder reads it"


def fault(row: Mapping[str, Any]) -> str:
    """What is wrong with a row by itself; '' for nothing."""
    shares = row["probabilities"]
    if not 0 <= row["start"] <= row["end"] < math.inf:
        return f"from {row['start']} to {row['end']}"
    if shares is None:
        return "" if row["label"] == "silence" else f"no probabilities of {row['label']}"
    values = list(shares.values())
    if not all(0 <= p <= 1 for p in values) or abs(sum(values) - 1) > 1e-4:
        return f"no distribution: {values}"
    if row["label"] != max(shares, key=shares.get):
        return f"{row['label']} of {shares}"
    return ""


def away(row: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """The largest difference of two rows' probabilities."""
    one, two = row["probabilities"], other["probabilities"]
    if one is None or two is None:
        return 0.0 if one is two else math.inf
    return max(abs(one[name] - two[name]) for name in one)
