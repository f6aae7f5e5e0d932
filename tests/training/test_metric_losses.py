"""Contrastive and center loss against plain Python, their slopes against differences."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jser.training.metric_losses import center, contrastive

RNG = np.random.default_rng(0)
Z = RNG.standard_normal((9, 4)).astype(np.float32) / 2
LABEL = np.array([0, 1, 0, 2, -1, 1, 0, -1, 2])
WEIGHT = np.array([1, 2, 1, 0.5, 3, 1, 0, 1, 1.5], np.float32)
LABELS, WEIGHTS = jnp.asarray(LABEL), jnp.asarray(WEIGHT)
COUNTS = np.array([0, 1, 2, 3, 5, 8])  # 4 and 7 have no label, 6 has no weight


def pair_loss(i, j, margin):
    d = np.linalg.norm(Z[i].astype(float) - Z[j])
    return d**2 / 2 if LABEL[i] == LABEL[j] else max(0.0, margin - d) ** 2 / 2


def drawn(key):
    """The circle that the key draws, by sorting its noise in plain Python."""
    noise = np.asarray(jax.random.uniform(key, (len(LABEL),)))
    circle = sorted(COUNTS, key=lambda i: noise[i])
    return list(zip(circle, circle[1:] + circle[:1], strict=True))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("margin", [1.0, 2.5])
def test_contrastive_in_plain_python(seed, margin):
    key = jax.random.key(seed)
    pairs = drawn(key)
    both = np.array([WEIGHT[i] * WEIGHT[j] for i, j in pairs])
    wanted = np.sum(both * [pair_loss(i, j, margin) for i, j in pairs]) / both.sum()
    found = contrastive(Z, LABELS, WEIGHTS, key, margin)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_contrastive_over_many_keys_is_the_mean_over_all_pairs():
    weight = (LABEL >= 0).astype(np.float32) * (WEIGHT > 0)
    keys = jax.random.split(jax.random.key(5), 4000)
    many = jax.jit(
        jax.vmap(lambda key: contrastive(jnp.asarray(Z), LABELS, jnp.asarray(weight), key, 2.0))
    )(keys)
    every = [pair_loss(i, j, 2.0) for i, j in itertools.combinations(COUNTS, 2)]
    np.testing.assert_allclose(many.mean(), np.mean(every), rtol=0.02)


def test_hand_worked_pair():
    z, label = jnp.array([[0.0, 0.0], [0.3, 0.4]]), jnp.array([1, 1])
    key, ones = jax.random.key(0), jnp.ones(2)
    np.testing.assert_allclose(contrastive(z, label, ones, key), 0.125, rtol=1e-6)
    other = jnp.array([1, 0])
    np.testing.assert_allclose(contrastive(z, other, ones, key), 0.125, rtol=1e-6)
    np.testing.assert_allclose(contrastive(z, other, ones, key, 0.6), 0.005, rtol=1e-5)
    assert contrastive(z, other, ones, key, 0.5) == 0


@pytest.mark.parametrize("label", [[-1, -1, -1], [-1, 2, -1]])
def test_contrastive_without_a_pair(label):
    value, slope = jax.value_and_grad(contrastive)(
        jnp.ones((3, 2)), jnp.array(label), jnp.ones(3), jax.random.key(0)
    )
    assert value == 0
    np.testing.assert_array_equal(slope, 0)


def test_coinciding_rows_have_a_finite_slope():
    z = jnp.ones((4, 3))
    slope = jax.grad(contrastive)(z, jnp.array([0, 1, 0, 1]), jnp.ones(4), jax.random.key(0))
    np.testing.assert_array_equal(slope, 0)


def test_rows_that_do_not_count_change_nothing():
    key = jax.random.key(3)
    centres = jnp.asarray(RNG.standard_normal((3, 4)), jnp.float32)
    losses = (
        lambda z: contrastive(z, LABELS, WEIGHTS, key),
        lambda z: center(z, LABELS, WEIGHTS, centres),
    )
    spoilt = Z.copy()
    spoilt[[4, 6, 7]] = [[np.nan], [np.inf], [1e30]]
    for loss in losses:
        value, slope = jax.value_and_grad(loss)(jnp.asarray(Z))
        same, same_slope = jax.value_and_grad(loss)(jnp.asarray(spoilt))
        assert value == same
        np.testing.assert_array_equal(slope, same_slope)
        np.testing.assert_array_equal(slope[np.array([4, 6, 7])], 0)


def test_slopes_against_differences():
    key = jax.random.key(1)
    check_grads(lambda z: contrastive(z, LABELS, WEIGHTS, key), (Z,), 1, modes=["rev"], rtol=2e-2)
    centres = RNG.standard_normal((3, 4)).astype(np.float32)
    check_grads(
        lambda z, c: center(z, LABELS, WEIGHTS, c), (Z, centres), 1, modes=["rev"], rtol=2e-2
    )


def test_center_in_plain_python():
    centres = RNG.standard_normal((3, 4)).astype(np.float32)
    wanted = np.average(
        [np.sum((Z[i].astype(float) - centres[LABEL[i]]) ** 2) / 2 for i in COUNTS],
        weights=WEIGHT[COUNTS],
    )
    np.testing.assert_allclose(center(Z, LABELS, WEIGHTS, centres), wanted, rtol=1e-5)
    # The slope of a centre: the weighted mean of c - z over its class.
    slope = jax.grad(center, argnums=3)(Z, LABELS, WEIGHTS, centres)
    total = WEIGHT[COUNTS].sum()
    for k in range(3):
        mine = [i for i in COUNTS if LABEL[i] == k]
        by_hand = sum(WEIGHT[i] * (centres[k] - Z[i]) for i in mine) / total
        np.testing.assert_allclose(slope[k], by_hand, rtol=1e-4, atol=1e-6)
    assert center(Z, np.full(9, -1), WEIGHT, centres) == 0


def test_losses_under_vmap_and_jit():
    """Two members with keys and centres of their own."""
    keys = jax.random.split(jax.random.key(2), 2)
    centres = RNG.standard_normal((2, 3, 4)).astype(np.float32)
    both = np.stack([Z, Z[::-1]])
    made = jax.jit(jax.vmap(lambda z, k: contrastive(z, LABELS, WEIGHTS, k)))(both, keys)
    alone = [contrastive(z, LABELS, WEIGHTS, k) for z, k in zip(both, keys, strict=True)]
    np.testing.assert_allclose(made, alone, rtol=1e-6)
    made = jax.jit(jax.vmap(lambda z, c: center(z, LABELS, WEIGHTS, c)))(both, centres)
    alone = [center(z, LABELS, WEIGHTS, c) for z, c in zip(both, centres, strict=True)]
    np.testing.assert_allclose(made, alone, rtol=1e-6)
