"""`jser` with runs on a store: killed, gone on with on another machine, looked at, scored again."""

import json
import shutil
import signal
import subprocess
import time
from collections import Counter

import pytest

from jser.store import index as indices
from jser.store import lease, objects
from jser.store.objects import Objects
from tests.conftest import jser, refused, train_command
from tests.store.conftest import Memory, started
from tests.training.test_kill import figures, restored


def checkpoints(url):
    content = Objects(url).read(indices.NAME)
    return sorted(indices.of_bytes(content, url).saved) if content else []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_killed_and_gone_on_with_on_another_machine(s3, tiny_run, data, tmp_path, run, by):
    whole, url = tiny_run / "run", f"{s3}/runs/cut"
    command = train_command(data, url)
    process = subprocess.Popen(**jser(*command, JSER_CACHE=str(tmp_path / "a")))
    while not [c for c in checkpoints(url) if int(c.rpartition("/")[2]) > 1]:
        assert process.poll() is None, process.communicate()[1][-2000:]
        time.sleep(0.02)
    status, out, _ = run("status", url, "--json")
    assert status == 0
    (seen,) = json.loads(out)["runs"]
    assert (seen["run"], seen["state"], seen["checkpoint"]["stage"]) == (url, "running", "select")
    process.send_signal(by)
    _, errors = process.communicate()
    if by == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL, errors[-2000:]
        Objects(url).delete([lease.NAME])  # in place of two minutes
    else:
        assert process.returncode == 75, errors[-2000:]
        (mirror,) = (tmp_path / "a" / "runs").glob("*/run")
        here = {
            f"checkpoints/{p.parent.name}/{p.name}" for p in mirror.glob("checkpoints/*/[0-9]*")
        }
        assert {c for c in here if ".orbax" not in c} == set(checkpoints(url))
    state = json.loads(run("status", url, "--json")[1])["runs"][0]["state"]
    assert state == ("killed" if by == signal.SIGKILL else "preempted")

    done = subprocess.run(**jser(*command, JSER_CACHE=str(tmp_path / "b")), check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"report: {url}/report.html" in done.stdout
    assert str(tmp_path / "b") not in done.stdout + done.stderr
    (cut,) = (tmp_path / "b" / "runs").glob("*/run")
    starts = [json.loads(line) for line in (cut / "starts.jsonl").read_text().splitlines()]
    assert starts[-2]["from"]["stage"] in ("select", "select_within")  # it did go on
    assert figures(cut) == figures(whole)
    assert Objects(url).read("predictions.csv") == (whole / "predictions.csv").read_bytes()
    for stage in ("select", "refit"):
        (epoch, state), (wanted_epoch, wanted) = restored(cut, stage), restored(whole, stage)
        assert epoch == wanted_epoch
        assert state.keys() == wanted.keys()
        for path, leaf in state.items():
            assert leaf.tobytes() == wanted[path].tobytes(), path
    rows = [json.loads(line) for line in (cut / "metrics.jsonl").read_text().splitlines()]
    assert set(Counter((r["stage"], r["epoch"], r["fold"]) for r in rows).values()) == {1}
    assert rows == [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    left = [n for n in Objects(url).sizes() if indices.in_checkpoints(n)]
    content = Objects(url).read(indices.NAME)
    assert sorted(left) == sorted(indices.of_bytes(content, url).files)


@pytest.fixture
def on_store(s3, tiny_run):
    """URL of a finished run, pushed from a disk."""
    from jser.store.mirror import Mirror

    url = f"{s3}/runs/whole"
    holder = tiny_run.parent / f"mirror-{s3.rpartition('/')[2]}"
    holder.mkdir()
    mirror = Mirror(url, holder)
    mirror.open()
    shutil.copytree(tiny_run / "run", mirror.run_dir, dirs_exist_ok=True)
    mirror.push()
    mirror.close()
    shutil.rmtree(holder)
    return url


def test_status_of_a_folder_of_runs(on_store, run):
    status, out, _ = run("status", on_store.rpartition("/")[0])
    assert status == 0
    assert out.startswith(f"{on_store}: dcnn_blstm on synthetic")
    assert f"{on_store}/report.html" in out


def test_two_runs_are_compared(on_store, tiny_run, run, tmp_path):
    status, out, _ = run("evaluate", on_store, tiny_run / "run")
    assert status == 0
    assert f"({on_store})" in out
    assert not (tmp_path / "cache").exists()  # nothing but figures was fetched


def test_a_run_is_scored_again(on_store, run, tiny_run):
    Objects(on_store).delete(["report.txt"])
    before = json.loads((tiny_run / "run" / "report.json").read_text())["uar"]
    status, out, err = run("evaluate", on_store)
    assert status == 0, err
    assert f"report: {on_store}/report.html" in out
    assert json.loads(Objects(on_store).read("report.json"))["uar"] == before
    assert Objects(on_store).read("report.txt")


def test_a_run_of_another_config_is_refused(on_store, run, data):
    found = run(*train_command(data, on_store, epochs="7"))
    refused(found, 1, f"{on_store}: holds a run of another config", "epochs is 6 there, 7 here")


def test_no_run_there(s3, run):
    for words in (["status"], ["evaluate"]):
        refused(run(*words, f"{s3}/none"), 1, f"{s3}/none: no run there")
    assert not Objects(f"{s3}/none").sizes()


def test_what_is_refused_leaves_nothing(s3, run, data):
    found = run(*train_command(data, f"{s3}/run", protocol="nonesuch"))
    assert found[0] in (1, 2)
    assert not Objects(f"{s3}/run").sizes()


# --- stores that cannot be used -------------------------------------------------------------------


@pytest.mark.parametrize("command", ["train", "status"])
def test_there_is_no_bucket(bucket, run, data, command):
    url = f"{bucket}-none/run"
    words = train_command(data, url) if command == "train" else ["status", url]
    refused(run(*words), 1, f"{url}: there is no bucket")


def test_nobody_answers(surroundings, monkeypatch, run):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    began = time.monotonic()
    refused(run("status", "s3://bucket/run"), 1, "s3://bucket/run: the store cannot be reached")
    assert time.monotonic() - began < 30


def test_there_are_no_credentials(s3, monkeypatch, run, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    objects.filesystem.cache_clear()
    refused(run("status", f"{s3}/run"), 1, f"{s3}/run: no credentials", "AWS_ACCESS_KEY_ID")


DENIES = """
import http.server, sys
class Denies(http.server.BaseHTTPRequestHandler):
    def answer(self):
        text = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text if self.command != "HEAD" else b"")
    do_GET = do_PUT = do_HEAD = answer
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Denies).serve_forever()
"""


def test_access_is_denied(surroundings, monkeypatch, run):
    pytest.importorskip("s3fs", reason="needs jser[cloud]")
    process, port = started("-c", DENIES, "{port}")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    try:
        refused(run("status", "s3://bucket/run"), 1, "s3://bucket/run: access is denied")
    finally:
        process.kill()
        process.wait()


def test_a_store_that_goes_away_stops_no_work(memory, machine, monkeypatch, capsys):
    from jser.store.objects import StoreError
    from jser.store.pushing import _Pusher

    here = machine(f"{memory}/run", "a")
    here.open()
    (here.run_dir / "config.json").write_text("{}")
    real = Memory.write

    def fails(self, name, content):
        raise StoreError(f"{self.url}: the store cannot be reached")

    pusher = _Pusher(here)
    monkeypatch.setattr(Memory, "write", fails)
    pusher.push()
    pusher.push()
    assert capsys.readouterr().err.count("cannot be reached") == 1  # said once
    monkeypatch.setattr(Memory, "write", real)
    pusher.push()
    pusher.end()
    here.close()
    assert Memory(f"{memory}/run").read("config.json") == b"{}"
