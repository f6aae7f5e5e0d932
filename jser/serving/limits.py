"""What a server lets in: size, length, rate, and requests at a time."""

from __future__ import annotations

import contextlib
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from jser.errors import InputError

# Clients whose last minute is remembered; beyond it the one longest silent is forgotten.
MOST_CLIENTS = 4096
# A recording is drawn from the memory: 15 MB of spectrogram for ten minutes.
LONGEST_SECONDS = 3600.0
_MINUTE = 60.0


class Refused(Exception):
    """A request that gets no answer.

    Attributes:
        status: of HTTP.
        sentence: what is wrong, with the way out.
        headers: that go with it.
    """

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None):
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Limits:
    """What one server lets in.

    Attributes:
        max_mb: of a request with all its files, 10^6 bytes.
        max_seconds: of a recording.
        per_minute: requests with sound of one client in any 60 seconds.
        queue: requests with sound in work and waiting, of all clients.
        max_files: of a request.
        body_seconds: in which a request's body must have arrived.
    """

    max_mb: float = 50.0
    max_seconds: float = 600.0
    per_minute: int = 120
    queue: int = 64
    max_files: int = 100
    body_seconds: float = 120.0

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("max_mb", self.max_mb, 0.001, 2000.0),
            ("max_seconds", self.max_seconds, 0.1, LONGEST_SECONDS),
            ("per_minute", self.per_minute, 1, 1_000_000),
            ("queue", self.queue, 1, 10_000),
        ):
            if not least <= value <= most:
                raise InputError(f"--{name}={value:g}: give a number from {least:g} to {most:g}")

    @property
    def max_bytes(self) -> int:
        """Of a request's body."""
        return round(self.max_mb * 1e6)


@dataclass
class Rate:
    """How often each client has come in the last minute.

    Attributes:
        most: requests in any minute.
        clock: seconds, from any beginning.
    """

    most: int
    clock: Callable[[], float] = time.monotonic
    _seen: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)

    def take(self, client: str) -> None:
        """Count a request.

        Raises:
            Refused: 429; a request that is refused is not counted.
        """
        now = self.clock()
        times = self._seen.setdefault(client, deque())
        self._seen.move_to_end(client)
        while len(self._seen) > MOST_CLIENTS:
            self._seen.popitem(last=False)
        while times and times[0] <= now - _MINUTE:
            times.popleft()
        if len(times) >= self.most:
            wait = max(1, math.ceil(times[0] + _MINUTE - now))
            raise Refused(
                429,
                f"more than {self.most} requests within a minute; come again in {wait} s",
                {"Retry-After": str(wait)},
            )
        times.append(now)


@dataclass
class Places:
    """Requests that are in work or wait.

    Attributes:
        most: of them.
        taken: now.
    """

    most: int
    taken: int = 0

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Hold a place.

        Raises:
            Refused: 503, all are taken.
        """
        if self.taken >= self.most:
            raise Refused(
                503,
                f"{self.most} requests are in work or wait already; come again in a few seconds",
                {"Retry-After": "5"},
            )
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
