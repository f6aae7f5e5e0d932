"""The ASGI application: its page, its JSON interface, and every error as one sentence."""

from __future__ import annotations

import asyncio
import contextlib
import json
import mimetypes
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import jser
from jser.artefact import listening, opening
from jser.errors import one_line
from jser.serving import openapi, work
from jser.serving.about import about
from jser.serving.ending import Ending
from jser.serving.gate import Gate
from jser.serving.limits import Limits, Places, Rate, Refused
from jser.serving.uploads import Form
from jser.serving.work import Heard, Worker

PAGE = (
    "page.html", "base.css", "page.css", "page.js", "draw.js", "timeline.js", "sound.js",
    "recorder.js",
)  # fmt: skip
# For the step in work when all requests have ended.
_STEP_SECONDS = 0.5
# What reports look like too.
_OF_REPORTS = ("base.css",)


def open_artefact(folder: Path, limits: Limits) -> Heard:
    """What answers.

    Raises:
        InputError: the folder holds no artefact, or a damaged one.
    """
    info = opening.info(folder)
    return Heard(opening.load(folder), info, listening.cutting(info), limits.max_seconds)


def make(heard: Heard, limits: Limits, only_local: bool = True) -> Starlette:
    """The application.

    Args:
        heard: what answers.
        limits: of requests.
        only_local: answer to localhost's names alone.

    Returns:
        It; its `state.end` is to be called with the seconds that requests in work still have, and
        gives their number. When it has shut down, `state.is_idle` says whether the model is.
    """
    served = _Served(heard, limits)
    routes = [
        Route("/healthz", served.health),
        Route("/openapi.json", served.openapi),
        Route("/api/info", served.info),
        Route("/api/predict", served.predict, methods=["POST"]),
        Route("/api/look", served.look, methods=["POST"]),
        *(Route("/" if name == "page.html" else f"/{name}", _file(name)) for name in PAGE),
    ]
    made = Starlette(
        routes=routes,
        middleware=[Middleware(Gate, only_local=only_local)],
        exception_handlers={
            Refused: _refused,
            HTTPException: _http_error,
            ClientDisconnect: _gone,
            Exception: _bug,
        },
        lifespan=served.lifespan,
    )
    # An address with a slash too many is none of ours; a redirection would be no sentence.
    made.router.redirect_slashes = False
    made.state.end = served.end
    return made


class _Served:
    """The endpoints, and what they share."""

    def __init__(self, heard: Heard, limits: Limits):
        self._heard = heard
        self._limits = limits
        self._rate = Rate(limits.per_minute)
        self._places = Places(limits.queue)
        self._worker = Worker()
        self._ending = Ending()
        self.end = self._ending.begin
        self._about = about(heard.info, heard.cut, limits)
        self._openapi = openapi.document(jser.__version__, heard.classes, limits)

    @contextlib.asynccontextmanager
    async def lifespan(self, made: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            made.state.is_idle = await asyncio.to_thread(self._worker.close, _STEP_SECONDS)

    async def health(self, _: Request) -> Response:
        return JSONResponse({"status": "ready", "waiting": self._places.taken})

    async def openapi(self, _: Request) -> Response:
        return JSONResponse(self._openapi)

    async def info(self, _: Request) -> Response:
        return JSONResponse(self._about)

    async def predict(self, request: Request) -> Response:
        def steps(form: Form) -> work.Steps[dict[str, Any]]:
            _check_fields(form, {"timeline", "sure"})
            timeline, sure = _flag(form, "timeline"), _sure(form)
            return work.predict(form, self._heard, timeline, sure)

        return await self._answer(request, steps)

    async def look(self, request: Request) -> Response:
        def steps(form: Form) -> work.Steps[dict[str, Any]]:
            _check_fields(form, {"sound", "sure"})
            if len(form.uploads) != 1:
                raise Refused(
                    422, f"{len(form.uploads)} files; send one here, and several to /api/predict"
                )
            return work.look(form, self._heard, _sure(form), _flag(form, "sound"))

        return await self._answer(request, steps)

    async def _answer(
        self, request: Request, steps: Callable[[Form], work.Steps[dict[str, Any]]]
    ) -> Response:
        self._rate.take(request.client.host if request.client else "")
        async with self._ending.one():
            return await self._answer_in_time(request, steps)

    async def _answer_in_time(
        self, request: Request, steps: Callable[[Form], work.Steps[dict[str, Any]]]
    ) -> Response:
        with self._places.one():
            form = await self._received(request)
            try:
                made = await self._worker.run(steps(form), request.is_disconnected)
            finally:
                form.close()
            text = await asyncio.to_thread(json.dumps, made, ensure_ascii=False, allow_nan=False)
        return Response(text, media_type="application/json")

    async def _received(self, request: Request) -> Form:
        """The request's form, which the caller closes; too large a body is refused as it comes."""
        most = self._limits.max_bytes
        too_large = Refused(
            413,
            f"the request is larger than {self._limits.max_mb:g} MB; cut or compress the recording "
            "(FLAC, MP3), or send fewer at a time",
            {"Connection": "close"},
        )
        if int(request.headers.get("content-length", "0")) > most:
            raise too_large
        form = Form(request.headers.get("content-type", ""), self._limits.max_files)
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                size = 0
                async for piece in request.stream():
                    size += len(piece)
                    if size > most:
                        raise too_large
                    await asyncio.to_thread(form.feed, piece)
            form.finish()
        except TimeoutError as error:
            form.close()
            raise Refused(
                408,
                f"the request's body did not arrive within {self._limits.body_seconds:g} s; send "
                "less at a time",
                {"Connection": "close"},
            ) from error
        except BaseException:
            form.close()
            raise
        return form


# --- fields ---------------------------------------------------------------------------------------


def _check_fields(form: Form, known: set[str]) -> None:
    for name in form.fields:
        if name == "file":
            raise Refused(
                422, 'the field "file" holds no file; send one, as curl -F file=@NAME does'
            )
        if name not in known:
            options = ", ".join(["file", *sorted(known)])
            raise Refused(422, f'no field is called "{name}"; there are {options}')
    if not form.uploads:
        raise Refused(422, "no file was sent; send one, as curl -F file=@NAME does")


def _flag(form: Form, name: str) -> bool:
    value = form.fields.get(name, "false")
    if value not in ("true", "false"):
        raise Refused(422, f"{name}={value}: give true or false")
    return value == "true"


def _sure(form: Form) -> float:
    given = form.fields.get("sure", "0")
    try:
        value = float(given)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise Refused(422, f"sure={given}: is no probability; give one between 0 and 1")
    return value


# --- errors and files -----------------------------------------------------------------------------


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return JSONResponse({"error": error.sentence}, error.status, error.headers)


async def _gone(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": "the client has closed the connection"}, work.GONE)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = one_line(request.url.path[:80])
    sentence = f"{path}: {error.detail}"
    if error.status_code == 404:
        sentence = f"{path}: nothing is here; /openapi.json says what is"
    if error.status_code == 405:
        method = one_line(request.method[:20])
        sentence = f"{path}: does not take {method}; /openapi.json says what it does"
    return JSONResponse({"error": sentence}, error.status_code, error.headers)


async def _bug(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": "this is a bug, not your mistake; please report it"}, 500)


def _file(name: str) -> Callable[[Request], Awaitable[Response]]:
    room = "jser.evaluation" if name in _OF_REPORTS else "jser.serving"
    content = (resources.files(room) / "page" / name).read_bytes()
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"

    async def answer(_: Request) -> Response:
        return Response(content, media_type=kind)

    return answer
