"""Extreme learning machines against scikit-learn, normal equations, and numbers by hand."""

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge
from sklearn.preprocessing import StandardScaler

from jser.training.elm import Scaling, fit_kernel, fit_sigmoid, rbf, shares

N, F, K = 60, 8, 4


@pytest.fixture(scope="module")
def rows():
    """Statistics of columns with sizes of their own, one of which never changes."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, K, N)
    x = rng.normal(size=(N, F)) * np.geomspace(0.01, 100, F) + 5
    x[:, 1] += 0.02 * label
    x[:, 3] = 0.25
    return x, label


def oracle(x, label, new, width, ridge, weight=None):
    """scikit-learn's kernel ridge on one-hot targets."""
    scaler = StandardScaler().fit(x)
    ours = KernelRidge(alpha=1 / ridge, kernel="rbf", gamma=1 / (F * width**2))
    ours.fit(scaler.transform(x), np.eye(K)[label], sample_weight=weight)
    return ours.predict(scaler.transform(new))


@pytest.mark.parametrize(("width", "ridge"), [(1.0, 10.0), (0.3, 1000.0), (3.0, 0.5)])
def test_kernel_machine_is_kernel_ridge(rows, width, ridge):
    x, label = rows
    new = x[:7] + 0.3 * x.std(0)
    ours = fit_kernel(x, label, K, widths=[width], ridges=[ridge]).predict(new)
    np.testing.assert_allclose(ours, oracle(x, label, new, width, ridge), atol=1e-9)


def test_weights_are_kernel_ridges_and_repeats(rows):
    x, label = rows
    weight = np.random.default_rng(1).integers(0, 4, N).astype(float)
    ours = fit_kernel(x, label, K, weight, widths=[1.0], ridges=[10.0])
    counts = weight > 0
    theirs = oracle(x[counts], label[counts], x, 1.0, 10.0, weight[counts])
    np.testing.assert_allclose(ours.predict(x), theirs, atol=1e-9)
    # With its own scaling and twice the weight, a row counts as two; C is per unit of weight.
    twice = fit_kernel(np.tile(x, (2, 1)), np.tile(label, 2), K, widths=[1.0], ridges=[5.0])
    once = fit_kernel(x, label, K, np.full(N, 2.0), widths=[1.0], ridges=[5.0])
    np.testing.assert_allclose(twice.predict(x[:5]), once.predict(x[:5]), atol=1e-9)


def test_two_points_by_hand():
    """Standardised, 3 and 7 are -1 and 1; 1/C is 1/2, and the kernel between them exp(-4 / 4)."""
    machine = fit_kernel(np.array([[3.0], [7.0]]), np.array([0, 1]), 2, widths=[2.0], ridges=[2.0])
    near = np.exp(-1.0)
    determinant = 1.5**2 - near**2
    np.testing.assert_allclose(
        machine.dual, np.array([[1.5, -near], [-near, 1.5]]) / determinant, rtol=1e-12
    )
    # In the middle, both kernels are exp(-1 / 4).
    middle = np.exp(-0.25) * (1.5 - near) / determinant
    np.testing.assert_allclose(machine.predict(np.array([[5.0]])), [[middle, middle]], rtol=1e-12)
    assert machine.predict(np.array([[3.0]])).argmax() == 0


def test_dev_rows_choose(rows):
    x, label = rows
    dev = x[::2] + 0.01, label[::2]
    grid = {"widths": [0.1, 1.0, 10.0], "ridges": [0.01, 1.0, 100.0]}
    chosen = fit_kernel(x, label, K, dev=dev, **grid)

    def quality(width, ridge):
        scores = oracle(x, label, dev[0], width, ridge)
        hits = scores.argmax(1) == dev[1]
        return np.mean([hits[dev[1] == k].mean() for k in range(K)]), -ridge, width

    best = max((quality(w, c), w, c) for w in grid["widths"] for c in grid["ridges"])
    assert (chosen.width, chosen.ridge) == best[1:]
    backwards = {name: values[::-1] for name, values in grid.items()}
    again = fit_kernel(x, label, K, dev=dev, **backwards)
    np.testing.assert_array_equal(again.dual, chosen.dual)


