"""UAR, WA, macro F1 and the confusion matrix they come from.

Every figure is a function of a confusion matrix [..., K, K] (rows: truth, columns: predicted), so
that pooling is a sum of matrices and leaving a speaker out is a difference of two.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Statistic = Callable[[np.ndarray], np.ndarray]


def confusion(truth: np.ndarray, predicted: np.ndarray, n_classes: int) -> np.ndarray:
    """Count utterances by truth (rows) and prediction (columns).

    Args:
        truth: [n] integers in 0..K-1.
        predicted: [n] integers in 0..K-1.
        n_classes: K.

    Returns:
        [K, K] int64.

    Raises:
        ValueError: different lengths, or a class outside 0..K-1 (-1, a hidden label, above all).
    """
    truth, predicted = np.asarray(truth, np.int64), np.asarray(predicted, np.int64)
    if truth.shape != predicted.shape or truth.ndim != 1:
        raise ValueError(f"truth {truth.shape} and predicted {predicted.shape} must be equal, [n]")
    for what, values in (("truth", truth), ("predicted", predicted)):
        if values.size and (values.min() < 0 or values.max() >= n_classes):
            raise ValueError(f"{what} holds a class outside 0..{n_classes - 1}")
    flat = np.bincount(truth * n_classes + predicted, minlength=n_classes**2)
    return flat.reshape(n_classes, n_classes)


def recalls(conf: np.ndarray) -> np.ndarray:
    """Recall of each class, [..., K]; nan where the class is absent from the truth."""
    conf = np.asarray(conf, np.float64)
    hits, total = np.diagonal(conf, axis1=-2, axis2=-1), conf.sum(-1)
    return _ratio(hits, total)


def uar(conf: np.ndarray) -> np.ndarray:
    """Unweighted average recall, [...], over the classes present in the truth; nan if none is."""
    return _mean_of_present(recalls(conf))


def wa(conf: np.ndarray) -> np.ndarray:
    """Weighted accuracy, [...]: the share of right utterances; nan without utterances."""
    conf = np.asarray(conf, np.float64)
    hits, total = np.trace(conf, axis1=-2, axis2=-1), conf.sum((-2, -1))
    return _ratio(hits, total)


def macro_f1(conf: np.ndarray) -> np.ndarray:
    """Mean F1, [...], over the classes present in the truth; nan if none is.

    F1 = 2 hits / (true + predicted), so a class that is present and never predicted has 0.
    """
    conf = np.asarray(conf, np.float64)
    hits, true = np.diagonal(conf, axis1=-2, axis2=-1), conf.sum(-1)
    f1 = np.where(true > 0, _ratio(2 * hits, true + conf.sum(-2)), np.nan)
    return _mean_of_present(f1)


def _mean_of_present(values: np.ndarray) -> np.ndarray:
    present = ~np.isnan(values)
    return _ratio(np.where(present, values, 0.0).sum(-1), present.sum(-1))


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    out = np.full(np.shape(under), np.nan)
    np.divide(over, under, out=out, where=np.asarray(under) > 0)
    return out
