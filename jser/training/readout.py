"""Closed-form read-outs, which need no training: the same for all systems.

A read-out is a ridge regression on one-hot targets with weights and an intercept that is not
penalised, solved in its dual form: features have more dimensions than a corpus has utterances. One
inverse gives the fit and what it would have said of each group of utterances had it not been fitted
on them (scaling and class weights kept), so that a penalty can be chosen across speakers at no
further cost.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import scipy.linalg


@dataclasses.dataclass(frozen=True)
class Readout:
    """A linear classifier: scores = (x - mean) * scale @ kernel + bias."""

    mean: np.ndarray
    scale: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """[n, D] -> scores [n, K]."""
        matrix = self.scale[:, None] * self.kernel
        return features @ matrix + (self.bias - self.mean @ matrix)


@dataclasses.dataclass(frozen=True)
class Rows:
    """The utterances that a read-out is fitted on.

    Attributes:
        index: int [n], rows of a view.
        label: int [n], 0..K-1.
        weight: [n], positive; they sum to the number of utterances, copies not counted.
        group: int [n], what is left out together: the speaker, with all copies.
        n_classes: K.
    """

    index: np.ndarray
    label: np.ndarray
    weight: np.ndarray
    group: np.ndarray
    n_classes: int

    @property
    def target(self) -> np.ndarray:
        """One-hot labels [n, K]."""
        return np.eye(self.n_classes)[self.label]


class View:
    """A view's rows in dual form, ready to be fitted with one penalty after another."""

    def __init__(self, features: np.ndarray, rows: Rows):
        """Standardise the rows `rows.index` of `features` [R, D] and take their inner products."""
        x = features[rows.index].astype(np.float32)
        self._rows = rows
        self._mean = x.mean(0)
        deviation = x.std(0)
        # A value that hardly ever changes must not be blown up to the size of the others.
        self._scale = 1.0 / (deviation + 0.01 * deviation.mean() + 1e-12)
        x -= self._mean
        x *= self._scale
        self._x = x
        self._gram = x @ x.T / x.shape[1]

    def fit(self, penalty: float) -> tuple[Readout, np.ndarray]:
        """Fit with one penalty.

        Args:
            penalty: variance of a target's noise, where a feature's is 1 and the D features share
                the variance of the signal; so it means the same for any n and D.

        Returns:
            (the read-out, scores [n, K] of each row by the fit without its group). Leaving a group
            out of the bordered system is a solve of its own block (Cawley and Talbot 2007, "Model
            selection in kernel methods by Bayesian regularisation", for single rows; blocks
            likewise). Mean, deviation and weights stay those of all rows.
        """
        rows = self._rows
        target = rows.target.astype(self._gram.dtype)
        system = self._gram.copy()
        system[np.diag_indices_from(system)] += (penalty / rows.weight).astype(system.dtype)
        inverse = _inverse(system)
        # The border makes the intercept free.
        ones = inverse.sum(1)
        total = ones.sum()
        inverse -= np.outer(ones, ones / total)
        alpha = inverse @ target
        bias = ones @ target / total
        held_out = np.empty(target.shape, np.float64)
        for group in np.unique(rows.group):
            mine = np.flatnonzero(rows.group == group)
            if len(mine) == len(rows.group):
                held_out[mine] = bias  # nothing is left to fit
                continue
            block = inverse[np.ix_(mine, mine)].astype(np.float64)
            held_out[mine] = target[mine] - np.linalg.solve(block, alpha[mine].astype(np.float64))
        kernel = self._x.T @ alpha / self._x.shape[1]
        return Readout(self._mean, self._scale, kernel, bias), held_out


def _inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a symmetric positive definite matrix, which is overwritten."""
    factor, _ = scipy.linalg.cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
    (potri,) = scipy.linalg.get_lapack_funcs(("potri",), (factor,))
    inverse, failed = potri(factor, lower=1, overwrite_c=1)
    if failed:
        raise np.linalg.LinAlgError(f"the inverse failed at row {failed}")
    lower = np.tril(inverse, -1)
    return np.diag(np.diag(inverse)) + lower + lower.T


def recall(truth: np.ndarray, scores: np.ndarray) -> float:
    """Unweighted average recall of the highest scores [n, K], over the classes present."""
    predicted = scores.argmax(1)
    return float(np.mean([np.mean(predicted[truth == k] == k) for k in np.unique(truth)]))


@dataclasses.dataclass(frozen=True)
class Fitted:
    """The read-outs of several views.

    Attributes:
        together: view -> its read-out in the sum; all have one penalty, that serves the sum best.
        penalty: of the sum.
        alone: view -> the read-out of that view by itself, with the penalty that serves it best.
        penalties: view -> that penalty.
    """

    together: dict[str, Readout]
    penalty: float
    alone: dict[str, Readout]
    penalties: dict[str, float]


def fit_together(
    views: Mapping[str, tuple[np.ndarray, Rows]], penalties: Sequence[float], n_judged: int
) -> Fitted:
    """One read-out a view and penalty; what is best, together and alone, groups decide.

    Args:
        views: name -> (features [R, D], the rows to fit on; no other row is read). The views'
            first `n_judged` rows are the same utterances, in the same order.
        penalties: to choose from; one is taken as it is.
        n_judged: rows that a choice is judged by: the originals, not their copies.

    Returns:
        The choices have the highest recall of the scores of each group by the fits without it;
        ties go to the stronger penalty.
    """
    dual = {name: View(features, rows) for name, (features, rows) in views.items()}
    label = next(iter(views.values()))[1].label[:n_judged]
    best: dict[str, tuple[float, float]] = {}
    readouts: dict[str, Readout] = {}
    together: dict[str, Readout] = {}
    for penalty in sorted(penalties):
        fitted = {name: view.fit(penalty) for name, view in dual.items()}
        summed = np.zeros(())
        for name, (readout, held_out) in fitted.items():
            found = recall(label, held_out[:n_judged]), penalty
            if found >= best.get(name, (-1.0, 0.0)):
                best[name], readouts[name] = found, readout
            summed = summed + held_out[:n_judged]
        found = recall(label, summed), penalty
        if found >= best.get("", (-1.0, 0.0)):
            best[""] = found
            together = {name: readout for name, (readout, _) in fitted.items()}
    chosen = {name: penalty for name, (_, penalty) in best.items()}
    return Fitted(together, chosen.pop(""), readouts, chosen)
