"""The whole audit of a built corpus as plain data: measured once, kept in the cache, shown anew."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import jser
from jser import progress, protocols
from jser.audit import balance, findings, fingerprints, sound
from jser.audit.fingerprints import Pair
from jser.audit.sound import Sound
from jser.errors import InputError
from jser.evaluation.atomic import write_text
from jser.frontend.log_mel import LogMelSpec
from jser.protocols import Protocol
from jser.records import corpus as records
from jser.records import places, recordings
from jser.records.corpus import Corpus

# Another number makes cached measures of sound void.
SOUND_VERSION = 1
PARTS = ("train", "dev", "test")
PART_PAIRS = (("train", "dev"), ("train", "test"), ("dev", "test"))


def gather(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    protocol: str | None = None,
    dev_speakers: int = 2,
) -> dict[str, Any]:
    """Audit a built corpus, and a protocol on it where one is named.

    Args:
        name: of the corpus.
        data_dir: where records lie; None: `places.default_data_dir`.
        protocol: name of one, as `protocols.make` takes it.
        dev_speakers: dev speakers of a fold.

    Returns:
        What docs/files.md describes under `jser audit --json`.

    Raises:
        InputError: no such corpus, not built, damaged, or no such protocol.
    """
    root = Path(data_dir) if data_dir else places.default_data_dir()
    corpus = records.load(name, root)
    # Before anything is measured: a misspelt name is said at once.
    made = protocols.make(protocol, corpus, dev_speakers) if protocol else None
    pairs = near_duplicates(corpus, root)
    sounds, why_not = _sounds(corpus, root)
    spec = LogMelSpec()
    seconds = (
        np.array([len(w) / spec.sample_rate for w in corpus.waveform])
        if corpus.waveform is not None
        else (corpus.length - 1) * spec.hop / spec.sample_rate + spec.window / spec.sample_rate
    )
    label = [corpus.classes[k] for k in corpus.label]
    ids = [str(u) for u in corpus.utterance_id]
    audit = {
        "jser": jser.__version__,
        "corpus": corpus.name,
        "fingerprint": corpus.fingerprint,
        "partial": corpus.partial,
        "synthetic": corpus.synthetic,
        "note": corpus.note,
        "built": corpus.audit,
        "balance": balance.tables(corpus, seconds),
        "durations": sound.histogram(seconds),
        "give_aways": balance.give_aways(corpus, _facts(corpus, seconds, sounds)),
        "identical": _identical(corpus),
        "near_duplicates": [_named(pair, corpus) for pair in pairs],
        "sound": sound.summary(sounds, ids, label) if sounds else None,
        "sound_missing": why_not,
        "protocol": _protocol(corpus, made, pairs) if made else None,
    }
    return {**audit, "findings": [asdict(finding) for finding in findings.list_all(audit)]}


def _facts(
    corpus: Corpus, seconds: np.ndarray, sounds: Sequence[Sound] | None
) -> dict[str, np.ndarray]:
    facts: dict[str, np.ndarray] = {
        "sex of the speaker": np.array([corpus.sex.get(str(s), "?") for s in corpus.speaker]),
        "duration": seconds,
    }
    if (corpus.text_id != "").all():
        facts = {"sentence": corpus.text_id, **facts}
    if sounds:
        facts |= {
            "peak level": np.array([s.peak_db for s in sounds]),
            "bandwidth": np.array([s.bandwidth_hz for s in sounds]),
            "level of the first 10 ms": np.array([s.start_db for s in sounds]),
            "level of the last 10 ms": np.array([s.end_db for s in sounds]),
            "longest digital silence": np.array([s.dead_seconds for s in sounds]),
            "constant offset": np.array([s.offset for s in sounds]),
        }
    return facts


# ----------------------------------------------------------------------------- the same recording


def _identical(corpus: Corpus) -> list[list[str]]:
    """Groups of utterances whose samples are equal."""
    same: dict[str, list[str]] = {}
    for name, pcm in zip(corpus.utterance_id, corpus.pcm_sha256, strict=True):
        same.setdefault(str(pcm), []).append(str(name))
    return sorted(names for names in same.values() if len(names) > 1)


def near_duplicates(corpus: Corpus, data_dir: str | os.PathLike[str]) -> list[Pair]:
    """Pairs of one recording whose samples differ; from the cache, where they were found before.

    Args:
        corpus: the records.
        data_dir: where caches lie.
    """
    key = f"near-{corpus.fingerprint[:24]}-{corpus.front_end_hash}-v{fingerprints.VERSION}"
    kept = _read(data_dir, key)
    try:
        return (
            [Pair(**fields) for fields in kept["pairs"]] if kept else _find(corpus, data_dir, key)
        )
    except (KeyError, TypeError):  # Of another version, or changed by hand.
        return _find(corpus, data_dir, key)


def _find(corpus: Corpus, data_dir: str | os.PathLike[str], key: str) -> list[Pair]:
    with progress.bar(len(corpus.length), "compare", unit="utterance") as tick:
        found = fingerprints.near_duplicates(corpus.frames, corpus.offset, corpus.length, tick=tick)
    pcm = corpus.pcm_sha256
    pairs = [pair for pair in found if pcm[pair.first] != pcm[pair.second]]
    _write(data_dir, key, {"pairs": [asdict(pair) for pair in pairs]})
    return pairs


def _named(pair: Pair, corpus: Corpus) -> dict[str, Any]:
    return {
        "first": str(corpus.utterance_id[pair.first]),
        "second": str(corpus.utterance_id[pair.second]),
        "similarity": round(pair.similarity, 4),
        "lag_seconds": round(pair.lag, 4),
        "level_db": round(pair.level_db, 2),
        "same_speaker": bool(corpus.speaker[pair.first] == corpus.speaker[pair.second]),
        "same_class": bool(corpus.label[pair.first] == corpus.label[pair.second]),
    }


def across(pairs: Sequence[Pair], protocol: Protocol, n: int) -> list[dict[str, list[Pair]]]:
    """Of each fold, the pairs whose halves lie in two parts: 'train_test' -> pairs.

    Args:
        pairs: by place in the corpus.
        protocol: its folds.
        n: utterances of the corpus.
    """
    found = []
    for fold in protocol.folds:
        # An utterance may be in more than one part where a protocol leaks.
        held = {part: np.zeros(n, bool) for part in PARTS}
        for part in PARTS:
            held[part][getattr(fold, part)] = True
        found.append(
            {
                f"{a}_{b}": [
                    p
                    for p in pairs
                    if (held[a][p.first] and held[b][p.second])
                    or (held[b][p.first] and held[a][p.second])
                ]
                for a, b in PART_PAIRS
            }
        )
    return found


def _protocol(corpus: Corpus, protocol: Protocol, pairs: Sequence[Pair]) -> dict[str, Any]:
    """The certificate, and the near-duplicates that it does not refuse."""
    certificate = protocols.certificate(corpus, protocol, "shown by jser audit").to_json()
    shared = across(pairs, protocol, len(corpus.label))
    for fold, there in zip(certificate["folds"], shared, strict=True):
        fold["near_duplicates"] = {name: len(found) for name, found in there.items()}
    straddling = {p for there in shared for found in there.values() for p in found}
    return {
        **certificate,
        "leak": protocol.leak,
        "refused": bool(certificate["found"]) and protocol.leak is None,
        "near_duplicates": [
            _named(p, corpus) for p in sorted(straddling, key=lambda p: (p.first, p.second))
        ],
    }


# ------------------------------------------------------------------------------------------ sound


def _sounds(corpus: Corpus, root: Path) -> tuple[list[Sound] | None, str | None]:
    """Measures of each utterance, or why there are none."""
    key = f"sound-{corpus.fingerprint[:24]}-v{SOUND_VERSION}"
    kept = _read(root, key)
    if kept and len(kept.get("sounds", ())) == len(corpus.label):
        with contextlib.suppress(TypeError):
            return [Sound(**fields) for fields in kept["sounds"]], None
    waveforms: Sequence[np.ndarray] | None = corpus.waveform
    if waveforms is None:
        ids = [str(u) for u in corpus.utterance_id]
        try:
            by_id = recordings.find(corpus.name, root, corpus.fingerprint, ids)
            waveforms = [by_id[u] for u in ids]
        except InputError as error:
            return None, str(error)
    found = []
    with progress.bar(len(waveforms), "listen", unit="utterance") as tick:
        for pcm in waveforms:
            found.append(sound.measure(pcm))
            tick()
    _write(root, key, {"sounds": [asdict(s) for s in found]})
    return found, None


# ------------------------------------------------------------------------------------------ cache


def _read(data_dir: str | os.PathLike[str], key: str) -> dict[str, Any] | None:
    try:
        content = json.loads((places.audit_dir(data_dir) / f"{key}.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _write(data_dir: str | os.PathLike[str], key: str, content: Mapping[str, Any]) -> None:
    # Records may lie where nobody may write: then it is measured again the next time.
    with contextlib.suppress(OSError):
        write_text(places.audit_dir(data_dir) / f"{key}.json", json.dumps(content))
