"""RNN-ELM and DNN-ELM: what their logits are made of, what they sow, and what is never read."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser.models.dnn_elm import DnnElm
from jser.models.label_lattice import log_likelihood
from jser.models.posterior_statistics import posterior_statistics
from jser.models.rnn_elm import RnnElm

B, S, D, K = 4, 30, 5, 3
LENGTH = np.array([30, 17, 3, 0])
HYPER = {"dropout": np.float32(0.5)}
POOLED = np.zeros((B, 0), np.float32)


def rnn(**changed):
    fields = {
        "n_classes": K,
        "units": 4,
        "layers": 2,
        "labels": "chain",
        "per_frame": True,
        "theta": 0.2,
        "null_statistics": False,
    }
    return RnnElm(**(fields | changed))


def dnn(**changed):
    fields = {
        "n_classes": K,
        "dense": (6, 6),
        "context": 5,
        "percent": 30,
        "energy": 1,
        "theta": 0.2,
    }
    return DnnElm(**(fields | changed))


MODELS = [
    pytest.param(rnn(), id="chain"),
    pytest.param(rnn(labels="frames"), id="frames"),
    pytest.param(dnn(), id="dnn"),
]


@pytest.fixture(scope="module")
def x():
    """Descriptors, then flags, which are one more descriptor to the DNN; zero on padding."""
    rng = np.random.default_rng(0)
    values = rng.standard_normal((B, S, D + 1)).astype(np.float32) * 2
    values[..., -1] = 0
    values[:, 8::8, -1] = 1
    return values * (np.arange(S) < LENGTH[:, None])[..., None]


@functools.partial(jax.jit, static_argnames="model")
def run(model, params, x, length):
    """Logits, attention and embedding in eval mode."""
    pooled = jnp.zeros((len(x), 0))
    out, sown = model.apply(params, x, length, pooled, HYPER, False, mutable=["intermediates"])
    return *out, sown["intermediates"]["embedding"][0]


@functools.cache
def init(model, seed=0):
    """Parameters of a model."""
    x = np.zeros((1, S, D + 1), np.float32)

    def make(key):
        return model.init(key, x, np.array([S]), POOLED[:1], HYPER, False)["params"]

    return {"params": jax.jit(make)(jax.random.key(seed))}


@pytest.mark.parametrize("model", MODELS)
def test_padding_neighbours_and_empty_rows(model, x):
    params = init(model)
    logits, attention, embedding = run(model, params, x, LENGTH)
    assert logits.shape == (B, K)
    assert embedding.shape == (B, 4 * K)
    assert attention.shape == (B, S)
    longer = np.concatenate([x, np.full((B, 9, D + 1), 7, np.float32)], axis=1)
    longer[1, 17:] = -7
    order = np.array([2, 3, 0, 1])
    again = run(model, params, longer[order], LENGTH[order])
    np.testing.assert_allclose(again[0], logits[order], atol=1e-5)
    np.testing.assert_allclose(again[1][:, :S], attention[order], atol=1e-6)
    np.testing.assert_allclose(again[2], embedding[order], atol=1e-6)
    np.testing.assert_allclose(attention.sum(1), [1, 1, 1, 0], atol=1e-6)
    assert (attention[~(np.arange(S) < LENGTH[:, None])] == 0).all()
    np.testing.assert_array_equal(embedding[3], 0)
    np.testing.assert_array_equal(logits[3], 0)


@pytest.mark.parametrize("model", MODELS)
def test_training_mode_drops_and_learns(model, x):
    params = init(model)
    label = jnp.array([0, 2, 1, 0])

    @jax.jit
    @jax.value_and_grad
    def loss(params, key):
        logits, _ = model.apply(params, x, LENGTH, POOLED, HYPER, True, rngs={"dropout": key})
        return -jnp.sum(jax.nn.one_hot(label, K) * logits)

    one, other = (loss(params, jax.random.key(seed)) for seed in (0, 1))
    assert one[0] != other[0]
    for leaf in jax.tree.leaves(one[1]):
        assert np.isfinite(leaf).all()
        assert np.abs(leaf).max() > 0


@pytest.mark.parametrize("model", MODELS)
def test_members_of_a_population(model, x):
    """The same under vmap over parameters."""
    params = [init(model, seed) for seed in (0, 1)]

    @jax.jit
    def apply(params):
        return model.apply(params, x, LENGTH, POOLED, HYPER, False)[0]

    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *params)
    single = np.stack([apply(p) for p in params])
    np.testing.assert_allclose(jax.jit(jax.vmap(apply))(stacked), single, atol=1e-5)


def test_statistics_by_hand():
    posterior = np.array([[[0.1, 0.9], [0.5, 0.5], [0.3, 0.7], [1.0, 0.0]]], np.float32)
    mask = np.array([[True, True, True, False]])
    found = posterior_statistics(jnp.asarray(posterior), mask, 0.2)
    by_hand = [0.5, 0.9, 0.1, 0.5, 0.3, 0.7, 2 / 3, 1.0]
    np.testing.assert_allclose(found, [by_hand], rtol=1e-6)


def test_every_posterior_of_the_frames_twin(x):
    """Statistics, logits and gradients come from the same posteriors, for one frame: by hand."""
    model = rnn(labels="frames")
    params = init(model)
    logits, attention, embedding = run(model, params, x[:, :1], np.array([1, 1, 1, 0]))
    posterior = np.exp(logits[:3])
    np.testing.assert_allclose(posterior.sum(1), 1, rtol=1e-5)
    expected = np.concatenate([posterior, posterior, posterior, posterior > 0.2], axis=1)
    np.testing.assert_allclose(embedding[:3], expected, rtol=1e-5)
    np.testing.assert_array_equal(attention[:3, 0], 1)


def test_chain_reads_its_borders_and_frames_do_not(x):
    moved = x.copy()
    moved[0, :, -1] = 0
    for labels, same in (("chain", False), ("frames", True)):
        model = rnn(labels=labels)
        params = init(model)
        before, after = (run(model, params, z, LENGTH)[0][0] for z in (x, moved))
        assert np.allclose(before, after) == same


def test_chain_is_the_lattice_of_the_posteriors(x):
    """With Null's statistics kept and a segment a frame apart, all of it fits together."""
    model = rnn(null_statistics=True, per_frame=False)
    params = init(model)
    two = np.array([2, 2, 2, 0])
    logits, attention, embedding = run(model, params, x[:, :2], two)
    assert embedding.shape == (B, 4 * (K + 1))
    # Of two frames the maximum and the minimum are the two, in an order that the mean leaves open.
    high, low, mean, _ = np.split(embedding[:3], 4, axis=1)
    np.testing.assert_allclose(high + low, 2 * mean, rtol=1e-5)
    importance = 1 - np.stack([high[:, -1], low[:, -1]], axis=1)
    np.testing.assert_allclose(
        np.sort(attention[:3], axis=1),
        np.sort(importance / importance.sum(1, keepdims=True), axis=1),
        rtol=1e-4,
    )
    row = 0
    found = []
    for flips in np.ndindex(*(2,) * (K + 1)):
        first = np.where(flips, high[row], low[row])
        y = np.log(np.stack([first, 2 * mean[row] - first]))[None].astype(np.float32)
        found.append(log_likelihood(y, np.zeros((1, 2)), np.array([2]))[0])
    assert np.abs(np.stack(found) - logits[row]).max(1).min() < 1e-4


