"""Segments of an utterance that hold one voiced region each (Lee and Tashev 2015).

How the paper finds voiced regions is not given. Choice of ours: frames with an F0, gaps shorter
than a syllable closed, and what is shorter than a vowel dropped; borders lie in the middle of the
pauses between two regions.
"""

from __future__ import annotations

import numpy as np


def runs(flag: np.ndarray) -> np.ndarray:
    """First frame and the frame behind the last, int [n, 2], of the runs of True in bool [T]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flag, [False]])))
    return edges.reshape(-1, 2)


def voiced_regions(voiced: np.ndarray, shortest_gap: int, shortest_region: int) -> np.ndarray:
    """Voiced regions of an utterance.

    Args:
        voiced: bool [T].
        shortest_gap: frames; a gap between two voiced runs that has fewer is closed.
        shortest_region: frames; a region that then has fewer is dropped.

    Returns:
        int [n, 2]: first frame of each region and the frame behind its last; may be empty.
    """
    found = runs(np.asarray(voiced, bool))
    if not len(found):
        return found
    gap = found[1:, 0] - found[:-1, 1]
    starts = np.concatenate([[True], gap >= shortest_gap])
    ends = np.concatenate([gap >= shortest_gap, [True]])
    regions = np.stack([found[starts, 0], found[ends, 1]], axis=1)
    return regions[regions[:, 1] - regions[:, 0] >= shortest_region]


def voiced_segments(voiced: np.ndarray, shortest_gap: int, shortest_region: int) -> np.ndarray:
    """Where an utterance's segments start.

    Args:
        voiced: bool [T], of 10 ms frames: those with an F0.
        shortest_gap: frames, see `voiced_regions`; 10 is sensible.
        shortest_region: frames; 5 is sensible, and 2 the least: over segments of one frame there
            may be no path of labels (`jser.models.label_lattice`).

    Returns:
        int8 [T]: 1 at the first frame of each segment but the first. An utterance with one region
        or none is one segment.

    Raises:
        ValueError: `shortest_region` is below 2.
    """
    if shortest_region < 2:
        raise ValueError(f"shortest_region is {shortest_region}: a segment needs two frames")
    regions = voiced_regions(voiced, shortest_gap, shortest_region)
    border = np.zeros(len(voiced), np.int8)
    border[(regions[:-1, 1] + regions[1:, 0]) // 2] = 1
    return border
