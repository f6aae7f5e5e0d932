"""System D: its sizes by hand, its blindness to padding, and that it learns."""

import numpy as np

from jser.models.conv_lstm import ConvLstm
from tests.models import made

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
