"""How far probabilities are from what they promise."""

from __future__ import annotations

from typing import Any

import numpy as np

from jser.evaluation.predictions import Judged

# Of equal width: as in Guo et al. 2017, but fewer, since a speaker says some dozens of utterances.
BINS = 10


def calibration_error(posterior: np.ndarray, label: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error of the most likely class, 0..1.

    Args:
        posterior: [n, K], at least one row.
        label: int [n], 0..K-1.
        bins: of the highest probability, of equal width.

    Returns:
        The mean over utterances of | share of right answers - mean probability | of their bin.
        It is above 0 even for honest probabilities where utterances are few.

    Source: Guo et al. 2017, "On calibration of modern neural networks", ICML, section 2.
    """
    sure = posterior.max(1)
    right = posterior.argmax(1) == label
    place = np.minimum((sure * bins).astype(int), bins - 1)
    gap = np.bincount(place, right - sure, minlength=bins)
    return float(np.abs(gap).sum() / len(label))


def by_speaker(posterior: np.ndarray, label: np.ndarray, speaker: np.ndarray) -> dict[str, float]:
    """`calibration_error` of each speaker's own utterances; speaker str [n]."""
    return {
        str(name): calibration_error(posterior[speaker == name], label[speaker == name])
        for name in np.unique(speaker)
    }


def of(judged: Judged) -> dict[str, Any]:
    """`error` over all rows, and `by_speaker`; None and empty where scores are no shares."""
    total = judged.posterior.sum(1, keepdims=True)
    if (judged.posterior < 0).any() or (total <= 0).any():
        return {"error": None, "by_speaker": {}}
    share = judged.posterior / total
    named = np.where(judged.speaker == "", "unknown", judged.speaker)
    return {
        "error": calibration_error(share, judged.truth),
        "by_speaker": by_speaker(share, judged.truth, named),
    }
