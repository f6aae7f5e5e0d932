"""A training that ends within an epoch, and goes on from there: the same bits, the same lines."""

import json

import jax
import numpy as np
import pytest

from jser import interrupt
from jser.training import checkpoints, loop, metrics_log
from jser.training.alive import Block
from jser.training.plan import Plan
from tests.training.conftest import make_members, same_bits


def lines(run_dir):
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return sorted(rows, key=lambda r: (r["epoch"], r["fold"], r["seed"]))


@pytest.fixture
def at_call(monkeypatch):
    """`at_call(n, what)`: do something when blocks have done `n` calls from now on."""

    def arm(n, what):
        trained, count = Block.trained, 0

        def counted(self, *args):
            nonlocal count
            trained(self, *args)
            count += 1
            if count == n:
                what()

        monkeypatch.setattr(Block, "trained", counted)
        return lambda: monkeypatch.setattr(Block, "trained", trained)

    return arm


class Killed(BaseException):
    pass


def kill():
    raise Killed


@pytest.fixture
def train(features, program, tmp_path):
    on_host = jax.tree.map(np.asarray, features)

    def run(name, width, steps_per_call, stream, seconds=1e9):
        members = make_members(5)
        members.epochs[2] = 2  # somebody ends before the others
        (tmp_path / name).mkdir(exist_ok=True)
        how = Plan(width, steps_per_call, tuple(jax.devices()[:1]), stream=stream)
        return loop.fit(program, on_host, members, how, tmp_path / name, "select", seconds)

    return run


@pytest.mark.parametrize("stream", [False, True], ids=["resident", "stream"])
@pytest.mark.parametrize(("width", "steps_per_call"), [(1, 1), (2, 2)])
def test_sigterm(train, tmp_path, at_call, width, steps_per_call, stream):
    whole = train("whole", width, steps_per_call, stream)
    per_epoch = len(Plan(width, steps_per_call, ()).calls(3))
    blocks = -(-5 // width)
    # In the first epoch, behind a block's last step, and in the middle of the last epoch.
    for n in (1, per_epoch, blocks * per_epoch + 2, 2 * blocks * per_epoch - 1):
        name = f"cut{n}"
        disarm = at_call(n, interrupt._ending.set)
        with pytest.raises(interrupt.Preempted):
            train(name, width, steps_per_call, stream)
        disarm()
        assert not interrupt.is_ending()
        assert (tmp_path / name / "checkpoints" / "select_within").is_dir()
        assert same_bits(whole, train(name, width, steps_per_call, stream)), n
        assert lines(tmp_path / name) == lines(tmp_path / "whole"), n
        # What has come to its end needs no place within an epoch any more.
        assert not (tmp_path / name / "checkpoints" / "select_within").exists()


def test_sigterm_again_and_again(train, tmp_path, at_call):
    whole = train("whole", 2, 1, False)
    stops, resumed = 0, None
    while resumed is None:
        disarm = at_call(2, interrupt._ending.set)
        try:
            resumed = train("cut", 2, 1, False)
        except interrupt.Preempted:
            disarm()
            stops += 1
    assert stops > 5
    assert same_bits(whole, resumed)
    assert lines(tmp_path / "cut") == lines(tmp_path / "whole")


@pytest.mark.parametrize("n", [2, 7, 16])
def test_killed_behind_a_save_within_an_epoch(train, tmp_path, at_call, monkeypatch, n):
    whole = train("whole", 1, 1, False)
    disarm = at_call(n + 1, kill)
    with pytest.raises(Killed):
        train("cut", 1, 1, False, seconds=1e-9)  # saves after every step
    disarm()
    opened = checkpoints.Checkpoints(tmp_path / "cut" / "checkpoints" / "select", 1e9)
    newest = opened._newest()
    opened.close()
    assert newest[1] is opened._within, "not within an epoch: the test shows nothing"
    assert same_bits(whole, train("cut", 1, 1, False))
    assert lines(tmp_path / "cut") == lines(tmp_path / "whole")


def test_seconds_of_zero_save_at_the_end_of_epochs_alone(train, tmp_path, at_call):
    at_call(5, kill)
    with pytest.raises(Killed):
        train("cut", 1, 1, False, seconds=0)
    assert not (tmp_path / "cut" / "checkpoints" / "select_within").exists()


def test_events_have_the_mean_of_all_members(train, at_call, monkeypatch):
    """Also of an epoch in which the training was stopped, when some had finished it."""
    written = []
    monkeypatch.setattr(
        metrics_log.SummaryWriter, "add_scalar", lambda self, *what: written.append(what)
    )
    train("whole", 1, 1, False)
    whole = written.copy()
    written.clear()
    disarm = at_call(17, interrupt._ending.set)
    with pytest.raises(interrupt.Preempted):
        train("cut", 1, 1, False)
    disarm()
    train("cut", 1, 1, False)
    assert written == whole


def test_a_member_that_failed_before_the_stop_is_logged_once(features, program, tmp_path, at_call):
    members = make_members(5)
    members.hyper["learning_rate"][1] = np.nan

    def run(name):
        (tmp_path / name).mkdir(exist_ok=True)
        how = Plan(5, 1, tuple(jax.devices()[:1]))
        return loop.fit(program, features, members, how, tmp_path / name, "select", 1e9)

    whole = run("whole")
    assert whole.failed.tolist() == [False, True, False, False, False]
    disarm = at_call(3, interrupt._ending.set)
    with pytest.raises(interrupt.Preempted):
        run("cut")
    disarm()
    assert same_bits(whole, run("cut"))
    assert lines(tmp_path / "cut") == lines(tmp_path / "whole")
    events = [row for row in lines(tmp_path / "cut") if "event" in row]
    assert [(row["epoch"], row["fold"], row["seed"]) for row in events] == [(1, 1, 0)]
