"""Statistics of masked contours against numpy, scipy and hand-worked ones."""

import numpy as np
import pytest
import scipy.stats

from jser.computing import Computing, by
from jser.frontend import statistics as st

HOP = 0.01


@pytest.fixture(scope="module")
def contours():
    """Contours [90, 4] and a mask: different frames for each column."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((90, 4)).cumsum(0) + rng.gamma(1, 3, (90, 4))
    inside = rng.random((90, 4)) < [0.9, 0.6, 0.4, 1.0]
    return x.astype(np.float32), inside


def of(contours, column):
    x, inside = contours
    return np.where(inside[:, column])[0], x[inside[:, column], column].astype(float)


@pytest.mark.parametrize("bits", [True, False])
def test_order_statistics_are_exact(contours, bits):
    x, inside = contours
    shares = (0.0, 0.01, 0.2, 0.5, 0.8, 0.99, 1.0)
    with by(Computing(bits=bits)):
        ours = np.asarray(st.order_statistics(x, inside, shares))
    for column in range(4):
        theirs = np.quantile(of(contours, column)[1], shares)
        np.testing.assert_allclose(ours[:, column], theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bits", [True, False])
@pytest.mark.parametrize(
    "values",
    [[3.0], [-1.0, -1.0, -1.0], [-0.0, 0.0, 5.0], [1e-30, -1e30, 1e30], [2.0, 1.0, 2.0, 1.0]],
)
def test_order_statistics_of_odd_values(values, bits):
    x = np.array([*values, 99.0], np.float32)[:, None]
    inside = np.array([True] * len(values) + [False])[:, None]
    with by(Computing(bits=bits)):
        ours = st.order_statistics(x, inside, (0.0, 0.5, 1.0))[:, 0]
    np.testing.assert_array_equal(ours, np.quantile(np.float32(values), [0, 0.5, 1]))


def test_no_frames_give_zero():
    x = np.full((5, 2), 7, np.float32)
    nowhere = np.zeros((5, 2), bool)
    for values in (*st.contour(x, nowhere, HOP), *st.change(x, nowhere)):
        np.testing.assert_array_equal(values, 0)
    np.testing.assert_array_equal(st.correlation(x, x, nowhere[:, :1]), 0)


def test_contour_against_numpy_and_scipy(contours):
    x, inside = contours
    ours = dict(zip(st.CONTOUR, np.asarray(st.contour(x, inside, HOP)), strict=True))
    for c in range(4):
        frame, values = of(contours, c)
        p = np.percentile(values, [1, 20, 50, 80, 99])
        line = scipy.stats.linregress(HOP * frame, values)
        residual = values - line.intercept - line.slope * HOP * frame
        follows = np.diff(frame) == 1
        steps = np.diff(values)[follows] / HOP
        share = [np.mean(values > p[0] + q * (p[4] - p[0])) for q in (0.25, 0.5, 0.75, 0.9)]
        thirds = [values[3 * np.arange(len(values)) // len(values) == k].mean() for k in range(3)]
        expected = {
            "mean": values.mean(),
            "std": values.std(),
            "skewness": scipy.stats.skew(values),
            "kurtosis": scipy.stats.kurtosis(values, fisher=False),
            **dict(zip(("p01", "p20", "p50", "p80", "p99"), p, strict=True)),
            "range": p[4] - p[0],
            "interquantile": p[3] - p[1],
            "slope_per_s": line.slope,
            "slope_error": residual.std(),
            "rising_per_s": steps[steps > 0].mean(),
            "falling_per_s": steps[steps < 0].mean(),
            **dict(zip(("up_25", "up_50", "up_75", "up_90"), share, strict=True)),
            "onset": thirds[0] - thirds[1],
            "offset": thirds[2] - thirds[1],
        }
        assert set(expected) == set(st.CONTOUR)
        for name, value in expected.items():
            assert ours[name][c] == pytest.approx(value, rel=1e-3, abs=1e-3), name


def test_change_against_numpy(contours):
    x, inside = contours
    ours = dict(zip(st.CHANGE, np.asarray(st.change(x, inside)), strict=True))
    for c in range(4):
        values = of(contours, c)[1]
        assert ours["mean"][c] == pytest.approx(values.mean(), rel=1e-4)
        assert ours["std"][c] == pytest.approx(values.std(), rel=1e-4)
        assert ours["abs"][c] == pytest.approx(np.abs(values).mean(), rel=1e-4)
        assert ours["p01"][c] == pytest.approx(np.percentile(values, 1), rel=1e-4)
        assert ours["p99"][c] == pytest.approx(np.percentile(values, 99), rel=1e-4)
        kurtosis = scipy.stats.kurtosis(values, fisher=False)
        assert ours["kurtosis"][c] == pytest.approx(kurtosis, rel=1e-3)


def test_a_straight_line_by_hand():
    x = np.arange(11, dtype=np.float32)[:, None]
    ours = dict(zip(st.CONTOUR, np.ravel(st.contour(x, x >= 0, HOP)), strict=True))
    assert ours["slope_per_s"] == pytest.approx(100, rel=1e-4)
    assert ours["slope_error"] == pytest.approx(0, abs=1e-3)
    assert ours["rising_per_s"] == pytest.approx(100, rel=1e-4)
    assert ours["falling_per_s"] == 0
    assert ours["p50"] == 5
    assert ours["up_25"] == pytest.approx(8 / 11)  # above 0.1 + 9.8 / 4
    assert ours["skewness"] == pytest.approx(0, abs=1e-4)


def test_correlation_against_numpy(contours):
    x, inside = contours
    y = x[:, ::-1] ** 2
    rows = inside[:, 0]
    ours = st.correlation(x, y, inside[:, :1])
    theirs = np.corrcoef(x[rows].T.astype(float), y[rows].T.astype(float))[:4, 4:]
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    flat = np.concatenate([x[:, :1], np.full((90, 1), 3, np.float32)], axis=1)
    assert st.correlation(flat, flat, inside[:, :1])[0, 1] == 0


@pytest.mark.parametrize(
    ("mask", "lengths"),
    [("0111001100010", [3, 2, 1]), ("1", [1]), ("1111", [4]), ("0000", []), ("1011", [1, 2])],
)
def test_runs_by_hand(mask, lengths):
    number, mean, deviation = st.runs(np.array([c == "1" for c in mask]))
    assert number == len(lengths)
    assert mean == pytest.approx(np.mean(lengths) if lengths else 0)
    assert deviation == pytest.approx(np.std(lengths) if lengths else 0, abs=1e-3)


def test_fill_against_interp():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 2)).astype(np.float32)
    there = rng.random(40) < 0.3
    at = np.flatnonzero(there)
    theirs = np.stack([np.interp(np.arange(40), at, x[at, c]) for c in range(2)], axis=1)
    np.testing.assert_allclose(st.fill(x, there), theirs, atol=1e-5)
    np.testing.assert_array_equal(st.fill(x, there)[there], x[there])
    assert np.isfinite(st.fill(x, np.zeros(40, bool))).all()


def test_average_repeats_the_true_ends():
    x = np.array([[1], [2], [6], [100]], np.float32)
    ours = st.average(x, 3, 3)[:3, 0]
    np.testing.assert_allclose(ours, [4 / 3, 3, 14 / 3], rtol=1e-6)
