"""A population is its members: bits, widths, failures, and what a member may not see."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser import config as configs
from jser import preparation, protocols
from jser.training import loop, one_member
from jser.training.plan import Plan
from tests.conftest import TINY
from tests.training.conftest import make_members, make_program, mixup_step, one, same_bits, take

# --- P members against P runs ---------------------------------------------------------------------


@pytest.mark.parametrize(("width", "steps_per_call"), [(1, 1), (2, 3)])
def test_members_do_not_know_their_neighbours(fit, program, members, width, steps_per_call):
    together = fit(program, members, width, steps_per_call)
    for p in range(len(members)):
        alone = fit(program, take(members, [p]), width, steps_per_call)
        assert same_bits(take(together, [p]), alone), p
    order = [3, 0, 4, 2, 1]
    shuffled = fit(program, take(members, order), width, steps_per_call)
    assert same_bits(take(together, order), shuffled)
    pairs = fit(program, take(members, [2, 2, 4]), width, steps_per_call)
    assert same_bits(take(together, [2, 2, 4]), pairs)


def test_a_longer_neighbour_stretches_nobody_s_schedule(fit, program, members):
    """A member of 8 rows, beside one of 12 and in a table of its own: the same rates."""
    beside = fit(program, take(members, [0, 2]))
    short = take(members, [0])
    short = short.replace(train_index=short.train_index[:, :8])
    alone = fit(program, short)
    assert same_bits(take(beside, [0]), alone)


def test_members_differ_from_one_another(fit, program, members):
    final = fit(program, members)
    kernel = final.params["output"]["kernel"]
    assert len({kernel[p].tobytes() for p in range(5)}) == 5
    # Seed and fold alone set two members of equal tables apart.
    twins = take(members, [0, 0, 0]).replace(
        seed=np.array([0, 1, 0], np.int32), fold=np.array([0, 0, 1], np.int32)
    )
    kernel = fit(program, twins).params["output"]["kernel"]
    assert len({kernel[p].tobytes() for p in range(3)}) == 3


def test_widths_differ_by_rounding_alone(fit, program, members):
    members = members.replace(epochs=np.full(5, 1, np.int32))
    narrow, wide = fit(program, members, 1), fit(program, members, 2, 3)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
        narrow.params,
        wide.params,
    )
    np.testing.assert_allclose(narrow.best_loss, wide.best_loss, rtol=1e-4)


@pytest.fixture(scope="session")
def prepared(tiny_run, data, xla_cache):
    config = configs.load("dcnn_blstm:synthetic", [*TINY.items(), ("data_dir", str(data))])
    return preparation.prepare(config)


def fit_pairs(ready, members, run_dir):
    run_dir.mkdir()
    plan = Plan(2, 1, tuple(jax.devices()[:1]))
    return loop.fit(ready.program, ready.features, members, plan, run_dir, "select", 1e9)


def first_epoch(run_dir):
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return {
        r["fold"]: (r["train_loss"], r["dev_loss"])
        for r in rows
        if (r["stage"], r["epoch"]) == ("select", 1)
    }


def test_the_real_system_too(prepared, tiny_run, tmp_path):
    """DCNN-BLSTM: width 2 with any neighbours to the bit, width 1 to 1e-4 after an epoch."""
    short = prepared.tables.replace(epochs=np.full(4, 1, np.int32))
    together = fit_pairs(prepared, short, tmp_path / "all")
    for places in ([3], [2, 1, 0]):
        some = fit_pairs(prepared, take(short, places), tmp_path / str(places))
        assert same_bits(take(together, places), some)
    wide, narrow = first_epoch(tmp_path / "all"), first_epoch(tiny_run / "run")
    assert wide.keys() == narrow.keys() == {0, 1, 2, 3}
    for fold, losses in wide.items():
        np.testing.assert_allclose(losses, narrow[fold], rtol=1e-4)


# --- labels ---------------------------------------------------------------------------------------


def test_test_labels_are_not_in_the_members_table(prepared):
    ready = prepared
    for p, k in enumerate(ready.tables.fold):
        fold = ready.protocol.folds[k]
        assert (ready.tables.label[p][fold.test] == -1).all()
        np.testing.assert_array_equal(
            ready.tables.label[p][fold.train], ready.corpus.label[fold.train]
        )
        rows = ready.tables.train_index[p]
        assert set(rows[rows >= 0]) == set(fold.train)
        assert set(ready.tables.dev_index[p][ready.tables.dev_index[p] >= 0]) == set(fold.dev)


def test_permuted_test_labels_change_nothing(prepared, tmp_path):
    """The planted leak: fold k trains on, whatever its test speakers' labels are."""
    ready = prepared
    fold = ready.protocol.folds[1]
    wrong = ready.corpus.label.copy()
    wrong[fold.test] = (wrong[fold.test] + 1 + np.arange(len(fold.test)) % 4) % 5
    assert (wrong != ready.corpus.label).sum() == len(fold.test)

    def run(name, label):
        design = dataclasses.replace(ready.design, epochs=1)
        made = design.members(label, ready.protocol, width=8)
        return fit_pairs(prepared, take(made, [1, 2]), tmp_path / name)

    true, planted = run("true", ready.corpus.label), run("planted", wrong)
    assert same_bits(take(true, [0]), take(planted, [0]))
    # The test can fail: fold 2 trains on those speakers, and does change.
    assert not same_bits(take(true, [1]), take(planted, [1]))
    assert protocols.member_labels(wrong, fold).tobytes() == (
        protocols.member_labels(ready.corpus.label, fold).tobytes()
    )


