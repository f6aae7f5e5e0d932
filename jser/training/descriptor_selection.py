"""Which descriptors a fold looks at: those whose utterance statistics differ between emotions.

Source: Byun and Lee 2021, Appl. Sci. 11(4):1890, who choose their features by statistical analysis;
which tests is a choice of ours. Each column's mean and standard deviation over an utterance are
tested by a one-way analysis of variance over the emotions, the p-values are corrected by Holm's
step-down method (Holm 1979, Scand. J. Statistics 6(2)), and of two columns that say the same, one
goes. Only the rows that it is given are read: a fold gives its training rows.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import scipy.stats

from jser.errors import InputError

TESTS = ("anova", "kruskal")


@dataclasses.dataclass(frozen=True)
class SelectionSpec:
    """How columns are chosen; every value is a choice of ours.

    Attributes:
        test: ``anova``, or ``kruskal`` (Kruskal and Wallis' test by ranks, which asks for no normal
            distribution).
        level: of the familywise error: a column stays if Holm's p of one of its statistics is less.
        correlation: of two columns whose ``|r|`` is greater, the one with the smaller statistic
            goes.
    """

    test: str = "anova"
    level: float = 0.05
    correlation: float = 0.9

    def __post_init__(self) -> None:
        if self.test not in TESTS:
            raise InputError(f"selection.test: {self.test!r} is none of {', '.join(TESTS)}")


@dataclasses.dataclass(frozen=True)
class Selection:
    """What was found of each of D columns.

    Attributes:
        keep: bool [D].
        statistic: [2, D], F (or Kruskal's H) of the utterances' means and standard deviations.
        p: [2, D], after Holm's correction over all 2 D tests.
    """

    keep: np.ndarray
    statistic: np.ndarray
    p: np.ndarray


def analysis_of_variance(x: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One-way analysis of variance of each column.

    Args:
        x: [n, D].
        label: int [n], at least two classes, and more rows than classes.

    Returns:
        (F [D], p [D]); a column that does not vary at all has F 0 and p 1, one that does not vary
        within a class F infinity and p 0.
    """
    x = x.astype(np.float64)
    classes, group, count = np.unique(label, return_inverse=True, return_counts=True)
    k, n = len(classes), len(label)
    middle = x.mean(0)
    x = x - middle
    means = np.zeros((k, x.shape[1]))
    np.add.at(means, group, x)
    means /= count[:, None]
    between = (count[:, None] * means**2).sum(0)
    within = ((x - means[group]) ** 2).sum(0)
    # Rounding alone gives a constant a deviation of some 1e-7 of its value.
    still = between + within <= n * (1e-6 * middle) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        f = np.where(still, 0.0, (between / (k - 1)) / (within / (n - k)))
    return f, np.where(still, 1.0, scipy.stats.f.sf(f, k - 1, n - k))


def kruskal_wallis(x: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kruskal and Wallis' test of each column, corrected for ties.

    Args:
        x: [n, D].
        label: int [n], at least two classes.

    Returns:
        (H [D], p [D]) by the chi-squared distribution; a column that does not vary has H 0 and
        p 1.
    """
    classes, group, count = np.unique(label, return_inverse=True, return_counts=True)
    n = len(label)
    ranks = scipy.stats.rankdata(x, axis=0)
    sums = np.zeros((len(classes), x.shape[1]))
    np.add.at(sums, group, ranks)
    h = 12 / (n * (n + 1)) * (sums**2 / count[:, None]).sum(0) - 3 * (n + 1)
    # Variance of the ranks, over what it is without ties.
    ties = ranks.var(0) / ((n**2 - 1) / 12)
    h = np.where(ties > 0, h / np.where(ties > 0, ties, 1), 0.0)
    return h, np.where(ties > 0, scipy.stats.chi2.sf(h, len(classes) - 1), 1.0)


def holm(p: np.ndarray) -> np.ndarray:
    """p-values of m tests after Holm's step-down correction, of the same shape.

    The i-th smallest of m is multiplied by m - i + 1, and none is less than a smaller one's.
    """
    flat = p.ravel()
    order = np.argsort(flat, kind="stable")
    steps = flat[order] * (len(flat) - np.arange(len(flat)))
    corrected = np.empty_like(flat)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected.reshape(p.shape)


def without_copies(
    x: np.ndarray, rank: np.ndarray, candidates: np.ndarray, limit: float
) -> np.ndarray:
    """Candidates of which no two have ``|r|`` > limit; the better one stays.

    Args:
        x: [n, D].
        rank: [D], the higher the better; ties go to the column that comes first.
        candidates: bool [D].
        limit: of the absolute value of Pearson's correlation.

    Returns:
        bool [D].
    """
    chosen = np.flatnonzero(candidates)
    chosen = chosen[np.argsort(-rank[chosen], kind="stable")]
    centred = x[:, chosen] - x[:, chosen].mean(0)
    norm = np.sqrt((centred**2).sum(0))
    unit = centred / np.where(norm > 0, norm, 1)
    related = np.abs(unit.T @ unit) > limit
    keep = np.zeros(x.shape[1], bool)
    kept: list[int] = []
    for place, column in enumerate(chosen):
        if not related[place, kept].any():
            kept.append(place)
            keep[column] = True
    return keep


def select(
    mean: np.ndarray, deviation: np.ndarray, label: np.ndarray, spec: SelectionSpec
) -> Selection:
    """Choose columns by the utterances of a training fold.

    Args:
        mean: [n, D], of each column over each utterance.
        deviation: [n, D].
        label: int [n] of those utterances, none below 0.
        spec: how.

    Returns:
        A column is significant if its mean or its deviation is. Two columns say the same if the
        utterances' means do: ``|r|`` > `spec.correlation`; the one with the larger F (the larger of
        its two) stays. Where nothing is significant, the column with the largest F stays alone, so
        that there is something to look at.

    Raises:
        InputError: fewer than two classes, or no more utterances than classes.
    """
    if (label < 0).any():
        raise ValueError("a selection was given an utterance whose label its fold must not see")
    if (n_classes := len(np.unique(label))) < 2 or len(label) <= n_classes:
        raise InputError(
            f"selection: {len(label)} training utterances of {n_classes} emotions cannot be "
            "tested; at least two emotions and more utterances than emotions are needed"
        )
    test = analysis_of_variance if spec.test == "anova" else kruskal_wallis
    found = [test(x, label) for x in (mean, deviation)]
    statistic, p = (np.stack(values) for values in zip(*found, strict=True))
    p = holm(p)
    best = statistic.max(0)
    significant = np.asarray((p < spec.level).any(0))
    if not significant.any():
        significant[best.argmax()] = True
    keep = without_copies(mean.astype(np.float64), best, significant, spec.correlation)
    return Selection(keep, statistic, p)
