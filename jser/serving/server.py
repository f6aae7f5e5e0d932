"""`jser serve`: the application behind a port, until it is told to end."""

from __future__ import annotations

import asyncio
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

from jser.errors import InputError, one_line

# For requests in work when the end is asked for; together with the step that the model may be in,
# and with half a second for the last answers to leave, no more than five.
_GRACE_SECONDS = 3.5
_LEAVING_SECONDS = 0.5
# Connections that wait to be taken.
_BACKLOG = 256


def listen(host: str, port: int) -> socket.socket:
    """A socket that clients can connect to from now on.

    Raises:
        InputError: the address is none of this computer's, or the port is taken.
    """
    if not host.strip() or not host.isprintable():
        raise InputError(f"--host={one_line(host)}: is no address; leave it out for 127.0.0.1")
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


def run(
    app: ASGIApp,
    listening: socket.socket,
    ready: Callable[[], None],
    ending: Callable[[float], None],
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        app: the application.
        listening: what clients connect to; closed at the end.
        ready: called once, as soon as requests are answered.
        ending: called once, with the seconds that requests in work still have.
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
    )
    _Server(config, ready, ending).run([listening])


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

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], ending: Callable[[float], None]
    ):
        super().__init__(config)
        self._ready = ready
        self._ending = ending

    async def startup(self, *args: Any, **options: Any) -> None:
        await super().startup(*args, **options)
        self._ready()

    async def shutdown(self, *args: Any, **options: Any) -> None:
        # The application gives up in time what it cannot finish. uvicorn's own limit would cancel
        # it instead, which is a traceback here and a 500 there.
        self._ending(_GRACE_SECONDS)
        late = asyncio.get_running_loop().call_later(_GRACE_SECONDS + _LEAVING_SECONDS, self._abort)
        await super().shutdown(*args, **options)
        late.cancel()

    def _abort(self) -> None:
        """Leave clients that do not take their answers."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()

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
        # Not uvicorn's `handle_exit`: at a second Ctrl-C it would drop requests without a word.
        self.should_exit = True
