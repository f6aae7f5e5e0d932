"""Weight decay towards pretrained weights, and SGD, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser.errors import InputError
from jser.training import optimiser


@pytest.mark.parametrize("anchor", [0.0, 0.25, 1.0])
def test_decay_pulls_towards_the_first_weights(anchor):
    start = {"stem": {"kernel": jnp.array([[2.0, -4.0]]), "bias": jnp.array([1.0])}}
    params = {
        "stem": {"kernel": jnp.array([[3.0, -4.0]]), "bias": jnp.array([5.0])},
        "head": {"kernel": jnp.array([[6.0]])},
    }
    nothing = jax.tree.map(jnp.zeros_like, params)
    pull = optimiser.decay({"weight_decay": 0.1, "stem_anchor": anchor}, start)
    updates, _ = pull.update(nothing, pull.init(params), params)
    wanted = 0.1 * (np.array([[3.0, -4.0]]) - anchor * np.array([[2.0, -4.0]]))
    np.testing.assert_allclose(updates["stem"]["kernel"], wanted, rtol=1e-6)
    assert updates["stem"]["bias"] == 0
    np.testing.assert_allclose(updates["head"]["kernel"], [[0.6]], rtol=1e-6)


def test_sgd_by_hand():
    """Two steps of momentum 0.9 with a constant rate share."""
    hyper = {"learning_rate": 0.5, "warmup": 0.0, "clip": 1e9, "weight_decay": 0.0, "momentum": 0.9}
    params = {"w": jnp.array([1.0])}
    transform = optimiser.make("sgd", hyper, 10**9)
    state = transform.init(params)
    moved = []
    for gradient in (1.0, 2.0):
        update, state = transform.update({"w": jnp.array([gradient])}, state, params)
        moved.append(float(update["w"][0]))
    np.testing.assert_allclose(moved, [-0.5 * 1.0, -0.5 * (0.9 * 1.0 + 2.0)], rtol=1e-5)
    with pytest.raises(InputError, match="optimiser: 'adam' is none of adamw, sgd"):
        optimiser.make("adam", hyper, 1)
