"""Jackknife, bootstrap, sign-flip, Holm: by hand, by brute force, and by simulation."""

import itertools

import numpy as np
import pytest
from scipy import stats

from jser.evaluation import intervals, metrics


def matrices(right: list[list[int]], n: int) -> np.ndarray:
    """[G, 1, 2, 2]: speaker g has `right[g][k]` of n right in class k."""
    conf = np.zeros((len(right), 1, 2, 2), np.int64)
    for g, hits in enumerate(right):
        for k in range(2):
            conf[g, 0, k, k] = hits[k]
            conf[g, 0, k, 1 - k] = n - hits[k]
    return conf


def test_jackknife_of_equal_speakers_is_the_t_interval_of_their_mean() -> None:
    """With equal counts, pooled UAR is the mean over speakers: the textbook's interval."""
    right = [[8, 6], [9, 9], [5, 7], [10, 8], [6, 6], [9, 4]]
    each = np.asarray([sum(r) / 20 for r in right])
    interval = intervals.jackknife_t(matrices(right, 10), metrics.uar)
    half = stats.t.ppf(0.975, 5) * each.std(ddof=1) / np.sqrt(6)
    assert interval.estimate == pytest.approx(each.mean())
    assert interval.low == pytest.approx(each.mean() - half)
    assert interval.high == pytest.approx(each.mean() + half)
    assert "5 degrees" in interval.method


def test_jackknife_by_hand() -> None:
    """1 of 1, 1 of 3 and 2 of 2 right: 4/6 in all, and without each 3/5, 3/3 and 2/4."""
    conf = np.zeros((3, 1, 2, 2), np.int64)
    conf[:, 0, 0, 0] = [1, 1, 2]
    conf[1, 0, 0, 1] = 2
    interval = intervals.jackknife_t(conf, metrics.wa)
    # mean of .6, 1 and .5 is .7; squares .01 + .09 + .04 = .14; se = sqrt(2/3 * .14) = .3055
    assert interval.estimate == pytest.approx(4 / 6)
    assert interval.low == 0.0  # cut: 4/6 - 4.303 * .3055 is below it
    narrow = intervals.jackknife_t(conf, metrics.wa, level=0.5)
    assert narrow.low == pytest.approx(4 / 6 - 0.816497 * np.sqrt(2 / 3 * 0.14))  # t(.75, 2)


def test_jackknife_of_seeds_deletes_the_speaker_from_all() -> None:
    rng = np.random.default_rng(0)
    conf = rng.integers(1, 9, (7, 3, 2, 2))
    interval = intervals.jackknife_t(conf, metrics.uar)
    theta = [
        np.mean([metrics.uar(np.delete(conf, g, 0)[:, r].sum(0)) for r in range(3)])
        for g in range(7)
    ]
    se = np.sqrt(6 / 7 * np.sum((theta - np.mean(theta)) ** 2))
    assert interval.high == pytest.approx(interval.estimate + stats.t.ppf(0.975, 6) * se)


def test_difference_with_itself_is_nothing() -> None:
    conf = np.random.default_rng(0).integers(1, 9, (6, 2, 3, 3))
    interval = intervals.jackknife_t(conf, metrics.uar, minus=conf)
    assert (interval.estimate, interval.low, interval.high) == (0.0, 0.0, 0.0)


def simulate(n_speakers: int, rng: np.random.Generator) -> np.ndarray:
    """[G, 1, 4, 4]: 12 utterances a class; a speaker's four recalls share a common shift."""
    logit = 0.6 + 0.7 * rng.normal(size=(n_speakers, 1)) + 0.4 * rng.normal(size=(n_speakers, 4))
    hits = rng.binomial(12, 1 / (1 + np.exp(-logit)))
    conf = np.zeros((n_speakers, 1, 4, 4), np.int64)
    for k in range(4):
        conf[:, 0, k, k] = hits[:, k]
        conf[:, 0, k, (k + 1) % 4] = 12 - hits[:, k]
    return conf


def test_coverage_of_the_jackknife_is_near_nominal_and_above_the_bootstrap() -> None:
    rng = np.random.default_rng(1)
    logit = 0.6 + np.hypot(0.7, 0.4) * rng.normal(size=400_000)
    true = float(np.mean(1 / (1 + np.exp(-logit))))
    hit = {"jackknife": 0, "bootstrap": 0}
    runs = 400
    for _ in range(runs):
        conf = simulate(10, rng)
        for name, interval in (
            ("jackknife", intervals.jackknife_t(conf, metrics.uar)),
            ("bootstrap", intervals.cluster_bootstrap(conf, metrics.uar, draws=200)),
        ):
            assert interval.low is not None
            assert interval.high is not None
            hit[name] += interval.low <= true <= interval.high
    assert 0.92 <= hit["jackknife"] / runs <= 0.98
    assert hit["bootstrap"] < hit["jackknife"]


