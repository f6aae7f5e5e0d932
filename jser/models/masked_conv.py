"""Convolutions and max-pooling over spectrograms [B, T, F, C] whose rows have true lengths.

Time is the height and frequency the width of a picture, channels are last: the layout in which
XLA's convolution is fastest on a CPU, and natural on an accelerator. Beyond its end a row is zero,
which is what a convolution's own padding gives, so that padding changes no feature.
"""

from __future__ import annotations

from collections.abc import Iterator

import flax.linen as nn
import jax
import jax.numpy as jnp

_LAYOUT = ("NHWC", "HWIO", "NHWC")
# Bands of a first layer's output that are computed in one product, see `_by_bands`.
BANDS = 4
# Places of a window up to which each has a slice of its own in the program. With more, as when a
# whole utterance is one window, tracing and compiling would take minutes.
MOST_PLACES = 64


def true_steps(length: jax.Array, steps: int) -> jax.Array:
    """Which of the steps are true: bool [B, T, 1, 1]."""
    return (jnp.arange(steps)[None, :] < length[:, None])[:, :, None, None]


def blank(x: jax.Array, length: jax.Array) -> jax.Array:
    """Zero x [B, T, F, C] behind the true steps int [B]."""
    return jnp.where(true_steps(length, x.shape[1]), x, 0.0)


def picture(x: jax.Array, first: int, mels: int, channels: int) -> jax.Array:
    """Spectrograms [B, T, mels, channels] of columns [B, T, D], a channel's bands side by side.

    Raises:
        ValueError: there are not so many columns from `first` on.
    """
    end = first + mels * channels
    if x.shape[-1] < end:
        raise ValueError(f"{x.shape[-1]} columns: {channels} channels of {mels} bands need {end}")
    groups = x[..., first:end].reshape(*x.shape[:2], channels, mels)
    return jnp.swapaxes(groups, 2, 3)


class Conv(nn.Module):
    """A convolution with zeros around, so that T and F stay.

    He et al.'s (2015) initialisation: what follows is a rectifier of some kind.

    Attributes:
        maps: channels of its output.
        kernel: steps and bands.
        bias: add one a map; without, where batch normalisation follows, which would remove it.
    """

    maps: int
    kernel: tuple[int, int]
    bias: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """[B, T, F, C] -> [B, T, F, maps]."""
        shape = (*self.kernel, x.shape[-1], self.maps)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        convolve = _by_bands if _few_inputs(x) else _plain
        out = convolve(x, kernel)
        return out + self.param("bias", nn.initializers.zeros, (self.maps,)) if self.bias else out


def _plain(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=_LAYOUT)


def _few_inputs(x: jax.Array) -> bool:
    """Whether `_by_bands` is the faster way: of the channels of a spectrogram, on a CPU."""
    bands, inputs = x.shape[2:]
    return jax.default_backend() == "cpu" and 1 < inputs <= 4 and bands % BANDS == 0


