"""The BLSTM against a step-by-step reference, and against PyTorch where it is installed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser.models.blstm import BLSTM, reverse_valid

B, S, D, H = 3, 7, 5, 4
LENGTH = np.array([7, 4, 1])


@pytest.fixture(scope="module")
def setting():
    x = np.random.default_rng(0).standard_normal((B, S, D)).astype(np.float32)
    model = BLSTM(units=H)
    params = model.init(jax.random.key(1), x, LENGTH)
    return model, params, x


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference(params, x, length):
    """Plain Python over steps, utterances and directions, in float64."""
    p = {k: np.asarray(v, np.float64) for k, v in params["params"].items()}
    out = np.zeros((B, S, 2 * H))
    for b in range(B):
        for direction in (0, 1):
            h, c = np.zeros(H), np.zeros(H)
            order = range(length[b]) if direction == 0 else reversed(range(length[b]))
            for t in order:
                z = x[b, t] @ p["kernel"][direction] + p["bias"][direction]
                z = z + h @ p["recurrent"][direction]
                i, f, g, o = np.split(z, 4)
                c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(c)
                out[b, t, direction * H : (direction + 1) * H] = h
    return out


def test_step_by_step(setting):
    model, params, x = setting
    ours = model.apply(params, x, LENGTH)
    np.testing.assert_allclose(ours, reference(params, x, LENGTH), atol=1e-5)


def test_unroll_changes_nothing_but_speed(setting):
    _, params, x = setting
    np.testing.assert_allclose(
        BLSTM(units=H, unroll=3).apply(params, x, LENGTH),
        BLSTM(units=H).apply(params, x, LENGTH),
        atol=1e-6,
    )


def test_padding_is_never_read(setting):
    model, params, x = setting
    spoilt = x.copy()
    spoilt[1, 4:] = 1e6
    longer = np.concatenate([spoilt, np.full((B, 5, D), 1e6, np.float32)], axis=1)
    ours = np.asarray(model.apply(params, longer, LENGTH))
    np.testing.assert_allclose(ours[:, :S], model.apply(params, x, LENGTH), atol=1e-6)
    assert (ours[:, S:] == 0).all()
    assert (ours[1, 4:] == 0).all()


def test_reverse_is_its_own_inverse():
    x = jnp.arange(B * S * D, dtype=jnp.float32).reshape(B, S, D)
    back = reverse_valid(reverse_valid(x, LENGTH), LENGTH)
    np.testing.assert_array_equal(back, x)
    np.testing.assert_array_equal(reverse_valid(x, LENGTH)[1, :4], x[1, 3::-1])


def test_vmapped_initialisation_does_not_hang():
    keys = jax.random.split(jax.random.key(0), 3)
    x = jnp.zeros((1, 2, D))
    init = jax.jit(jax.vmap(lambda key: BLSTM(units=H).init(key, x, jnp.array([2]))))
    assert init(keys)["params"]["kernel"].shape == (3, 2, D, 4 * H)


def test_against_pytorch(setting):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    model, params, x = setting
    p = {k: np.asarray(v) for k, v in params["params"].items()}
    lstm = torch.nn.LSTM(D, H, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for direction, suffix in ((0, ""), (1, "_reverse")):
            getattr(lstm, f"weight_ih_l0{suffix}").copy_(torch.tensor(p["kernel"][direction].T))
            getattr(lstm, f"weight_hh_l0{suffix}").copy_(torch.tensor(p["recurrent"][direction].T))
            getattr(lstm, f"bias_ih_l0{suffix}").copy_(torch.tensor(p["bias"][direction]))
            getattr(lstm, f"bias_hh_l0{suffix}").zero_()
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            torch.tensor(x), torch.tensor(LENGTH), batch_first=True, enforce_sorted=False
        )
        out, _ = torch.nn.utils.rnn.pad_packed_sequence(lstm(packed)[0], batch_first=True)
    np.testing.assert_allclose(model.apply(params, x, LENGTH), out.numpy(), atol=1e-5)
