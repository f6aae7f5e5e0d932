"""3-D ACRNN: its sizes by hand from the paper, plain loops, blindness to padding, learning."""

import jax
import numpy as np
import pytest

from jser.models.acrnn import Acrnn
from tests.models import made, reference

PAPER = {
    "n_classes": 4, "mels": 40, "channels": 3, "first_maps": 128, "later_maps": 256, "depth": 6,
    "kernel": (5, 3), "pool": (2, 2), "slope": 0.01, "linear": 768, "linear_norm": False,
    "units": 128, "hidden": 64, "hidden_norm": True, "momentum": 0.9,
}  # fmt: skip
SMALL = {**PAPER, "n_classes": 3, "mels": 6, "first_maps": 4, "later_maps": 5, "depth": 2,
         "linear": 8, "units": 6, "hidden": 7}  # fmt: skip


def test_parameters_of_the_paper():
    found = made.count(Acrnn(**PAPER), 120)
    wanted = {
        "conv1": 5 * 3 * 3 * 128,
        "conv1_bias": 128,
        "conv2": 5 * 3 * 128 * 256 + 256,
        **{f"conv{k}": 5 * 3 * 256 * 256 + 256 for k in (3, 4, 5, 6)},
        "linear": 20 * 256 * 768 + 768,  # 40 bands, halved once
        "blstm": 2 * (768 + 128 + 1) * 4 * 128,
        "attention": 256 + 1,
        "hidden": 256 * 64,
        "hidden_norm": 2 * 64,
        "output": 64 * 4 + 4,
    }
    assert found == wanted


def test_parameters_of_the_authors_code_and_of_the_2d_network():
    code = Acrnn(**{**PAPER, "pool": (2, 4), "linear_norm": True, "hidden_norm": False})
    found = made.count(code, 120)
    assert found["linear"] + found["linear_norm"] == 10 * 256 * 768 + 2 * 768
    assert "hidden_norm" not in found
    assert found["hidden"] == 256 * 64 + 64
    flat = made.count(Acrnn(**{**PAPER, "channels": 1, "depth": 5}), 120)
    assert flat["conv1"] == 5 * 3 * 128
    assert "conv6" not in flat


@pytest.mark.parametrize(
    "change",
    [
        {"depth": 3},
        {"channels": 1, "pool": (3, 4), "slope": 0.2, "linear_norm": True, "hidden_norm": False},
    ],
)
def test_layer_by_layer(change):
    """In the paper's order: the first convolution's bias and rectifier before the maximum."""
    chosen = {**SMALL, **change}
    slope = chosen["slope"]
    x, length = made.batch(18, [13, 8, 3], 13)
    model = Acrnn(**chosen)
    variables = made.initial(model, x, length)
    logits, attention = made.evaluated(model, variables, x, length)
    p, stats = reference.float64(variables)
    for row, n in enumerate(length):
        z = reference.picture(x[row, :n], 0, 6, chosen["channels"])
        z = reference.convolution(z, p["conv1"]["kernel"]) + p["conv1_bias"]
        z = reference.max_pool(reference.relu(z, slope), chosen["pool"])
        for k in range(2, chosen["depth"] + 1):
            z = reference.convolution(z, p[f"conv{k}"]["kernel"]) + p[f"conv{k}"]["bias"]
            z = reference.relu(z, slope)
        z = reference.dense(p["linear"], z.reshape(len(z), -1))
        if chosen["linear_norm"]:
            z = reference.batch_norm(p["linear_norm"], stats["linear_norm"], z)
        forward, backward = ({name: leaf[k] for name, leaf in p["blstm"].items()} for k in (0, 1))
        ahead, back = reference.lstm(forward, z), reference.lstm(backward, z[::-1])[::-1]
        states = np.concatenate([ahead, back], axis=1)
        score = np.exp(reference.dense(p["attention"]["score"], states)[:, 0])
        alpha = score / score.sum()
        z = reference.dense(p["hidden"], alpha @ states)
        if chosen["hidden_norm"]:
            z = reference.batch_norm(p["hidden_norm"], stats["hidden_norm"], z)
        z = reference.dense(p["output"], reference.relu(z, slope))
        np.testing.assert_allclose(logits[row], z, atol=1e-5)
        # A step's weight is shared by the frames that were pooled into it.
        window = chosen["pool"][0]
        for step, weight in enumerate(alpha):
            frames = attention[row, step * window : min((step + 1) * window, n)]
            np.testing.assert_allclose(frames, weight / len(frames), atol=1e-6)
        assert (np.asarray(attention)[row, n:] == 0).all()