def test_ties_go_to_the_smoother_fit():
    x, label = np.array([[0.0], [1.0]]), np.array([0, 1])
    chosen = fit_kernel(x, label, 2, widths=[0.5, 2.0], ridges=[1.0, 9.0], dev=(x, label))
    assert (chosen.width, chosen.ridge) == (2.0, 1.0)


def test_dev_rows_never_scale(rows):
    x, label = rows
    dev = np.full((4, F), 1e6), np.arange(4)
    alone = fit_kernel(x, label, K, widths=[1.0], ridges=[1.0])
    beside = fit_kernel(x, label, K, widths=[1.0], ridges=[1.0], dev=dev)
    np.testing.assert_array_equal(alone.scaling.mean, beside.scaling.mean)
    np.testing.assert_array_equal(alone.dual, beside.dual)


def test_sigmoid_machine_solves_the_normal_equations(rows):
    x, label = rows
    weight = np.linspace(0.5, 2, N)
    machine = fit_sigmoid(x, label, K, weight, hidden=20, seed=3)
    z = StandardScaler().fit_transform(x)
    hidden = 1 / (1 + np.exp(-(z @ machine.kernel + machine.bias)))
    left = hidden.T @ (weight[:, None] * hidden)
    right = hidden.T @ (weight[:, None] * np.eye(K)[label])
    np.testing.assert_allclose(machine.output, np.linalg.solve(left, right), rtol=1e-5)
    np.testing.assert_allclose(machine.predict(x), hidden @ machine.output, atol=1e-9)
    assert np.abs(machine.kernel).max() <= 1
    assert machine.kernel.std() == pytest.approx(1 / 3**0.5, rel=0.1)


def test_sigmoid_machine_with_more_units_than_rows(rows):
    x, label = rows
    machine = fit_sigmoid(x, label, K, hidden=120, seed=0)
    np.testing.assert_allclose(machine.predict(x), np.eye(K)[label], atol=1e-6)
    again = fit_sigmoid(x, label, K, hidden=120, seed=0)
    np.testing.assert_array_equal(machine.output, again.output)
    other = fit_sigmoid(x, label, K, hidden=120, seed=1)
    assert not np.array_equal(machine.kernel, other.kernel)


def test_a_column_that_does_not_change_is_left_out():
    scaling = Scaling.of(np.array([[0.1, 1.0], [0.1, 3.0], [0.1, 5.0]]))
    np.testing.assert_array_equal(scaling(np.array([[9.0, 3.0]])), [[0.0, 0.0]])


def test_kernel_values_by_hand():
    found = rbf(np.array([[0.0, 0.0]]), np.array([[1.0, 1.0], [2.0, 0.0]]), 1.0)
    np.testing.assert_allclose(found, [[np.exp(-1), np.exp(-2)]])


def test_shares_keep_the_order_of_small_and_negative_scores():
    scores = np.array([[0.1, 0.9, 0.5], [-3e-9, -1e-9, -2e-9], [0.2, 0.2, 0.2]])
    found = shares(scores)
    np.testing.assert_allclose(
        found, [[0, 2 / 3, 1 / 3], [0, 2 / 3, 1 / 3], [1 / 3] * 3], rtol=1e-6
    )


@pytest.mark.parametrize(
    ("label", "weights", "widths", "said"),
    [
        ([0, 1], None, [1.0, 2.0], "no dev rows"),
        ([0, 1], None, [], "no width"),
        ([0, -1], None, [1.0], "labels from -1"),
        ([0, 2], None, [1.0], "to 2 of 2"),
        ([0, 1], [0.0, 0.0], [1.0], "no row"),
    ],
)
def test_refused(label, weights, widths, said):
    with pytest.raises(ValueError, match=said):
        fit_kernel(np.eye(2), np.array(label), 2, weights, widths=widths, ridges=[1.0])