def test_bootstrap_is_seeded_and_exact_where_speakers_are_equal() -> None:
    same = np.repeat(np.random.default_rng(0).integers(1, 9, (1, 1, 3, 3)), 6, axis=0)
    interval = intervals.cluster_bootstrap(same, metrics.uar)
    assert interval.low == pytest.approx(interval.estimate)
    assert interval.high == pytest.approx(interval.estimate)
    conf = np.random.default_rng(0).integers(1, 9, (6, 1, 3, 3))
    first, second = (intervals.cluster_bootstrap(conf, metrics.uar) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("n", "default", "beside"),
    [(4, "none: 4 speakers", None), (5, "jackknife", "bootstrap"), (30, "bootstrap", "jackknife")],
)
def test_the_default_depends_on_the_number_of_speakers(
    n: int, default: str, beside: str | None
) -> None:
    conf = np.random.default_rng(0).integers(1, 9, (n, 1, 3, 3))
    first, second = intervals.speaker_interval(conf, metrics.uar)
    assert default in first.method
    assert (first.low is None) == (n == 4)
    if beside is None:
        assert second is None
    else:
        assert second is not None
        assert beside in second.method


# ---------------------------------------------------------------------------------- paired tests


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1.0, 2.0, 3.0], 2 / 8),  # only +++ and --- reach 6
        ([1.0, 1.0, -1.0], 1.0),  # every pattern reaches 1
        ([3.0, 2.0, 1.0, -1.0], 6 / 16),  # 3 + 2 + 0 = 5 in two ways, 7 in one; and as many below
        ([0.0, 0.0], 1.0),
        ([0.5], 1.0),
    ],
)
def test_sign_flip_by_hand(differences: list[float], p: float) -> None:
    test = intervals.sign_flip_test(differences)
    assert test.p == pytest.approx(p)
    assert test.how.startswith("exact")


@pytest.mark.parametrize("n", [2, 7, 11])
def test_sign_flip_equals_brute_force(n: int) -> None:
    d = np.random.default_rng(n).normal(0.3, 1, n).round(1)  # rounding makes ties
    seen = abs(d.sum())
    ways = [abs(np.dot(s, d)) >= seen - 1e-9 for s in itertools.product((-1, 1), repeat=n)]
    assert intervals.sign_flip_test(d).p == pytest.approx(np.mean(ways))


def test_sign_flip_is_exact_for_ravdess_and_monte_carlo_beyond() -> None:
    d = np.random.default_rng(0).normal(0.3, 1, 91)
    assert intervals.sign_flip_test(d[:24]).how == "exact, 2^24 sign patterns"
    test = intervals.sign_flip_test(d)
    assert test.how.startswith("Monte Carlo")
    assert test.p == pytest.approx(float(stats.ttest_1samp(d, 0).pvalue), abs=0.01)
    assert test == intervals.sign_flip_test(d)


def test_sign_flip_refuses_nan() -> None:
    with pytest.raises(ValueError, match="all finite"):
        intervals.sign_flip_test([0.1, np.nan])


def test_holm_by_hand() -> None:
    """.01 x 4, .02 x 3 = .06, .03 x 2 = .06, .5: in the order given."""
    adjusted = intervals.holm([0.5, 0.01, 0.03, 0.02])
    assert adjusted == pytest.approx([0.5, 0.04, 0.06, 0.06])
    assert intervals.holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])
    assert len(intervals.holm([])) == 0


def test_smallest_detectable_has_its_power() -> None:
    """A t test of 10 speakers sees that difference in about 80 of 100 simulated studies."""
    d = np.random.default_rng(0).normal(0, 0.04, 10)
    see = intervals.smallest_detectable(d)
    assert see is not None
    rng = np.random.default_rng(1)
    studies = rng.normal(see, d.std(ddof=1), (4000, 10))
    power = np.mean(stats.ttest_1samp(studies, 0, axis=1).pvalue < 0.05)
    assert power == pytest.approx(0.8, abs=0.02)


def test_too_few_speakers_can_see_nothing() -> None:
    assert intervals.smallest_detectable([0.1, 0.2, 0.3, 0.2, 0.1]) is None  # p >= 1/16
    assert intervals.smallest_detectable([0.1, 0.2, 0.3, 0.2, 0.1, 0.3]) is not None
