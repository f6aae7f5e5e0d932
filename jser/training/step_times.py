"""Where in an utterance a stem's steps lie, so that a weight on a step can be shown in time."""

from __future__ import annotations

import numpy as np

from jser.frontend import segments
from jser.training.stem_features import steps_of
from jser.training.stem_spec import StemSpec


def step_bounds(static: np.ndarray, spec: StemSpec) -> np.ndarray:
    """First frame and one past the last frame of every step, int32 [S, 2].

    Args:
        static: log-Mel [T, M] as it lies in the records, before the stem trims or fills it.
        spec: the stem.

    Returns:
        Bounds in frames of `static`. Steps overlap where their window is longer than their shift.
        A step never reaches beyond the speech that the stem keeps (`trim_db`), so a step of a
        short utterance, or the last one, may be shorter than its window.
    """
    first, stop = 0, len(static)
    if spec.trim_db > 0:
        first, stop = segments.speech_bounds(static, spec.trim_db)
    filled = max(stop - first, segments.SEGMENT_FRAMES)  # as `segments.fill_short` fills it
    if spec.picture == "segments":
        window, shift = segments.SEGMENT_FRAMES, spec.shift
    else:
        window, shift = (filled, filled) if spec.window == 0 else (spec.window, spec.shift)
    start = first + np.arange(steps_of(filled, spec)) * shift
    return np.minimum(np.stack([start, start + window], axis=1), stop).astype(np.int32)
