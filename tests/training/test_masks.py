"""Padding and the make-up of a batch change no logit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser.models.dcnn_blstm import DcnnBlstm
from jser.training import one_member, population
from tests.training.conftest import HYPER, make_program, one


@pytest.mark.parametrize("attention", ["learned", "self", "mean"])
def test_dcnn_blstm(attention):
    model = DcnnBlstm(3, units=4, attention=attention, dense=(4,), linear_path=True)
    rng = np.random.default_rng(0)
    length = np.array([5, 1, 9, 3])
    x = rng.standard_normal((4, 9, 6)).astype(np.float32)
    x *= (np.arange(9) < length[:, None])[:, :, None]
    pooled = rng.standard_normal((4, 2)).astype(np.float32)
    apply = jax.jit(
        lambda params, x, length, pooled: model.apply(
            {"params": params}, x, length, pooled, HYPER, False
        )
    )
    params = model.init(jax.random.key(0), x, length, pooled, HYPER, False)["params"]
    # The linear path starts at zero; here it takes part.
    params = jax.tree.map(
        lambda p: p + 0.1 * rng.standard_normal(p.shape).astype(np.float32), params
    )
    logits, alpha = apply(params, x, length, pooled)
    np.testing.assert_allclose(alpha.sum(1), 1, rtol=1e-5)
    assert (np.asarray(alpha)[np.arange(9) >= length[:, None]] == 0).all()
    # Two more steps of padding behind all.
    longer, _ = apply(params, np.pad(x, ((0, 0), (0, 2), (0, 0))), length, pooled)
    np.testing.assert_allclose(longer, logits, atol=1e-5)
    # Each alone, among rows of length 0.
    for b in range(4):
        others = np.where(np.arange(4) == b, length, 0)
        here = (others > 0)[:, None]
        alone, _ = apply(params, x * here[:, :, None], others, pooled * here)
        np.testing.assert_allclose(alone[b], logits[b], atol=1e-5)
    back, _ = apply(params, x[::-1], length[::-1], pooled[::-1])
    np.testing.assert_allclose(back[::-1], logits, atol=1e-5)
    # The test can fail: one true step more is another answer.
    more, _ = apply(params, x, np.minimum(length + 1, 9), pooled)
    assert np.abs(more - logits).max() > 1e-3


def test_gather_by_hand(features, members):
    member = one(members, 1)
    x, length, pooled = population.gather(features, member, jnp.array([3, -1, 0]))
    start, n = int(features.offset[3]), int(features.length[3])
    wanted = (np.asarray(features.frames[1, start : start + n]) - members.mean[1]) * members.scale[
        1
    ]
    np.testing.assert_allclose(x[0, :n], wanted, rtol=1e-6)
    assert length.tolist() == [n, 0, int(features.length[0])]
    assert (x[0, n:] == 0).all()  # nothing of the next row, and no mean subtracted from padding
    assert (x[1] == 0).all()
    np.testing.assert_array_equal(pooled[0], features.pooled[1, 3])


def test_rows_beside_a_row_do_not_change_it(features, members):
    model = DcnnBlstm(3, units=4, attention="learned", dense=(4,), linear_path=True)
    program = make_program(model=model)
    member = one(members, 0)
    state = one_member.init_member(program, features, member)
    predict = jax.jit(
        lambda rows: one_member.predict_rows(program, features, member, state.params, {}, rows)[0]
    )
    together = predict(jnp.arange(9))
    backwards = predict(jnp.arange(9)[::-1])
    np.testing.assert_allclose(backwards[::-1], together, atol=1e-5)
    for row in (0, 3, 8):  # 9 rows are three batches of 4: the place within a batch changes too
        alone = predict(jnp.full(9, -1).at[(row + 2) % 9].set(row))
        np.testing.assert_allclose(alone[(row + 2) % 9], together[row], atol=1e-5)


def test_labels_follow_the_source_of_a_copy(features, members):
    copies = features.replace(source=jnp.concatenate([features.source, features.source]))
    member = one(members, 0)
    rows = jnp.array([0, 24, 1, 25, -1, 18, 42])
    np.testing.assert_array_equal(
        population.row_labels(copies, member, rows), [0, 0, 1, 1, -1, -1, -1]
    )
