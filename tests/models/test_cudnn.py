"""cuDNN's LSTM, as far as it can be had without a GPU: its weights, its arguments, its choice.

`jax.experimental.rnn.lstm_ref` is JAX's own account of what the library computes, of rows without
padding.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import rnn

from jser import computing
from jser.computing import Computing
from jser.errors import InputError
from jser.models import cudnn
from jser.models.blstm import BLSTM
from jser.training import plan

B, S, D, H = 3, 6, 5, 4
CUDNN = Computing(lstm="cudnn")


def library(x, h, c, weights, lengths, inputs, width, layers, dropout, both):
    """What cuDNN is called with, given to JAX's reference."""
    assert lengths.dtype == jnp.int32
    assert weights.shape == (rnn.get_num_params_in_lstm(inputs, width, layers, both),)
    parts = rnn.unpack_lstm_weights(weights, inputs, width, layers, both)
    return rnn.lstm_ref(x, h, c, *parts, lengths, inputs, width, layers, dropout, both)


@pytest.fixture
def setting(monkeypatch):
    monkeypatch.setattr(rnn, "lstm", library)
    x = np.random.default_rng(0).standard_normal((B, S, D), dtype=np.float32)
    model = BLSTM(units=H)
    length = np.full(B, S, np.int32)
    return model, model.init(jax.random.key(1), x, length), x, length


def test_states_and_gradients_are_those_of_the_scan(setting):
    model, params, x, length = setting

    def both(name):
        def loss(params, x):
            with computing.by(Computing(lstm=name)):
                out = model.apply(params, x, length)
            return jnp.sum(jnp.sin(out)), out

        return jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(params, x)

    for found, expected in zip(
        jax.tree.leaves(both("cudnn")), jax.tree.leaves(both("scan")), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_rows_that_fill_a_batch_have_a_length_that_the_library_takes(setting, monkeypatch):
    model, params, x, _ = setting
    seen = []

    def noted(*args):
        seen.append(np.asarray(args[4]))
        return library(*args)

    monkeypatch.setattr(rnn, "lstm", noted)
    with computing.by(CUDNN):
        out = model.apply(params, x, np.array([S, 2, 0], np.int32))
    np.testing.assert_array_equal(seen, [[S, 2, 1]])
    assert not np.asarray(out[1, 2:]).any()
    assert not np.asarray(out[2]).any()


def test_a_choice_ends_with_its_context():
    with pytest.raises(RuntimeError, match="inside"), computing.by(CUDNN):
        raise RuntimeError("inside")
    assert computing.now() == Computing()


def test_who_has_it(monkeypatch):
    monkeypatch.setattr(cudnn, "available", lambda: True)
    assert plan.lstm_for("auto", 1) == "cudnn"
    assert plan.lstm_for("auto", 50) == "scan"
    assert plan.lstm_for("scan", 1) == "scan"
    with pytest.raises(InputError, match=r"cudnn needs an NVIDIA GPU and population.width=1"):
        plan.lstm_for("cudnn", 2)
    monkeypatch.setattr(cudnn, "available", lambda: False)
    assert plan.lstm_for("auto", 1) == "scan"
    with pytest.raises(InputError, match="leave it at auto"):
        plan.lstm_for("cudnn", 1)
    with pytest.raises(InputError, match="'cuda' is none of auto, scan, cudnn"):
        plan.check_names("cuda")


def test_no_gpu_has_none_of_it():
    assert cudnn.available() == (
        jax.default_backend() == "gpu" and "NVIDIA" in jax.devices()[0].device_kind
    )
