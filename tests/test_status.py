"""`jser status`: what a run writes of itself, and what is said of runs in every state."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from jser import experiment, lock, run_directory, status, status_text
from jser.evaluation import page
from tests.conftest import jser, refused, train_command
from tests.run_files import GONE, HERE, ago, end, figures, lines, start


@pytest.fixture
def made(tmp_path):
    """`made(starts=, metrics=, label=, ...)`: a run directory as a run would leave it."""

    def make(*starts, name="run", metrics=(), label=None, epoch=None, report=False, **config):
        run = tmp_path / name
        run.mkdir(parents=True)
        fields = {"system": "dcnn_blstm", "corpus": "synthetic", "epochs": 40,
                  "protocol": "leave_one_speaker_out"} | config  # fmt: skip
        (run / "config.json").write_text(json.dumps(fields))
        if starts:
            lines(run / "starts.jsonl", *starts)
        if metrics:
            lines(run / "metrics.jsonl", *metrics)
        if label:
            mine = [s for s in starts if "ended" not in s][-1]
            working = {"label": label, "unit": "member-epoch", "done": 120, "total": 480,
                       "rate": 2.0, "seconds_left": 180.0, "figures": {"loss": 0.5},
                       "updated": ago(4), "host": mine["host"], "pid": mine["pid"]}  # fmt: skip
            (run / "progress.json").write_text(json.dumps(working))
        if epoch:
            (run / "checkpoints" / "select" / str(epoch)).mkdir(parents=True)
            (run / "checkpoints" / "select" / f"{epoch + 1}.orbax-checkpoint-tmp-1").mkdir()
        if report:
            (run / "report.json").write_text("{}")
        return run

    return make


# --- states ---------------------------------------------------------------------------------------


def test_a_new_run(made):
    found = status.of_run(made())
    assert (found["state"], found["running"], found["stage"]) == ("new", False, None)
    assert (found["system"], found["corpus"]) == ("dcnn_blstm", "synthetic")
    assert found["starts"] == found["not_finite"] == found["notes"] == []
    assert found["progress"] is found["figures"] is found["checkpoint"] is found["report"] is None


def test_a_running_one(made):
    rows = [figures(11), figures(12), figures(12, fold=1)]
    run = made(start(), metrics=rows, label="train (select)", epoch=11)
    with run_directory.only_here(run):
        found = status.of_run(run)
        said = status_text.text({"runs": [found]})
    assert (found["state"], found["running"]) == ("running", True)
    assert (found["stage"], found["epoch"], found["epochs"]) == ("select", 12, 40)
    working = found["progress"]
    assert (working["done"], working["total"], working["rate"]) == (120, 480, 2.0)
    assert 3 <= working["seconds_ago"] < 60
    mean = {"stage": "select", "epoch": 12, "members": 2, "train_loss": 1.0, "dev_uar": 0.5}
    assert found["figures"] == mean
    assert (found["checkpoint"]["stage"], found["checkpoint"]["epoch"]) == ("select", 11)
    assert found["starts"][0]["ended"] == "running"
    for words in (
        f"{run}: dcnn_blstm on synthetic, leave_one_speaker_out",
        f"running on {HERE}",
        "select, epoch 12 of 40",
        "120 of 480 member-epochs since this start, 2.0 a second, 2 min 5",
        "train loss 1, dev UAR 50.0 % (select, epoch 12, mean of 2 members)",
        "select, epoch 11, ",
    ):
        assert words in said
    assert status.of_run(run)["state"] == "killed"


@pytest.mark.parametrize(
    ("ends", "state", "words"),
    [
        ([], "killed", "killed, or its machine went down"),
        ([end("interrupted")], "interrupted", "interrupted; the same command goes on"),
        ([end("preempted")], "preempted", "preempted; the same command goes on"),
        ([end("failed", sentence="a: b; c")], "failed", "failed: a: b; c"),
        ([end("finished", pid=GONE + 1)], "killed", "killed"),  # another's end
    ],
)
def test_how_it_ended(made, ends, state, words):
    run = made(start(pid=GONE + 9), start(), *ends, metrics=[figures(3)], label="stem features")
    found = status.of_run(run)
    assert (found["state"], found["running"], found["stage"]) == (state, False, "stem features")
    assert [s["ended"] for s in found["starts"]] == ["killed", state]
    said = status_text.text({"runs": [found]})
    assert words in said
    assert "left" not in said  # nobody is at it


def test_a_scored_run(made):
    rows = [figures(3), figures(2, "refit", dev_uar=None)]
    run = made(start(), end("finished"), metrics=rows, report=True, label="train (refit)")
    found = status.of_run(run)
    assert (found["state"], found["stage"], found["epoch"]) == ("finished", "scored", None)
    assert found["report"] == str(run / "report.html")
    assert found["figures"]["dev_uar"] is None  # a refit has no dev
    with run_directory.only_here(run):
        assert status.of_run(run)["stage"] == "refit"


def test_a_run_of_an_earlier_version(made):
    found = status.of_run(made(metrics=[figures(5)], epoch=5))
    assert (found["state"], found["stage"], found["epoch"]) == ("not_known", "select", 5)
    assert "by an earlier version" in status_text.text({"runs": [found]})
    assert status.of_run(made(name="done", report=True))["state"] == "finished"


def test_on_another_machine(made):
    """Whose locks may not be seen here: what it wrote just now says that it lives."""
    run = made(start(host="elsewhere"), label="train (select)")
    assert status.of_run(run)["state"] == "running"
    tree = json.loads((run / "progress.json").read_text())
    (run / "progress.json").write_text(json.dumps(tree | {"updated": ago(500)}))
    found = status.of_run(run)
    assert (found["state"], found["running"]) == ("not_known", None)
    assert found["starts"][0]["ended"] == "not_known"
    assert "not known from here: was started on elsewhere" in status_text.text({"runs": [found]})


@pytest.mark.parametrize(
    ("pid", "seconds", "state"),
    [
        (os.getpid(), 0, "running"),
        (GONE, 0, "killed"),
        (os.getpid(), 10**7, "killed"),  # a later program under the same number
    ],
    ids=["there", "gone", "another"],  # a number would differ between the tests' processes
)
def test_without_locks(made, monkeypatch, pid, seconds, state):
    monkeypatch.setattr(lock, "take", lambda directory: None)
    assert status.of_run(made(start(seconds, pid=pid)))["state"] == state


def test_two_stages_and_a_test_that_selects(made):
    rows = [figures(4, "stem_select", fold=1)]
    run = made(start(), metrics=rows, tune={"epochs": 7}, protocol="random:4+test_selects")
    found = status.of_run(run)
    assert (found["stage"], found["epoch"], found["epochs"]) == ("stem_select", 4, 7)
    # Dev is the test there, and no figure of a test is shown.
    assert found["figures"]["dev_uar"] is None
    assert "dev UAR" not in status_text.text({"runs": [found]})


def test_members_that_stopped_being_finite(made):
    event = {"stage": "select", "epoch": 2, "fold": 3, "seed": 1, "bag": 0, "point": 5,
             "event": "not_finite"}  # fmt: skip
    run = made(start(), metrics=[figures(1), figures(2), event, figures(3)])
    found = status.of_run(run)
    assert found["not_finite"] == [{k: v for k, v in event.items() if k != "event"}]
    assert found["figures"]["epoch"] == 3
    said = status_text.text({"runs": [found]})
    assert "fold 3, seed 1, point 5 of the grid: its loss stopped in select, epoch 2" in said
    assert "event" not in str(page.read_metrics(run))
    assert len(page.read_metrics(run)) == 3


# --- folders --------------------------------------------------------------------------------------


def test_a_folder_of_runs_has_a_line_each(run, made, tmp_path):
    made(start(), end("finished"), name="all/b", report=True)
    made(start(), name="all/a", label="train (select)")
    (tmp_path / "all" / "notes").mkdir()
    (tmp_path / "all" / "compare.txt").write_text("")
    code, out, _ = run("status", tmp_path / "all")
    assert code == 0
    head, *rows = out.splitlines()
    assert head.split() == ["run", "system", "state", "stage", "done", "left", "dev", "UAR",
                            "checkpoint", "starts"]  # fmt: skip
    assert [row.split()[0] for row in rows] == [str(tmp_path / "all" / n) for n in "ab"]
    assert "killed" in rows[0]
    assert "120/480" in rows[0]
    assert "finished" in rows[1]
    code, out, _ = run("status", tmp_path / "all" / "a", tmp_path / "all", "--json")
    assert code == 0
    assert [r["state"] for r in json.loads(out)["runs"]] == ["killed", "killed", "finished"]


def test_where_no_run_is(run, made, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    refused(run("status", tmp_path / "empty"), 1, "empty: no run there", "`jser train`")
    refused(run("status", tmp_path / "gone"), 1, "gone: there is no such folder")
    refused(run("status", tmp_path / "file"), 1, "file: is no folder")
    there = made()
    result = run("status", there, tmp_path / "empty", tmp_path / "file")
    refused(result, 1, "empty: no run there", "file: is no folder")
    assert str(there) in result[1]  # what there is is shown all the same


def test_what_may_not_be_read(run, made, tmp_path, monkeypatch):
    good, closed = made(name="all/good"), made(name="all/closed")
    listdir, opened = os.listdir, os.open

    def denied(function):
        def call(path, *args, **kwargs):
            if str(path) == str(closed):
                raise PermissionError(13, "Permission denied", str(path))
            return function(path, *args, **kwargs)

        return call

    monkeypatch.setattr(os, "listdir", denied(listdir))
    monkeypatch.setattr(os, "open", denied(opened))
    refused(run("status", closed), 1, "closed: cannot be read (Permission denied)")
    result = run("status", tmp_path / "all")
    refused(result, 1, "closed: cannot be read (Permission denied)")
    assert str(good) in result[1]


# --- damage ---------------------------------------------------------------------------------------

DAMAGE = [b"", b"{", b"[]", b"\xff\xfe", b'{"stage": 3}\n', b"null\n", b"12\n[]\n\n", b"{}\n"]


@pytest.mark.parametrize("name", ["config.json", "starts.jsonl", "progress.json", "metrics.jsonl"])
def test_damaged_files_are_left_out(run, made, name):
    folder = made(start(), metrics=[figures(3)], label="train (select)", epoch=2)
    for content in DAMAGE:
        (folder / name).write_bytes(content)
        code, out, err = run("status", folder, "--json")
        assert code == 0, err
        assert json.loads(out)["runs"][0]["checkpoint"]["epoch"] == 2
        assert run("status", folder)[0] == 0
    (folder / name).unlink()
    (folder / name).mkdir()
    code, out, _ = run("status", folder)
    assert code == 0
    assert f"{name}: cannot be read (Is a directory)" in out


def test_lines_that_are_damaged_or_not_there_yet(made):
    run = made(start(), metrics=[figures(3)])
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b"rubbish\n" + json.dumps(figures(3, fold=1)).encode() + b"\nNaN\n{")
    with (run / "starts.jsonl").open("ab") as file:
        file.write(b'{"time": "yesterday", "host": "x", "pid": 1}\n{"ended')
    found = status.of_run(run)
    assert found["figures"]["members"] == 2
    assert len(found["starts"]) == 1
    assert [note.partition(":")[0] for note in found["notes"]] == ["metrics.jsonl", "starts.jsonl"]


def test_nothing_in_a_file_steers_the_terminal(made):
    run = made(start(host="\x1b[2J"), system="\x1b]0;x")
    said = status_text.text({"runs": [status.of_run(run)]})
    assert "\x1b" not in said


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.6, "1 min"), (80, "1 min 20 s"), (3600, "1 h"), (7540, "2 h 5 min"),
     (90000, "1 d 1 h")],
)  # fmt: skip
def test_spans(seconds, words):
    assert status_text.span(seconds) == words


# --- whole runs -----------------------------------------------------------------------------------


def test_killed_and_gone_on_with(data, tiny_run, tmp_path, run):
    del tiny_run  # which has compiled the programs
    folder = tmp_path / "run"
    command = train_command(data, folder)
    process = subprocess.Popen(**jser(*command) | {"stderr": subprocess.DEVNULL})
    first = folder / "checkpoints" / "select" / "1"
    seen = set()
    while process.poll() is None and not first.exists():
        if (folder / "starts.jsonl").exists():
            with_lock = status.of_run(folder)
            seen.add((with_lock["state"], with_lock["starts"][-1:] != []))
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert seen == {("running", True)}
    found = status.of_run(folder)
    assert (found["state"], found["stage"]) == ("killed", "select")
    assert (found["epochs"], found["checkpoint"]["stage"]) == (6, "select")
    epoch = found["checkpoint"]["epoch"]

    assert subprocess.run(**jser(*command), check=False).returncode == 0
    code, out, _ = run("status", folder, "--json")
    assert code == 0
    (found,) = json.loads(out)["runs"]
    assert (found["state"], found["stage"], found["notes"]) == ("finished", "scored", [])
    assert [s["ended"] for s in found["starts"]] == ["killed", "finished"]
    assert found["starts"][1]["from"] == {"stage": "select", "epoch": epoch}
    assert found["progress"]["label"] == "train (refit)"
    assert found["progress"]["done"] == found["progress"]["total"]
    assert found["report"] == str(folder / "report.html")


def test_it_imports_no_jax_and_answers_at_once(made):
    folder = made(start(), metrics=[figures(3)], label="train (select)")
    code = (
        "import sys, time; from jser import cli; begun = time.monotonic(); "
        f"status = cli.main(['status', {str(folder)!r}]); "
        "heavy = {'jax', 'numpy', 'ml_collections', 'tensorflow_datasets'} & set(sys.modules); "
        "assert status == 0 and not heavy, heavy; print(time.monotonic() - begun)"
    )
    words = jser()
    done = subprocess.run(**words | {"args": [words["args"][0], "-c", code]}, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.splitlines()[-1]) < 1


def test_evaluate_is_a_start_too(tiny_run, tmp_path):
    folder = shutil.copytree(
        tiny_run / "run", tmp_path / "run", ignore=shutil.ignore_patterns("*.tmp")
    )
    before = status.of_run(folder)["starts"]
    # Other tests score this run again, too.
    assert {s["ended"] for s in before} == {"finished"}
    experiment.evaluate(folder, sound=False)
    after = status.of_run(folder)["starts"]
    assert [s["ended"] for s in after] == ["finished"] * (len(before) + 1)
    assert after[-1]["from"] == {"stage": "scored", "epoch": None}
