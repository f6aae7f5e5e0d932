"""Extreme learning machines: read-outs of a few statistics an utterance, in closed form.

The hidden layer is not trained: in the kernel machine it is whatever a kernel of radial basis
functions stands for (Huang, Zhou, Ding and Zhang 2012, Extreme learning machine for regression and
multiclass classification, IEEE Trans. SMC-B 42(2)), which Lee and Tashev 2015 put behind their
RNN; in the ordinary one it is drawn at random (Huang, Zhu and Siew 2006), as in Han, Yu and
Tashev 2014. All is float64 and deterministic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.linalg
from scipy.spatial import distance
from scipy.special import expit

from jser.training.readout import recall


class Elm(Protocol):
    """A fitted machine.

    Attributes:
        parameters: numbers of the decision that were fitted, kept or drawn; those that standardise
            are not among them.
    """

    @property
    def parameters(self) -> int:
        """See the class."""
        ...

    def predict(self, features: np.ndarray) -> np.ndarray:
        """[m, F] -> scores [m, K], about 1 for the class and 0 for the others."""
        ...


@dataclass(frozen=True)
class Scaling:
    """Standardisation by the rows that a machine was fitted on: mean, scale [F]."""

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Scaling:
        """Mean and 1 / deviation of [n, F]; a column that does not change gets the scale 0."""
        mean, deviation = features.mean(0), features.std(0)
        changes = deviation > 1e-9 * np.abs(mean) + 1e-30
        return cls(mean, np.where(changes, 1 / np.where(changes, deviation, 1), 0.0))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """[m, F] in float64."""
        return (np.asarray(features, np.float64) - self.mean) * self.scale


@dataclass(frozen=True)
class KernelElm:
    """f(x) = [k(x, x_1) .. k(x, x_n)] (I / C + Omega)^-1 T.

    Attributes:
        scaling: of the features.
        rows: [n, F], standardised rows that it was fitted on.
        dual: [n, K], (I / C + Omega)^-1 T.
        width: see `rbf`.
        ridge: C.
    """

    scaling: Scaling
    rows: np.ndarray
    dual: np.ndarray
    width: float
    ridge: float

    @property
    def parameters(self) -> int:
        """Rows that it keeps, and their coefficients."""
        return self.rows.size + self.dual.size

    def predict(self, features: np.ndarray) -> np.ndarray:
        """[m, F] -> scores [m, K]."""
        return rbf(self.scaling(features), self.rows, self.width) @ self.dual


@dataclass(frozen=True)
class SigmoidElm:
    """f(x) = sigmoid(x W + b) U.

    Attributes:
        scaling: of the features.
        kernel: W [F, H], drawn.
        bias: b [H], drawn.
        output: U [H, K], fitted.
    """

    scaling: Scaling
    kernel: np.ndarray
    bias: np.ndarray
    output: np.ndarray

    @property
    def parameters(self) -> int:
        """Of both layers, the drawn one too."""
        return self.kernel.size + self.bias.size + self.output.size

    def predict(self, features: np.ndarray) -> np.ndarray:
        """[m, F] -> scores [m, K]."""
        return self._hidden(features) @ self.output

    def _hidden(self, features: np.ndarray) -> np.ndarray:
        return expit(self.scaling(features) @ self.kernel + self.bias)


@dataclass(frozen=True)
class Judge:
    """A machine that answers in shares, see `shares`."""

    machine: Elm

    @property
    def parameters(self) -> int:
        """The machine's."""
        return self.machine.parameters

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Shares float32 [m, K] of rows [m, F]."""
        return shares(self.machine.predict(rows))


def rbf(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """``k(a_i, b_j) = exp(-|a_i - b_j|^2 / (F width^2))`` of [m, F] and [n, F].

    Divided by F, a width means the same for any number of standardised features: two rows are
    about 2 F apart.
    """
    return np.exp(-distance.cdist(a, b, "sqeuclidean") / (a.shape[1] * width**2))


def fit_kernel(
    features: np.ndarray,
    label: np.ndarray,
    n_classes: int,
    weights: np.ndarray | None = None,
    *,
    widths: Sequence[float],
    ridges: Sequence[float],
    dev: tuple[np.ndarray, np.ndarray] | None = None,
) -> KernelElm:
    """Fit the kernel machine.

    Args:
        features: [n, F], as they are: standardised here, by these rows alone.
        label: int [n], 0..K-1.
        n_classes: K.
        weights: [n] of the rows' errors (Zong, Huang and Chen 2013, Weighted extreme learning
            machine for imbalance learning), None: all 1; a row of weight 0 is left out.
        widths: of the kernel, to choose from, see `rbf`.
        ridges: C, to choose from; the larger, the closer the fit.
        dev: features [m, F] and labels int [m] that choose by their UAR; needed where there is a
            choice. Ties go to the smaller C, then to the larger width.

    Returns:
        The machine; `width` and `ridge` say what was chosen.

    Raises:
        ValueError: there is a choice and nothing to choose by; a label is outside 0..K-1; no row
            counts.
    """
    if len(widths) * len(ridges) > 1 and (dev is None or not len(dev[1])):
        raise ValueError("several widths or ridges, and no dev rows to choose by")
    x, target, weight, scaling = _rows(features, label, n_classes, weights)
    best: tuple[tuple[float, float, float], KernelElm] | None = None
    for width in widths:
        omega = rbf(x, x, width)
        for ridge in ridges:
            system = omega + np.diag(1 / (ridge * weight))
            dual = scipy.linalg.solve(system, target, assume_a="pos")
            machine = KernelElm(scaling, x, dual, width, ridge)
            uar = 0.0 if dev is None else recall(np.asarray(dev[1]), machine.predict(dev[0]))
            quality = uar, -ridge, width
            if best is None or quality > best[0]:
                best = quality, machine
    if best is None:
        raise ValueError("no width or no ridge to choose from")
    return best[1]


def fit_sigmoid(
    features: np.ndarray,
    label: np.ndarray,
    n_classes: int,
    weights: np.ndarray | None = None,
    *,
    hidden: int,
    seed: int,
) -> SigmoidElm:
    """Fit the ordinary machine: random sigmoid units, output weights by the pseudo-inverse.

    Args:
        features: [n, F], as they are: standardised here, by these rows alone; whether the
            paper does is not known.
        label: int [n], 0..K-1.
        n_classes: K.
        weights: [n] of the rows' squared errors, None: all 1; a row of weight 0 is left out.
        hidden: H; 120 in the paper.
        seed: of W, uniform in -1..1 as in the paper, and of b likewise (Huang et al. 2006; the
            known of the paper is W).

    Returns:
        The machine. With fewer rows than units, U is the smallest of those that fit all rows.

    Raises:
        ValueError: a label is outside 0..K-1; no row counts.
    """
    x, target, weight, scaling = _rows(features, label, n_classes, weights)
    rng = np.random.default_rng(seed)
    kernel, bias = rng.uniform(-1, 1, (x.shape[1], hidden)), rng.uniform(-1, 1, hidden)
    root = np.sqrt(weight)[:, None]
    output, *_ = np.linalg.lstsq(root * expit(x @ kernel + bias), root * target)
    return SigmoidElm(scaling, kernel, bias, output)


def shares(scores: np.ndarray) -> np.ndarray:
    """Scores [m, K] as shares of 1, float32, in the same order in each row.

    Far from all that it was fitted on, a kernel machine's scores are all about 0, and may all be
    negative; what counts is how far each is above the row's lowest.
    """
    above = scores - scores.min(1, keepdims=True)
    total = above.sum(1, keepdims=True)
    even = np.full_like(above, 1 / above.shape[1])
    return np.divide(above, total, out=even, where=total > 0).astype(np.float32)


def _rows(
    features: np.ndarray, label: np.ndarray, n_classes: int, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Scaling]:
    """The rows that count: standardised features, one-hot targets, weights; and the scaling."""
    label = np.asarray(label)
    weight = np.ones(len(label)) if weights is None else np.asarray(weights, np.float64)
    counts = weight > 0
    if not counts.any():
        raise ValueError("no row to fit on")
    label = label[counts]
    if label.min() < 0 or label.max() >= n_classes:
        raise ValueError(f"labels from {label.min()} to {label.max()} of {n_classes} classes")
    own = np.asarray(features, np.float64)[counts]
    scaling = Scaling.of(own)
    return scaling(own), np.eye(n_classes)[label], weight[counts], scaling
