"""The whole audit of a built corpus as plain data: measured once, kept in the cache, shown anew."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import jser
from jser import emotions, progress, protocols
from jser.audit import balance, duplicates, findings, joined, kept, measures, sound
from jser.audit.fingerprints import Pair
from jser.audit.sound import Sound
from jser.errors import InputError
from jser.frontend.log_mel import LogMelSpec
from jser.protocols import Protocol
from jser.records import places, recordings, selection
from jser.records.corpus import Corpus
from jser.records.selection import Origin

# Another number makes cached measures of sound void.
SOUND_VERSION = 1


def gather(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    protocol: str | None = None,
    dev_speakers: int = 2,
    labels: str = emotions.SHARED,
    classes: Sequence[str] = (),
) -> dict[str, Any]:
    """Audit a built corpus or several joined, and a protocol on them where one is named.

    Args:
        name: of the corpus, or of several with a plus between.
        data_dir: where records lie; None: `places.default_data_dir`.
        protocol: name of one, as `protocols.make` takes it.
        dev_speakers: dev speakers of a fold.
        labels: name of the map between the corpora's label sets, as `selection.load` takes it.
        classes: only these of the classes that the corpora share; none named: all.

    Returns:
        What docs/files.md describes under `jser audit --json`.

    Raises:
        InputError: no such corpus, not built, damaged, or no such protocol.
    """
    root = places.root(data_dir)
    corpus = selection.load(name, root, labels=labels, classes=classes, where="auto")
    # Before anything is measured: a misspelt name is said at once.
    made = protocols.make(protocol, corpus, dev_speakers) if protocol else None
    pairs = duplicates.find(corpus, root)
    sounds, why_not = _sounds(corpus, root)
    spec = LogMelSpec()
    seconds = (
        np.array([len(w) / spec.sample_rate for w in corpus.waveform])
        if corpus.waveform is not None
        else (corpus.length - 1) * spec.hop / spec.sample_rate + spec.window / spec.sample_rate
    )
    facts = _facts(corpus, seconds, sounds)
    label = [corpus.classes[k] for k in corpus.label]
    ids = [str(u) for u in corpus.utterance_id]
    audit = {
        "jser": jser.__version__,
        "corpus": corpus.name,
        "fingerprint": corpus.fingerprint,
        "partial": corpus.partial,
        "synthetic": corpus.synthetic,
        "note": corpus.note,
        "built": joined.built(corpus, seconds),
        "joined": joined.parts(corpus, seconds, sounds),
        "balance": balance.tables(corpus, seconds),
        "durations": measures.histogram(seconds),
        "give_aways": balance.give_aways(corpus, facts),
        "identical": duplicates.identical(corpus),
        "near_duplicates": [duplicates.named(pair, corpus) for pair in pairs],
        "sound": measures.summary(sound.KINDS, sounds, ids, label) if sounds else None,
        "sound_missing": why_not,
        "protocol": _protocol(corpus, made, pairs) if made else None,
    }
    return {**audit, "findings": [asdict(finding) for finding in findings.list_all(audit)]}


def _facts(
    corpus: Corpus, seconds: np.ndarray, sounds: Sequence[Sound] | None
) -> dict[str, np.ndarray]:
    facts: dict[str, np.ndarray] = {
        "sex": np.array([corpus.sex.get(str(s), "?") for s in corpus.speaker]),
        "duration": seconds,
    }
    if (corpus.text_id != "").all():
        facts = {"sentence": corpus.text_id, **facts}
    if sounds:
        facts |= {
            "peak level": np.array([s.peak_db for s in sounds]),
            "bandwidth": np.array([s.bandwidth_hz for s in sounds]),
            "first 10 ms": np.array([s.start_db for s in sounds]),
            "last 10 ms": np.array([s.end_db for s in sounds]),
            "silence": np.array([s.dead_seconds for s in sounds]),
            "offset": np.array([s.offset for s in sounds]),
        }
    return facts


def _protocol(corpus: Corpus, protocol: Protocol, pairs: Sequence[Pair]) -> dict[str, Any]:
    """The certificate, and the near-duplicates that it does not refuse."""
    certificate = protocols.certificate(corpus, protocol, "shown by jser audit").to_json()
    shared = duplicates.across(pairs, protocol, len(corpus.label))
    for fold, there in zip(certificate["folds"], shared, strict=True):
        fold["near_duplicates"] = {name: len(found) for name, found in there.items()}
    straddling = {p for there in shared for found in there.values() for p in found}
    return {
        **certificate,
        "leak": protocol.leak,
        "refused": bool(certificate["found"]) and protocol.leak is None,
        "near_duplicates": [
            duplicates.named(p, corpus)
            for p in sorted(straddling, key=lambda p: (p.first, p.second))
        ],
    }


# ------------------------------------------------------------------------------------------ sound


def _sounds(corpus: Corpus, root: Path) -> tuple[list[Sound] | None, str | None]:
    """Measures of each utterance, or why there are none."""
    found: list[Sound] = []
    for origin in selection.origins(corpus):
        try:
            whole = _sounds_of(origin, root)
        except InputError as error:
            return None, str(error)
        found += [whole[row] for row in origin.rows]
    return found, None


def _sounds_of(origin: Origin, root: Path) -> list[Sound]:
    """Measures of all utterances of a built corpus, whatever was taken of it.

    Raises:
        InputError: its records hold no waveforms, and there are no others.
    """
    key = f"sound-{origin.fingerprint[:24]}-v{SOUND_VERSION}"
    before = kept.read(root, key)
    if before and len(before.get("sounds", ())) == origin.n_utterances:
        with contextlib.suppress(TypeError):
            return [Sound(**fields) for fields in before["sounds"]]
    whole = origin.whole()
    waveforms: Sequence[np.ndarray] | None = whole.waveform
    if waveforms is None:
        ids = [str(u) for u in whole.utterance_id]
        by_id = recordings.find(origin.name, root, origin.fingerprint, ids)
        waveforms = [by_id[u] for u in ids]
    found = []
    with progress.bar(len(waveforms), "listen", unit="utterance") as tick:
        for pcm in waveforms:
            found.append(sound.measure(pcm))
            tick()
    kept.write(root, key, {"sounds": [asdict(s) for s in found]})
    return found
