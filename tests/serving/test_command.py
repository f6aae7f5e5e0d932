"""`jser serve` as a program."""

import importlib.util
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from jser import cli
from tests.serving import process


@pytest.fixture
def environment(xla_cache, tmp_path):
    return {"JAX_COMPILATION_CACHE_DIR": str(xla_cache), "JSER_DATA": str(tmp_path)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_when_it_says_so_and_ends_when_it_is_told_to(artefact, environment, number):
    with process.serving(artefact, **environment) as server:
        assert httpx.get(f"{server.url}healthz").json()["status"] == "ready"
        assert "json" in httpx.get(f"{server.url}openapi.json").headers["content-type"]
        # What is no HTTP gets a sentence too, and does not harm.
        got = process.answer(server.port, b"\x16\x03\x01 no HTTP\r\n\r\n")
        assert b'{"error": "this is no HTTP/1.1 request; use an HTTP client"}' in got
        assert server.end(number) == 0
    assert all(line.startswith("compiling ") for line in server.errors), server.errors


@pytest.mark.parametrize(
    ("number", "seconds", "status"),
    [(signal.SIGINT, 1, 200), (signal.SIGINT, 60, 503), (signal.SIGTERM, 60, 503)],
)
def test_it_ends_soon_while_a_request_is_in_work(
    artefact, environment, sound, tmp_path, number, seconds, status
):
    """The request is finished, or given up with a sentence; no new one is taken."""
    flag = tmp_path / "seconds"
    with (
        process.serving(artefact, slow=flag, **environment) as server,
        ThreadPoolExecutor() as threads,
    ):
        flag.write_text(str(seconds))
        url, files = f"{server.url}api/look", {"file": ("a.wav", sound)}
        asked = threads.submit(httpx.post, url, files=files, timeout=process.SECONDS)
        while flag.read_text():  # the model is in work
            time.sleep(0.01)
        before = len(server.errors)
        started = time.monotonic()
        server.process.send_signal(number)
        time.sleep(0.3)
        server.process.send_signal(number)  # impatience changes nothing
        with pytest.raises(httpx.ConnectError):
            httpx.post(url, files=files)
        answer = asked.result()
        assert server.process.wait(30) == 0
        assert time.monotonic() - started < 5.5
    assert answer.status_code == status, answer.text
    if status == 503:
        assert list(answer.json()) == ["error"]
        assert answer.json()["error"].startswith("the server is ending; ")
        assert "retry-after" in answer.headers
    assert server.errors[before:] == ["ending: requests in work: 1, for 3.5 s more\n"]


def test_a_client_that_does_not_send_on_is_given_up_too(artefact, environment):
    with (
        process.serving(artefact, **environment) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=process.SECONDS) as client,
    ):
        head = "POST /api/look HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
        client.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode())
        while httpx.get(f"{server.url}healthz").json()["waiting"] == 0:
            time.sleep(0.01)
        started = time.monotonic()
        assert server.end() == 0
        assert time.monotonic() - started < 5.5
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 503 ")


def refused(capsys, *words):
    assert cli.main(["serve", *map(str, words)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("jser: ")
    assert said.count("\n") == 1
    return said


def test_one_sentence_without_the_extra(capsys, monkeypatch, artefact):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    said = refused(capsys, artefact)
    assert (
        "starlette, uvicorn, python_multipart are not installed; "
        "pip install starlette uvicorn python-multipart\n"
    ) in said


def test_a_port_that_is_taken(capsys, artefact):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = refused(capsys, artefact, f"--port={port}")
    assert f"--port={port}: cannot be listened at" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port=70000"], "--port=70000: give a number"),
        (
            ["--host=no.such.host.invalid"],
            "--host=no.such.host.invalid --port=0: cannot be listened",
        ),
        (["--host="], "--host=: is no address; leave it out"),
        (["--max_mb=-1"], "--max_mb=-1: give a number from"),
        (["--queue=0"], "--queue=0: give a number from"),
    ],
)
def test_options_that_are_none(capsys, artefact, words, said):
    assert said in refused(capsys, artefact, "--port=0", *words)


def test_a_folder_that_is_none(capsys, tmp_path):
    assert "no artefact there" in refused(capsys, tmp_path / "nowhere")


def test_help_fits_a_screen(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, _ = run("serve", "--help")
    assert status == 0
    assert len(out.splitlines()) <= 40
    assert "example: jser serve" in out
