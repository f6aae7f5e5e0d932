"""Many requests at a time, one that is given up, and that nothing is left behind."""

import asyncio
import dataclasses
import os
import tempfile
import threading
import time

import httpx
import pytest

from jser.serving import app
from jser.serving.limits import Limits
from tests.frontend.good_files import encoded
from tests.fuzz.sounds import voice
from tests.serving.test_app import files, refusal


class Held:
    """An artefact that answers when it is let."""

    def __init__(self, artefact):
        self.artefact = artefact
        self.let = threading.Event()
        self.calls = self.at_once = self.most_at_once = 0

    def __call__(self, recordings):
        self.calls += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.let.wait(30)
        time.sleep(0.001)
        self.at_once -= 1
        return self.artefact(recordings)


async def until(true):
    for _ in range(1000):
        if await true():
            return
        await asyncio.sleep(0.01)
    pytest.fail("never")


def test_fifty_at_once_and_a_queue_of_twenty(asked, heard, sound):
    held = Held(heard.artefact)

    async def use(client):
        many = [
            asyncio.create_task(client.post("/api/look", files=files(sound))) for _ in range(50)
        ]

        async def are_refused():
            return sum(task.done() for task in many) == 30

        await until(are_refused)
        # The server goes on answering while the model works.
        started = time.monotonic()
        health = await client.get("/healthz")
        assert time.monotonic() - started < 1
        assert health.json()["waiting"] == 20
        held.let.set()
        return [await task for task in many]

    answers = asked(use, Limits(queue=20), held)
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(200), statuses.count(503)) == (20, 30)
    assert held.most_at_once == 1
    refused = next(answer for answer in answers if answer.status_code == 503)
    assert "come again" in refusal(refused, 503)
    assert refused.headers["retry-after"] == "5"
    assert len({answer.text for answer in answers if answer.status_code == 200}) == 1


def test_a_long_recording_lets_others_in_between(asked, heard, sound):
    order = []
    limits = Limits(max_seconds=600)
    content = encoded(voice(1, 200.0), "FLAC")

    def slow(recordings):
        time.sleep(0.05)
        return heard.artefact(recordings)

    async def use(client):
        async def one(name, what):
            answer = await client.post("/api/predict", files=files(what))
            order.append(name)
            return answer

        long = asyncio.create_task(one("long", content))
        await asyncio.sleep(0.3)
        answers = [await one("short", sound), await long]
        return answers

    assert [answer.status_code for answer in asked(use, limits, slow)] == [200, 200]
    assert order == ["short", "long"]


def test_who_goes_away_is_given_up(heard, sound):
    """The client closes the connection while the first of many windows is in work."""
    held = Held(heard.artefact)
    content = encoded(voice(1, 120.0), "WAV", "PCM_16")
    own = dataclasses.replace(heard, artefact=held)
    request = httpx.Request("POST", "http://localhost/", files=files(content))
    body = request.read()
    sent = []

    async def ask():
        made = app.make(own, Limits())
        gone = asyncio.Event()
        given = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive():
            if message := next(given, None):
                return message
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http", "method": "POST", "path": "/api/predict", "query_string": b"",
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "scheme": "http",
            "http_version": "1.1", "root_path": "",
            "headers": [(k.lower(), v) for k, v in request.headers.raw],
        }  # fmt: skip
        async with made.router.lifespan_context(made):
            task = asyncio.create_task(made(scope, receive, send))

            async def is_called():
                return held.calls == 1

            await until(is_called)
            gone.set()
            held.let.set()
            await task

    asyncio.run(ask())
    assert held.calls == 1
    assert sent[0]["status"] == 499


def test_nothing_is_left(asked, sound, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    seen = []

    async def use(client):
        for content in (sound, b"no sound", sound[:99]):
            await client.post("/api/look", files=files(content))
            await client.post("/api/predict", files=files(content, content))
            seen.extend(tmp_path.iterdir())

    asked(use)
    assert seen == []
    assert list(tmp_path.iterdir()) == []
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) <= before + 1
