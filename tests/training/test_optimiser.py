"""Weight decay towards pretrained weights, and SGD, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
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
    with pytest.raises(InputError, match="optimiser: 'adam' is none of adamw, nadam, sgd"):
        optimiser.make("adam", hyper, 1)


HYPER = {"learning_rate": 0.1, "warmup": 0.2, "clip": 1e9, "weight_decay": 0.0, "momentum": 0.9}
GRADIENTS = jnp.array([[1.0, -2.0], [0.5, 3.0], [-2.0, 0.1], [1.0, 1.0]])


def updates_of(transform):
    """Updates [4, 2] of a weight [2] under GRADIENTS."""
    params = {"part": {"w": jnp.array([1.0, 2.0])}}
    state = transform.init(params)
    found = []
    for gradient in GRADIENTS:
        update, state = transform.update({"part": {"w": gradient}}, state, params)
        found.append(update["part"]["w"])
    return jnp.stack(found)


def test_nadam_is_optax_nadam():
    ours = updates_of(optimiser.make("nadam", HYPER | {"warmup": 0.0}, 4, None, "constant"))
    np.testing.assert_allclose(ours, updates_of(optax.nadam(0.1)), rtol=1e-6)
    plain = updates_of(optimiser.make("adamw", HYPER | {"warmup": 0.0}, 4, None, "constant"))
    np.testing.assert_allclose(plain, updates_of(optax.adam(0.1)), rtol=1e-6)
    assert np.abs(ours - plain).max() > 1e-3


def test_a_constant_rate_rises_and_stays():
    rate = optimiser.warmup_constant(0.5, 0.4, 10)
    found = [float(rate(jnp.array(step))) for step in range(12)]
    np.testing.assert_allclose(found, [0.125, 0.25, 0.375, *[0.5] * 9], rtol=1e-6)
    assert float(optimiser.warmup_constant(0.5, 0.0, 10)(jnp.array(0))) == 0.5


def test_what_was_there_before_has_the_same_bits():
    schedule = optimiser.warmup_cosine(HYPER["learning_rate"], HYPER["warmup"], 4.0)
    first, last = optax.clip_by_global_norm(1e9), optax.scale_by_learning_rate(schedule)
    decay = optax.add_decayed_weights(0.0, mask=optimiser.matrices)
    before = {
        "adamw": optax.chain(first, optax.scale_by_adam(), decay, last),
        "sgd": optax.chain(first, decay, optax.trace(decay=0.9), last),
    }
    for name, chain in before.items():
        made = optimiser.make(name, HYPER, 4)
        params = {"part": {"w": jnp.zeros(2)}}
        assert jax.tree.structure(made.init(params)) == jax.tree.structure(chain.init(params))
        np.testing.assert_array_equal(updates_of(made), updates_of(chain))


@pytest.mark.parametrize("schedule", optimiser.SCHEDULES)
@pytest.mark.parametrize("name", ["adamw", "nadam", "sgd"])
def test_settings_may_be_traced(name, schedule):
    def run(rate):
        hyper = HYPER | {"learning_rate": rate}
        return updates_of(optimiser.make(name, hyper, 4, None, schedule))

    many = jax.jit(jax.vmap(run))(jnp.array([0.1, 0.2]))
    np.testing.assert_allclose(many[0], run(0.1), rtol=1e-5)
    np.testing.assert_allclose(many[1], 2 * many[0], rtol=1e-5)


def test_an_unknown_schedule():
    with pytest.raises(InputError, match="schedule: 'cosin' is none of cosine, constant"):
        optimiser.make("adamw", HYPER, 1, None, "cosin")
