"""System E: what its branches read, plain loops, its sizes by hand, and that it learns."""

import jax
import numpy as np
import pytest

from jser.models.pcrn import Pcrn, mean_pool
from tests.models import made, reference

FULL = {
    "n_classes": 7, "branches": "both", "descriptors": 32, "mels": 64, "channels": 3,
    "batch_norm": True, "lstm_units": 128, "lstm_layers": 2, "lstm_frames": 1,
    "maps": (32, 64, 128), "kernel": (3, 3), "cnn_units": 256, "momentum": 0.9,
}  # fmt: skip
SMALL = {**FULL, "n_classes": 3, "descriptors": 4, "mels": 5, "lstm_units": 5,
         "maps": (4, 5), "cnn_units": 6}  # fmt: skip
COLUMNS = 4 + 3 * 5


def test_parameters():
    found = made.count(Pcrn(**FULL), 32 + 3 * 64)
    wanted = {
        "lstm1": (32 + 128 + 1) * 4 * 128,
        "lstm2": (128 + 128 + 1) * 4 * 128,
        "conv1": 9 * 3 * 32,
        "conv2": 9 * 32 * 64,
        "conv3": 9 * 64 * 128,
        "norm1": 64,
        "norm2": 128,
        "norm3": 256,
        "cnn_dense": 128 * 256 + 256,
        "fused_norm": 2 * (128 + 256),
        "output": (128 + 256) * 7 + 7,
    }
    assert found == wanted
    lstm = made.count(Pcrn(**{**FULL, "branches": "lstm", "batch_norm": False}), 224)
    assert lstm == {k: wanted[k] for k in ("lstm1", "lstm2")} | {"output": 128 * 7 + 7}
    cnn = made.count(Pcrn(**{**FULL, "branches": "cnn", "channels": 1}), 224)
    assert not {"lstm1", "lstm2"} & set(cnn)
    assert cnn["conv1"] == 9 * 32
    assert cnn["fused_norm"] == 2 * 256


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"channels": 1, "kernel": (5, 3), "lstm_frames": 3, "batch_norm": False},
        {"branches": "lstm", "lstm_layers": 1},
        {"branches": "cnn", "maps": (3, 4, 5)},
    ],
)
def test_branch_by_branch(change):
    """Each block of the CNN: convolution, batch normalisation, maximum, ReLU; last the mean."""
    chosen = {**SMALL, **change}
    x, length = made.batch(COLUMNS, [13, 8, 3], 13)
    model = Pcrn(**chosen)
    variables = made.initial(model, x, length)
    logits, alpha = made.evaluated(model, variables, x, length)
    p, stats = reference.float64(variables)
    for row, n in enumerate(length):
        parts = []
        if chosen["branches"] != "cnn":
            frames, every = x[row, :n, :4].astype(float), chosen["lstm_frames"]
            z = np.array([frames[i : i + every].mean(0) for i in range(0, n, every)])
            for k in range(1, chosen["lstm_layers"] + 1):
                z = reference.lstm(p[f"lstm{k}"], z)
            parts.append(z[-1])
        if chosen["branches"] != "lstm":
            z = reference.picture(x[row, :n], 4, 5, chosen["channels"])
            for k in range(1, len(chosen["maps"]) + 1):
                z = reference.convolution(z, p[f"conv{k}"]["kernel"])
                z = reference.batch_norm(p[f"norm{k}"], stats[f"norm{k}"], z)
                z = reference.relu(reference.max_pool(z, (2, 2)))
            parts.append(reference.relu(reference.dense(p["cnn_dense"], z.mean((0, 1)))))
        z = np.concatenate(parts)
        if chosen["batch_norm"]:
            z = reference.batch_norm(p["fused_norm"], stats["fused_norm"], z)
        np.testing.assert_allclose(logits[row], reference.dense(p["output"], z), atol=1e-5)
        np.testing.assert_allclose(alpha[row], (np.arange(13) < n) / n, atol=1e-7)


@pytest.mark.parametrize(
    "change",
    [{}, {"branches": "lstm", "lstm_frames": 2}, {"branches": "cnn", "batch_norm": False}],
)
def test_padding_and_neighbours(change):
    made.check_blindness(Pcrn(**{**SMALL, **change}), COLUMNS)


@pytest.mark.parametrize("change", [{}, {"branches": "lstm"}, {"branches": "cnn"}])
def test_learns(change):
    made.check_training(Pcrn(**{**SMALL, **change}), COLUMNS)


def test_dropout_and_members():
    made.check_dropout_and_members(Pcrn(**SMALL), COLUMNS)


@pytest.mark.parametrize(
    ("branches", "channels", "read"),
    [
        ("both", 3, range(19)),
        ("lstm", 3, range(4)),
        ("cnn", 3, range(4, 19)),
        ("cnn", 1, range(4, 9)),
        ("both", 1, range(9)),
    ],
)
def test_what_each_branch_reads(branches, channels, read):
    model = Pcrn(**{**SMALL, "branches": branches, "channels": channels})
    x, length = made.batch(COLUMNS, [9, 6], 9)
    variables = made.initial(model, x, length)

    @jax.jit
    def of(x):
        return model.apply(variables, x, length, None, made.HYPER, False)[0]

    logits = of(x)
    for column in range(COLUMNS):
        other = x.copy()
        other[..., column] += 0.5 * (x[..., column] != 0)
        assert (np.abs(of(other) - logits).max() > 1e-6) == (column in read), column


def test_mean_of_frames_by_hand():
    x = np.array([1, 3, 5, 7, 0, 0], np.float32)[None, :, None]
    out, steps = mean_pool(np.concatenate([x, x]), np.array([4, 3]), 2)
    np.testing.assert_array_equal(out[0, :, 0], [2, 6, 0])
    assert steps.tolist() == [2, 2]
    x = np.array([1, 3, 5, 0], np.float32)[None, :, None]
    np.testing.assert_array_equal(mean_pool(x, np.array([3]), 2)[0][0, :, 0], [2, 5])
    assert mean_pool(x, np.array([3]), 3)[0].shape == (1, 2, 1)


def test_unknown_branches():
    with pytest.raises(ValueError, match="none of both, lstm, cnn"):
        made.count(Pcrn(**{**SMALL, "branches": "rnn"}), COLUMNS)
