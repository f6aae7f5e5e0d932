"""System D: its sizes by hand, plain loops, its blindness to padding, and that it learns."""

import functools

import jax
import numpy as np
import pytest

from jser.models.conv_lstm import ConvLstm
from tests.models import made, reference

FULL = {
    "n_classes": 7, "mels": 64, "channels": 1, "maps": (64, 64, 128, 128), "kernel": (3, 3),
    "pool_time": (2, 4, 4, 1), "pool_bands": (2, 2, 4, 4), "units": 256, "dense": (128,),
    "momentum": 0.9,
}  # fmt: skip
SMALL = {**FULL, "n_classes": 3, "mels": 8, "maps": (4, 4, 5, 5), "pool_time": (2, 1, 2, 1),
         "pool_bands": (2, 2, 2, 1), "units": 6, "dense": (5,)}  # fmt: skip


def test_parameters():
    found = made.count(ConvLstm(**FULL), 64)
    assert found == {
        "conv1": 9 * 64,
        "conv2": 9 * 64 * 64,
        "conv3": 9 * 64 * 128,
        "conv4": 9 * 128 * 128,
        "norm1": 128,
        "norm2": 128,
        "norm3": 256,
        "norm4": 256,
        "lstm": (128 + 256 + 1) * 4 * 256,  # of 64 bands one is left
        "dense1": 256 * 128 + 128,
        "output": 128 * 7 + 7,
    }


@pytest.mark.parametrize(
    "change", [{}, {"channels": 3, "kernel": (5, 3), "maps": (3, 4), "dense": (5, 4),
                    "pool_time": (2, 3), "pool_bands": (3, 2)}]
)  # fmt: skip
def test_block_by_block(change):
    """Each block: convolution, batch normalisation, maximum, ELU."""
    chosen = {**SMALL, **change}
    columns = 8 * chosen["channels"]
    x, length = made.batch(columns, [13, 8, 3], 13)
    model = ConvLstm(**chosen)
    variables = made.initial(model, x, length)
    logits, alpha = made.evaluated(model, variables, x, length)
    p, stats = reference.float64(variables)
    windows = list(zip(chosen["pool_time"], chosen["pool_bands"], strict=True))
    for row, n in enumerate(length):
        z = reference.picture(x[row, :n], 0, 8, chosen["channels"])
        for k, window in enumerate(windows, start=1):
            z = reference.convolution(z, p[f"conv{k}"]["kernel"])
            z = reference.batch_norm(p[f"norm{k}"], stats[f"norm{k}"], z)
            z = reference.elu(reference.max_pool(z, window))
        z = reference.lstm(p["lstm"], z.reshape(len(z), -1))[-1]
        for k in range(1, len(chosen["dense"]) + 1):
            z = reference.relu(reference.dense(p[f"dense{k}"], z))
        np.testing.assert_allclose(logits[row], reference.dense(p["output"], z), atol=1e-5)
        np.testing.assert_allclose(alpha[row], (np.arange(13) < n) / n, atol=1e-7)


def test_dropout_behind_the_blocks():
    """Where all of it is dropped, the LSTM hears its bias alone; in evaluation nothing is."""
    model = ConvLstm(**SMALL)
    x, length = made.batch(8, [13, 8, 3], 13)
    variables = made.initial(model, x, length)

    @functools.partial(jax.jit, static_argnums=1)
    def applied(rate, train):
        hyper = {"dropout": 0.0, "conv_dropout": rate}
        (logits, _), _ = model.apply(
            variables, x, length, None, hyper, train, rngs={"dropout": jax.random.key(0)},
            mutable=["batch_stats"],
        )  # fmt: skip
        return logits

    np.testing.assert_array_equal(applied(0.5, False), applied(0.0, False))
    assert np.abs(applied(0.5, True) - applied(0.0, True)).max() > 1e-3
    p, _ = reference.float64(variables)
    for row, steps in enumerate((4, 2, 1)):  # of 13, 8 and 3 frames, halved twice
        z = reference.lstm(p["lstm"], np.zeros((steps, len(p["lstm"]["kernel"]))))[-1]
        z = reference.relu(reference.dense(p["dense1"], z))
        wanted = reference.dense(p["output"], z)
        np.testing.assert_allclose(applied(1.0, True)[row], wanted, atol=1e-5)


def test_padding_and_neighbours():
    made.check_blindness(ConvLstm(**SMALL), 8)


def test_learns():
    made.check_training(ConvLstm(**SMALL), 8)


def test_dropout_and_members():
    made.check_dropout_and_members(ConvLstm(**SMALL), 8)


def test_three_channels_read_the_deltas():
    model = ConvLstm(**{**SMALL, "channels": 3})
    x, length = made.batch(24, [9, 5], 9)
    variables = made.initial(model, x, length)
    logits, alpha = model.apply(variables, x, length, None, made.HYPER, False)
    np.testing.assert_allclose(alpha[1], [0.2] * 5 + [0] * 4, rtol=1e-6)
    for columns in (slice(8, 16), slice(16, 24)):
        other = x.copy()
        other[..., columns] *= 2
        again, _ = model.apply(variables, other, length, None, made.HYPER, False)
        assert np.abs(again - logits).max() > 1e-4
