"""`jser serve` as a program."""

import importlib.util
import signal
import socket

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
        "starlette, uvicorn, python_multipart are not installed; pip install 'jser[serve]'" in said
    )


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
