"""Closed-form read-outs, fitted after (or without) training: the same for all systems."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Readout:
    """A linear classifier: scores = (x - mean) * scale @ kernel + bias."""

    mean: np.ndarray
    scale: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """[n, D] -> scores [n, K]."""
        return ((features - self.mean) * self.scale) @ self.kernel + self.bias


def fit_readout(
    features: np.ndarray, labels: np.ndarray, weights: np.ndarray, n_classes: int, penalty: float
) -> Readout:
    """Weighted ridge regression on one-hot targets, in the smaller of its two dual forms.

    Args:
        features: [n, D].
        labels: int [n], 0..K-1.
        weights: [n], of the utterances.
        n_classes: K.
        penalty: lambda, relative to n: comparable between corpora.
    """
    mean = features.mean(0)
    scale = 1.0 / (features.std(0) + 1e-6)
    x = ((features - mean) * scale).astype(np.float64)
    y = np.eye(n_classes)[labels]
    bias = weights @ y / weights.sum()
    root = np.sqrt(weights)[:, None]
    xw, yw = x * root, (y - bias) * root
    strength = penalty * len(x)
    if x.shape[1] <= len(x):
        kernel = np.linalg.solve(xw.T @ xw + strength * np.eye(x.shape[1]), xw.T @ yw)
    else:
        kernel = xw.T @ np.linalg.solve(xw @ xw.T + strength * np.eye(len(x)), yw)
    return Readout(mean, scale, kernel, bias)


PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


def select_readout(
    features: np.ndarray, label: np.ndarray, train: np.ndarray, dev: np.ndarray, n_classes: int
) -> tuple[Readout, float]:
    """Ridge with the penalty that the dev utterances choose, refitted on train and dev.

    Args:
        features: [N, D].
        label: int [N], -1 wherever neither train nor dev lies.
        train: int [n], utterances.
        dev: int [m], utterances.
        n_classes: K.

    Returns:
        (the read-out, the penalty chosen).
    """

    def balanced(rows: np.ndarray) -> np.ndarray:
        count = np.bincount(label[rows], minlength=n_classes)
        return len(rows) / (np.maximum(count, 1) * np.sum(count > 0))[label[rows]]

    def dev_recall(penalty: float) -> float:
        readout = fit_readout(features[train], label[train], balanced(train), n_classes, penalty)
        predicted = readout(features[dev]).argmax(1)
        truth = label[dev]
        return float(np.mean([np.mean(predicted[truth == k] == k) for k in np.unique(truth)]))

    best = max(PENALTIES, key=lambda p: (dev_recall(p), p))  # ties: the stronger penalty
    both = np.concatenate([train, dev])
    return fit_readout(features[both], label[both], balanced(both), n_classes, best), best
