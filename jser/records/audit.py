"""What is in a corpus, against what its authors published; and what is odd about its audio."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jser.frontend.waveform import SAMPLE_RATE
from jser.records import faults, places

# A table by speaker is for people to read: more are summed up in one line.
SPEAKERS_SHOWN = 40
# Eight bits of a sixteen-bit recording are left at this peak.
NEAR_SILENCE_DB = -45.0
# Peak normalisation leaves a few samples at full scale; one in a thousand is clipping.
CLIPPED_SHARE = 1e-3
NAMES_SHOWN = 6


@dataclass(frozen=True)
class Row:
    """One utterance as the audit sees it.

    Attributes:
        seconds: duration of what is kept.
        sample_rate_in: Hz in the file.
        channels_in: channels in the file.
        peak_db: highest sample in dB of full scale.
        clipped: share of samples at full scale, 0..1.
    """

    utterance_id: str
    speaker: str
    label: str
    seconds: float
    pcm_sha256: str
    sample_rate_in: int
    channels_in: int
    peak_db: float
    clipped: float


def missing(found: Mapping[str, int], expected: Mapping[str, int]) -> dict[str, int]:
    """Expected minus found, where they differ (negative: more than published)."""
    names = [*expected, *(name for name in found if name not in expected)]
    short = {name: expected.get(name, 0) - found.get(name, 0) for name in names}
    return {name: n for name, n in short.items() if n}


def make(
    name: str,
    rows: Sequence[Row],
    classes: Sequence[str],
    counts: Mapping[str, int] | None,
    sex: Mapping[str, str],
    counts_by_speaker: Mapping[str, int] | None,
    skipped: Mapping[str, int],
    broken: Sequence[str] = (),
) -> dict[str, Any]:
    """Audit of a built corpus, as plain data for JSON; `render` shows it.

    Args:
        name: of the corpus.
        rows: one an utterance.
        classes: names, in the corpus' order.
        counts: class -> published number of recordings; None: not known, so nothing is missing.
        sex: speaker -> 'f' or 'm'; a speaker who is not there is '?'.
        counts_by_speaker: speaker -> published number of recordings, where known.
        skipped: reason -> number of files left out on purpose.
        broken: files that could not be used, each with its reason.
    """
    same: dict[str, list[str]] = defaultdict(list)
    peaks: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        same[row.pcm_sha256].append(row.utterance_id)
        peaks[row.label].append(row.peak_db)
    seconds = [row.seconds for row in rows]
    found = count(
        name,
        [(row.speaker, row.label) for row in rows],
        classes=classes,
        counts=counts,
        sex=sex,
        counts_by_speaker=counts_by_speaker,
        skipped=skipped,
        broken=broken,
    )
    for label, entry in found["classes"].items():
        entry["peak_db"] = statistics.fmean(peaks[label]) if peaks[label] else None
    return {
        **found,
        "seconds": {
            "total": sum(seconds),
            "shortest": min(seconds, default=0.0),
            "median": statistics.median(seconds) if seconds else 0.0,
            "longest": max(seconds, default=0.0),
        },
        "duplicates": sorted(sorted(ids) for ids in same.values() if len(ids) > 1),
        "near_silent": {
            row.utterance_id: row.peak_db for row in rows if row.peak_db < NEAR_SILENCE_DB
        },
        "clipped": {row.utterance_id: row.clipped for row in rows if row.clipped > CLIPPED_SHARE},
        "stereo": sorted(row.utterance_id for row in rows if row.channels_in != 1),
        "sample_rates": dict(sorted(Counter(str(row.sample_rate_in) for row in rows).items())),
    }


def count(
    name: str,
    utterances: Sequence[tuple[str, str]],
    classes: Sequence[str],
    counts: Mapping[str, int] | None,
    sex: Mapping[str, str],
    counts_by_speaker: Mapping[str, int] | None,
    skipped: Mapping[str, int],
    broken: Sequence[str],
) -> dict[str, Any]:
    """The part of an audit that corpora of every kind have: who, which class, what is missing.

    Args:
        utterances: speaker and label of each.

    The others are those of `make`.
    """
    by_class = Counter(label for _, label in utterances)
    by_speaker = Counter(speaker for speaker, _ in utterances)
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for speaker, label in utterances:
        table[speaker][label] += 1
    expected_speaker = counts_by_speaker or {}
    return {
        "name": name,
        "n_utterances": len(utterances),
        "n_expected": None if counts is None else sum(counts.values()),
        "classes": {
            label: {
                "found": by_class[label],
                "expected": None if counts is None else counts[label],
            }
            for label in classes
        },
        "speakers": {
            speaker: {
                "sex": sex.get(speaker, "?"),
                "found": by_speaker[speaker],
                "expected": expected_speaker.get(speaker),
                "classes": {label: table[speaker][label] for label in classes},
            }
            for speaker in sorted({*sex, *by_speaker})
        },
        "missing": {
            "classes": {} if counts is None else missing(by_class, counts),
            "speakers": missing(by_speaker, expected_speaker) if counts_by_speaker else {},
            "broken": list(broken),
        },
        "skipped": dict(sorted(skipped.items())),
    }


def render(audit: Mapping[str, Any]) -> str:
    """The audit as text for a terminal: a table by speaker and class, then what is odd."""
    seconds = audit["seconds"]
    published = audit["n_expected"]
    lines = [
        f"{audit['name']}: {audit['n_utterances']} "
        f"{'' if published is None else f'of {published} '}recordings, "
        f"{seconds['total']:,.0f} s (shortest {seconds['shortest']:.2f}, "
        f"median {seconds['median']:.2f}, longest {seconds['longest']:.2f} s)",
        "",
        *table(audit, {"peak, dB": [_peak(entry) for entry in audit["classes"].values()]}),
        "",
        *_facts(audit),
        *_findings(audit),
    ]
    return "\n".join(lines)


def _peak(entry: Mapping[str, Any]) -> str:
    return "-" if entry["peak_db"] is None else f"{entry['peak_db']:.1f}"


def table(audit: Mapping[str, Any], more: Mapping[str, Sequence[str]]) -> list[str]:
    """Utterances by speaker and class; `more` are further rows, a cell a class."""
    classes = list(audit["classes"])
    width = [max(len(name), 5) for name in classes]
    speakers = audit["speakers"] if len(audit["speakers"]) <= SPEAKERS_SHOWN else {}
    heads = {
        speaker: f"{speaker or 'unknown'} {entry['sex']}" for speaker, entry in speakers.items()
    }
    first = max(12, *map(len, heads.values())) if heads else 12

    def line(head: str, cells: Sequence[str], last: str) -> str:
        row = "  ".join(cell.rjust(w) for cell, w in zip(cells, width, strict=True))
        return f"{head:<{first}} {row}  {last:>9}"

    lines = [line("speaker", classes, "all")]
    for speaker, entry in speakers.items():
        cells = [str(entry["classes"][name]) if entry["classes"][name] else "-" for name in classes]
        lines.append(line(heads[speaker], cells, _of(entry)))
    found = [str(audit["classes"][name]["found"]) for name in classes]
    lines.append(line("all", found, str(audit["n_utterances"])))
    if audit["n_expected"] is not None:
        expected = [str(audit["classes"][name]["expected"]) for name in classes]
        lines.append(line("published", expected, str(audit["n_expected"])))
    return lines + [line(head, cells, "") for head, cells in more.items()]


def _of(entry: Mapping[str, Any]) -> str:
    if entry["expected"] in (None, entry["found"]):
        return str(entry["found"])
    return f"{entry['found']} of {entry['expected']}"


def _many_speakers(speakers: Mapping[str, Any]) -> str:
    sex = Counter(entry["sex"] for entry in speakers.values())
    found = [entry["found"] for entry in speakers.values()]
    return (
        f"{len(speakers)} speakers ({', '.join(f'{sex[s]} {s}' for s in 'fm?' if sex[s])}), "
        f"{min(found)} to {max(found)} recordings each, median {statistics.median(found):g}"
    )


def _facts(audit: Mapping[str, Any]) -> list[str]:
    speakers = audit["speakers"]
    lines = []
    if len(speakers) > SPEAKERS_SHOWN:
        lines.append(_many_speakers({name: entry for name, entry in speakers.items() if name}))
    if "" in speakers:
        lines.append(f"speaker unknown: {speakers['']['found']} recordings")
    if audit["n_expected"] is None:
        lines.append("not checked against published counts: none are known")
    return lines


def absent(audit: Mapping[str, Any]) -> list[str]:
    """What the corpus lacks, and what was left out of it, a line each."""
    lines = []
    short = audit["missing"]
    if short["classes"] or short["speakers"] or short["broken"]:
        lines.append(f"incomplete: {describe_missing(short)}")
        lines += [f"  {text}" for text in short["broken"][: faults.SHOWN]]
        if (rest := len(short["broken"]) - faults.SHOWN) > 0:
            lines.append(f"  and {rest} more, in {places.SIDECAR} beside the records")
    return lines + [f"skipped: {n} x {reason}" for reason, n in audit["skipped"].items()]


def _findings(audit: Mapping[str, Any]) -> list[str]:
    lines = absent(audit)
    same = audit["duplicates"]
    lines += [f"same audio: {some(ids, ' = ')}" for ids in same[:NAMES_SHOWN]]
    if len(same) > NAMES_SHOWN:
        lines.append(f"same audio: {len(same) - NAMES_SHOWN} more, in {places.SIDECAR}")
    for key, what, unit, scale in (
        ("near_silent", f"near silence (peak below {NEAR_SILENCE_DB:.0f} dB)", "dB", 1.0),
        ("clipped", "clipped (samples at full scale)", "%", 100.0),
    ):
        found = [f"{name} ({value * scale:.1f} {unit})" for name, value in audit[key].items()]
        if found:
            lines.append(f"{what}: {some(found)}")
    if audit["stereo"]:
        lines.append(f"not mono, channels averaged: {some(audit['stereo'])}")
    rates = {int(rate): n for rate, n in audit["sample_rates"].items()}
    if set(rates) - {SAMPLE_RATE}:
        text = ", ".join(f"{n} at {rate} Hz" for rate, n in rates.items())
        lines.append(f"resampled to {SAMPLE_RATE} Hz: {text}")
    if len(rates) > 1:
        lines.append("mixed sample rates: bandwidth may give speaker or class away")
    if any(rate < SAMPLE_RATE for rate in rates):
        lines.append("upsampled: those recordings hold nothing above half their own rate")
    return lines or ["nothing odd: no duplicate audio, near silence, clipping, stereo or odd rates"]


def describe_missing(short: Mapping[str, Any]) -> str:
    """One clause that says what an incomplete corpus lacks."""

    def side(counts: Mapping[str, int], word: str) -> list[str]:
        less = [f"{name} {n}" for name, n in counts.items() if n > 0]
        more = [f"{name} {-n}" for name, n in counts.items() if n < 0]
        parts = [f"missing by {word}: {', '.join(less)}"] if less else []
        return parts + ([f"more than published by {word}: {', '.join(more)}"] if more else [])

    parts = side(short["classes"], "class") + side(short["speakers"], "speaker")
    if short.get("broken"):
        parts.append(f"{len(short['broken'])} broken")
    return "; ".join(parts)


def some(names: Sequence[str], between: str = ", ") -> str:
    """How many, and the first of them."""
    shown = between.join(names[:NAMES_SHOWN])
    rest = len(names) - NAMES_SHOWN
    return f"{len(names)}: {shown}" + (f" and {rest} more" if rest > 0 else "")
