"""Closed-form read-outs, which need no training: the same for all systems.

A read-out is a ridge regression on one-hot targets with weights and an intercept that is not
penalised, solved in its dual form: features have more dimensions than a corpus has utterances. One
inverse gives the fit and what it would have said of each group of utterances had it not been fitted
on them (scaling and class weights kept), so that a penalty can be chosen across speakers at no
further cost. Of a large corpus with few features the primal form gives the same for less.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import scipy.linalg

from jser.training import normalisation

# Rows of a matrix [n, n] that are changed in one go: what stands beside it stays small.
BLOCK = 256
# From so many rows on the primal form is taken, where there are fewer than half as many features:
# the matrix [n, n] of FI's 20,000 pictures and its inverse are 3 GB and some 10^13 products.
MANY_ROWS = 8000
# Numbers of the rows that the primal form has in memory at a time.
PIECE = 1 << 24


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
        group: int [n], what is left out together, with all copies: the speaker, or of a single
            speaker each utterance.
        n_classes: K.
        one_unit: of the view's columns, see `normalisation.moments`.
    """

    index: np.ndarray
    label: np.ndarray
    weight: np.ndarray
    group: np.ndarray
    n_classes: int
    one_unit: bool = True

    @property
    def target(self) -> np.ndarray:
        """One-hot labels [n, K]."""
        return np.eye(self.n_classes)[self.label]


@dataclasses.dataclass(frozen=True)
class Solution:
    """A read-out in dual form.

    Attributes:
        alpha: [n, K], weight of each row in the kernel.
        bias: [K].
        held_out: scores [n, K] of each row by the fit without its group.
    """

    alpha: np.ndarray
    bias: np.ndarray
    held_out: np.ndarray


