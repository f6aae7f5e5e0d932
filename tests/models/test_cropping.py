"""Segments by hand: where they start, which count, and what is made of their answers."""

from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser.models.cropping import Cropped, crop, placed

W = 4


class Sum(nn.Module):
    """Logits are sums of the columns over time; weights grow with the place in the segment."""

    log_posteriors: ClassVar[bool] = False

    @nn.compact
    def __call__(self, x, length, pooled, hyper, train):
        gain = self.param("gain", nn.initializers.ones, ())
        self.sow("intermediates", "embedding", jnp.stack([x[:, 0, 0], length * 1.0], -1))
        place = jnp.where(jnp.arange(x.shape[1]) < length[:, None], 1.0 + jnp.arange(x.shape[1]), 0)
        alpha = place / jnp.maximum(place.sum(1), 1)[:, None]
        return gain * x.sum(1), alpha


def model(pool="max", shift=3):
    return Cropped(Sum(), W, shift, pool)


def answer(made, x, length, **kwargs):
    variables = {"params": {"model": {"gain": jnp.float32(1)}}}
    apply = jax.jit(lambda x, n: made.apply(variables, x, n, None, {}, False, **kwargs))
    return apply(x, np.asarray(length))


def answer_of(gain, x, length):
    variables = {"params": {"model": {"gain": jnp.float32(gain)}}}
    return jax.jit(lambda x: model().apply(variables, x, length, None, {}, False)[0])(x)


def log_softmax(z):
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def test_crop_and_place_by_hand():
    x = np.arange(1, 13, dtype=np.float32).reshape(2, 6, 1)
    cut, true = crop(x, np.array([6, 3]), np.array([2, 1]), 4)
    np.testing.assert_array_equal(cut[..., 0], [[3, 4, 5, 6], [8, 9, 0, 0]])
    assert true.tolist() == [4, 2]
    alpha = np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0, 0]])
    np.testing.assert_allclose(
        placed(alpha, np.array([2, 1]), 6), [[0, 0, 0.1, 0.2, 0.3, 0.4], [0, 0.5, 0.5, 0, 0, 0]]
    )


# Of W = 4 and shift 3 in 12 steps: an utterance of n frames -> where its segments start.
STARTS = {1: [0], 4: [0], 5: [0, 1], 7: [0, 3], 8: [0, 3, 4], 10: [0, 3, 6], 12: [0, 3, 6, 8]}


@pytest.mark.parametrize("pool", ["max", "mean"])
def test_all_segments_answer(pool):
    rng = np.random.default_rng(0)
    length = np.array([*STARTS, 0])
    x = rng.standard_normal((len(length), 12, 3)).astype(np.float32)
    x[np.arange(12) >= length[:, None]] = 0
    (logp, alpha), made = answer(model(pool), x, length, mutable=["intermediates"])
    (embedding,) = made["intermediates"]["model"]["embedding"]
    for row, (n, starts) in enumerate(STARTS.items()):
        sums = np.stack([x[row, s : s + W].sum(0) for s in starts])
        posterior = np.exp(log_softmax(sums))
        wanted = posterior.max(0) if pool == "max" else posterior.mean(0)
        np.testing.assert_allclose(logp[row], np.log(wanted), atol=1e-5)
        weights = np.zeros(12)
        for s in starts:
            true = min(W, n - s)
            weights[s : s + true] += np.arange(1, true + 1) / (true * (true + 1) / 2)
        np.testing.assert_allclose(alpha[row], weights / len(starts), atol=1e-6)
        first = np.mean([x[row, s, 0] for s in starts])
        np.testing.assert_allclose(embedding[row], [first, min(W, n)], atol=1e-6)
    assert np.isfinite(logp).all()


def test_highest_posteriors_are_not_normalised():
    x = np.zeros((1, 8, 2), np.float32)
    x[0, 0, 0] = x[0, 7, 1] = np.log(9)
    logp, _ = answer(model(shift=4), x, [8])
    np.testing.assert_allclose(np.exp(logp), [[0.9, 0.9]], rtol=1e-5)
    logp, _ = answer(model("mean", shift=4), x, [8])
    np.testing.assert_allclose(np.exp(logp), [[0.5, 0.5]], rtol=1e-5)


