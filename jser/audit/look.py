"""How each picture looks: what is blank, dark, without colour, or framed.

A file that is damaged, or whose middle is one single colour, is refused when records are built.
What is measured here are pictures that can be used and should be looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jser.audit.measures import Kind

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
# A line of a frame varies less, in steps of 8 bits: JPEG leaves a plain colour that even.
_PLAIN = 2.0


@dataclass(frozen=True)
class Look:
    """Measures of one picture, as it is in the records.

    Attributes:
        brightness: mean luma, 0..255.
        contrast: standard deviation of the luma, 0..255.
        colour: mean of the largest channel less the smallest, 0..255.
        frame: share of the picture, 0..1, in plain lines at its edges.
    """

    brightness: float
    contrast: float
    colour: float
    frame: float


def measure(pixels: np.ndarray) -> Look:
    """Measures of a picture, uint8 [side, side, 3]."""
    # Channel by channel: an axis of three is many times as slow to go along.
    red, green, blue = (np.ascontiguousarray(pixels[..., c]) for c in range(3))
    luma = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    colour = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    height = len(luma) - sum(_plain_lines(luma.std(1)))
    width = luma.shape[1] - sum(_plain_lines(luma.std(0)))
    return Look(
        brightness=float(luma.mean()),
        contrast=float(luma.std()),
        colour=float(colour.mean()),
        frame=1 - max(height, 0) * max(width, 0) / luma.size,
    )


def _plain_lines(spread: np.ndarray) -> tuple[int, int]:
    """Plain lines before and behind those that are not, of the spread along each line [n]."""
    lively = np.flatnonzero(spread >= _PLAIN)
    if not len(lively):
        return len(spread), 0
    return int(lively[0]), len(spread) - 1 - int(lively[-1])


# Set by eye, on no corpus: they say where to look, not what is wrong.
KINDS = (
    Kind("blank", "contrast", "hardly any contrast", "spread of the luma, of 255: blank, fog, or a "
         "placeholder", 10.0, False, 1.0, "steps"),
    Kind("dark", "brightness", "very dark", "mean luma, of 255", 25.0, False, 1.0, "steps"),
    Kind("bright", "brightness", "very bright", "mean luma, of 255: on white, or overexposed",
         230.0, True, 1.0, "steps"),
    Kind("grey", "colour", "without colour", "largest channel less the smallest, of 255; black and "
         "white, which may go with an emotion", 3.0, False, 1.0, "steps"),
    Kind("framed", "frame", "framed", "plain lines at its edges: a frame, bars or a cut-out, which "
         "belong to whoever published it", 0.05, True, 100.0, "%"),
)  # fmt: skip
