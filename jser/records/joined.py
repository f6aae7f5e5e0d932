"""Frames and sound of what is taken of several corpora: copied, or read where they lie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np

from jser.records.corpus import Corpus
from jser.records.rows import ByNeed, Frames, Rows

Sound = Sequence[np.ndarray] | None


def taken(parts: list[Corpus], rows: Sequence[np.ndarray]) -> tuple[Frames, np.ndarray, Sound]:
    """Frames, the length of each utterance, and sound where all parts have it.

    Args:
        parts: all in memory or all on disk; the list is emptied.
        rows: int [n], of each part, which of its utterances are taken.
    """
    length = np.concatenate([part.length[own] for part, own in zip(parts, rows, strict=True)])
    make = _by_need if isinstance(parts[0].frames, Rows) else _copied
    frames, sound = make(parts, rows, length)
    parts.clear()
    return frames, length, sound


def _copied(
    parts: list[Corpus], rows: Sequence[np.ndarray], length: np.ndarray
) -> tuple[Frames, Sound]:
    """Each part is let go once it is copied."""
    frames = np.empty((int(length.sum(dtype=np.int64)), parts[0].frames.shape[1]), np.float32)
    sound: list[np.ndarray] | None = [] if all(p.waveform is not None for p in parts) else None
    stop = 0
    for own in rows:
        part = parts.pop(0)
        for row in own:
            n, first = int(part.length[row]), int(part.offset[row])
            frames[stop : stop + n] = part.frames[first : first + n]
            stop += n
        if sound is not None and part.waveform is not None:
            sound += [part.waveform[row] for row in own]
        del part
    return frames, sound


def _by_need(
    parts: list[Corpus], rows: Sequence[np.ndarray], length: np.ndarray
) -> tuple[Frames, Sound]:
    frames, sounds = [part.frames for part in parts], [part.waveform for part in parts]
    part_of = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
    row_of = np.concatenate(list(rows))
    digest = hashlib.sha256(row_of.astype("<i8").tobytes())
    for one in frames:
        assert isinstance(one, Rows), "where one part is on disk, all are"
        digest.update(json.dumps([one.key]).encode())

    def frames_of(i: int) -> np.ndarray:
        one = frames[part_of[i]]
        assert isinstance(one, Rows)
        return one.row(int(row_of[i]))

    def sound_of(i: int) -> np.ndarray:
        one = sounds[part_of[i]]
        assert one is not None
        return one[int(row_of[i])]

    joined = Rows(frames_of, length, frames[0].shape[1], digest.hexdigest()[:24])
    has_sound = all(sound is not None for sound in sounds)
    return joined, ByNeed(sound_of, len(length)) if has_sound else None
