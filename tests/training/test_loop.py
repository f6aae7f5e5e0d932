"""The loop: transfers, checkpoints, resuming, metrics, failures, the plan."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser.errors import InputError
from jser.training import blocks, checkpoints, loop, one_member
from jser.training.metrics_log import MetricsLog
from jser.training.plan import Plan, choose_plan, training_bytes, width_for
from tests.training.conftest import make_members, make_program, one, same_bits, take


def lines(run_dir):
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


class Stopped(Exception):
    """Stands for a kill at the end of an epoch."""


@pytest.fixture
def stop_after(monkeypatch):
    """`stop_after(epoch)`: the next training dies while it logs that epoch."""

    def arm(epoch):
        write = MetricsLog.write

        def dying(self, at, *args):
            write(self, at, *args)
            if at == epoch:
                raise Stopped

        monkeypatch.setattr(MetricsLog, "write", dying)
        return lambda: monkeypatch.setattr(MetricsLog, "write", write)

    return arm


def test_a_planted_implicit_transfer_is_refused(fit, program, members, monkeypatch):
    """The loop runs under transfer_guard('disallow'): a host scalar in the step is an error."""
    epoch = loop._epoch

    def careless(*args):
        metrics = epoch(*args)
        return metrics.replace(train_loss=metrics.train_loss + np.float32(1))

    monkeypatch.setattr(loop, "_epoch", careless)
    with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
        fit(program, members)


@pytest.mark.parametrize("epoch", [1, 2])
def test_resumed_training_is_the_same_to_the_bit(
    fit, program, members, tmp_path, stop_after, epoch
):
    whole = fit(program, members, run_dir=tmp_path / "whole")
    go_on = stop_after(epoch)
    with pytest.raises(Stopped):
        fit(program, members, run_dir=tmp_path / "cut", seconds=0)
    go_on()
    resumed = fit(program, members, run_dir=tmp_path / "cut", seconds=0)
    assert same_bits(whole, resumed)
    assert lines(tmp_path / "cut") == lines(tmp_path / "whole")
    again = fit(program, members, run_dir=tmp_path / "cut")  # finished: merely restored
    assert same_bits(whole, again)
    assert lines(tmp_path / "cut") == lines(tmp_path / "whole")


def test_resumed_in_blocks_with_dummies(fit, program, members, tmp_path, stop_after):
    whole = fit(program, members, 2, 3)
    go_on = stop_after(2)
    with pytest.raises(Stopped):
        fit(program, members, 2, 3, tmp_path / "cut", 0)
    go_on()
    assert same_bits(whole, fit(program, members, 2, 3, tmp_path / "cut", 0))


def test_half_a_checkpoint_is_never_restored(fit, program, members, tmp_path, stop_after):
    whole = fit(program, members)
    go_on = stop_after(3)
    with pytest.raises(Stopped):
        fit(program, members, run_dir=tmp_path / "cut", seconds=0)
    go_on()
    folder = tmp_path / "cut" / "checkpoints" / "select"
    steps = sorted(path.name for path in folder.iterdir() if path.name.isdigit())
    assert steps[-1] == "2"
    # As a kill leaves it: Orbax' temporary name, a part of the files.
    half = folder / "3.orbax-checkpoint-tmp"
    shutil.copytree(folder / "2", half)
    for path in sorted(half.rglob("*"))[::2]:
        if path.is_file():
            path.write_bytes(path.read_bytes()[:10])
    opened = checkpoints.Checkpoints(folder, 0)
    assert opened.latest() == 2
    opened.close()
    assert same_bits(whole, fit(program, members, run_dir=tmp_path / "cut"))


def test_damaged_checkpoint_is_named(fit, program, members, tmp_path):
    fit(program, members, run_dir=tmp_path / "run", seconds=0)
    folder = tmp_path / "run" / "checkpoints" / "select" / "3"
    for path in (folder / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"select/3: the checkpoint cannot be read .*delete this"):
        fit(program, members, run_dir=tmp_path / "run")
    shutil.rmtree(folder)
    fit(program, members, run_dir=tmp_path / "run")  # the way out works


def test_half_a_line_of_metrics_is_dropped(fit, program, members, tmp_path, stop_after):
    go_on = stop_after(2)
    with pytest.raises(Stopped):
        fit(program, members, run_dir=tmp_path / "cut", seconds=0)
    go_on()
    path = tmp_path / "cut" / "metrics.jsonl"
    other = {"stage": "other", "epoch": 9}
    path.write_text(json.dumps(other) + "\n" + path.read_text() + '{"stage": "sel')
    fit(program, members, run_dir=tmp_path / "cut")
    found = lines(tmp_path / "cut")
    assert found[0] == other  # another stage's lines are left alone
    keys = [(r["epoch"], r["fold"], r["seed"]) for r in found[1:]]
    assert len(keys) == len(set(keys)) == 15


def test_who_failed_is_written_once_however_often_a_training_is_resumed(
    fit, program, members, tmp_path, stop_after
):
    broken = members.mean.copy()
    broken[1] = np.nan
    members = members.replace(mean=broken)
    for epoch in (1, 2):
        go_on = stop_after(epoch)
        with pytest.raises(Stopped):
            fit(program, members, run_dir=tmp_path / "cut", seconds=0)
        go_on()
    fit(program, members, run_dir=tmp_path / "cut", seconds=0)
    events = [row for row in lines(tmp_path / "cut") if "event" in row]
    assert [(row["epoch"], row["fold"], row["seed"]) for row in events] == [(1, 1, 0)]


def test_metrics_of_members_with_epochs_of_their_own(fit, program, members, tmp_path):
    members = members.replace(epochs=np.array([1, 3, 2, 3, 1], np.int32))
    final = fit(program, members, run_dir=tmp_path / "run")
    np.testing.assert_array_equal(final.epoch, members.epochs)
    assert not final.alive.any()
    per_epoch = np.bincount([r["epoch"] for r in lines(tmp_path / "run")])
    np.testing.assert_array_equal(per_epoch, [0, 5, 3, 2])
    assert list((tmp_path / "run" / "tensorboard" / "select").glob("events.*"))
    # The shorter members are those of a shorter training.
    alone = fit(program, take(members, [2]))
    assert same_bits(take(final, [2]), alone)


def test_no_member_left(fit, program, members):
    nothing = members.replace(mean=np.full_like(members.mean, np.nan))
    final = fit(program, nothing)
    with pytest.raises(InputError, match=r"stopped being finite; lower --config.hyper.learning"):
        loop.check_somebody_lives(final, nothing, "hyper")
    one_is_left = final.replace(failed=np.arange(5) > 0)
    loop.check_somebody_lives(one_is_left, nothing, "hyper")


def test_predictions_do_not_depend_on_blocks(features, program, members, fit):
    state = fit(program, members)
    rows = np.tile(np.array([18, 19, -1, 20, 23, 21], np.int32), (5, 1))

    def predict(places, width, steps_per_call):
        plan = Plan(width, steps_per_call, tuple(jax.devices()[:1]))
        chosen = take(members, places)
        return loop.predict(
            program, features, chosen, take(state, places), rows[: len(places)], plan
        )

    logits, alpha, embedding = predict(range(5), 1, 1)
    assert logits.shape == (5, 6, 3)
    assert alpha.shape == (5, 6, features.max_steps)
    assert embedding.shape == (5, 6, 0)  # this model shows none
    np.testing.assert_array_equal(logits[[3]], predict([3], 1, 1)[0])
    np.testing.assert_allclose(logits, predict(range(5), 2, 3)[0], atol=1e-5)


# --- the plan -------------------------------------------------------------------------------------


def test_plan_on_a_cpu(program, features, members):
    plan = choose_plan(program, features, members)
    assert (plan.width, plan.steps_per_call, plan.from_host) == (1, 1, True)
    assert plan.devices == tuple(jax.devices())
    plan = choose_plan(program, features, members, 4, 6)
    assert (plan.width, plan.steps_per_call, plan.block) == (4, 6, 4 * len(jax.devices()))


@pytest.mark.parametrize(
    ("steps_per_call", "calls"),
    [(1, [(0, 1), (1, 2), (2, 3)]), (2, [(0, 2), (2, 3)]), (3, [(0, 3)]), (0, [(0, 3)])],
)
def test_calls_of_an_epoch(steps_per_call, calls):
    assert Plan(2, steps_per_call, ()).calls(3) == calls


@pytest.mark.parametrize(
    ("n_members", "step", "free", "stopping", "width"),
    [
        (50, 1, 10**9, False, 50),
        (500, 1, 10**9, False, 64),
        (50, 1, 10**9, True, 13),  # four blocks, of which some can go
        (50, 100, 1000, False, 6),  # six tenths of the memory
        (50, 100, 10, False, 1),
    ],
)
def test_width_by_members_and_memory(n_members, step, free, stopping, width):
    assert width_for(n_members, step, free, stopping) == width


def test_bytes_of_a_member_are_counted_from_shapes(program, features, members):
    state, step = training_bytes(program, features, members)
    whole = one_member.init_member(program, features, one(members, 0))
    assert state == sum(leaf.nbytes for leaf in jax.tree.leaves(whole))
    gradient = sum(leaf.nbytes for leaf in jax.tree.leaves(whole.params))
    # What backward needs of Small: at least its inputs and the hidden units of a batch.
    rows = program.batch_size
    assert step >= gradient + 4 * rows * (3 + features.max_steps)
    twice = training_bytes(make_program(batch_size=2 * rows), features, members)[1]
    assert 1.5 < (twice - gradient) / (step - gradient) < 2.5


@pytest.mark.parametrize(
    ("width", "steps", "sentence"),
    [
        (-1, 0, "population.width: -1 and .* must not be negative"),
        (0, -2, "population.steps_per_call: -2 must not be negative"),
    ],
)
def test_impossible_plans(width, steps, sentence, program, features, members):
    with pytest.raises(InputError, match=sentence):
        choose_plan(program, features, members, width, steps)


def test_blocks_and_back():
    members = make_members(5)
    mesh = blocks.member_mesh(jax.devices()[:1])
    cut = blocks.to_blocks(members, 2, mesh)
    assert [len(b) for b in cut] == [2, 2, 2]
    assert cut[-1].epochs.tolist() == [3, 0]  # a dummy has nothing to train
    assert same_bits(blocks.from_blocks(cut, 5), members)


def test_state_of_a_dummy_is_not_alive(features):
    program, members = make_program(), make_members(1)
    dummy = jax.tree.map(jnp.asarray, take(members.replace(epochs=np.zeros(1, np.int32)), 0))
    assert not one_member.init_member(program, features, dummy).alive
