"""Damaged sound files through the real builder, and what became of each."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soxr

from tests.fuzz import building, reading, sounds
from tests.fuzz.building import Answer, Job

REFUSED, SAME, UNKNOWABLE, WRONG = "refused", "same samples", "cannot be known", "WRONG"
NAME = "trial"
# An MP3 has no checksum: what is damaged is heard, within a frame or two of the right length.
_MP3_FRAMES = 2 * 1152


class Fate(NamedTuple):
    """What became of a case.

    Attributes:
        kind: of damage.
        verdict: one of REFUSED, SAME, UNKNOWABLE, WRONG.
        detail: number and name of the case, and why.
    """

    kind: str
    verdict: str
    detail: str


def run(
    cases: Sequence[sounds.Damaged], files: Mapping[str, bytes], folder: Path
) -> tuple[list[Fate], int]:
    """Build all cases in one corpus beside undamaged files; refused first, then without them.

    Args:
        cases: of one batch.
        files: the good ones.
        folder: empty; recordings and data folder are made in it.

    Returns:
        A fate for each case, in turn, and the peak memory in MiB.
    """
    source = folder / "source"
    source.mkdir(parents=True)
    for case in cases:
        (source / case.name).write_bytes(case.data)
    for name, data in files.items():
        (source / f"good {name}").write_bytes(data)
    names = [case.name for case in cases] + [f"good {name}" for name in files]
    strict, lenient = _jobs(folder, names, "m.csv")
    answers = building.run([strict, lenient])
    peak = max(answer.peak for answer in answers)
    broken = _faults_of_the_whole(strict, answers)
    if broken and len(cases) > 1:
        # Whose it is: each half by itself.
        middle = len(cases) // 2
        first, _ = run(cases[:middle], files, folder / "0")
        second, _ = run(cases[middle:], files, folder / "1")
        both = first + second
        if not any(fate.verdict == WRONG for fate in both):
            both[0] = Fate(cases[0].kind, WRONG, f"only together: {broken}")
        return both, peak
    if broken:
        return [Fate(cases[0].kind, WRONG, f"{cases[0].number} {cases[0].name!r}: {broken}")], peak
    return [_fate(case, place, answers, names, files) for place, case in enumerate(cases)], peak


def _jobs(folder: Path, names: Sequence[str], manifest: str) -> tuple[Job, Job]:
    with open(folder / manifest, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "speaker", "id"])
        for k, name in enumerate(names):
            rows.writerow([name, ("anger", "sadness")[k % 2], f"s{k % 4}", f"u{k:05d}"])
    shared = {
        "manifest": str(folder / manifest),
        "corpus_dir": str(folder / "source"),
        "data_dir": str(folder / "data"),
        "samples": str(folder / "samples.npz"),
        "options": {"name": NAME},
    }
    return Job(**shared), Job(**shared, allow_partial=True)


def _faults_of_the_whole(job: Job, answers: Sequence[Answer]) -> str:
    """What went wrong with a batch, not with one of its files; '' for nothing."""
    strict, lenient = answers
    for answer in answers:
        if answer.status not in ("built", "refused"):
            return f"{answer.status}: {answer.text[-700:]}"
    if lenient.status != "built":
        return f"undamaged recordings were not built: {lenient.text[:300]}"
    if set(strict.lines) != set(lenient.lines) and len(lenient.lines) > 0:
        return "refused are others with --allow_partial than without"
    if (strict.status == "built") != (not lenient.lines):
        return f"the whole was {strict.status}, {len(lenient.lines)} are at fault"
    if lenient.peak > building.MIB:
        return f"{lenient.peak} MiB of memory"
    if left := building.left_behind(Path(job.data_dir), NAME):
        return f"half-written: {left[:5]}"
    return ""


def _fate(
    case: sounds.Damaged,
    place: int,
    answers: Sequence[Answer],
    names: Sequence[str],
    files: Mapping[str, bytes],
) -> Fate:
    lenient = answers[-1]
    of = {record[0]: k for k, record in enumerate(lenient.records)}

    def fate(verdict: str, why: str = "") -> Fate:
        return Fate(case.kind, verdict, f"{case.number} {case.name!r} ({case.original}): {why}")

    # Line 2 is the first recording's; line breaks within names move those behind.
    line = 2 + place + sum(name.count("\n") for name in names[:place])
    said = [text for text in lenient.lines if text.startswith(f"line {line}: ")]
    k = of.get(f"u{place:05d}")
    if (k is None) == (not said):
        return fate(WRONG, "neither built nor refused, or both")
    if k is None:
        return _refusal(case, said, fate)
    if lenient.records[k] != (f"u{place:05d}", ("anger", "sadness")[place % 2], f"s{place % 4}"):
        return fate(WRONG, f"record says {lenient.records[k]}")
    good = None
    if case.original:
        good = lenient.samples[of[f"u{names.index(f'good {case.original}'):05d}"]]
    verdict, why = samples_verdict(case, lenient.samples[k], good, files)
    return fate(verdict, why)


def _refusal(case: sounds.Damaged, said: list[str], fate) -> Fate:
    """A report must name the file, say why in one line, and the way out."""
    sentence = said[0].split(": ", 2)[-1]
    number = f"{case.number:05d}" if f"{case.number:05d}" in case.name else str(case.number)
    if len(said) > 1 or number not in said[0].removesuffix(sentence):
        return fate(WRONG, f"report does not name the file: {said}")
    if not said[0].isprintable() or ";" not in sentence or not 20 < len(sentence) < 320:
        return fate(WRONG, f"no clear report: {said[0]!r}")
    if case.harmless:
        return fate(WRONG, f"refused, though nothing is damaged: {sentence}")
    return fate(REFUSED, sentence)


def samples_verdict(
    case: sounds.Damaged, pcm: np.ndarray, good: np.ndarray | None, files: Mapping[str, bytes]
) -> tuple[str, str]:
    """Whether a damaged file's record may be as it is.

    Args:
        case: the file.
        pcm: int16 [n], of its record.
        good: int16 [m], of the undamaged file's; None where there is none.
        files: the good ones.
    """
    if good is not None and np.array_equal(pcm, good):
        return SAME, ""
    if case.harmless:
        return WRONG, "other samples, though nothing is damaged"
    try:
        stored = reading.read(case.data)
    except reading.Unreadable as error:
        return _coded(case, pcm, good, str(error))
    expected = expected_pcm(stored)
    if len(expected) != len(pcm) or np.abs(expected - pcm).max(initial=0) > 1:
        return WRONG, f"{len(pcm)} samples, an independent reader finds {len(expected)} others"
    if case.original:
        try:
            before = reading.read(files[case.original])
        except reading.Unreadable:
            return UNKNOWABLE, "another file's samples"
        if (before.rate, before.encoding, before.samples.shape) != (
            stored.rate, stored.encoding, stored.samples.shape
        ):  # fmt: skip
            return UNKNOWABLE, (
                f"header fits: {stored.rate} Hz {stored.encoding} {stored.samples.shape}, was "
                f"{before.rate} {before.encoding} {before.samples.shape}"
            )
    return UNKNOWABLE, "samples of a wav or aiff"


def _coded(
    case: sounds.Damaged, pcm: np.ndarray, good: np.ndarray | None, why: str
) -> tuple[str, str]:
    """Verdict on what has other samples than the good file and is coded."""
    data = case.data
    mp3 = case.original.endswith("mp3") and data[:4] not in (b"RIFF", b"fLaC", b"OggS")
    if good is None:
        return WRONG, f"a record of what is no recording ({why})"
    if mp3:
        if len(pcm) > len(good) + _MP3_FRAMES:
            return WRONG, f"{len(pcm)} samples of an mp3, {len(good)} undamaged"
        return UNKNOWABLE, f"mp3 ({len(pcm)} samples, {len(good)} undamaged)"
    if case.original in ("ima.wav", "ms.wav", "gsm.wav") or data[20:21] in (b"\x02", b"\x11", b"1"):
        if len(pcm) != len(good):
            return UNKNOWABLE, f"ADPCM or GSM of {len(pcm)} samples, {len(good)} undamaged"
        return UNKNOWABLE, "ADPCM or GSM: samples"
    return WRONG, f"other samples than the undamaged file's, and no second opinion ({why})"


def expected_pcm(stored: reading.Stored) -> np.ndarray:
    """float64 [n]: 16 kHz, mono, 16 bits of what an independent reader found."""
    mono = stored.samples.mean(axis=1)
    if stored.rate != sounds.RATE and len(mono):
        mono = soxr.resample(mono.astype(np.float32), stored.rate, sounds.RATE, quality="VHQ")
    scaled = np.clip(np.rint(np.asarray(mono, np.float64) * 32768), -32768, 32767)
    return np.where(np.isfinite(scaled), scaled, math.inf)
