"""What the tests of frame models share: a small made batch, and properties every model has."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

HYPER = {"dropout": 0.0, "conv_dropout": 0.0}


def batch(columns: int, length: list[int], steps: int, seed: int = 0) -> tuple[Any, Any]:
    """x [B, steps, columns], zero on padding, and lengths."""
    x = np.random.default_rng(seed).standard_normal((len(length), steps, columns))
    lengths = np.array(length, np.int32)
    x[np.arange(steps) >= lengths[:, None]] = 0
    return x.astype(np.float32), lengths


def shapes(model: Any, columns: int, steps: int = 8) -> Any:
    """Shapes of the model's variables; nothing is computed."""
    x = jax.ShapeDtypeStruct((1, steps, columns), jnp.float32)
    length = jax.ShapeDtypeStruct((1,), jnp.int32)
    return jax.eval_shape(
        lambda x, n: model.init(jax.random.key(0), x, n, None, HYPER, False), x, length
    )


def initial(model: Any, x: Any, length: Any, seed: int = 0) -> Any:
    """Random variables of a reasonable size, none of them at its usual first value."""
    del length
    rng = np.random.default_rng(seed)

    def drawn(path: Any, leaf: Any) -> Any:
        name = path[-1].key
        if name in ("scale", "var"):
            size = rng.uniform(0.5, 1.5, leaf.shape).astype(np.float32)
            # A scale below 0 tells a maximum before it from one behind it.
            return size if name == "var" else size * rng.choice([-1, 1], leaf.shape)
        fan_in = np.prod(leaf.shape[:-1]) if leaf.ndim > 1 else 100.0
        return (rng.standard_normal(leaf.shape) / fan_in**0.5).astype(np.float32)

    made = shapes(model, x.shape[-1])
    made = {"params": made["params"], "batch_stats": made.get("batch_stats", {})}
    return jax.tree_util.tree_map_with_path(drawn, made)


def evaluated(model: Any, variables: Any, x: Any, length: Any) -> Any:
    """Logits and weights in evaluation; compiled as a whole, which is faster than by operations."""
    return jax.jit(lambda: model.apply(variables, x, length, None, HYPER, False))()


def count(model: Any, columns: int) -> dict[str, int]:
    """Parameters by the first name of the tree."""
    made = shapes(model, columns)["params"]
    return {name: sum(a.size for a in jax.tree.leaves(part)) for name, part in made.items()}


def check_blindness(model: Any, columns: int, steps: int = 13) -> None:
    """Padding, neighbours and rows of length 0 change nothing; weights sum to 1."""
    x, length = batch(columns, [steps, steps - 4, 3, 0], steps)
    variables = initial(model, x, length)
    apply = jax.jit(lambda x, n: model.apply(variables, x, n, None, HYPER, False))
    logits, alpha = apply(x, length)
    np.testing.assert_allclose(alpha.sum(1)[:3], 1, atol=1e-5)
    assert np.isfinite(logits).all()
    true = np.arange(steps) < length[:, None]
    assert (np.asarray(alpha)[~true] == 0).all()
    longer = np.concatenate([x, np.zeros((4, 9, columns), np.float32)], axis=1)
    again, long_alpha = apply(longer, length)
    np.testing.assert_allclose(again[:3], logits[:3], atol=2e-5)
    np.testing.assert_allclose(long_alpha[:3, :steps], alpha[:3], atol=1e-5)
    alone, _ = apply(x[1:2, : length[1]], length[1:2])
    np.testing.assert_allclose(alone[0], logits[1], atol=2e-5)


def check_training(model: Any, columns: int, steps: int = 13) -> None:
    """Every parameter gets a gradient, padding gives none, and a small batch is learnt by heart."""
    x, length = batch(columns, [steps, steps - 4, 7, 5, steps - 1, 6, 0], steps)
    label = np.array([0, 1, 2, 0, 1, 2, 0])
    weight = (length > 0).astype(np.float32)
    variables = initial(model, x, length)

    def loss(params: Any, stats: Any, x: Any, length: Any, label: Any, weight: Any) -> Any:
        (logits, _), new = model.apply(
            {"params": params, "batch_stats": stats}, x, length, None, HYPER, True,
            rngs={"dropout": jax.random.key(0)}, mutable=["batch_stats"],
        )  # fmt: skip
        each = optax.softmax_cross_entropy_with_integer_labels(logits, label)
        return jnp.sum(each * weight) / weight.sum(), new.get("batch_stats", {})

    value = jax.jit(jax.value_and_grad(loss, has_aux=True))
    params, stats = variables["params"], variables["batch_stats"]
    (_, new), gradient = value(params, stats, x, length, label, weight)
    for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
        # Attention's bias moves all scores alike.
        if "attention" not in str(path) or "bias" not in str(path):
            assert np.abs(leaf).max() > 0, path
    # A row of length 0 may hold anything.
    x[6] = 7.0
    (_, same), alone = value(params, stats, x, length, label, weight)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), gradient, alone)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), new, same)

    optimiser = optax.adam(0.01)

    @jax.jit
    def step(params: Any, stats: Any, state: Any) -> Any:
        (last, stats), gradient = value(params, stats, x, length, label, weight)
        updates, state = optimiser.update(gradient, state)
        return optax.apply_updates(params, updates), stats, state, last

    state = jax.tree.map(
        lambda a: np.zeros(a.shape, a.dtype), jax.eval_shape(optimiser.init, params)
    )
    for _ in range(100):
        params, stats, state, last = step(params, stats, state)
    assert last < 0.1


def check_dropout_and_members(model: Any, columns: int, steps: int = 9) -> None:
    """The one random stream is read in training alone; members are mapped like single ones.

    No normalisation hears dropped values: its statistics would not be those of evaluation.
    """
    x, length = batch(columns, [steps, 6, 4], steps)
    members = [initial(model, x, length, seed) for seed in (0, 1)]

    def trained(variables: Any, rate: Any) -> Any:
        out, kept = model.apply(
            variables, x, length, None, {"dropout": rate, "conv_dropout": rate}, True,
            rngs={"dropout": jax.random.key(3)}, mutable=["batch_stats"],
        )  # fmt: skip
        return out[0], kept

    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *members)
    both = jax.jit(jax.vmap(trained))(stacked, np.float32([0.0, 0.5]))
    single = jax.jit(trained)
    logits, kept = both
    for k, rate in enumerate((0.0, 0.5)):
        np.testing.assert_allclose(logits[k], single(members[k], rate)[0], atol=2e-5)
    undropped, statistics = single(members[1], 0.0)
    assert np.abs(logits[1] - undropped).max() > 1e-3
    for own, other in zip(jax.tree.leaves(kept), jax.tree.leaves(statistics), strict=True):
        np.testing.assert_allclose(own[1], other, atol=2e-5)
