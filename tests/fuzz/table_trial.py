"""Damaged manifests through the real builder, and whether what is built is what they say."""

from __future__ import annotations

import csv
import io
import json
import posixpath
import random
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from tests.frontend.good_files import encoded
from tests.fuzz import building, sounds
from tests.fuzz.building import Answer, Job
from tests.fuzz.sound_trial import NAME, REFUSED, WRONG, Fate
from tests.records.manifest import damage

BUILT = "built as it says"
LONGEST_LINE = 1200
# Every so many cases one is an audformat database: a table of segments, and one of speakers.
AUDFORMAT = 7
_SECONDS = 5.0
_WORDS = {
    "anger": "anger", "angry": "anger", "sad": "sadness", "happy": "happiness", "joy": "happiness",
    "neutral": "neutral",
}  # fmt: skip
_NOTHING = ("", "nan", "nat", "none", "null", "na", "n/a", "<na>")

# (utterance id, class, speaker) and the segment: file, seconds.
_Row = tuple[str, str, str, str, float, float | None]


class _Unclear(Exception):
    """A second reader does not know what a table says."""


def run(seed: int, numbers: Sequence[int], folder: Path) -> tuple[list[Fate], int]:
    """Build damaged manifests, and undamaged ones beside them.

    Args:
        seed: of the damage.
        numbers: of the cases.
        folder: empty; recordings, tables and data folders are made in it.

    Returns:
        A fate for each case, in turn, and the peak memory in MiB.
    """
    source = folder / "source"
    recordings = {}
    for k, name in enumerate(damage.FILES):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(sounds.voice(k + 10, _SECONDS), "WAV", "PCM_16"))
        recordings[name] = soundfile.read(path, dtype="int16")[0]
    tables = [_undamaged(k, form) for k, form in enumerate(("csv", "tsv", "jsonl", "audformat"))]
    n_good = len(tables)
    tables += [_case(seed, number) for number in numbers]
    jobs = [_job(place, parts, folder) for place, (_, parts) in enumerate(tables)]
    answers = building.run(jobs)
    peak = max(answer.peak for answer in answers)
    fates = []
    for place, ((kind, parts), job, answer) in enumerate(zip(tables, jobs, answers, strict=True)):
        verdict, why = _verdict(parts, job, answer, recordings)
        shutil.rmtree(job.data_dir, ignore_errors=True)
        if place < n_good:
            if verdict != BUILT:
                fates.append(Fate(kind, WRONG, f"undamaged {kind}: {why}"))
            continue
        fates.append(Fate(kind, verdict, f"{numbers[place - n_good]} {job.manifest}: {why}"))
    return fates, peak


def _undamaged(number: int, form: str) -> tuple[str, dict[str, bytes]]:
    table = damage.rows(random.Random(number))
    if form == "audformat":
        return "audformat", _audformat(table)
    if form == "jsonl":
        return form, {"m.jsonl": damage.json_lines(table).encode()}
    return form, {f"m.{form}": damage.separated(table, "," if form == "csv" else "\t").encode()}


def _case(seed: int, number: int) -> tuple[str, dict[str, bytes]]:
    """Kind of damage, and the files that are given: the manifest first."""
    if number % AUDFORMAT:
        case = damage.case(seed * 1_000_000 + number)
        return f"manifest: {case.what}", {f"m.{case.suffix}": case.data}
    rng = random.Random(f"{seed} {number}")
    parts = _audformat(damage.rows(rng))
    hit, what = rng.choice(sorted(parts)), rng.choice(damage.BYTE_KINDS)
    parts[hit] = damage.damaged_bytes(rng, what, parts[hit])
    return f"audformat: {what}", parts


def _audformat(table: list[list[str]]) -> dict[str, bytes]:
    """A table of segments and one of speakers, as audformat 1 writes them."""
    speaker: dict[str, str] = {}
    rows = ["file,start,end,emotion,emotion.confidence"]
    for path, start, end, label, who, _ in table:
        speaker.setdefault(path, who)
        first, last = (f"0 days 00:00:{float(t):09.6f}" for t in (start, end))
        rows.append(f"{path},{first},{last},{label},0.9")
    files = ["file,duration,speaker"]
    files += [f"{path},0 days 00:00:05,{who}" for path, who in speaker.items()]
    texts = {"db.emotion.csv": rows, "db.files.csv": files}
    return {name: ("\n".join(lines) + "\n").encode() for name, lines in texts.items()}