def test_rows_without_a_label_do_not_train(features, members):
    """Labels of -1 and padding rows leave loss and update as if the row were not there."""
    program = make_program(mixup=False)
    member = one(members, 0).replace(hyper={**one(members, 0).hyper, "dropout": 0.0})
    state = one_member.init_member(program, features, member)
    step = jax.jit(lambda rows: one_member.train_step(program, features, member, state, rows, 0))
    hidden, padded = step(jnp.array([0, 20, 1, 21])), step(jnp.array([0, -1, 1, -1]))
    assert same_bits(hidden, padded)
    # A batch of nothing else is no step at all, and no failure.
    after, loss = step(jnp.array([20, -1, 21, -1]))
    assert loss == 0
    assert same_bits(after, state)


def test_mixup_takes_no_partner_without_a_label(features, members):
    member = one(members, 0)
    state = one_member.init_member(make_program(), features, member)
    changed = jax.tree.map(np.array, features)
    changed.pooled[:, 20:22] = 1e3
    for row in (20, 21):
        changed.frames[:, changed.offset[row] : changed.offset[row] + changed.length[row]] = 1e3
    rows = jnp.array([0, 20, 1, 21])
    for number in range(4):
        one_way, _ = mixup_step(features, member, state, rows, number)
        other, _ = mixup_step(changed, member, state, rows, number)
        assert same_bits(one_way.params, other.params)


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_loss_that_is_not_finite_ends_one_member(fit, program, members, tmp_path):
    broken = members.mean.copy()
    broken[1] = np.nan
    final = fit(program, members.replace(mean=broken), 2, 3, run_dir=tmp_path / "broken")
    # It has no figures, in its first epoch neither: a loss of 0 would look like a perfect one.
    text = (tmp_path / "broken" / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    (event,) = [line for line in lines if "event" in line]
    who = {"fold": 1, "seed": 0, "bag": 0}
    assert event == {"stage": "select", "epoch": 1, **who, "event": "not_finite"}
    lines.remove(event)
    logged = sorted({(line["fold"], line["seed"]) for line in lines})
    assert logged == [(0, 0), (0, 1), (0, 2), (1, 1)]
    assert len(lines) == 4 * 3
    healthy = fit(program, members, 2, 3)
    np.testing.assert_array_equal(final.failed, [False, True, False, False, False])
    np.testing.assert_array_equal(final.epoch, [3, 0, 3, 3, 3])
    assert same_bits(take(final, [0, 2, 3, 4]), take(healthy, [0, 2, 3, 4]))
    for leaf in jax.tree.leaves(final.params):
        assert np.isfinite(leaf).all()  # the weights before the bad step are kept


def test_best_epoch_by_dev_uar_then_loss_then_earlier(features, members):
    program = make_program()
    member = one(members, 0)
    state = one_member.init_member(program, features, member)
    finish = jax.jit(
        lambda state: one_member.finish_epoch(program, features, member, state, jnp.float32(0))
    )
    first, metrics = finish(state)
    assert first.best_epoch == 1
    assert first.best_score == metrics.dev_uar
    again, _ = finish(first)  # equal in everything: the earlier epoch stays
    assert (again.best_epoch, again.epoch) == (1, 2)
    lower, _ = finish(first.replace(best_loss=first.best_loss + 1))
    assert lower.best_epoch == 2
    worse, _ = finish(first.replace(best_score=first.best_score + 0.1, best_loss=jnp.float32(9)))
    assert worse.best_epoch == 1
    # A member that ended keeps what it has.
    ended, _ = finish(first.replace(alive=jnp.bool_(False), best_score=jnp.float32(-1)))
    assert (ended.best_epoch, ended.epoch, ended.best_score) == (1, 1, -1)


def test_dev_uar_by_hand(features, members):
    """Recall over the classes present in dev: class 2 is absent, and one row is padding."""
    program = make_program()
    member = one(members, 0).replace(dev_index=jnp.array([12, 13, 15, 16, 18, -1]))
    state = one_member.init_member(program, features, member)
    rows = jnp.arange(24)
    logits, _, _ = one_member.predict_rows(program, features, member, state.params, {}, rows)
    said = np.argmax(logits, -1)
    recall = [np.mean([said[r] == k for r in rows]) for k, rows in ((0, (12, 15)), (1, (13, 16)))]
    _, metrics = one_member.finish_epoch(program, features, member, state, jnp.float32(0))
    np.testing.assert_allclose(metrics.dev_uar, np.mean(recall), rtol=1e-6)


# --- the order of rows ----------------------------------------------------------------------------


def test_an_epoch_visits_every_row_of_the_table_once(features, program):
    members = make_members(3)
    for p in range(3):
        member = one(members, p)
        orders = [np.asarray(one_member.shuffle(program, features, member, e)) for e in range(3)]
        table = np.sort(members.train_index[p])
        for order in orders:
            assert order.shape == (3, 4)
            np.testing.assert_array_equal(np.sort(order.ravel()), table)
            flat = order.ravel()
            assert (flat[(table >= 0).sum() :] == -1).all()  # padding comes last
        assert not np.array_equal(orders[0], orders[1])
        np.testing.assert_array_equal(orders[1], one_member.shuffle(program, features, member, 1))