class View:
    """A view's rows, standardised; a block of columns at a time, so no float32 copy is kept."""

    def __init__(self, features: np.ndarray, rows: Rows):
        """Take mean and deviation of the rows `rows.index` of `features` [R, D]."""
        self._features = features
        self._rows = rows
        self._mean, self._scale = normalisation.moments(features, rows.index, rows.one_unit)

    def _blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Columns, and the standardised rows [n, columns] there."""
        for i in range(0, len(self._mean), normalisation.COLUMNS):
            columns = slice(i, i + normalisation.COLUMNS)
            x = self._features[self._rows.index, columns].astype(np.float32)
            x -= self._mean[columns]
            x *= self._scale[columns]
            yield columns, x

    def solve(self, penalties: Sequence[float]) -> dict[float, Solution]:
        """Solve the dual problem with each of some penalties.

        Args:
            penalties: variance of a target's noise, where a feature's is 1 and the D features share
                the variance of the signal; so one means the same for any n and D.

        Returns:
            penalty -> solution. Leaving a group out of the bordered system is a solve of its own
            block (Cawley and Talbot 2007, "Model selection in kernel methods by Bayesian
            regularisation", for single rows; blocks likewise). Mean, deviation and weights stay
            those of all rows.
        """
        n = len(self._rows.index)
        if n >= MANY_ROWS and n > 2 * len(self._mean):
            return self._solve_primal(penalties)
        gram = np.zeros((n, n), np.float32)
        for _, x in self._blocks():
            gram += x @ x.T
        gram /= len(self._mean)
        return {penalty: self._solve(gram, penalty) for penalty in penalties}

    def _solve_primal(self, penalties: Sequence[float]) -> dict[float, Solution]:
        """The same by the features' own products, [D + 1, D + 1]; the last column is the intercept.

        Leaving a group out is a solve of its block of the hat matrix (Cook and Weisberg 1982,
        "Residuals and influence in regression", 4.2).
        """
        rows, width = self._rows, len(self._mean)
        target = rows.target
        pieces = self._pieces()
        product, right = np.zeros((width + 1, width + 1)), np.zeros((width + 1, rows.n_classes))
        for groups in pieces:
            mine = np.concatenate(groups)
            x = self._bordered(mine)
            weighted = x * rows.weight[mine, None].astype(x.dtype)
            product += weighted.T @ x
            right += weighted.T @ target[mine].astype(x.dtype)
        inverses, kernels = {}, {}
        for penalty in penalties:
            system = product.copy()
            system[np.arange(width), np.arange(width)] += penalty
            inverses[penalty] = _inverse(system)
            kernels[penalty] = inverses[penalty] @ right
        shape = target.shape
        held_out = {penalty: np.empty(shape, np.float32) for penalty in penalties}
        alpha = {penalty: np.empty(shape, np.float32) for penalty in penalties}
        for groups in pieces:
            mine = np.concatenate(groups)
            x = self._bordered(mine)
            for penalty, inverse in inverses.items():
                kernel = kernels[penalty]
                spread = x @ inverse.astype(x.dtype)
                residual = target[mine] - x @ kernel.astype(x.dtype)
                alpha[penalty][mine] = rows.weight[mine, None] * residual / penalty
                # What each row has to say of itself; of groups of one, all that is to be left out.
                own = np.einsum("nd,nd->n", x, spread, dtype=np.float64) * rows.weight[mine]
                held_out[penalty][mine] = target[mine] - residual / (1 - own)[:, None]
                start = 0
                for group in groups:
                    its = slice(start, start + len(group))
                    start += len(group)
                    if len(group) == 1:
                        continue
                    if len(group) == len(rows.index):
                        held_out[penalty][group] = kernel[-1]  # nothing is left to fit
                        continue
                    hat = (x[its] @ spread[its].T).astype(np.float64) * rows.weight[group]
                    left = np.linalg.solve(np.eye(len(group)) - hat, residual[its])
                    held_out[penalty][group] = target[group] - left
        return {
            penalty: Solution(alpha[penalty], kernels[penalty][-1], held_out[penalty])
            for penalty in penalties
        }

    def _pieces(self) -> list[list[np.ndarray]]:
        """Groups, each as its rows, in pieces whose standardised rows are small beside a corpus."""
        rows = self._rows
        order = np.argsort(rows.group, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(rows.group[order])) + 1)
        end = np.cumsum([len(group) for group in groups])
        number = (end - 1) // max(1, PIECE // (len(self._mean) + 1))
        cuts = np.flatnonzero(np.diff(number)) + 1
        bounds = [0, *cuts.tolist(), len(groups)]
        return [groups[i:j] for i, j in itertools.pairwise(bounds)]

    def _bordered(self, mine: np.ndarray) -> np.ndarray:
        """Some rows, standardised, with a last column of ones: [m, D + 1]."""
        width = len(self._mean)
        x = np.ones((len(mine), width + 1), np.float32)
        own = self._features[self._rows.index[mine]].astype(np.float32)
        x[:, :width] = (own - self._mean) * self._scale / np.float32(np.sqrt(width))
        return x

    def _solve(self, gram: np.ndarray, penalty: float) -> Solution:
        rows = self._rows
        target = rows.target.astype(gram.dtype)
        system = gram.copy()
        system[np.diag_indices_from(system)] += (penalty / rows.weight).astype(system.dtype)
        inverse = _inverse(system)
        # The border makes the intercept free.
        ones = inverse.sum(1)
        total = ones.sum()
        for i in range(0, len(inverse), BLOCK):
            inverse[i : i + BLOCK] -= np.outer(ones[i : i + BLOCK], ones / total)
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
        return Solution(alpha, bias, held_out)

    def readout(self, solution: Solution) -> Readout:
        """The read-out of a solution."""
        kernel = np.empty((len(self._mean), self._rows.n_classes), solution.alpha.dtype)
        for columns, x in self._blocks():
            kernel[columns] = x.T @ solution.alpha / len(self._mean)
        return Readout(self._mean, self._scale, kernel, solution.bias)

    def fit(self, penalty: float) -> tuple[Readout, np.ndarray]:
        """The read-out with one penalty, and the scores [n, K] that `Solution` calls held_out."""
        solution = self.solve([penalty])[penalty]
        return self.readout(solution), solution.held_out


def _inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a symmetric positive definite matrix, which is overwritten."""
    # LAPACK reads columns first: of a symmetric matrix that is its transpose, and no copy.
    factor, _ = scipy.linalg.cho_factor(matrix.T, lower=True, overwrite_a=True, check_finite=False)
    (potri,) = scipy.linalg.get_lapack_funcs(("potri",), (factor,))
    inverse, failed = potri(factor, lower=1, overwrite_c=1)
    if failed:
        raise np.linalg.LinAlgError(f"the inverse failed at row {failed}")
    for i in range(0, len(inverse), BLOCK):
        own = np.tril(inverse[i : i + BLOCK, i : i + BLOCK])
        inverse[i : i + BLOCK, i : i + BLOCK] = own + np.tril(own, -1).T
        inverse[i : i + BLOCK, i + BLOCK :] = inverse[i + BLOCK :, i : i + BLOCK].T
    return inverse


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
    # One view after the other: no two of them have their products in memory.
    solved = {name: view.solve(penalties) for name, view in dual.items()}
    label = next(iter(views.values()))[1].label[:n_judged]

    def best(*names: str) -> float:
        """The penalty that serves the sum of some views."""

        def quality(penalty: float) -> tuple[float, float]:
            held_out = [solved[name][penalty].held_out[:n_judged] for name in names]
            return recall(label, np.sum(held_out, axis=0)), penalty

        return max(penalties, key=quality)

    together = best(*dual)
    alone = {name: best(name) for name in dual}
    readouts = {
        (name, penalty): view.readout(solved[name][penalty])
        for name, view in dual.items()
        for penalty in {together, alone[name]}
    }
    return Fitted(
        {name: readouts[name, together] for name in dual},
        together,
        {name: readouts[name, alone[name]] for name in dual},
        alone,
    )
