"""Selection of descriptors: tests against scipy, Holm by hand, and what a fold must not see."""

import numpy as np
import pytest
import scipy.stats

from jser.errors import InputError
from jser.training.descriptor_selection import (
    SelectionSpec,
    analysis_of_variance,
    holm,
    kruskal_wallis,
    select,
    without_copies,
)

LABEL = np.repeat([0, 1, 2, 4], [9, 5, 12, 7])


@pytest.fixture
def x():
    rng = np.random.default_rng(0)
    made = rng.standard_normal((len(LABEL), 6)) + np.outer(LABEL, [0, 0.1, 0.3, 1, 3, 0])
    made[:, 5] = rng.integers(0, 3, len(LABEL))  # ties
    return made


def groups(column):
    return [column[k == LABEL] for k in np.unique(LABEL)]


def test_analysis_of_variance_is_scipys(x):
    x = x * [1, 1e-4, 1e4, 1, 1, 1] + [0, 0, 0, 1e4, 0, 0]
    f, p = analysis_of_variance(x, LABEL)
    wanted = [scipy.stats.f_oneway(*groups(c)) for c in x.T]
    np.testing.assert_allclose(f, [w.statistic for w in wanted], rtol=1e-6)
    np.testing.assert_allclose(p, [w.pvalue for w in wanted], rtol=1e-6)


def test_kruskal_wallis_is_scipys(x):
    h, p = kruskal_wallis(x, LABEL)
    wanted = [scipy.stats.kruskal(*groups(c)) for c in x.T]
    np.testing.assert_allclose(h, [w.statistic for w in wanted], rtol=1e-9)
    np.testing.assert_allclose(p, [w.pvalue for w in wanted], rtol=1e-9)


def test_columns_that_do_not_vary():
    label = np.array([0, 0, 1, 1])
    x = np.array([[7, 1], [7, 1], [7, 2], [7, 2]]) * 1.1
    f, p = analysis_of_variance(x, label)
    assert f.tolist() == [0, np.inf]
    assert p.tolist() == [1, 0]
    h, p = kruskal_wallis(x, label)
    assert h[0] == 0
    assert p[0] == 1


def test_holm_by_hand():
    """Four tests: .01 * 4, .02 * 3, .03 * 2 raised to .06, .04 * 1 raised to .06."""
    corrected = holm(np.array([[0.03, 0.01], [0.04, 0.02]]))
    np.testing.assert_allclose(corrected, [[0.06, 0.04], [0.06, 0.06]])
    np.testing.assert_allclose(holm(np.array([0.6, 0.5])), [1, 1])


def test_of_two_columns_that_say_the_same_the_better_stays():
    rng = np.random.default_rng(1)
    a, b, c = rng.standard_normal((3, 50))
    x = np.stack([a, -a + 0.1 * b, c, 3 * c + 5, np.ones(50)], axis=1)
    rank = np.array([1.0, 2.0, 3.0, 3.0, 0.5])
    everything = np.ones(5, bool)
    found = without_copies(x, rank, everything, 0.9)
    assert found.tolist() == [False, True, True, False, True]
    # One that is no candidate pushes nobody out.
    found = without_copies(x, rank, np.array([1, 0, 0, 1, 0], bool), 0.9)
    assert found.tolist() == [True, False, False, True, False]


def test_a_chain_goes_by_the_best_first():
    """b is like a and like c, which are not like each other: with b the best, only b stays."""
    angle = np.deg2rad([0, 25, 50])
    rng = np.random.default_rng(0)
    u, v = np.linalg.qr(rng.standard_normal((40, 3)) - 0)[0][:, :2].T
    u, v = u - u.mean(), v - v.mean()
    v -= u * (u @ v) / (u @ u)
    u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)
    x = np.stack([np.cos(t) * u + np.sin(t) * v for t in angle], axis=1)
    everything = np.ones(3, bool)
    assert without_copies(x, np.array([1, 2, 1.5]), everything, 0.9).tolist() == [0, 1, 0]
    assert without_copies(x, np.array([2, 1, 1.5]), everything, 0.9).tolist() == [1, 0, 1]


@pytest.mark.parametrize("test", ["anova", "kruskal"])
def test_what_tells_emotions_stays(test):
    rng = np.random.default_rng(0)
    label = np.tile(np.arange(4), 30)
    mean, deviation = rng.standard_normal((2, 120, 40))
    mean[:, 3] += label
    deviation[:, 7] -= label
    mean[:, 11] = mean[:, 3] + 0.01 * rng.standard_normal(120)  # says what 3 says
    found = select(mean, deviation, label, SelectionSpec(test=test))
    assert found.statistic.shape == found.p.shape == (2, 40)
    kept = np.flatnonzero(found.keep).tolist()
    assert kept in ([3, 7], [7, 11])
    assert (kept[0] == 3) == (found.statistic[0, 3] > found.statistic[0, 11])
    both = select(mean, deviation, label, SelectionSpec(test=test, correlation=1.0))
    assert np.flatnonzero(both.keep).tolist() == [3, 7, 11]


def test_of_noise_one_column_stays():
    rng = np.random.default_rng(3)
    label = np.tile(np.arange(3), 10)
    mean, deviation = rng.standard_normal((2, 30, 20))
    found = select(mean, deviation, label, SelectionSpec())
    assert found.p.min() > 0.05
    assert np.flatnonzero(found.keep).tolist() == [found.statistic.max(0).argmax()]


def test_refusals():
    x = np.zeros((4, 2))
    with pytest.raises(InputError, match="4 training utterances of 1 emotions cannot be tested"):
        select(x, x, np.zeros(4, int), SelectionSpec())
    with pytest.raises(InputError, match="more utterances than emotions"):
        select(x, x, np.arange(4), SelectionSpec())
    with pytest.raises(ValueError, match="must not see"):
        select(x, x, np.array([0, 1, 1, -1]), SelectionSpec())
    with pytest.raises(InputError, match="'t' is none of anova, kruskal"):
        SelectionSpec(test="t")