def test_per_frame_divides_by_the_frames(x):
    model = rnn()
    params = init(model)
    mean = run(model, params, x, LENGTH)[0]
    total = run(rnn(per_frame=False), params, x, LENGTH)[0]
    np.testing.assert_allclose(mean[:3] * LENGTH[:3, None], total[:3], rtol=1e-5)


def test_unknown_labels():
    with pytest.raises(ValueError, match="none of chain, frames"):
        init(rnn(labels="chian"))


def test_loudest_segments_and_their_contexts(x):
    """Which frames are used, and what the network sees of each, against plain loops."""
    model = dnn()
    params = init(model)
    logits, attention, embedding = run(model, params, x, LENGTH)
    layers = [params["params"][name] for name in ("dense0", "dense1", "output")]
    for row, length in enumerate(LENGTH[:3]):
        n_used = int(np.ceil(length * 30 / 100))
        frames = np.argsort(-x[row, :length, 1], kind="stable")[:n_used]
        posteriors = []
        for t in frames:
            around = np.clip(np.arange(t - 2, t + 3), 0, length - 1)
            z = x[row, around].reshape(-1)
            for layer in layers[:-1]:
                z = np.maximum(z @ layer["kernel"] + layer["bias"], 0)
            z = z @ layers[-1]["kernel"] + layers[-1]["bias"]
            posteriors.append(np.exp(z) / np.exp(z).sum())
        posteriors = np.array(posteriors)
        np.testing.assert_allclose(logits[row], np.log(posteriors).mean(0), atol=1e-5)
        np.testing.assert_allclose(embedding[row, :K], posteriors.max(0), atol=1e-5)
        np.testing.assert_allclose(np.flatnonzero(attention[row]), np.sort(frames))


@pytest.mark.parametrize(("percent", "used"), [(10, [3, 2, 1]), (100, [30, 17, 3])])
def test_share_of_segments(x, percent, used):
    model = dnn(percent=percent)
    _, attention, _ = run(model, init(model), x, LENGTH)
    np.testing.assert_array_equal((attention > 0).sum(1), [*used, 0])
