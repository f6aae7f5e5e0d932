"""Batches of like lengths: the same rows, narrower, and the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser.training import lengths, loop, one_member
from jser.training.plan import Plan
from tests.training.conftest import make_members, make_program, one, take


def test_widths_hold_their_shares_and_save_something():
    length = np.concatenate([np.arange(100, 200), [900]])
    assert lengths.widths(length) == (160, 208, 900)
    # .95 lie below 195, half below 150; 192 for .8 of them saves too little.
    assert lengths.widths(np.full(50, 300)) == (300,)
    assert lengths.widths(np.array([7])) == (7,)


def test_at_width_takes_the_least_that_holds():
    @jax.jit
    def taken(longest):
        return lengths.at_width((3, 5, 9), longest, jnp.int32)

    assert [int(taken(n)) for n in (0, 1, 3, 4, 5, 6, 9)] == [3, 3, 3, 5, 5, 9, 9]


@pytest.mark.parametrize(("rows", "steps"), [(37, 10), (64, 16), (3, 1), (9, 4)])
def test_put_together_keeps_the_rows(rows, steps):
    rng = np.random.default_rng(0)
    length = jnp.asarray(rng.integers(1, 100, 50), jnp.int32)
    drawn = rng.integers(0, 50, rows)  # repeats are allowed
    order = np.full(steps * 4, -1, np.int32)
    order[:rows] = drawn
    made = np.asarray(
        lengths.put_together(jnp.asarray(order.reshape(steps, 4)), length, jax.random.key(1), 4)
    )
    assert made.shape == (steps, 4)
    assert sorted(made[made >= 0]) == sorted(drawn)
    full = (made >= 0).any(1)
    assert not full[np.argmin(full) :].any() or full.all(), "empty batches come last"
    assert full.sum() == -(-rows // 4)


def test_put_together_sorts_within_windows_alone():
    length = jnp.arange(1, 65, dtype=jnp.int32)
    order = np.random.default_rng(2).permutation(64).astype(np.int32).reshape(16, 4)
    made = np.asarray(lengths.put_together(jnp.asarray(order), length, jax.random.key(0), 4))
    for window in (order[:8], order[8:]):
        wanted = {tuple(rows) for rows in np.sort(window.reshape(-1)).reshape(8, 4)}
        assert wanted <= {tuple(rows) for rows in made}
    other = np.asarray(lengths.put_together(jnp.asarray(order), length, jax.random.key(1), 4))
    assert not np.array_equal(made, other), "batches come in another order"


def test_an_epoch_draws_anew(features):
    program = make_program(by_length=True)
    member = one(make_members(1), 0)
    orders = [np.asarray(one_member.shuffle(program, features, member, e)) for e in range(4)]
    assert len({order.tobytes() for order in orders}) == 4
    for order in orders:
        assert sorted(order[order >= 0]) == sorted(np.asarray(member.train_index)[:8])


def test_width_changes_time_alone(features, fit):
    """Narrow batches give what wide ones of the same rows give."""
    members = make_members(3)
    wide = make_program(by_length=True)
    narrow = make_program(by_length=True, widths=(2, 4, int(features.max_steps)))
    one_way, other = fit(wide, members), fit(narrow, members)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), one_way, other)
    rows = np.tile(np.arange(24, dtype=np.int32), (3, 1))
    plan = Plan(1, 1, tuple(jax.devices()[:1]))
    answers = [
        loop.predict(program, features, members, one_way, rows, plan) for program in (wide, narrow)
    ]
    for a, b in zip(*answers, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert take(one_way, [0]).epoch == 3
