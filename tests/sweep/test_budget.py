"""A study's budget: exact with twenty workers, whoever dies, on every kind of storage."""

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from jser.errors import InputError
from jser.sweep import budget, samplers, space
from jser.sweep.budget import Budget
from jser.sweep.pulse import Pulse
from jser.sweep.storage import open_storage, optuna, reached

FOUND = space.Space({"x": space.uniform(0.0, 1.0)})
N = 20


def opened(url, pulse_of, name, n=N, seconds=30, fixed=None):
    """A worker's view of a study, with its own connection."""
    storage = open_storage(url, seconds, budget.again)
    pulse = pulse_of(storage, seconds)
    study, is_new = budget.made(storage, name)
    made = Budget(study, storage, pulse, n, fixed)
    made.fill(at_once=is_new)
    return made, storage


def run_one(made, storage, worker):
    """Claim a trial and settle it; False where nothing waits."""
    trial_id = made.claim(worker)
    if trial_id is None:
        return False
    slot = storage.get_trial(trial_id).user_attrs[budget.SLOT]
    made.study.sampler = samplers.sampler("tpe", 0, 0, slot)
    values = samplers.ask(optuna().trial.Trial(made.study, trial_id), FOUND)
    time.sleep(0.003 * random.random())
    assert made.settle(trial_id, values["x"], False, {"seen": worker})
    return True


def settled(url, name):
    """State and slot of the trials of a study, as Optuna alone reads them."""
    study = optuna().load_study(study_name=name, storage=open_storage(url, 30))
    return study, Counter(t.user_attrs[budget.SLOT] for t in study.trials if budget.settles(t))


@pytest.mark.timeout(240)
def test_twenty_workers_lose_and_repeat_nothing(url):
    faults, done = [], Counter()
    begin = threading.Barrier(20)

    def work(number):
        try:
            begin.wait()
            made, storage = opened(url, Pulse, "twenty/fold-1")
            while True:
                if run_one(made, storage, f"worker-{number}"):
                    done[number] += 1
                elif len(budget.view(made.study).settled) == N:
                    return
                else:
                    time.sleep(0.5)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, faults[0]
    study, by_slot = settled(url, "twenty/fold-1")
    assert by_slot == dict.fromkeys(range(N), 1)
    assert sum(done.values()) == len(study.trials) == N  # made once, and no one twice
    assert len({t.params["x"] for t in study.trials}) == N
    assert all(t.state.name == "COMPLETE" for t in study.trials)


KILLED = """
import sys, time
from jser.sweep import budget
from jser.sweep.budget import Budget
from jser.sweep.pulse import Pulse
from jser.sweep.storage import open_storage
storage = open_storage(sys.argv[1], 1, budget.again)
with Pulse(storage, 1) as pulse:
    study, is_new = budget.made(storage, "killed")
    made = Budget(study, storage, pulse, 3)
    made.fill(at_once=is_new)
    print([made.claim("victim") for _ in range(2)], flush=True)
    time.sleep(60)
"""


