"""What a run writes of itself: its starts, their ends, how far it is."""

import json
import os
import subprocess

import pytest

from jser import config as configs
from jser import interrupt, lock, progress, run_directory, run_log, status
from jser.errors import InputError
from tests.run_files import HERE, lines, start


@pytest.fixture
def claimed(tmp_path):
    run = tmp_path / "run"
    run_directory.claim(run, configs.load("dcnn_blstm"))
    return run


def recorded(run):
    return run_log.recorded(run, "dcnn_blstm", "emodb", "CPU, 2 cores")


class Preempted(KeyboardInterrupt):
    """As `interrupt` may have it."""


@pytest.mark.parametrize(
    ("error", "ended", "sentence"),
    [
        (KeyboardInterrupt(), "interrupted", None),
        (Preempted(), "preempted", None),
        (InputError("x: is y; do z"), "failed", "x: is y; do z"),
        (ValueError("no\nmore"), "failed", "ValueError: no"),
        (None, "finished", None),
    ],
)
def test_starts_and_ends_are_written(claimed, monkeypatch, error, ended, sentence):
    monkeypatch.setattr(interrupt, "Preempted", Preempted, raising=False)
    (claimed / "checkpoints" / "select" / "4").mkdir(parents=True)

    def work():
        with recorded(claimed):
            (begun,) = status.of_run(claimed)["starts"]
            assert begun["ended"] == "killed"  # nobody holds the lock
            if error:
                raise error

    if error:
        with pytest.raises(type(error)):
            work()
    else:
        work()
    (start,) = status.of_run(claimed)["starts"]
    assert (start["ended"], start["sentence"]) == (ended, sentence)
    assert start["from"] == {"stage": "select", "epoch": 4}
    assert (start["host"], start["pid"], start["device"]) == (HERE, os.getpid(), "CPU, 2 cores")


def test_a_cut_line_does_not_swallow_the_next(claimed):
    (claimed / "starts.jsonl").write_text('{"time": "20')
    with recorded(claimed):
        pass
    assert [s["ended"] for s in status.of_run(claimed)["starts"]] == ["finished"]


def test_progress_is_written_of_every_work(claimed, monkeypatch):
    def written():
        return json.loads((claimed / "progress.json").read_text())

    with recorded(claimed):
        with progress.bar(10, "stem features", "utterance") as tick:
            assert (written()["label"], written()["done"], written()["rate"]) == (
                "stem features", 0, 0.0,
            )  # fmt: skip
            tick(2, loss=float("nan"))
            tick(3, loss=0.5)
            assert written()["done"] == 0  # within two seconds
            monkeypatch.setattr(run_log, "EVERY_SECONDS", 0)
            tick(1)
        now = written()
        assert (now["done"], now["total"], now["unit"]) == (6, 10, "utterance")
        assert now["figures"] == {"loss": 0.5}
        assert now["seconds_left"] > 0
        with recorded(claimed.parent / "inner"), progress.bar(1, "inner") as tick:
            tick()
        assert written() == now  # the innermost run alone
    with progress.bar(1, "nobody listens") as tick:
        tick()
    assert written() == now


def test_a_disk_that_takes_nothing_stops_no_run(claimed):
    for name in ("starts.jsonl", "progress.json"):
        (claimed / name).mkdir()
    with recorded(claimed), progress.bar(3, "work") as tick:
        tick(3)
    assert not list(claimed.glob(".*"))


@pytest.mark.parametrize("before", [False, True])
def test_what_is_refused_at_first_leaves_no_trace(tmp_path, before):
    run = tmp_path / "run"
    if before:  # cut off before it had its config
        run.mkdir()
        lines(run / "starts.jsonl", start())

    def load():
        with progress.bar(3, "load") as tick:
            tick()
        raise InputError("no records")

    with pytest.raises(InputError), run_directory.only_here(run), recorded(run):
        load()
    assert run.exists() == before
    # Nobody has claimed it: another config may have it.
    run_directory.claim(run, configs.load("dcnn_blstm"))


def test_a_look_keeps_nobody_out(tmp_path):
    held = os.open(tmp_path, os.O_RDONLY)
    assert lock.take(held)
    assert lock.is_held(tmp_path)
    closing = subprocess.Popen(["sleep", "0.02"], pass_fds=[held])
    os.close(held)
    assert lock.is_held(tmp_path) is False  # it has tried again
    closing.wait()
