"""The baseline that everyone knows: a support vector machine over functionals of descriptors.

Machines of all pairs of classes (one against one) by scikit-learn, which stands on LIBSVM (Chang
and Lin 2011, ACM Trans. Intelligent Systems and Technology 2(3)); kernel, cost and width are chosen
inside the fold, by its dev speakers or by groups of its training speakers. Nothing is random. What
is fitted is kept as plain arrays, so it can be stored and hashed like any other read-out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import scipy.optimize
import scipy.special
from sklearn.model_selection import GroupKFold
from sklearn.svm import SVC

from jser.errors import InputError
from jser.training import normalisation
from jser.training.readout import Rows, recall

KERNELS = ("linear", "rbf")
# Bounds of the factor that turns scores into logits.
_SHARPNESS = (0.01, 100.0)


@dataclasses.dataclass(frozen=True)
class SvmSpec:
    """What is chosen from.

    Attributes:
        kernels: of ``linear`` and ``rbf``.
        costs: C; a row's own is C times its weight, so classes count the same.
        gammas: of the RBF kernel ``exp(-gamma |a - b|^2 / D)``; 1 is what is called `scale`
            elsewhere.
        inner_folds: into which training speakers are divided for the choice.
    """

    kernels: tuple[str, ...] = KERNELS
    costs: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0)
    gammas: tuple[float, ...] = (0.1, 0.3, 1.0)
    inner_folds: int = 5

    def __post_init__(self) -> None:
        for kernel in self.kernels:
            if kernel not in KERNELS:
                raise InputError(f"svm.kernels: {kernel!r} is none of {', '.join(KERNELS)}")
        if self.inner_folds < 2:
            raise InputError(f"svm.inner_folds: {self.inner_folds} must be at least 2")

    def settings(self) -> Iterator[tuple[float, float]]:
        """(gamma, cost) of all combinations, gamma 0 for the linear kernel; the simplest first."""
        gammas = [0.0] if "linear" in self.kernels else []
        gammas += sorted(self.gammas) if "rbf" in self.kernels else []
        for gamma in gammas:
            for cost in sorted(self.costs):
                yield gamma, cost


@dataclasses.dataclass(frozen=True)
class Choice:
    """What serves a fold best.

    Attributes:
        gamma: of the RBF kernel; 0: linear.
        cost: C.
        sharpness: factor of the scores, under which held-out rows' shares have the highest
            likelihood.
        recall: unweighted average, of the held-out rows.
    """

    gamma: float
    cost: float
    sharpness: float
    recall: float


@dataclasses.dataclass(frozen=True)
class Svm:
    """A fitted machine, k of K classes having rows.

    Attributes:
        mean, scale: [D], of the training rows.
        support: float32 [S, D], standardised support vectors, class by class.
        count: int [k], support vectors of each class.
        coefficient: [k - 1, S], see `pairs`.
        intercept: [k (k - 1) / 2].
        classes: int [k].
        n_classes: K.
        gamma, sharpness: see `Choice`.
    """

    mean: np.ndarray
    scale: np.ndarray
    support: np.ndarray
    count: np.ndarray
    coefficient: np.ndarray
    intercept: np.ndarray
    classes: np.ndarray
    n_classes: int
    gamma: float
    sharpness: float

    @property
    def parameters(self) -> int:
        """Fitted numbers of the decision.

        A linear machine is a plane for each pair of classes, D weights and an intercept; of an RBF
        machine the support vectors, their coefficients and the intercepts are needed.
        """
        width = self.support.shape[1]
        if self.gamma == 0:
            return self.intercept.size * (width + 1)
        return self.support.size + self.coefficient.size + self.intercept.size

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Shares float32 [n, K] of rows [n, D]: they sum to 1, and are 0 of classes without rows.

        They are the softmax of sharpness times the scores, and calibrated as far as one number
        can.
        """
        x = (features.astype(np.float32) - self.mean) * self.scale
        found = scores(self.pairs(_kernel(x, self.support, self.gamma)), len(self.classes))
        shares = np.zeros((len(x), self.n_classes), np.float32)
        shares[:, self.classes] = scipy.special.softmax(self.sharpness * found, axis=1)
        return shares

    def pairs(self, kernel: np.ndarray) -> np.ndarray:
        """Kernel [n, S] with the support vectors -> decisions [n, pairs]; > 0 is for the first.

        Of the machine of classes i < j, the support vectors of i have their coefficients in row
        j - 1, those of j in row i.
        """
        edges = np.concatenate([[0], np.cumsum(self.count)])
        k = len(self.count)
        found = []
        for i in range(k):
            for j in range(i + 1, k):
                of_i, of_j = slice(edges[i], edges[i + 1]), slice(edges[j], edges[j + 1])
                found.append(
                    kernel[:, of_i] @ self.coefficient[j - 1, of_i]
                    + kernel[:, of_j] @ self.coefficient[i, of_j]
                )
        return np.stack(found, axis=1) + self.intercept