@pytest.mark.timeout(60)
def test_a_killed_worker_gives_its_trials_back(url):
    victim = subprocess.Popen(
        [sys.executable, "-c", KILLED, url],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert len(eval(victim.stdout.readline())) == 2
    with Pulse(open_storage(url, 1, budget.again), 1) as pulse:
        made, storage = opened(url, lambda *_: pulse, "killed", n=3, seconds=1)
        assert run_one(made, storage, "other")
        until = time.monotonic() + 3.2
        while time.monotonic() < until:  # the victim lives: its trials stay its own
            assert made.claim("other") is None
            time.sleep(0.3)
        victim.kill()
        victim.wait()
        taken = 0
        while taken < 2:
            taken += run_one(made, storage, "other")
            time.sleep(0.1)
        assert not run_one(made, storage, "other")
    study, by_slot = settled(url, "killed")
    assert by_slot == {0: 1, 1: 1, 2: 1}
    failed = [t for t in study.trials if t.state.name == "FAIL"]
    assert [t.user_attrs[budget.WORKER] for t in failed] == ["victim", "victim"]


class NoPulse:
    """Nobody is ever dead."""

    grace = 0.0

    def dead(self, *_): ...
    def first(self, *_): ...
    def hold(self, *_): ...
    def let_go(self, *_): ...


@pytest.fixture
def alone(tmp_path):
    """`alone(n)`: a budget and its storage, a journal, which is the quickest."""
    url = f"journal:///{tmp_path / 'alone'}"
    return lambda n=3, fixed=None: opened(url, lambda *_: NoPulse(), "alone", n, fixed=fixed)


def test_what_is_given_back_is_the_same_trial_again(alone):
    made, storage = alone()
    first = made.claim("a")
    made.study.sampler = samplers.sampler("tpe", 0, 0, 0)
    values = samplers.ask(optuna().trial.Trial(made.study, first), FOUND)
    made.give_back(first)
    made.give_back(first)  # once is enough
    assert not made.settle(first, 0.5, False, {})  # it is not ours any more
    again = made.claim("b")
    trial = storage.get_trial(again)
    assert (trial.user_attrs[budget.SLOT], trial.params) == (0, values)
    assert made.settle(again, 0.5, False, {})
    assert len(made.study.trials) == 4


def test_a_slot_that_a_dead_founder_left_empty_is_filled_after_a_while(alone, monkeypatch):
    made, _ = alone(0)
    one, two = (Budget(made.study, made._storage, NoPulse(), 2) for _ in range(2))
    one.fill()
    two.fill()
    assert not made.study.trials  # whoever is alive is about to do it
    monkeypatch.setattr(time, "monotonic", lambda at=time.monotonic: at() + 1)
    one.fill()
    monkeypatch.undo()
    assert len(made.study.trials) == 2
    # Two who fill a slot at once: the first trial counts, the other is ended and never run.
    made.study.enqueue_trial({}, user_attrs={budget.SLOT: 0})
    claimed = [two.claim("a"), two.claim("a"), two.claim("a")]
    assert claimed[2] is None
    for trial_id in claimed[:2]:
        assert two.settle(trial_id, 0.5, False, {})
    assert two.claim("a") is None
    assert [t.state.name for t in made.study.trials] == ["COMPLETE", "COMPLETE", "FAIL"]
    assert made.study.trials[2].user_attrs[budget.SURPLUS]


def test_a_failed_trial_counts_and_one_that_kills_its_workers_ends(alone):
    made, storage = alone(2)
    first = made.claim("a")
    assert made.settle(first, None, False, {budget.FAILED: "not finite"})
    for _ in range(budget.MOST_DEATHS):
        made._fail(storage.get_trial(made.claim("a")))
    assert made.claim("a") is None
    assert set(budget.view(made.study).settled) == {0, 1}
    assert len(made.study.trials) == 1 + budget.MOST_DEATHS


def test_fixed_points_are_each_run_once(alone):
    found = space.Space({"x": space.choice(0.1, 0.2, 0.3), "y": space.choice((4,), (4, 8))})
    points = [{"x": 0.3, "y": (4,)}, {"x": 0.1, "y": (4, 8)}, {"x": 0.1, "y": (4,)}]
    listed = space.Space(found.fields, tuple(points))
    made, _ = alone(3, samplers.fixed(listed, "tpe", 3, 0, 0))
    got = []
    while (trial_id := made.claim("a")) is not None:
        made.study.sampler = samplers.sampler("tpe", 0, 0, 0)
        got.append(samplers.ask(optuna().trial.Trial(made.study, trial_id), listed))
    assert sorted(got, key=points.index) == points


def test_workers_that_begin_at_once_do_not_draw_the_same_and_a_sequence_is_one():
    seeds = {samplers.seed_of(0, fold, slot) for fold in range(5) for slot in range(5)}
    assert len(seeds) == 25
    found = space.Space({"x": space.log_uniform(1e-4, 1e-2), "n": space.integer(1, 4)})
    few, many = (samplers.fixed(found, "qmc", n, 3, 1) for n in (5, 40))
    assert few == many[:5]
    assert {point["n"] for point in many} == {1, 2, 3, 4}
    assert sum(point["x"] < 1e-3 for point in many) == pytest.approx(20, abs=2)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("trials.db", "--storage=trials.db: is no address; give sqlite:///FILE"),
        ("mysql://u@h/d", "mysql is no storage of sweeps"),
        ("sqlite:////no/such/trials.db", "there is no folder /no/such"),
        ("journal:////no/such/trials.log", "there is no folder /no/such"),
        (
            "postgresql://u:secret@/d?host=/no/such",
            r"postgresql\+psycopg://u@/d.*: cannot be opened",
        ),
    ],
)
def test_storages_that_cannot_be(url, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        open_storage(url, 60)
    assert "secret" not in str(caught.value)


def test_files_that_are_no_storage(tmp_path):
    file = tmp_path / "text"
    file.write_text("this is no storage of trials\n" * 100)
    for kind in ("sqlite", "journal"):
        with pytest.raises(InputError, match=r"--storage=.*text: (cannot be opened|is no journal)"):
            open_storage(f"{kind}:///{file}", 60)


def test_without_optuna_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        InputError, match=r"needs Optuna; install it with pip install optuna 'psycopg\[binary\]'"
    ):
        optuna()


def test_a_storage_that_goes_away_is_no_bug(tmp_path):
    url = f"sqlite:///{tmp_path / 'trials'}"
    made, storage = opened(url, lambda *_: NoPulse(), "gone", n=1)
    storage._backend.engine.dispose()
    (tmp_path / "trials").write_text("this is no storage of trials\n" * 100)
    for name in ("trials-wal", "trials-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    with (
        pytest.raises(InputError, match=r"trials: cannot be used any more \(file is not a data"),
        reached(url),
    ):
        made.claim("a")
