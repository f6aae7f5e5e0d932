"""System G's network against plain Python, and what must not matter."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jser.models.acoustic_rnn import AcousticRnn
from tests.models.reference import dense, lstm, relu

B, S, D, K = 4, 9, 6, 3
LENGTH = np.array([9, 5, 1, 0], np.int32)
HYPER = {"dropout": 0.4}
POOLED = np.zeros((B, 1), np.float32)
MODEL = AcousticRnn(n_classes=K, lstm=(5, 4), dense=(7,))


@pytest.fixture(scope="module")
def x():
    made = np.random.default_rng(0).standard_normal((B, S, D)).astype(np.float32)
    return np.where(np.arange(S)[None, :, None] < LENGTH[:, None, None], made, 0)


@pytest.fixture(scope="module")
def params(x):
    return initialised(MODEL, x, LENGTH)


def initialised(model, x, length):
    """Compiled: operation by operation it takes ten times as long."""
    pooled = np.zeros((len(x), 1), np.float32)
    return jax.jit(lambda: model.init(jax.random.key(0), x, length, pooled, HYPER, False))()


@jax.jit
def evaluate(params, x, length):
    return MODEL.apply(params, x, length, jnp.zeros((len(x), 1)), HYPER, False)


def test_step_by_step(params, x):
    p = jax.tree.map(lambda a: np.asarray(a, np.float64), params["params"])
    logits, attention = evaluate(params, x, LENGTH)
    for row in (0, 1, 2):
        n = LENGTH[row]
        z = lstm(p["lstm1"], lstm(p["lstm0"], x[row, :n].astype(float)))[-1]
        wanted = dense(p["output"], relu(dense(p["dense0"], z)))
        np.testing.assert_allclose(logits[row], wanted, atol=1e-5)
        np.testing.assert_allclose(attention[row], (np.arange(S) < n) / n, atol=1e-7)


def test_padding_neighbours_and_empty_rows_change_nothing(params, x):
    logits, _ = evaluate(params, x, LENGTH)
    spoilt = np.concatenate([x, np.full((B, 4, D), 1e3, np.float32)], axis=1)
    spoilt[1, 5:] = 1e3
    longer, attention = evaluate(params, spoilt, LENGTH)
    np.testing.assert_allclose(longer, logits, atol=1e-6)
    assert (np.asarray(attention)[:, S:] == 0).all()
    assert np.isfinite(np.asarray(longer)).all()
    alone, _ = evaluate(params, spoilt[1:2], LENGTH[1:2])
    np.testing.assert_allclose(alone[0], logits[1], atol=1e-6)


def test_a_column_that_is_zero_is_not_there(params, x):
    """Its weights do not act, and get no gradient."""
    without = x.copy()
    without[:, :, 2] = 0

    def loss(params):
        logits, _ = MODEL.apply(params, without, LENGTH, POOLED, HYPER, False)
        return (logits[:3] ** 2).sum()

    gradient = np.asarray(jax.jit(jax.grad(loss))(params)["params"]["lstm0"]["kernel"])
    assert (gradient[2] == 0).all()
    assert (gradient[[0, 1, 3, 4, 5]] != 0).any(axis=1).all()


def test_training_drops_by_a_traced_rate_and_the_seed_decides(params, x):
    @jax.jit
    def logits(rate, seed):
        rngs = {"dropout": jax.random.key(seed)}
        return MODEL.apply(params, x, LENGTH, POOLED, {"dropout": rate}, True, rngs=rngs)[0]

    still, _ = evaluate(params, x, LENGTH)
    np.testing.assert_allclose(logits(0.0, 1), still, atol=1e-6)
    assert np.abs(logits(0.5, 1) - still).max() > 1e-3
    np.testing.assert_array_equal(logits(0.5, 1), logits(0.5, 1))
    assert (logits(0.5, 1) != logits(0.5, 2)).any()


def test_members_and_maps(params, x):
    both = jax.tree.map(lambda a: jnp.stack([a, 2 * a]), params)

    def one(p):
        return MODEL.apply(p, x, LENGTH, POOLED, HYPER, False)[0]

    mapped = jax.jit(lambda p: jax.lax.map(one, p))(both)
    vmapped = jax.jit(jax.vmap(one))(both)
    np.testing.assert_allclose(mapped, vmapped, atol=1e-5)
    np.testing.assert_allclose(mapped[0], evaluate(params, x, LENGTH)[0], atol=1e-6)


def test_embedding_is_what_the_output_reads(params, x):
    (logits, _), kept = MODEL.apply(
        params, x, LENGTH, POOLED, HYPER, False, mutable=["intermediates"]
    )
    (z,) = kept["intermediates"]["embedding"]
    output = params["params"]["output"]
    np.testing.assert_allclose(z @ output["kernel"] + output["bias"], logits, atol=1e-6)


def test_learns_what_only_the_order_tells():
    """A pulse early or late: the mean over time is the same, and so is the last frame."""
    rng = np.random.default_rng(0)
    label = np.arange(16) % 2
    x = 0.1 * rng.standard_normal((16, 6, 3)).astype(np.float32)
    x[np.arange(16), np.where(label, 1, 4), 0] += 2
    length = np.full(16, 6)
    model = AcousticRnn(n_classes=2, lstm=(8, 8), dense=(8,))
    params = initialised(model, x, length)
    adam = optax.adam(0.03)

    def loss(p):
        logits, _ = model.apply(p, x, length, np.zeros((16, 1)), HYPER, False)
        return -jax.nn.log_softmax(logits)[np.arange(16), label].mean()

    @jax.jit
    def trained(params):
        def step(carry, _):
            params, state = carry
            value, gradient = jax.value_and_grad(loss)(params)
            change, state = adam.update(gradient, state)
            return (optax.apply_updates(params, change), state), value

        return jax.lax.scan(step, (params, adam.init(params)), length=80)[1]

    values = trained(params)
    assert values[0] > 0.6
    assert values[-1] < 0.1
