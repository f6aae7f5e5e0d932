"""Two optimiser steps against numpy in float64: gradients by finite differences, AdamW by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser.training import one_member
from tests.training.conftest import HYPER, make_program

PLAIN = HYPER | {"dropout": 0.0, "clip": 0.2, "average": 0.7}
BATCHES = ([0, 4, 5, -1], [7, 2, 2, 9])


@pytest.fixture
def member(members):
    host = jax.tree.map(lambda a: a[0], members)
    return host.replace(hyper={k: np.float32(v) for k, v in PLAIN.items()})


def rows_of(features, member, rows):
    """Inputs [n, D + U], labels [n] of the rows that count, in float64."""
    features = jax.tree.map(np.asarray, features)
    frames = features.frames[member.group].astype(float)
    x, labels = [], []
    for row in rows:
        if row >= 0 and member.label[features.source[row]] >= 0:
            start, steps = features.offset[row], features.length[row]
            mean = frames[start : start + steps].mean(0)
            mean = (mean - member.mean) * member.scale.astype(float)
            x.append(np.concatenate([mean, features.pooled[member.group, row]]))
            labels.append(member.label[features.source[row]])
    return np.array(x), np.array(labels)


def loss_of(params, features, member, rows):
    x, label = rows_of(features, member, rows)
    z = np.tanh(x @ params["hidden", "kernel"] + params["hidden", "bias"])
    logits = z @ params["output", "kernel"] + params["output", "bias"]
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    target = 0.9 * np.eye(3)[label] + 0.1 / 3  # label smoothing 0.1
    # Class weights from the whole train table, repeats counted: n / (classes present * count).
    table = member.label[member.train_index[member.train_index >= 0]]
    count = np.bincount(table, minlength=3)
    weight = (len(table) / (3 * count))[label]
    return np.sum(weight * -(target * log_p).sum(1)) / weight.sum()


def finite_differences(params, *args):
    grads = {}
    for name, value in params.items():
        grads[name] = np.zeros_like(value)
        for place in np.ndindex(value.shape):
            sides = []
            for sign in (1, -1):
                moved = {k: v.copy() for k, v in params.items()}
                moved[name][place] += sign * 1e-6
                sides.append(loss_of(moved, *args))
            grads[name][place] = (sides[0] - sides[1]) / 2e-6
    return grads


def flat(tree):
    return {
        (layer, leaf): np.asarray(value, float)
        for layer, leaves in tree.items()
        for leaf, value in leaves.items()
    }


def test_two_steps(features, member):
    program = make_program(
        mixup=False
    )  # 3 epochs of the member's own 2 steps; a quarter of 6 is warm-up
    device = jax.tree.map(jnp.asarray, member)
    state = one_member.init_member(program, features, device)
    params = flat(state.params)
    average = params
    first = {k: np.zeros_like(v) for k, v in params.items()}
    second = {k: np.zeros_like(v) for k, v in params.items()}
    clipped = []
    for step, rows in enumerate(BATCHES):
        wanted = loss_of(params, features, member, rows)
        grads = finite_differences(params, features, member, rows)
        norm = np.sqrt(sum(np.sum(g**2) for g in grads.values()))
        clipped.append(norm > 0.2)
        grads = {k: g * min(1.0, 0.2 / norm) for k, g in grads.items()}
        first = {k: 0.9 * first[k] + 0.1 * g for k, g in grads.items()}
        second = {k: 0.999 * second[k] + 0.001 * g**2 for k, g in grads.items()}
        # 1.5 steps of warm-up: step n has (n + 1) / 1.5 of the peak, and at most the peak.
        rate = 0.02 * min(1.0, (step + 1) / 1.5)
        moved = {}
        for name, value in params.items():
            direction = (first[name] / (1 - 0.9 ** (step + 1))) / (
                np.sqrt(second[name] / (1 - 0.999 ** (step + 1))) + 1e-8
            )
            if value.ndim > 1:  # matrices decay, biases do not
                direction = direction + 0.05 * value
            moved[name] = value - rate * direction
        params = moved
        average = {k: 0.7 * average[k] + 0.3 * params[k] for k in params}

        state, loss = jax.jit(
            lambda state, rows, step: one_member.train_step(
                program, features, device, state, rows, step
            )
        )(state, jnp.array(rows), step)
        np.testing.assert_allclose(loss, wanted, rtol=1e-6)
    assert any(clipped), "the clip must bite, or it is not tested"
    for name, value in flat(state.params).items():
        np.testing.assert_allclose(value, params[name], atol=2e-6, err_msg=str(name))
    for name, value in flat(state.average).items():
        np.testing.assert_allclose(value, average[name], atol=2e-6, err_msg=str(name))
    assert state.alive
    assert not state.failed
