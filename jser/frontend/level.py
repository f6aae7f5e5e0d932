"""The level of a recording, and the ways to take it out."""

from __future__ import annotations

import numpy as np

# recorded: as it is; peak: the loudest is put to full scale; variance: see `standardised`.
LEVELS = ("recorded", "peak", "variance")
# Below this nothing but rounding is left of a sample, whose full scale is 1.
_NOTHING = 1e-9


def standardised(samples: np.ndarray) -> np.ndarray:
    """A recording with mean 0 and variance 1, as in Chen et al. 2018, section on features.

    Args:
        samples: int16 or float32 [samples], at least one, silence at both ends included.

    Returns:
        float32 [samples], whatever full scale was; zeros where all samples are the same.
    """
    x = samples.astype(np.float64)
    if samples.dtype == np.int16:
        x /= 32768
    x -= x.mean()
    deviation = x.std()
    if deviation < _NOTHING:
        return np.zeros(len(x), np.float32)
    return (x / deviation).astype(np.float32)
