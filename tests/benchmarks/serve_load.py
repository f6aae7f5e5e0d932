"""`jser serve` under load: many clients at once, each with one request after the other.

Every client sends the same recording again and again, half of them to /api/look with the sound
back, half to /api/predict. An answer that is not 200 and not right is an error. Where --queue is
smaller than --clients, 503 is counted apart: the client waits a moment and comes again.

example: python tests/benchmarks/serve_load.py ARTEFACT recording.wav --clients=50 --requests=10
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import psutil


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("artefact", help="a folder from `jser export`")
    parser.add_argument("recording", help="a sound file")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--requests", type=int, default=10, help="of each client")
    parser.add_argument("--queue", type=int, default=64, help="of the server")
    args = parser.parse_args()
    words = [
        *(sys.executable, "-m", "jser", "serve", args.artefact, "--port=0"),
        *(f"--queue={args.queue}", "--per_minute=1000000"),
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            ready = re.match(r"ready: (\S+) ", server.stdout.readline())
            if not ready:
                return 1
            measured = _measured(server.pid, ready[1], args)
        finally:
            server.terminate()
            server.wait()
    measured["exit_status"] = server.returncode
    print(json.dumps(measured))
    print(
        "| clients | requests | errors | told to come again | p50, s | p95, s | requests/s |",
        end="",
    )
    print(" memory before, MiB | peak, MiB |\n| " + " | ".join(["---:"] * 9) + " |")
    print("| " + " | ".join(str(measured[name]) for name in _COLUMNS) + " |")
    return 1 if measured["errors"] else 0


_COLUMNS = (
    "clients", "requests", "errors", "again", "p50", "p95", "a_second", "before_mib", "peak_mib",
)  # fmt: skip


def _measured(pid: int, url: str, args: argparse.Namespace) -> dict[str, Any]:
    load = os.getloadavg()[0]
    content = Path(args.recording).read_bytes()
    # Once each, unmeasured: what the first request brings with it.
    for path in ("api/look", "api/predict"):
        httpx.post(url + path, files={"file": ("a", content)}, timeout=600).raise_for_status()
    memory = _Memory(pid)
    before = memory.now()
    started = time.monotonic()
    seconds, errors, again = asyncio.run(_all(url, content, args.clients, args.requests))
    wall = time.monotonic() - started
    peak = memory.end()
    return {
        "clients": args.clients,
        "requests": args.clients * args.requests,
        "errors": len(errors),
        "first_error": errors[0] if errors else None,
        "again": again,
        "p50": round(statistics.median(seconds), 2),
        "p95": round(statistics.quantiles(seconds, n=20)[-1], 2),
        "a_second": round(args.clients * args.requests / wall, 1),
        "before_mib": before,
        "peak_mib": peak,
        "load_at_start": load,
    }


async def _all(
    url: str, content: bytes, clients: int, requests: int
) -> tuple[list[float], list[str], int]:
    seconds: list[float] = []
    errors: list[str] = []
    again = 0

    async def one(k: int) -> None:
        nonlocal again
        path, key = (("api/look", "answer"), ("api/predict", "rows"))[k % 2]
        data = {"sound": "true"} if path == "api/look" else {}
        async with httpx.AsyncClient(timeout=1800) as client:
            for _ in range(requests):
                while True:
                    begun = time.monotonic()
                    try:
                        sent = {"file": ("a", content)}
                        answer = await client.post(url + path, files=sent, data=data)
                    except httpx.HTTPError as error:
                        errors.append(repr(error))
                        break
                    if answer.status_code == 503:
                        again += 1
                        await asyncio.sleep(0.5)
                        continue
                    if answer.status_code != 200 or not answer.json()[key]:
                        errors.append(answer.text[:200])
                    seconds.append(time.monotonic() - begun)
                    break

    await asyncio.gather(*(one(k) for k in range(clients)))
    return seconds, errors, again


class _Memory:
    """Highest memory of a process, MiB, looked at twenty times a second."""

    def __init__(self, pid: int):
        self._process = psutil.Process(pid)
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def now(self) -> int:
        return self._process.memory_info().rss >> 20

    def end(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            self._peak = max(self._peak, self.now())


if __name__ == "__main__":
    sys.exit(main())
