"""Convolutions by tiles against XLA's own, in float64 where digits are counted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser import computing
from jser.models import winograd


def _direct(x, kernel, padding):
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), (padding, padding), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def test_matrices_of_lavin_and_gray():
    a, b, g = winograd.matrices(2, 3)
    # Their F(2, 3); rows may have the other sign in b and g together.
    np.testing.assert_array_equal(a, [[1, 1, 1, 0], [0, 1, -1, 1]])
    np.testing.assert_array_equal(b, [[-1, 0, 1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, -1, 0, 1]])
    np.testing.assert_array_equal(g, [[-1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])


@pytest.mark.parametrize(("outputs", "kernel"), [(2, 3), (2, 5), (4, 3), (3, 2)])
def test_a_correlation_of_one_dimension(outputs, kernel):
    a, b, g = winograd.matrices(outputs, kernel)
    rng = np.random.default_rng(0)
    d, w = rng.standard_normal(outputs + kernel - 1), rng.standard_normal(kernel)
    np.testing.assert_allclose(a @ ((g @ w) * (b @ d)), np.correlate(d, w, "valid"), atol=1e-12)


def test_tiles_for_which_there_are_no_points():
    with pytest.raises(ValueError, match="a tile of 7 places: 6 at most"):
        winograd.matrices(5, 3)


@pytest.mark.parametrize("kernel", winograd.TILES)
@pytest.mark.parametrize("size", [(8, 12), (13, 7), (5, 6)])
@pytest.mark.parametrize("padding", [(1, 1), (2, 2), (0, 0), (0, 2)])
def test_values_and_gradients_are_those_of_the_plain_way(kernel, size, padding):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((2, *size, 5), dtype=np.float32))
    w = jnp.asarray(rng.standard_normal((kernel, kernel, 5, 3), dtype=np.float32))

    out, back = jax.vjp(lambda x, w: winograd.conv(x, w, padding), x, w)
    expected, expected_back = jax.vjp(lambda x, w: _direct(x, w, padding), x, w)

    assert out.shape == expected.shape
    np.testing.assert_allclose(out, expected, atol=3e-4)
    gradient = jnp.asarray(rng.standard_normal(out.shape, dtype=np.float32))
    for found, plain in zip(back(gradient), expected_back(gradient), strict=True):
        np.testing.assert_allclose(found, plain, atol=1e-3)


@pytest.mark.parametrize(("kernel", "times"), [(3, 3), (5, 30)])
def test_digits(kernel, times):
    """Against float64, errors of both ways at the sizes of a stem: as said in the module."""
    rng = np.random.default_rng(0)
    x = np.maximum(rng.standard_normal((1, 16, 20, 256)), 0)
    w = rng.standard_normal((kernel, kernel, 256, 64)) * np.sqrt(2 / (kernel**2 * 256))
    around = kernel // 2
    wide = np.pad(x, ((0, 0), (around,) * 2, (around,) * 2, (0, 0)))
    exact = sum(
        wide[:, i : i + 16, j : j + 20] @ w[i, j] for i in range(kernel) for j in range(kernel)
    )
    x, w = x.astype(np.float32), w.astype(np.float32)

    def error(found):
        return np.sqrt(np.mean((np.asarray(found, float) - exact) ** 2))

    plain = error(_direct(x, w, (around, around)))
    assert error(winograd.conv(x, w, (around, around))) < times * plain


def test_mapped_over_members():
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((2, 1, 6, 6, 4), dtype=np.float32))
    w = jnp.asarray(rng.standard_normal((2, 3, 3, 4, 4), dtype=np.float32))
    both = jax.jit(jax.vmap(lambda x, w: winograd.conv(x, w, (1, 1))))(x, w)
    for i in range(2):
        np.testing.assert_allclose(both[i], winograd.conv(x[i], w[i], (1, 1)), atol=1e-5)


def test_where_it_pays():
    on_cpu = jax.default_backend() == "cpu"
    assert winograd.pays(3, 1, 64, jnp.float32) == on_cpu
    assert not winograd.pays(3, 1, 64, jnp.bfloat16)
    assert not winograd.pays(3, 2, 64, jnp.float32)
    assert not winograd.pays(3, 1, 3, jnp.float32)
    assert not winograd.pays(11, 1, 64, jnp.float32)
    with computing.by(computing.Computing(tiles=False)):
        assert not winograd.pays(3, 1, 64, jnp.float32)
