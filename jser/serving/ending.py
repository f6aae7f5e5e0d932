"""The server ends: requests in work are finished in time, or given up with a sentence."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from jser.serving.limits import Refused


class Ending:
    """Requests that may have to end before they are done."""

    def __init__(self) -> None:
        self._has_begun = False
        self._limits: set[asyncio.Timeout] = set()

    def begin(self, seconds: float) -> int:
        """Refuse new requests from now on, and give up after some seconds those in work.

        Returns:
            How many are in work.
        """
        self._has_begun = True
        until = asyncio.get_running_loop().time() + seconds
        for limit in self._limits:
            limit.reschedule(until)
        return len(self._limits)

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """A request in work.

        Raises:
            Refused: 503; the server is ending.
        """
        if self._has_begun:
            raise _refused()
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._limits.add(limit)
                try:
                    yield
                finally:
                    self._limits.discard(limit)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise _refused() from error


def _refused() -> Refused:
    return Refused(
        503,
        "the server is ending; ask again when it has been started again",
        {"Retry-After": "60", "Connection": "close"},
    )