def scores(pairs: np.ndarray, k: int) -> np.ndarray:
    """Decisions [n, k (k - 1) / 2] of all pairs -> scores [n, k]: votes, and what breaks ties.

    A class has one vote for every pair that it wins; the sum of its decisions, squeezed into less
    than half a vote each way, orders classes of equal votes.
    """
    votes, sums = np.zeros((2, len(pairs), k))
    column = 0
    for i in range(k):
        for j in range(i + 1, k):
            decision = pairs[:, column]
            votes[:, i] += decision > 0
            votes[:, j] += decision <= 0
            sums[:, i] += decision
            sums[:, j] -= decision
            column += 1
    return votes + sums / (3 * (np.abs(sums) + 1))


def _kernel(a: np.ndarray, b: np.ndarray, gamma: float) -> np.ndarray:
    """Kernel [n, m] of rows [n, D] and [m, D]; both kinds do not grow with D."""
    product = (a @ b.T).astype(np.float64) / a.shape[1]
    if gamma == 0:
        return product
    squares = [np.square(x.astype(np.float64)).mean(1) for x in (a, b)]
    return np.exp(-gamma * np.maximum(squares[0][:, None] + squares[1][None] - 2 * product, 0))


class _Problem:
    """A fold's rows, standardised, with their kernel."""

    def __init__(self, features: np.ndarray, rows: Rows):
        if len(np.unique(rows.label)) < 2:
            raise InputError(
                "svm: all training utterances of a fold have one class; a support vector machine "
                "needs two"
            )
        self.rows = rows
        self.mean, self.scale = normalisation.moments(features, rows.index, rows.one_unit)
        self.x = self.standardised(features, rows.index)

    def standardised(self, features: np.ndarray, index: np.ndarray) -> np.ndarray:
        x = features[index].astype(np.float32)
        x -= self.mean
        x *= self.scale
        return x

    def kernels(self, spec: SvmSpec) -> Iterator[tuple[float, np.ndarray]]:
        """(gamma, kernel [n, n] of all rows), one after the other."""
        for gamma in dict.fromkeys(gamma for gamma, _ in spec.settings()):
            yield gamma, _kernel(self.x, self.x, gamma)

    def solve(
        self, kernel: np.ndarray, places: np.ndarray, gamma: float, cost: float
    ) -> tuple[Svm, np.ndarray]:
        """The machine of the rows at `places` alone, and where its support vectors are.

        Args:
            kernel: [n, n] of all rows.
            places: int [m], rising.
            gamma: of the kernel, for the record.
            cost: C.
        """
        machine = SVC(kernel="precomputed", C=cost)
        label, weight = self.rows.label[places], self.rows.weight[places]
        machine.fit(kernel[np.ix_(places, places)], label, sample_weight=weight)
        classes = machine.classes_
        coefficient, intercept = machine.dual_coef_, machine.intercept_
        if len(classes) == 2:  # of two classes scikit-learn turns the sign round
            coefficient, intercept = -coefficient, -intercept
        support = places[machine.support_]
        made = Svm(
            self.mean, self.scale, self.x[support], machine.n_support_, coefficient, intercept,
            classes, self.rows.n_classes, gamma, 1.0,
        )  # fmt: skip
        return made, support


def _sharpness(found: np.ndarray, label: np.ndarray) -> float:
    """The factor of scores [n, K] under which the labels int [n] have the highest likelihood."""
    own = np.arange(len(label)), label

    def loss(log_factor: float) -> float:
        return -scipy.special.log_softmax(np.exp(log_factor) * found, axis=1)[own].mean()

    best = scipy.optimize.minimize_scalar(loss, bounds=np.log(_SHARPNESS), method="bounded")
    return float(np.exp(best.x))


