"""One direction is the forward half of the BLSTM; behind the end the state stands still."""

import jax
import numpy as np

from jser.models.blstm import BLSTM
from jser.models.lstm import LSTM, last_state

LENGTH = np.array([6, 3, 0])


def test_forward_half_of_the_blstm():
    x = np.random.default_rng(0).standard_normal((3, 6, 5)).astype(np.float32)
    both = BLSTM(units=4)
    variables = both.init(jax.random.key(0), x, LENGTH)
    params = {name: leaf[0] for name, leaf in variables["params"].items()}
    made = jax.tree.map(np.shape, LSTM(4).init(jax.random.key(0), x, LENGTH)["params"])
    assert made == jax.tree.map(np.shape, params)
    ours = np.asarray(LSTM(4).apply({"params": params}, x, LENGTH))
    true = (np.arange(6) < LENGTH[:, None])[:, :, None]
    wanted = both.apply(variables, x, LENGTH)[:, :, :4]
    np.testing.assert_allclose(np.where(true, ours, 0), wanted, atol=1e-6)
    last = last_state(ours)
    np.testing.assert_array_equal(last[0], ours[0, 5])
    np.testing.assert_array_equal(last[1], ours[1, 2])
    np.testing.assert_array_equal(last[2], 0)
