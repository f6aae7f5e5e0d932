"""The RNN over levels against plain Python, and what must not change an answer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser.models.cnn_rnn import CnnRnn, ScaledLevels

B, WIDTHS, K, H = 4, (3, 6, 5), 4, 3
L, D = len(WIDTHS), max(WIDTHS)
HYPER = {"dropout": 0.5, "input_dropout": 0.2}
SETTINGS = {
    "n_classes": K,
    "widths": WIDTHS,
    "levels": (),
    "level_units": 7,
    "rnn": "bigru",
    "units": H,
    "dense": (5,),
}
LENGTH = jnp.array([L, L, 0, L])


def levels_of(seed, rows=B):
    x = np.random.default_rng(seed).standard_normal((rows, L, D)).astype(np.float32)
    for level, width in enumerate(WIDTHS):
        x[:, level, width:] = 0
    return x


X = levels_of(0)
X[2] = 0  # does not count


def made(**changed):
    model = CnnRnn(**(SETTINGS | changed))
    return model, model.init(jax.random.key(1), X, LENGTH, None, HYPER, False)


def run(model, params, x, length=LENGTH, **kwargs):
    return model.apply(params, x, length, None, HYPER, False, **kwargs)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference(params, x, order, rnn):
    """Features and logits in float64, a level and a gate at a time (Cho et al. 2014)."""
    p = jax.tree.map(lambda a: np.asarray(a, np.float64), params["params"])

    def dense(layer, value):
        return value @ layer["kernel"] + layer.get("bias", 0.0)

    vectors = [
        np.maximum(dense(p[f"level{k}"], x[:, k, : WIDTHS[k]].astype(float)), 0) for k in order
    ]

    def last(cell, sequence):
        h = np.zeros((len(x), H))
        for v in sequence:
            r = sigmoid(dense(cell["ir"], v) + dense(cell["hr"], h))
            z = sigmoid(dense(cell["iz"], v) + dense(cell["hz"], h))
            n = np.tanh(dense(cell["in"], v) + r * dense(cell["hn"], h))
            h = (1 - z) * n + z * h
        return h

    if rnn == "concatenation":
        found = np.concatenate(vectors, -1)
    else:
        found = last(p["forward"], vectors)
        if rnn == "bigru":
            found = np.concatenate([found, last(p["backward"], vectors[::-1])], -1)
    hidden = np.maximum(dense(p["dense0"], found), 0)
    return found, dense(p["output"], hidden)


@pytest.mark.parametrize("rnn", ["bigru", "gru", "concatenation"])
@pytest.mark.parametrize("levels", [(), (2, 0)])
def test_level_by_level(rnn, levels):
    model, params = made(rnn=rnn, levels=levels)
    order = levels or range(L)
    features, wanted = reference(params, X, order, rnn)
    (logits, weights), sown = run(model, params, X, mutable=["intermediates"])
    np.testing.assert_allclose(logits, wanted, atol=1e-5)
    (embedding,) = sown["intermediates"]["embedding"]
    rows = np.array([0, 1, 3])
    unit = features[rows] / np.linalg.norm(features[rows], axis=-1, keepdims=True)
    np.testing.assert_allclose(embedding[rows], unit, atol=1e-5)
    assert np.isfinite(embedding).all()
    read = np.isin(np.arange(L), list(order)) / len(order)
    np.testing.assert_allclose(weights, [read, read, 0 * read, read], atol=1e-7)
    assert ({f"level{k}" for k in range(L)} & set(params["params"])) == {f"level{k}" for k in order}


def test_features_behind_a_levels_width_are_not_read():
    model, params = made()
    spoilt = X.copy()
    for level, width in enumerate(WIDTHS):
        spoilt[:, level, width:] = np.nan
    np.testing.assert_array_equal(run(model, params, spoilt)[0], run(model, params, X)[0])


def test_neighbours_change_nothing():
    model, params = made()
    together, _ = run(model, params, X)
    other = levels_of(9)
    other[0] = X[0]
    beside, _ = run(model, params, other, jnp.array([L, 0, L, L]))
    alone, _ = run(model, params, X[:1], LENGTH[:1])
    np.testing.assert_allclose(beside[0], together[0], atol=1e-6)
    np.testing.assert_allclose(alone[0], together[0], atol=1e-6)


def test_low_to_high_is_not_high_to_low():
    """The order counts for an RNN; of the same levels, dense layers are the same."""
    model, params = made()
    backwards = CnnRnn(**(SETTINGS | {"levels": tuple(range(L))[::-1]}))
    assert np.abs(run(model, params, X)[0] - run(backwards, params, X)[0])[0].max() > 1e-3


def test_dropout_only_in_training_and_with_traced_rates():
    model, params = made()
    answer, _ = run(model, params, X)

    @jax.jit
    def train(rate, key):
        hyper = {"dropout": rate, "input_dropout": rate}
        return model.apply(params, X, LENGTH, None, hyper, True, rngs={"dropout": key})[0]

    np.testing.assert_allclose(train(0.0, jax.random.key(0)), answer, atol=1e-6)
    one, two = train(0.5, jax.random.key(0)), train(0.5, jax.random.key(1))
    assert np.isfinite(one).all()
    assert np.abs(one - two)[0].max() > 1e-3


def test_members_under_vmap():
    """Initialised and applied as a population: no batched QR, and the bits of nobody else."""
    model, _ = made()
    keys = jax.random.split(jax.random.key(3), 2)
    x = jnp.asarray(X)
    both = jax.jit(jax.vmap(lambda key: model.init(key, x, LENGTH, None, HYPER, False)))(keys)
    answers = jax.jit(jax.vmap(lambda p: model.apply(p, x, LENGTH, None, HYPER, False)[0]))(both)
    for k in range(2):
        mine = jax.tree.map(lambda a, k=k: a[k], both)
        np.testing.assert_allclose(answers[k], run(model, mine, x)[0], atol=1e-6)


@pytest.mark.parametrize(
    ("changed", "said"), [({"rnn": "lstm"}, "lstm"), ({"levels": (0, 3)}, "of 3")]
)
def test_what_no_net_has(changed, said):
    with pytest.raises(ValueError, match=said):
        made(**changed)


def test_it_learns_from_one_level_alone():
    """Classes that only the second level tells apart are told apart."""
    x = levels_of(4, 32)
    label = np.arange(32) % K
    x[np.arange(32), 1, label] += 3
    model = CnnRnn(**(SETTINGS | {"dense": ()}))
    length = jnp.full(32, L)
    params = model.init(jax.random.key(0), x, length, None, HYPER, False)

    @jax.jit
    def step(params):
        def loss(p):
            logits, _ = model.apply(p, x, length, None, HYPER, False)
            return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(32), label])

        return jax.tree.map(lambda p, g: p - 0.5 * g, params, jax.grad(loss)(params))

    for _ in range(150):
        params = step(params)
    logits, _ = model.apply(params, x, length, None, HYPER, False)
    assert np.mean(np.argmax(logits, -1) == label) == 1


def test_scaled_levels_are_the_same_net_on_scaled_inputs():
    model, params = made()
    rng = np.random.default_rng(2)
    mean = rng.standard_normal((L, D)).astype(np.float32)
    scale = rng.uniform(0.5, 2, (L, D)).astype(np.float32)
    scaled = ScaledLevels(model)
    fresh = scaled.init(jax.random.key(1), X, LENGTH, None, HYPER, False)
    assert set(fresh) == {"params", "scaling"}
    seen = {"params": {"head": params["params"]}, "scaling": {"mean": mean, "scale": scale}}
    (logits, weights), shown = run(scaled, seen, X, mutable=["intermediates"])
    wanted, wanted_weights = run(
        model, params, np.where(LENGTH[:, None, None], (X - mean) * scale, 0)
    )
    np.testing.assert_allclose(logits, wanted, atol=1e-6)
    np.testing.assert_array_equal(weights, wanted_weights)
    assert shown["intermediates"]["head"]["embedding"][0].shape == (B, 2 * H)
