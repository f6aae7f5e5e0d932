"""Overlapping max-pooling: values and gradient against Flax's, whose gradient is XLA's."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser.models.pooling import max_pool

# (H, W), window, stride: AlexNet's, ResNet's, VGG's, unequal ones, and rows that no window has.
CASES = [
    ((55, 55), (3, 3), (2, 2)),
    ((13, 14), (3, 3), (2, 2)),
    ((8, 6), (2, 2), (2, 2)),
    ((9, 11), (3, 2), (1, 2)),
    ((7, 12), (5, 3), (2, 3)),
    ((4, 4), (4, 4), (4, 4)),
    ((10, 9), (3, 2), (3, 2)),
]


@pytest.mark.parametrize(("size", "window", "stride"), CASES)
def test_values_and_gradient_are_those_of_flax(size, window, stride):
    rng = np.random.default_rng(0)
    # Small integers: many equal highest values, of which the first has the gradient.
    x = jnp.asarray(rng.integers(0, 4, (2, *size, 3)).astype(np.float32))

    out, back = jax.vjp(lambda x: max_pool(x, window, stride), x)
    expected, expected_back = jax.vjp(lambda x: nn.max_pool(x, window, stride), x)

    np.testing.assert_array_equal(out, expected)
    gradient = jnp.asarray(rng.standard_normal(out.shape, dtype=np.float32))
    np.testing.assert_allclose(back(gradient)[0], expected_back(gradient)[0], atol=1e-6)


def test_a_gradient_worked_by_hand():
    x = jnp.asarray([[1.0, 5.0, 2.0], [5.0, 0.0, 5.0], [3.0, 4.0, 1.0]])[None, :, :, None]
    weights = jnp.asarray([[1.0, 2.0], [4.0, 8.0]])[None, :, :, None]
    found = jax.grad(lambda x: (max_pool(x, (2, 2), (1, 1)) * weights).sum())(x)
    # 5 in the first row is the first of the upper windows; 5 in the second row of the lower ones.
    np.testing.assert_array_equal(found[0, :, :, 0], [[0, 3, 0], [4, 0, 8], [0, 0, 0]])


def test_mapped_over_members_and_in_short_floats():
    x = jnp.asarray(np.random.default_rng(1).standard_normal((3, 2, 7, 7, 4)), jnp.bfloat16)

    def gradient(x):
        return jax.grad(lambda x: (max_pool(x, (3, 3), (2, 2)).astype(jnp.float32) ** 2).sum())(x)

    mapped = jax.jit(jax.vmap(gradient))(x)
    assert mapped.dtype == jnp.bfloat16
    for one, own in zip(mapped, x, strict=True):
        np.testing.assert_array_equal(one, gradient(own))


def test_maps_smaller_than_a_window_leave_none():
    assert max_pool(jnp.zeros((2, 2, 5, 3)), (3, 2), (1, 1)).shape == (2, 0, 4, 3)


@pytest.mark.parametrize(
    ("window", "stride", "words"),
    [((16, 16), (2, 2), "255 places at most"), ((2, 2), (3, 2), "leave gaps")],
)
def test_windows_that_cannot_be_are_refused(window, stride, words):
    with pytest.raises(ValueError, match=words):
        max_pool(jnp.zeros((1, 20, 20, 1)), window, stride)