@pytest.mark.parametrize(
    "change", [{}, {"pool": (2, 4), "linear_norm": True, "hidden_norm": False}]
)
def test_padding_and_neighbours(change):
    made.check_blindness(Acrnn(**{**SMALL, **change}), 18)


def test_learns():
    made.check_training(Acrnn(**{**SMALL, "linear_norm": True}), 18)


def test_dropout_and_members():
    made.check_dropout_and_members(Acrnn(**SMALL), 18)


def test_one_channel_reads_the_static_columns_alone():
    model = Acrnn(**{**SMALL, "channels": 1})
    x, length = made.batch(18, [9, 5], 9)
    variables = made.initial(model, x, length)
    logits, _ = model.apply(variables, x, length, None, made.HYPER, False)
    other = x.copy()
    other[..., 6:] = 3
    again, _ = model.apply(variables, other, length, None, made.HYPER, False)
    np.testing.assert_array_equal(again, logits)


def test_embedding_is_what_the_last_layer_sees():
    model = Acrnn(**SMALL)
    x, length = made.batch(18, [9, 5], 9)
    variables = made.initial(model, x, length)
    (logits, _), state = model.apply(
        variables, x, length, None, made.HYPER, False, mutable=["intermediates"]
    )
    (embedding,) = state["intermediates"]["embedding"]
    assert embedding.shape == (2, 7)
    last = variables["params"]["output"]
    np.testing.assert_allclose(embedding @ last["kernel"] + last["bias"], logits, atol=1e-6)


def test_against_pytorch():
    """The whole network of unpadded segments, in evaluation."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model = Acrnn(**SMALL)
    x, length = made.batch(18, [8, 8], 8)
    variables = made.initial(model, x, length)
    ours, alpha = model.apply(variables, x, length, None, made.HYPER, False)
    p = jax.tree.map(lambda a: torch.tensor(np.array(a)), variables["params"])
    stats = jax.tree.map(torch.tensor, variables["batch_stats"])["hidden_norm"]
    leaky = torch.nn.functional.leaky_relu

    def conv(z, name, bias):
        kernel = p[name]["kernel"].permute(3, 2, 0, 1)
        return leaky(torch.nn.functional.conv2d(z, kernel, bias, padding=(2, 1)), 0.01)

    with torch.no_grad():
        z = torch.tensor(x.reshape(2, 8, 3, 6)).permute(0, 2, 1, 3)
        z = torch.nn.functional.max_pool2d(conv(z, "conv1", p["conv1_bias"]), (2, 2))
        z = conv(z, "conv2", p["conv2"]["bias"])
        z = z.permute(0, 2, 3, 1).reshape(2, 4, -1)
        z = z @ p["linear"]["kernel"] + p["linear"]["bias"]
        lstm = torch.nn.LSTM(8, 6, batch_first=True, bidirectional=True)
        for k, suffix in enumerate(("", "_reverse")):
            getattr(lstm, f"weight_ih_l0{suffix}").copy_(p["blstm"]["kernel"][k].T)
            getattr(lstm, f"weight_hh_l0{suffix}").copy_(p["blstm"]["recurrent"][k].T)
            getattr(lstm, f"bias_ih_l0{suffix}").copy_(p["blstm"]["bias"][k])
            getattr(lstm, f"bias_hh_l0{suffix}").zero_()
        h, _ = lstm(z)
        score = p["attention"]["score"]
        weights = torch.softmax(h @ score["kernel"][:, 0] + score["bias"], -1)
        z = (weights[:, :, None] * h).sum(1) @ p["hidden"]["kernel"]
        z = (z - stats["mean"]) / torch.sqrt(stats["var"] + 1e-5)
        z = leaky(z * p["hidden_norm"]["scale"] + p["hidden_norm"]["bias"], 0.01)
        wanted = z @ p["output"]["kernel"] + p["output"]["bias"]
    np.testing.assert_allclose(ours, wanted.numpy(), atol=1e-4)
    # Two frames were pooled into each of torch's steps.
    np.testing.assert_allclose(alpha, np.repeat(weights.numpy() / 2, 2, axis=1), atol=1e-5)
