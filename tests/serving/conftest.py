"""The tiny artefact behind an application, and a client that needs no port."""

import asyncio
import dataclasses

import httpx
import pytest

from jser.serving import app
from jser.serving.limits import Limits
from tests.artefact import conftest as artefacts
from tests.frontend.good_files import encoded
from tests.fuzz.sounds import voice

artefact = artefacts.artefact
run_copy = artefacts.run_copy


@pytest.fixture(scope="session")
def heard(artefact):
    return app.open_artefact(artefact, Limits())


@pytest.fixture(scope="session")
def sound():
    """A second of a voice, as a WAV."""
    return encoded(voice(1, 1.0), "WAV", "PCM_16")


@pytest.fixture
def asked(heard):
    """`asked(use, limits)`: what `use(client)` gives, a coroutine, with a server of its own."""

    def run(use, limits=None, artefact=None, only_local=True):
        limits = limits or Limits()
        own = dataclasses.replace(
            heard, max_seconds=limits.max_seconds, artefact=artefact or heard.artefact
        )

        async def all_of_it():
            made = app.make(own, limits, only_local)
            transport = httpx.ASGITransport(made, raise_app_exceptions=False)
            async with (
                made.router.lifespan_context(made),
                httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
            ):
                return await use(client)

        return asyncio.run(all_of_it())

    return run


@pytest.fixture
def once_asked(asked):
    """`once_asked("POST", "/api/look", files=...)`: one answer."""

    def run(method, path, limits=None, **options):
        return asked(lambda client: client.request(method, path, **options), limits)

    return run
