"""`jser serve`: the application behind a port, until it is told to end."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from jser.errors import InputError

# For requests in work when the end is asked for.
_GRACE_SECONDS = 10
# Connections that wait to be taken.
_BACKLOG = 256


def listen(host: str, port: int) -> socket.socket:
    """A socket that clients can connect to from now on.

    Raises:
        InputError: the address is none of this computer's, or the port is taken.
    """
    if not 0 <= port <= 65535:
        raise InputError(f"--port={port}: give a number from 1 to 65535, or 0 for any free one")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"--host={host} --port={port}: cannot be listened at ({reason}); choose another --port "
            "or --host"
        ) from error


def address(host: str, listening: socket.socket) -> str:
    """Where the page is."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listening.getsockname()[1]}/"


def run(app: ASGIApp, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        app: the application.
        listening: what clients connect to; closed at the end.
        ready: called once, as soon as requests are answered.
    """
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        log_level="error",
        access_log=False,
        server_header=False,
        # Who sends such headers could be anybody, and would have as many rates as it likes.
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    _Server(config, ready).run([listening])


class _Protocol(H11Protocol):
    """What is no HTTP gets a sentence in JSON too."""

    def send_400_response(self, msg: str) -> None:
        body = json.dumps({"error": "this is no HTTP/1.1 request; use an HTTP client"}).encode()
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


class _Server(uvicorn.Server):
    """Says when it answers, and takes SIGINT and SIGTERM as the end of its work."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]):
        super().__init__(config)
        self._ready = ready

    async def startup(self, *args: Any, **options: Any) -> None:
        await super().startup(*args, **options)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own raises the signal again behind the end; being told to end is no failure.
        before = {}
        with contextlib.suppress(ValueError):  # not in the main thread
            for number in (signal.SIGINT, signal.SIGTERM):
                before[number] = signal.signal(number, self._told)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _told(self, number: int, frame: FrameType | None) -> None:
        self.handle_exit(number, frame)