def _best(
    held_out: dict[tuple[float, float], np.ndarray], label: np.ndarray, spec: SvmSpec
) -> Choice:
    """The setting with the highest recall; ties go to the one that comes first."""
    quality = {setting: recall(label, held_out[setting]) for setting in spec.settings()}
    gamma, cost = max(quality, key=lambda setting: quality[setting])
    sharpness = _sharpness(held_out[gamma, cost], label)
    return Choice(gamma, cost, sharpness, quality[gamma, cost])


def choose_by_groups(features: np.ndarray, rows: Rows, spec: SvmSpec, n_judged: int) -> Choice:
    """Choose by inner folds of the training rows, no group in two of them.

    Args:
        features: [R, D]; only `rows.index` are read.
        rows: to fit on.
        spec: what is chosen from.
        n_judged: the first so many rows, by which a choice is judged: the originals.

    Returns:
        The choice. Mean and deviation of the columns are those of all training rows.

    Raises:
        InputError: all rows have one class.
    """
    problem = _Problem(features, rows)
    n_folds = min(spec.inner_folds, len(np.unique(rows.group[:n_judged])))
    if n_folds < 2:
        raise ValueError("one group cannot be held out; see `fusion.rows_of`")
    label = rows.label[:n_judged]
    splitter = GroupKFold(n_folds)
    judged = list(splitter.split(label, label, rows.group[:n_judged]))
    held_out: dict[tuple[float, float], np.ndarray] = {}
    for gamma, kernel in problem.kernels(spec):
        for cost in sorted(spec.costs):
            found = np.zeros((n_judged, rows.n_classes))
            for _, others in judged:
                out = np.unique(rows.group[others])
                places = np.flatnonzero(~np.isin(rows.group, out))
                found[others] = _scored(problem, kernel, places, kernel[others], gamma, cost)
            held_out[gamma, cost] = found
    return _best(held_out, label, spec)


def choose_by_dev(
    features: np.ndarray, rows: Rows, dev: np.ndarray, dev_label: np.ndarray, spec: SvmSpec
) -> Choice:
    """Choose by the fold's dev speakers.

    Args:
        features: [R, D]; only `rows.index` and `dev` are read.
        rows: to fit on.
        dev: int [m], rows to judge by.
        dev_label: int [m].
        spec: what is chosen from.

    Raises:
        InputError: all rows have one class.
    """
    problem = _Problem(features, rows)
    whole = np.arange(len(rows.index))
    outside = problem.standardised(features, dev)
    held_out: dict[tuple[float, float], np.ndarray] = {}
    for gamma, kernel in problem.kernels(spec):
        beside = _kernel(outside, problem.x, gamma)
        for cost in sorted(spec.costs):
            held_out[gamma, cost] = _scored(problem, kernel, whole, beside, gamma, cost)
    return _best(held_out, dev_label, spec)


def _scored(
    problem: _Problem,
    kernel: np.ndarray,
    places: np.ndarray,
    beside: np.ndarray,
    gamma: float,
    cost: float,
) -> np.ndarray:
    """Scores [m, K] of rows whose kernel with all rows is `beside` [m, n], by those at `places`."""
    # A class without rows never wins.
    found = np.full((len(beside), problem.rows.n_classes), -1.0)
    if len(only := np.unique(problem.rows.label[places])) == 1:  # who is held out has the others
        found[:, only] = 0
        return found
    machine, support = problem.solve(kernel, places, gamma, cost)
    found[:, machine.classes] = scores(machine.pairs(beside[:, support]), len(machine.classes))
    return found


def fit(features: np.ndarray, rows: Rows, choice: Choice) -> Svm:
    """The machine of all `rows` of `features` [R, D] with a choice.

    Raises:
        InputError: all rows have one class.
    """
    problem = _Problem(features, rows)
    kernel = _kernel(problem.x, problem.x, choice.gamma)
    machine, _ = problem.solve(kernel, np.arange(len(rows.index)), choice.gamma, choice.cost)
    return dataclasses.replace(machine, sharpness=choice.sharpness)
