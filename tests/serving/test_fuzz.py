"""Malformed requests: a few hundred here, 2,000 and more against a real process with `-m slow`."""

import os
import re
import tempfile

import httpx
import psutil
import pytest

from jser.serving.limits import Limits
from tests.fuzz import sounds
from tests.serving import malformed, process

FAST = 300
SLOW = 2400
SEED = 0
OFTEN = Limits(per_minute=1_000_000, max_mb=5, max_seconds=60)


def test_some_malformed_requests(asked, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    files = sounds.good()

    async def use(client):
        found = []
        for number in range(FAST):
            case = malformed.case(SEED, number, files)
            request = httpx.Request(
                case.method,
                f"http://localhost{case.path}",
                headers={k: v.encode("latin-1") for k, v in case.headers.items()},
                content=case.body,
            )
            answer = await client.send(request)
            kind = answer.headers.get("content-type", "")
            why = malformed.wrong(case.method, answer.status_code, kind, answer.content)
            if why:
                found.append((case.number, case.kind, why))
        assert (await client.get("/healthz")).json() == {"status": "ready", "waiting": 0}
        return found

    assert asked(use, OFTEN) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_malformed_requests(artefact, xla_cache, tmp_path):
    files = sounds.good()
    found, statuses = [], {}
    (tmp_path / "tmp").mkdir()
    with process.serving(
        artefact,
        "--per_minute=1000000",
        "--max_mb=5",
        "--max_seconds=60",
        JAX_COMPILATION_CACHE_DIR=str(xla_cache),
        JSER_DATA=str(tmp_path),
        TMPDIR=str(tmp_path / "tmp"),
    ) as server:
        own = psutil.Process(server.process.pid)
        before = 0
        for number in range(SLOW):
            if number == 200:
                before = own.memory_info().rss
            case = malformed.case(SEED, number, files, raw=True)
            got = process.answer(server.port, raw_bytes(case), end=case.raw is not None)
            got = re.sub(rb"^HTTP/1\.1 100[^\r]*\r\n\r\n", b"", got)
            head, _, content = got.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 "):
                # Nothing can be said to who has stopped in the middle of a request.
                if case.raw is None or head:
                    found.append((number, case.kind, got[:60]))
                continue
            status = int(head.split(b" ", 2)[1])
            statuses[status] = statuses.get(status, 0) + 1
            kind = b"application/json" if b"application/json" in head.lower() else b""
            why = malformed.wrong(case.method, status, kind.decode(), content)
            if why:
                found.append((number, case.kind, why))
        growth = own.memory_info().rss - before
        assert process.answer(server.port, b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert len(os.listdir(f"/proc/{server.process.pid}/fd")) < 100
        assert server.end() == 0
    print(f"{SLOW} requests: {statuses}, memory grew by {growth / 2**20:.0f} MiB")
    assert found == []
    assert growth < 300 * 2**20
    assert [line for line in server.errors if "Traceback" in line] == []
    assert list((tmp_path / "tmp").iterdir()) == []


def raw_bytes(case):
    """A case as bytes of HTTP."""
    if case.raw is not None:
        return case.raw
    headers = {"Host": "localhost", "Connection": "close", **case.headers}
    headers["Content-Length"] = str(len(case.body))
    path = case.path.encode("latin-1", "replace")
    lines = b"".join(f"{k}: {v}\r\n".encode("latin-1") for k, v in headers.items())
    return case.method.encode() + b" " + path + b" HTTP/1.1\r\n" + lines + b"\r\n" + case.body
