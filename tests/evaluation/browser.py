"""Chromium without a window, spoken to over two pipes (Chrome DevTools Protocol)."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import selectors
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions",
    "--autoplay-policy=no-user-gesture-required", "--remote-debugging-pipe", "--mute-audio",
)  # fmt: skip


def binary() -> str | None:
    """The browser, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One tab. `events` holds everything that the browser told unasked."""

    def __init__(self, to: int, come: int):
        self._to, self._from = to, come
        self._ready = selectors.DefaultSelector()
        self._ready.register(come, selectors.EVENT_READ)
        self._buffer = b""
        self._number = itertools.count(1)
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command, and its answer."""
        number = next(self._number)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _receive(self, seconds: float = 30) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while b"\0" not in self._buffer:
            if not self._ready.select(max(end - time.monotonic(), 0)):
                raise TimeoutError("the browser says nothing")
            part = os.read(self._from, 1 << 20)
            if not part:
                raise EOFError("the browser has gone")
            self._buffer += part
        raw, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(raw)

    def open(self, path: Path) -> None:
        """Show a file, and wait until it is loaded."""
        self.call("Page.navigate", url=path.as_uri())
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")

    def ask(self, script: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, script: str, seconds: float = 15) -> None:
        """Ask again until it is true."""
        end = time.monotonic() + seconds
        while not self.ask(script):
            assert time.monotonic() < end, f"never came true: {script}"
            time.sleep(0.05)

    def size(self, width: int, height: int = 900) -> None:
        """Size of the window in pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def media(self, kind: str = "screen", scheme: str = "light") -> None:
        """Paper or screen, light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=kind, features=features)

    def press(self, key: str) -> None:
        """A key, down and up."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def mouse(self, kind: str, x: float, y: float) -> None:
        """`mouseMoved`, or a click."""
        if kind == "click":
            for part in ("mousePressed", "mouseReleased"):
                self.call(
                    "Input.dispatchMouseEvent", type=part, x=x, y=y, button="left", clickCount=1
                )
        else:
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y)


@contextlib.contextmanager
def started(profile: Path) -> Iterator[Browser]:
    """A browser with a fresh profile, ended again."""
    read_here, write_there = os.pipe()
    read_there, write_here = os.pipe()
    # The browser expects its pipes at 3 and 4; a shell can put them there after the fork.
    script = f'exec "$@" 3<&{read_there} 4>&{write_there}'
    process = subprocess.Popen(
        ["bash", "-c", script, "bash", str(binary()), *FLAGS, f"--user-data-dir={profile}"],
        pass_fds=(read_there, write_there),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(read_there)
    os.close(write_there)
    try:
        yield Browser(write_here, read_here)
    finally:
        os.close(write_here)
        os.close(read_here)
        process.terminate()
        process.wait(20)
