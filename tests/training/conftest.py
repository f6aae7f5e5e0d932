"""A small problem of arrays: 24 ragged sequences in two feature sets, three classes."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser.training import loop, one_member, population
from jser.training.plan import Plan

HYPER = {
    "learning_rate": 0.02,
    "weight_decay": 0.05,
    "clip": 0.3,
    "warmup": 0.25,
    "dropout": 0.3,
    "input_dropout": 0.1,
    "label_smoothing": 0.1,
    "mixup": 0.3,
    "average": 0.5,
}
ROWS, CLASSES, WIDTH = 24, 3, 5


class Small(nn.Module):
    """Mean over time, one hidden layer: compiles in a moment where a BLSTM takes twenty."""

    n_classes: int = CLASSES

    @nn.compact
    def __call__(self, x, length, pooled, hyper, train):
        mask = jnp.arange(x.shape[1])[None, :] < length[:, None]
        mean = x.sum(1) / jnp.maximum(length, 1)[:, None]
        z = jnp.tanh(nn.Dense(3, name="hidden")(jnp.concatenate([mean, pooled], -1)))
        if train:
            keep = jax.random.bernoulli(self.make_rng("dropout"), 1 - hyper["dropout"], z.shape)
            z = jnp.where(keep, z / (1 - hyper["dropout"]), 0.0)
        alpha = mask / jnp.maximum(length, 1)[:, None]
        return nn.Dense(self.n_classes, name="output")(z), alpha


def make_features():
    rng = np.random.default_rng(0)
    length = rng.integers(1, 7, ROWS).astype(np.int32)
    offset = (np.cumsum(length) - length).astype(np.int32)
    frames = rng.standard_normal((2, length.sum(), WIDTH)).astype(np.float32)
    # Class k leans to one side, so that there is something to learn.
    of_row = np.repeat(np.arange(ROWS) % CLASSES, length)
    frames[:, np.arange(length.sum()), of_row] += 1.0
    source = np.arange(ROWS, dtype=np.int32)
    pooled = rng.standard_normal((2, ROWS, 2)).astype(np.float32)
    made = population.Features(frames, offset, length, pooled, source, int(length.max()))
    return jax.tree.map(jnp.asarray, made)


@pytest.fixture(scope="session")
def features():
    return make_features()


def make_members(n, epochs=3):
    """n members with train tables of their own, 8 to 12 rows, dev rows 12 to 17, test the rest."""
    folds, seeds = np.arange(n) % 2, np.arange(n) // 2
    train = np.full((n, 12), -1, np.int32)
    label = np.tile((np.arange(ROWS) % CLASSES).astype(np.int32), (n, 1))
    label[:, 18:] = -1
    for p in range(n):
        rows = 8 + 2 * (p % 3)
        train[p, :rows] = np.random.default_rng(p).integers(0, 12, rows)
        train[p, :3] = 0, 1, 2  # every class is there
    rng = np.random.default_rng(9)
    return population.Members(
        fold=folds.astype(np.int32),
        seed=seeds.astype(np.int32),
        bag=np.zeros(len(seeds), np.int32),
        point=np.zeros(n, np.int32),
        group=folds.astype(np.int32),
        hyper={k: np.full(n, v, np.float32) for k, v in HYPER.items()},
        train_index=train,
        dev_index=np.tile(np.arange(12, 18, dtype=np.int32), (n, 1)),
        label=label,
        mean=rng.standard_normal((n, WIDTH)).astype(np.float32) / 5,
        scale=rng.uniform(0.5, 2, (n, WIDTH)).astype(np.float32),
        class_weight=np.ones(n, np.float32),
        epochs=np.full(n, epochs, np.int32),
        horizon=np.full(n, 3, np.int32),
        patience=np.zeros(n, np.int32),
    )


@pytest.fixture(scope="session", autouse=True)
def compiled_once(xla_cache):
    """What one worker has compiled, the others find: training is tested, not XLA's patience."""


@pytest.fixture
def members():
    return make_members(5)


def make_program(**changed):
    fields = {
        "model": Small(),
        "n_classes": CLASSES,
        "batch_size": 4,
        "mixup": False,
    }
    return population.Program(**(fields | changed))


@pytest.fixture
def program():
    return make_program()


@jax.jit
def mixup_step(features, member, state, rows, step):
    """One step of the program with mixup; compiled once for all tests."""
    return one_member.train_step(make_program(mixup=True), features, member, state, rows, step)


@pytest.fixture
def fit(features, tmp_path):
    """`fit(program, members, width)`: a training in a folder of its own; the final state."""
    number = 0

    def run(program, members, width=1, steps_per_call=1, run_dir=None, seconds=1e9):
        nonlocal number
        number += 1
        run_dir = run_dir or tmp_path / f"run{number}"
        run_dir.mkdir(exist_ok=True)
        plan = Plan(width, steps_per_call, tuple(jax.devices()[:1]))
        return loop.fit(program, features, members, plan, run_dir, "select", seconds)

    return run


def take(members, places):
    """The members of a table at `places`."""
    return jax.tree.map(lambda a: a[np.asarray(places)], members)


def one(tree, p):
    """Member p of a table or state, on the device."""
    return jax.tree.map(lambda a: jnp.asarray(a[p]), tree)


def same_bits(a, b):
    """Whether two trees are equal bit for bit."""
    a, b = jax.tree.leaves(a), jax.tree.leaves(b)
    return len(a) == len(b) and all(
        np.asarray(x).dtype == np.asarray(y).dtype
        and np.asarray(x).tobytes() == np.asarray(y).tobytes()
        for x, y in zip(a, b, strict=True)
    )
