"""In front of everything: whose page a request is from, and what a browser may do with answers."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jser.errors import one_line

LOCAL = ("localhost", "127.0.0.1", "::1")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # What is said of somebody's voice stays in no cache.
    "Cache-Control": "no-store",
}


def is_local(host: str) -> bool:
    """Whether an address to listen at is reached from this computer alone."""
    return host in LOCAL or host.startswith("127.")


class Gate:
    """Refuses other sites' pages, and says in each answer that it is for no other site.

    A page of a foreign site can make its own name point to 127.0.0.1 and so reach a server that
    listens only there (DNS rebinding): the request's Host then has that name. Or it can send a form
    here without such tricks, though not read the answer: the request's Origin has its name.
    """

    def __init__(self, app: ASGIApp, only_local: bool):
        self._app = app
        self._only_local = only_local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
            await send(message)

        wrong = self._wrong(Headers(scope=scope))
        if wrong:
            status, sentence = wrong
            await JSONResponse({"error": sentence}, status)(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)

    def _wrong(self, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if self._only_local and _name(host) not in LOCAL:
            return 400, (
                f"Host is {one_line(host[:80]) or 'nothing'}, and this server answers to localhost "
                "alone; start it with --host=ADDRESS to let others in"
            )
        origin = headers.get("origin")
        if origin is not None and _place(origin) != host.lower():
            return 403, (
                f"a page of {one_line(origin[:80])} asks, and this server answers its own page "
                "alone; ask from a program, or open the server's page"
            )
        return None


def _place(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
