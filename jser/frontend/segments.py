"""CNN windows over an utterance, and where its speech begins and ends."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

SEGMENT_FRAMES = 64
# Natural-log Mel power to decibels.
DB = 10.0 / np.log(10.0)


def n_segments(n_frames: int, shift: int) -> int:
    """S = max(1, (T - 64) // shift + 1): segments of 64 frames (655 ms), `shift` frames apart."""
    return jax.core.max_dim(1, (n_frames - SEGMENT_FRAMES) // shift + 1)


def fill_short(frames: np.ndarray) -> np.ndarray:
    """[T, M] -> [max(T, 64), M]: an utterance of fewer than 64 frames repeats its last one."""
    missing = SEGMENT_FRAMES - len(frames)
    if missing <= 0:
        return frames
    return np.concatenate([frames, np.repeat(frames[-1:], missing, axis=0)])


def segment(frames: jax.Array, shift: int) -> jax.Array:
    """[T, ...] with T >= 64 -> [S, 64, ...]: overlapping segments, `shift` frames apart.

    Zhang et al. 2018 shift by 30 frames, two readers of Zhang et al. 2021 by 32.
    """
    starts = jnp.arange(n_segments(frames.shape[0], shift)) * shift
    index = starts[:, None] + np.arange(SEGMENT_FRAMES)
    return jnp.take(frames, index, axis=0)


def speech_bounds(log_mel: np.ndarray, threshold_db: float) -> tuple[int, int]:
    """First frame and one past the last frame of speech, by energy.

    Args:
        log_mel: static log-Mel [T, M], natural logarithm.
        threshold_db: a frame counts as speech while its energy, summed over the bands, is no
            further than this below the utterance's loudest frame.

    Returns:
        (start, stop); pauses inside the utterance are kept.
    """
    energy = DB * np.logaddexp.reduce(log_mel.astype(np.float64), axis=1)
    loud = np.flatnonzero(energy >= energy.max() - threshold_db)
    return int(loud[0]), int(loud[-1]) + 1
