"""Masked batch normalisation by hand, against Linen's and against PyTorch's."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser.models.batch_norm import BatchNorm

RNG = np.random.default_rng(0)
MODEL = BatchNorm(momentum=0.9)


def fresh(width):
    return {
        "params": {
            "scale": RNG.standard_normal(width).astype(np.float32),
            "bias": RNG.standard_normal(width).astype(np.float32),
        },
        "batch_stats": {
            "mean": RNG.standard_normal(width).astype(np.float32),
            "var": RNG.uniform(0.5, 2, width).astype(np.float32),
        },
    }


def trained(variables, x, mask):
    return MODEL.apply(variables, x, mask, True, mutable=["batch_stats"])


def test_by_hand():
    x = np.array([[1.0], [3.0], [100.0]], np.float32)
    mask = np.array([[True], [True], [False]])
    variables = {
        "params": {"scale": np.float32([2]), "bias": np.float32([5])},
        "batch_stats": {"mean": np.float32([10]), "var": np.float32([4])},
    }
    out, new = trained(variables, x, mask)
    # Mean 2 and variance 1 of the two that count.
    np.testing.assert_allclose(out[:2, 0], [3, 7], atol=1e-4)
    np.testing.assert_allclose(new["batch_stats"]["mean"], [9 + 0.2], rtol=1e-6)
    np.testing.assert_allclose(new["batch_stats"]["var"], [3.6 + 0.1], rtol=1e-6)
    out = MODEL.apply(variables, x, mask, False)
    np.testing.assert_allclose(out[:, 0], (x[:, 0] - 10) / 2 * 2 + 5, rtol=1e-5)


def test_as_linen_without_padding():
    x = (3 + 2 * RNG.standard_normal((4, 6, 5, 3))).astype(np.float32)
    variables = fresh(3)
    theirs = nn.BatchNorm(momentum=0.9)
    for train in (True, False):
        ours, new = MODEL.apply(
            variables, x, np.ones((4, 6, 1, 1), bool), train, mutable=["batch_stats"]
        )
        wanted, wanted_new = theirs.apply(
            variables, x, use_running_average=not train, mutable=["batch_stats"]
        )
        np.testing.assert_allclose(ours, wanted, atol=1e-5)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), new, wanted_new)


def test_as_pytorch_without_padding():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x = RNG.standard_normal((7, 4)).astype(np.float32)
    variables = fresh(4)
    theirs = torch.nn.BatchNorm1d(4, momentum=0.1)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(variables["params"]["scale"]))
        theirs.bias.copy_(torch.tensor(variables["params"]["bias"]))
        wanted = theirs(torch.tensor(x)).numpy()
    ours, _ = trained(variables, x, np.ones((7, 1), bool))
    np.testing.assert_allclose(ours, wanted, atol=1e-5)


def test_padding_counts_for_nothing():
    length = np.array([5, 2, 0])
    mask = (np.arange(5) < length[:, None])[:, :, None, None]
    x = RNG.standard_normal((3, 5, 4, 2)).astype(np.float32)
    variables = fresh(2)
    out, new = trained(variables, x, mask)
    spoilt = np.where(mask, x, 1e6).astype(np.float32)
    again, same = trained(variables, spoilt, mask)
    np.testing.assert_array_equal(np.where(mask, out, 0), np.where(mask, again, 0))
    jax.tree.map(np.testing.assert_array_equal, new, same)
    # What counts, side by side in one row.
    whole = np.concatenate([x[0], x[1, :2]])[None]
    alone, same = trained(variables, whole, np.ones((1, 7, 1, 1), bool))
    np.testing.assert_allclose(alone[0, 5:], out[1, :2], atol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), new, same)


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows_use_and_leave_the_running_statistics(rows):
    x = RNG.standard_normal((3, 2)).astype(np.float32)
    mask = (np.arange(3) < rows)[:, None]
    variables = fresh(2)

    def loss(params):
        out, new = trained({**variables, "params": params}, x, mask)
        return jnp.sum(jnp.where(mask, out, 0.0)), (out, new)

    gradient, (out, new) = jax.grad(loss, has_aux=True)(variables["params"])
    jax.tree.map(np.testing.assert_array_equal, new["batch_stats"], variables["batch_stats"])
    np.testing.assert_array_equal(out, MODEL.apply(variables, x, mask, False))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_mapped_over_members():
    x = RNG.standard_normal((4, 3)).astype(np.float32)
    mask = np.array([[True]] * 3 + [[False]])
    members = [fresh(3) for _ in range(2)]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *members)
    out, new = jax.jit(jax.vmap(lambda v: trained(v, x, mask)))(stacked)
    for k, member in enumerate(members):
        alone, stats = trained(member, x, mask)
        np.testing.assert_allclose(out[k], alone, atol=1e-5)
        jax.tree.map(lambda a, b, k=k: np.testing.assert_allclose(a[k], b, rtol=1e-5), new, stats)


def test_initialisation_leaves_the_running_statistics():
    made = MODEL.init(jax.random.key(0), 5 + np.ones((4, 3), np.float32), np.ones((4, 1)), True)
    np.testing.assert_array_equal(made["batch_stats"]["mean"], 0)
    np.testing.assert_array_equal(made["batch_stats"]["var"], 1)
