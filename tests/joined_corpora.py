"""Corpora small enough to count by hand, and joined."""

import numpy as np

from jser import emotions
from jser.records import selection
from jser.records.corpus import Corpus


def made(name, classes, rows, **change):
    """A corpus in memory; `rows` are (speaker, text, label, frames); frame t of row i is i + t."""
    length = np.array([n for *_, n in rows], np.int32)
    ids = [f"u{i}" for i in range(len(rows))]
    fields = {
        "name": name,
        "variant": "waveform",
        "classes": classes,
        "utterance_id": np.array(ids),
        "speaker": np.array([r[0] for r in rows]),
        "session": np.array([r[0] for r in rows]),
        "text_id": np.array([r[1] for r in rows]),
        "split": np.array(["" for _ in rows]),
        "label": np.array([classes.index(r[2]) for r in rows], np.int32),
        "pcm_sha256": np.array([f"{name} {i}" for i in ids]),
        "frames": np.concatenate(
            [np.tile(i + np.arange(n)[:, None], (1, 2)) for i, n in enumerate(length)]
        ).astype(np.float32),
        "offset": np.cumsum(length, dtype=np.int64) - length,
        "length": length,
        "waveform": [np.full(n, i, np.int16) for i, n in enumerate(length)],
        "sex": {r[0]: "f" for r in rows},
        "fingerprint": f"print of {name}",
        "front_end_hash": "h",
        "partial": False,
        "synthetic": False,
        "note": None,
        "audit": {"name": name},
    }
    return Corpus(**{**fields, **change})


def one():
    rows = [("1", "t", "anger", 3), ("1", "", "calm", 2), ("2", "t", "neutral", 4)]
    return made("one", ("anger", "calm", "neutral"), rows)


def two(**change):
    rows = [("1", "t", "neutral", 1), ("", "s", "fear", 5), ("3", "t", "anger", 2)]
    return made("two", ("neutral", "fear", "anger"), rows, **change)


def joined(*parts, labels="shared"):
    by = emotions.label_map(labels)
    names = [part.name for part in parts]
    classes = selection.shared_classes(names, [part.classes for part in parts], by)
    return selection.join(list(parts), by, classes, [lambda p=part: p for part in parts])
