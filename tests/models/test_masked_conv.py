"""Pooling and spreading by hand and against XLA's; convolutions that do not see padding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser.models import masked_conv
from jser.models.masked_conv import Conv, blank, max_pool, picture, spread

RNG = np.random.default_rng(0)


def test_columns_become_channels():
    x = np.arange(2 * 3 * 8, dtype=np.float32).reshape(2, 3, 8)
    made = picture(x, first=1, mels=2, channels=3)
    assert made.shape == (2, 3, 2, 3)
    np.testing.assert_array_equal(made[0, 0], [[1, 3, 5], [2, 4, 6]])
    np.testing.assert_array_equal(picture(x, 0, 4, 1)[1, 2, :, 0], x[1, 2, :4])
    with pytest.raises(ValueError, match="8 columns: 3 channels of 3 bands need 9"):
        picture(x, 0, 3, 3)


def test_pool_by_hand():
    x = np.array([[3, -1], [2, -5], [9, 9]], np.float32)[None, :, :, None]
    out, steps = max_pool(x, np.array([2]), (2, 1))
    np.testing.assert_array_equal(out[0, :, :, 0], [[3, -1], [0, 0]])
    assert steps.tolist() == [1]
    # A last window that is only partly true, and negative there: padding is no maximum.
    out, steps = max_pool(-x, np.array([3]), (2, 2))
    np.testing.assert_array_equal(out[0, :, :, 0], [[5], [-9]])
    assert steps.tolist() == [2]


@pytest.mark.parametrize("most", [masked_conv.MOST_PLACES, 0])
@pytest.mark.parametrize("window", [(2, 2), (2, 4), (3, 5), (1, 1), (1000, 1000)])
def test_pool_and_its_gradient_against_xla(window, most, monkeypatch):
    monkeypatch.setattr(masked_conv, "MOST_PLACES", most)
    x = RNG.standard_normal((2, 7, 9, 3)).astype(np.float32)
    x[0, :4] = 0.5  # ties
    length = np.array([7, 4])
    weight = RNG.standard_normal(3).astype(np.float32)

    def ours(x):
        return max_pool(x, length, window)[0]

    def theirs(x):
        x = jnp.where((np.arange(7) < length[:, None])[:, :, None, None], x, -jnp.inf)
        t, f = min(window[0], 7), min(window[1], 9)
        x = jnp.pad(x, ((0, 0), (0, -7 % t), (0, -9 % f), (0, 0)), constant_values=-jnp.inf)
        x = x.reshape(2, x.shape[1] // t, t, x.shape[2] // f, f, 3).max((2, 4))
        return jnp.where(jnp.isfinite(x), x, 0.0)

    np.testing.assert_array_equal(ours(x), theirs(x))
    gradients = (
        jax.grad(lambda x, f=f: jnp.sum(jnp.sin(f(x) * weight)))(x) for f in (ours, theirs)
    )
    np.testing.assert_allclose(*gradients, atol=1e-6)


def test_a_window_as_large_as_the_picture_makes_no_large_program():
    x, length = np.ones((1, 300, 64, 1), np.float32), np.array([200])
    program = jax.make_jaxpr(jax.grad(lambda x: max_pool(x, length, (1000, 1000))[0].sum()))(x)
    assert len(program.eqns) < 200


def test_pool_is_mapped():
    x = RNG.standard_normal((3, 2, 4, 4, 2)).astype(np.float32)
    length = np.array([[4, 3], [1, 0], [2, 4]])

    def value(x, n):
        return jnp.sum(max_pool(x, n, (2, 2))[0] ** 2)

    made = jax.vmap(jax.value_and_grad(value))(x, length)
    for k in range(3):
        for mapped, alone in zip(made, jax.value_and_grad(value)(x[k], length[k]), strict=True):
            np.testing.assert_allclose(mapped[k], alone, rtol=1e-6)


def test_convolution_meets_zeros_behind_the_end():
    x = RNG.standard_normal((2, 6, 4, 2)).astype(np.float32)
    length = np.array([6, 3])
    model = Conv(5, (5, 3), bias=True)
    variables = model.init(jax.random.key(0), x)
    assert {k: v.shape for k, v in variables["params"].items()} == {
        "kernel": (5, 3, 2, 5),
        "bias": (5,),
    }
    out = model.apply(variables, blank(x, length))
    alone = model.apply(variables, x[1:, :3])
    np.testing.assert_allclose(out[1, :3], alone[0], atol=1e-5)


def test_spread_by_hand():
    alpha = np.array([[0.25, 0.75, 0.0], [1.0, 0.0, 0.0]], np.float32)
    out = spread(alpha, np.array([3, 2]), window=2, frames=5)
    np.testing.assert_allclose(out, [[0.125, 0.125, 0.75, 0, 0], [0.5, 0.5, 0, 0, 0]])


def test_against_pytorch():
    """Convolution, bias, leaky ReLU and max-pooling, with gradients."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = RNG.standard_normal((2, 8, 6, 3)).astype(np.float32)
    kernel = RNG.standard_normal((5, 3, 3, 4)).astype(np.float32)
    bias = RNG.standard_normal(4).astype(np.float32)
    length = np.array([8, 8])

    def block(kernel):
        params = {"kernel": kernel, "bias": bias}
        z = Conv(4, (5, 3), bias=True).apply({"params": params}, x)
        return jax.nn.leaky_relu(max_pool(z, length, (2, 3))[0], 0.01)

    ours = block(kernel)
    gradient = jax.grad(lambda k: jnp.sum(jnp.square(block(k))))(kernel)
    theirs_kernel = torch.tensor(kernel.transpose(3, 2, 0, 1), requires_grad=True)
    z = torch.nn.functional.conv2d(
        torch.tensor(x.transpose(0, 3, 1, 2)), theirs_kernel, torch.tensor(bias), padding=(2, 1)
    )
    z = torch.nn.functional.max_pool2d(torch.nn.functional.leaky_relu(z, 0.01), (2, 3))
    np.testing.assert_allclose(ours, z.detach().numpy().transpose(0, 2, 3, 1), atol=1e-4)
    (z**2).sum().backward()
    wanted = theirs_kernel.grad.numpy().transpose(2, 3, 1, 0)
    np.testing.assert_allclose(gradient, wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kernel", [(5, 3), (3, 3), (3, 4), (1, 6)])
@pytest.mark.parametrize("inputs", [2, 3])
def test_bands_side_by_side_are_the_plain_convolution(kernel, inputs):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((2, 7, 12, inputs), dtype=np.float32))
    w = jnp.asarray(rng.standard_normal((*kernel, inputs, 5), dtype=np.float32))
    assert masked_conv._few_inputs(x)

    out, back = jax.vjp(masked_conv._by_bands, x, w)
    expected, plain_back = jax.vjp(masked_conv._plain, x, w)

    np.testing.assert_allclose(out, expected, atol=1e-5)
    gradient = jnp.asarray(rng.standard_normal(out.shape, dtype=np.float32))
    for found, plain in zip(back(gradient), plain_back(gradient), strict=True):
        np.testing.assert_array_equal(found, plain)


@pytest.mark.parametrize("shape", [(1, 3, 8, 1), (1, 3, 8, 5), (1, 3, 6, 3)])
def test_where_bands_are_not_put_side_by_side(shape):
    assert not masked_conv._few_inputs(jnp.zeros(shape))
