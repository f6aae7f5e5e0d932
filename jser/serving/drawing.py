"""A recording and what was said of it -> the numbers that a page draws."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from jser.artefact.listening import Said
from jser.evaluation.examples import relative_attention
from jser.evaluation.page.spectrogram import RANGE_DB, levels, shrunk
from jser.frontend import log_mel as front_end
from jser.frontend.log_mel import LogMelSpec

# Of the waveform: as many as a wide screen has dots.
MOST_COLUMNS = 2000


def steps(said: Said) -> dict[str, Any] | None:
    """Where the members looked in a window: `weights` [S], and `bounds` [S][2] in seconds."""
    if said.attention is None or said.bounds is None:
        return None
    return {
        "weights": [round(float(w), 5) for w in said.attention],
        "bounds": [[round(float(a), 3), round(float(b), 3)] for a, b in said.bounds],
    }


def waveform(pcm: np.ndarray, rate: int) -> dict[str, Any]:
    """Lowest and highest sample of each of at most `MOST_COLUMNS` columns.

    Args:
        pcm: int16 [n].
        rate: Hz.

    Returns:
        `columns`, `seconds_a_column`, and `low` and `high`: signed bytes in base64, 127 is full
        scale.
    """
    group = max(1, -(-len(pcm) // MOST_COLUMNS))
    filled = np.pad(pcm, (0, -len(pcm) % group), "edge") if len(pcm) else np.zeros(1, np.int16)
    columns = filled.reshape(-1, group)
    return {
        "columns": len(columns),
        "seconds_a_column": group / rate,
        "low": _bytes((columns.min(1) >> 8).astype(np.int8)),
        "high": _bytes((columns.max(1) >> 8).astype(np.int8)),
    }


def log_mel(pcm: np.ndarray, windows: Sequence[Said]) -> dict[str, Any]:
    """A recording's spectrogram as a picture of bytes, and the attention over it.

    Args:
        pcm: int16 [n].
        windows: what was said of it.

    Returns:
        `columns`, `bands`, `start` and `seconds_a_column` (the first column's left edge and a
        column's width), `levels` (bytes in base64, column after column, low bands first; 255 is the
        loudest point, 0 is `range_db` below it), `band_hz` (centres), and `attention`: a number a
        column, how many times as much as with even weights, the mean of the windows that lie over
        it; null where none does.
    """
    spec = LogMelSpec()
    hop = spec.hop / spec.sample_rate
    frames = front_end.log_mel_batch([pcm], spec)[0]
    picture, group = shrunk(frames)
    return {
        "columns": len(picture),
        "bands": spec.n_mels,
        "start": (spec.window - spec.hop) / 2 / spec.sample_rate,
        "seconds_a_column": group * hop,
        "levels": _bytes(np.ascontiguousarray(levels(picture)[::-1].T)),
        "range_db": RANGE_DB,
        "band_hz": [round(float(hz)) for hz in front_end.band_centres(spec)],
        "attention": _attention(windows, len(frames), group, hop),
    }


def _attention(
    windows: Sequence[Said], n_frames: int, group: int, hop: float
) -> list[float | None]:
    total, count = np.zeros(n_frames), np.zeros(n_frames)
    for said in windows:
        if said.attention is None or said.bounds is None:
            continue
        first = round(said.start / hop)
        own = min(round(said.end / hop), n_frames) - first
        bounds = np.clip(np.round(said.bounds / hop).astype(int) - first, 0, max(own, 0))
        curve = relative_attention(np.asarray(said.attention, np.float64), bounds, max(own, 0))
        there = np.isfinite(curve)
        total[first : first + own][there] += curve[there]
        count[first : first + own][there] += 1
    ends = (0, -n_frames % group)
    total, count = (np.pad(x, ends).reshape(-1, group).sum(1) for x in (total, count))
    return [round(float(t / c), 3) if c else None for t, c in zip(total, count, strict=True)]


def _bytes(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")
