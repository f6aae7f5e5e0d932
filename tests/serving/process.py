"""`jser serve` as a shell starts it, and bytes to it and from it."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import jser

SECONDS = 90


@dataclass
class Running:
    """A server.

    Attributes:
        process: of it.
        port: where it answers.
        errors: lines of its standard error so far.
    """

    process: subprocess.Popen
    port: int
    errors: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Of its page."""
        return f"http://127.0.0.1:{self.port}/"

    def end(self, number: int = signal.SIGTERM) -> int:
        """Tell it to end; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(30)


@contextlib.contextmanager
def serving(
    artefact: Any, *words: str, slow: Path | None = None, **environment: str
) -> Iterator[Running]:
    """A server at any free port, from when it answers.

    Args:
        artefact: the folder.
        words: of the command.
        slow: FLAG of `tests.serving.slow`.
        environment: of the process.
    """
    command = jser("serve", artefact, "--port=0", *words, **environment)
    if slow is not None:
        place = command["args"].index("jser")
        command["args"][place : place + 1] = ["tests.serving.slow", str(slow)]
    with subprocess.Popen(**command) as process:
        errors: list[str] = []
        reader = threading.Thread(target=lambda: errors.extend(process.stderr or ()))
        reader.start()
        try:
            assert process.stdout is not None
            found = re.match(r"ready: http://127.0.0.1:(\d+)/ ", process.stdout.readline())
            assert found, errors
            yield Running(process, int(found[1]), errors)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            reader.join()


def answer(port: int, data: bytes, end: bool = False) -> bytes:
    """All that comes back for bytes, until the server closes the connection.

    Args:
        port: of the server.
        data: a request that asks to close the connection, or
        end: one that is perhaps not whole: no more will come, as when a client has gone.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        # The server may answer, and close, before all is sent.
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
        if end:
            with contextlib.suppress(OSError):  # ENOTCONN is no ConnectionError
                connection.shutdown(socket.SHUT_WR)
        got = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(1 << 16):
                got += piece
        return got