def test_padding_and_neighbours_change_nothing():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 7, 3)).astype(np.float32)
    x[1, 5:] = 0
    logp, alpha = answer(model(), x, [7, 5])
    longer = np.concatenate([x, np.zeros((2, 6, 3), np.float32)], axis=1)
    again, long_alpha = answer(model(), np.concatenate([longer, longer]), [7, 5, 0, 3])
    np.testing.assert_allclose(again[:2], logp, atol=1e-6)
    np.testing.assert_allclose(long_alpha[:2, :7], alpha, atol=1e-6)
    # Fewer steps than a segment has.
    short, _ = answer(model(), x[1:, :3], [3])
    np.testing.assert_allclose(short, log_softmax(x[1:, :3].sum(1)), atol=1e-6)


def test_training_hears_one_segment_that_is_drawn():
    # Which segment it was can be read off its sum.
    x = np.zeros((3, 9, 2), np.float32)
    x[:, :, 0] = 2.0 ** np.arange(9) / 64
    length = np.array([9, 6, 2])
    x[np.arange(9) >= length[:, None]] = 0
    variables = {"params": {"model": {"gain": jnp.float32(1)}}}

    @jax.jit
    def trained(key):
        return model().apply(variables, x, length, None, {}, True, rngs={"dropout": key})

    seen = set()
    for number in range(40):
        logp, alpha = trained(jax.random.key(number))
        starts = np.argmax(np.asarray(alpha) > 0, axis=1)
        sums = np.array([x[b, s : s + W].sum(0) for b, s in enumerate(starts)])
        np.testing.assert_allclose(logp, log_softmax(sums), atol=1e-5)
        np.testing.assert_allclose(alpha.sum(1), 1, rtol=1e-6)
        assert starts[2] == 0
        seen |= {(0, int(starts[0])), (1, int(starts[1]))}
    # Each start that leaves a whole segment, and no other.
    assert seen == {(0, s) for s in range(6)} | {(1, s) for s in range(3)}


def test_gradient_and_mapping_over_members():
    x = np.random.default_rng(2).standard_normal((2, 9, 3)).astype(np.float32)
    length = np.array([9, 6])

    def value(gain, key):
        variables = {"params": {"model": {"gain": gain}}}
        logp, _ = model().apply(variables, x, length, None, {}, True, rngs={"dropout": key})
        return logp[:, 0].sum()

    keys = jax.random.split(jax.random.key(0), 2)
    made = jax.vmap(jax.grad(value))(jnp.float32([1, 2]), keys)
    for k in range(2):
        np.testing.assert_allclose(made[k], jax.grad(value)(k + 1.0, keys[k]), rtol=1e-5)
        assert made[k] != 0

    def evaluated(gain, x):
        return model().apply({"params": {"model": {"gain": gain}}}, x, length, None, {}, False)[0]

    gains = jnp.float32([1, 2])
    # Members, and batches of a prediction, of which both happen at once.
    mapped = jax.jit(jax.vmap(lambda g: jax.lax.map(lambda x: evaluated(g, x), np.stack([x, -x]))))(
        gains
    )
    np.testing.assert_allclose(mapped[1, 0], answer_of(2, x, length), atol=1e-6)
    np.testing.assert_allclose(mapped[0, 1], answer_of(1, -x, length), atol=1e-6)


def test_log_posteriors_of_the_model_stay():
    class Done(Sum):
        log_posteriors: ClassVar[bool] = True

    assert Cropped.log_posteriors
    x = np.ones((1, 3, 2), np.float32)
    logp, _ = answer(Cropped(Done(), W, 3, "max"), x, [3])
    np.testing.assert_array_equal(logp, [[3, 3]])


def test_initialisation_is_the_models_own():
    made = model().init(
        jax.random.key(0), np.ones((1, 9, 2), np.float32), np.array([9]), None, {}, False
    )
    assert made["params"].keys() == {"model"}
    with pytest.raises(ValueError, match="none of max, mean"):
        answer(model("median"), np.ones((1, 3, 2), np.float32), [3])