def _job(place: int, parts: dict[str, bytes], folder: Path) -> Job:
    where = folder / f"tables{place}"
    where.mkdir()
    for name, data in parts.items():
        (where / name).write_bytes(data)
    options = {"name": NAME}
    if "db.files.csv" in parts:
        options |= {"label_column": "emotion", "speaker_table": str(where / "db.files.csv")}
    return Job(
        manifest=str(where / next(iter(parts))),
        data_dir=str(folder / f"data{place}"),
        samples=str(folder / "samples.npz"),
        corpus_dir=str(folder / "source"),
        options=options,
    )


def _verdict(
    parts: dict[str, bytes], job: Job, answer: Answer, recordings: dict[str, np.ndarray]
) -> tuple[str, str]:
    if answer.status not in ("built", "refused"):
        return WRONG, f"{answer.status}: {answer.text[-900:]}"
    if left := building.left_behind(Path(job.data_dir), NAME):
        return WRONG, f"half-written: {left[:5]}"
    if answer.peak > building.MIB:
        return WRONG, f"{answer.peak} MiB of memory"
    if answer.status == "refused":
        return _refusal(job, answer)
    try:
        rows = _says(parts)
    except (_Unclear, UnicodeDecodeError, ValueError, csv.Error) as error:
        return WRONG, f"built, but a second reader cannot read it: {error!r}"
    if {row[:3] for row in rows} != set(answer.records):
        strange = sorted({row[:3] for row in rows} ^ set(answer.records))
        return WRONG, f"records are not what the table says: {strange[:4]}"
    of = {record[0]: k for k, record in enumerate(answer.records)}
    for name, _, _, path, start, end in rows:
        last = None if end is None else round(end * sounds.RATE)
        sound = recordings[path][round(start * sounds.RATE) : last]
        if not np.array_equal(answer.samples[of[name]], sound):
            return WRONG, f"samples of {name} are not those of the segment"
    return BUILT, ""


def _refusal(job: Job, answer: Answer) -> tuple[str, str]:
    said = answer.text.splitlines()
    files = [job.manifest, *(str(v) for v in job.options.values() if str(v).endswith(".csv"))]
    named = any(file in said[0] for file in files)
    of_recordings = answer.lines and all(re.match(r"line \d+: ", line) for line in answer.lines)
    if not named and not of_recordings:
        return WRONG, f"report does not name the table: {said[:2]}"
    if not all(10 < len(line) < LONGEST_LINE and line.isprintable() for line in said):
        return WRONG, f"no clear report: {said[:2]}"
    return REFUSED, said[0]


# --- a second reader ------------------------------------------------------------------------------


def _says(parts: dict[str, bytes]) -> set[_Row]:
    """What a table says, read by Python's csv and json alone."""
    texts = list(parts.values())
    label = "emotion" if len(texts) > 1 else "label"
    speakers = None
    if len(texts) > 1:
        speakers = {
            posixpath.normpath(row["file"].strip()): " ".join(row["speaker"].split())
            for row in _rows(texts[1], ("file", "speaker"))
        }
    found = set()
    needed = ("file", label) if speakers is not None else ("path", label, "speaker")
    for row in _rows(texts[0], needed):
        path = posixpath.normpath(row[needed[0]].strip())
        start, end = _time(row.get("start", "")), _time(row.get("end", ""))
        name = path.removesuffix(".wav")
        if start or end is not None:
            name += f"@{_clock(start or 0.0)}-{'end' if end is None else _clock(end)}"
        word = row[label].strip().lower()
        if word not in _WORDS:
            raise _Unclear(f"label {word!r}")
        who = speakers[path] if speakers is not None else " ".join(row["speaker"].split())
        found.add((name, _WORDS[word], who, path, start or 0.0, end))
    return found


def _rows(data: bytes, needed: Sequence[str]) -> list[dict[str, str]]:
    text = data.decode("utf-8-sig")
    if text.lstrip().startswith("{"):
        entries = [json.loads(line) for line in text.split("\n") if line.strip()]
        return [
            {key.strip().lower(): "" if v is None else str(v) for key, v in entry.items()}
            for entry in entries
        ]
    for delimiter in ",\t;|":
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        table = [row for row in table if any(cell.strip() for cell in row)]
        head = [" ".join(cell.split()).lower() for cell in table[0]]
        if set(needed) <= set(head):
            return [dict(zip(head, row, strict=False)) for row in table[1:]]
    raise _Unclear(f"no columns {needed}")


def _time(cell: str) -> float | None:
    text = cell.strip()
    if text.lower() in _NOTHING:
        return None
    if match := re.fullmatch(r"(-?\d+) days?(?: (\d+):(\d+):(\d+(?:\.\d+)?))?", text):
        days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
        return days * 86400 + hours * 3600 + minutes * 60 + seconds
    if match := re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", text):
        hours, minutes, seconds = map(float, match.groups())
        return hours * 3600 + minutes * 60 + seconds
    return float(text)


def _clock(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".")