@jax.custom_vjp
def _by_bands(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`_plain`, `BANDS` of them side by side in one product.

    XLA's products on a CPU are slow where a kernel has few inputs and few maps. Here a kernel of
    f bands becomes one of BANDS - 1 more with BANDS times as many maps, zero where a band does not
    reach: half as many multiplications again, in a third of the time. Its gradients would be
    slower, so they are the plain way's.
    """
    (t, f, inputs, maps), (b, steps, bands, _) = kernel.shape, x.shape
    shifted = [jnp.pad(kernel, ((0, 0), (i, BANDS - 1 - i), (0, 0), (0, 0))) for i in range(BANDS)]
    wide = jnp.stack(shifted, 3).reshape(t, f + BANDS - 1, inputs, BANDS * maps)
    around = [((n - 1) // 2, n // 2) for n in (t, f)]
    out = jax.lax.conv_general_dilated(x, wide, (1, BANDS), around, dimension_numbers=_LAYOUT)
    return out.reshape(b, steps, bands, maps)


def _by_bands_forward(
    x: jax.Array, kernel: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _by_bands(x, kernel), (x, kernel)


def _by_bands_backward(
    kept: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    return jax.vjp(_plain, *kept)[1](gradient)  # type: ignore[no-any-return]


_by_bands.defvjp(_by_bands_forward, _by_bands_backward)


def max_pool(
    x: jax.Array, length: jax.Array, window: tuple[int, int]
) -> tuple[jax.Array, jax.Array]:
    """The largest true value of each window; windows do not overlap, the last may be partly full.

    Written as a maximum of slices with a gradient of its own: the gradient of XLA's windowed
    maximum (select-and-scatter) takes three to four times as long on a CPU, and that of
    `jnp.max` over a reshaped array twice as long (tests/benchmarks/pooling.py). Of
    windows of more than `MOST_PLACES` it is that `jnp.max`, with the same values and gradient.

    Args:
        x: [B, T, F, C].
        length: int [B], true steps.
        window: steps and bands.

    Returns:
        ([B, ceil(T / t), ceil(F / f), C], zero beyond the true steps; true steps int [B]).
    """
    b, steps, bands, maps = x.shape
    # A larger window pads what there is, and has the same maximum.
    t, f = jax.core.min_dim(window[0], steps), min(window[1], bands)
    more_steps, more_bands = -steps % t, -bands % f
    x = jnp.pad(x, ((0, 0), (0, more_steps), (0, 0), (0, 0)))
    x = jnp.pad(x, ((0, 0), (0, 0), (0, more_bands), (0, 0)), constant_values=-jnp.inf)
    steps, bands = steps + more_steps, bands + more_bands
    x = x.reshape(b, steps // t, t, bands // f, f, maps)
    mask = jnp.arange(steps)[None, :] < length[:, None]
    mask = mask.reshape(b, steps // t, t)
    highest = _window_max(x, mask) if t * f <= MOST_PLACES else _plain_max(x, mask)
    return highest, -(-length // t)


def _plain_max(x: jax.Array, mask: jax.Array) -> jax.Array:
    """What `_window_max` gives, in a program that does not grow with the window."""
    x = jnp.where(mask[:, :, :, None, None, None], x, -jnp.inf)
    return jnp.where(mask.any(2)[:, :, None, None], x.max((2, 4)), 0.0)


def _places(x: jax.Array, mask: jax.Array) -> Iterator[tuple[jax.Array, jax.Array]]:
    """Each place of the windows of x [B, T, t, F, f, C]: its values, and where they count."""
    for i in range(x.shape[2]):
        for j in range(x.shape[4]):
            yield x[:, :, i, :, j], mask[:, :, i, None, None]


@jax.custom_vjp
def _window_max(x: jax.Array, mask: jax.Array) -> jax.Array:
    """[B, T, t, F, f, C], bool [B, T, t] -> [B, T, F, C]; 0 where nothing counts."""
    out = jnp.full((), -jnp.inf, x.dtype)
    for values, counts in _places(x, mask):
        out = jnp.maximum(out, jnp.where(counts, values, -jnp.inf))
    return jnp.where(mask.any(2)[:, :, None, None], out, 0.0)


def _forward(x: jax.Array, mask: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    out = _window_max(x, mask)
    return out, (x, mask, out)


def _backward(kept: tuple[jax.Array, ...], gradient: jax.Array) -> tuple[jax.Array, None]:
    x, mask, out = kept
    # Equal values, as in digital silence, share the gradient, as with `jnp.max`.
    count = jnp.zeros((), x.dtype)
    for values, counts in _places(x, mask):
        count = count + jnp.where(counts & (values == out), 1.0, 0.0)
    share = gradient / jnp.maximum(count, 1.0)
    highest = (x == out[:, :, None, :, None]) & mask[:, :, :, None, None, None]
    return jnp.where(highest, share[:, :, None, :, None], 0.0), None


_window_max.defvjp(_forward, _backward)


def spread(alpha: jax.Array, length: jax.Array, window: int, frames: int) -> jax.Array:
    """Weights of pooled steps, shared by the true frames that each of them was pooled from.

    Args:
        alpha: [B, S], zero behind the true steps.
        length: int [B], true frames.
        window: frames a step.
        frames: T.

    Returns:
        [B, T], with the sum of `alpha`.
    """
    frame = jnp.arange(frames)
    step = frame // window
    count = jnp.clip(length[:, None] - step[None, :] * window, 1, window)
    return jnp.where(frame[None, :] < length[:, None], alpha[:, step] / count, 0.0)
