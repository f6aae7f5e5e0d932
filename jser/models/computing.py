"""By what a model is computed, where there is a choice that changes time and memory alone.

A model does not know the device's memory, nor whether it is mapped over members. Whoever traces it
does, and says so here; what is traced inside of `by` reads it with `now`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass

LSTMS = ("scan", "cudnn")


@dataclass(frozen=True)
class Computing:
    """A choice.

    Attributes:
        lstm: of bidirectional layers, one of `LSTMS`.
        remat: blocks of a tuned stem keep nothing for the gradient but their input, and are
            computed again where it needs more.
        tiles: on a CPU, convolutions may go by Winograd's tiles, which compile four times as long.
    """

    lstm: str = "scan"
    remat: bool = False
    tiles: bool = True


PLAIN = Computing()
_now: ContextVar[Computing] = ContextVar("computing", default=PLAIN)


def now() -> Computing:
    """The choice for what is traced here."""
    return _now.get()


@contextlib.contextmanager
def by(choice: Computing) -> Iterator[None]:
    """Trace what stands inside by this choice."""
    token = _now.set(choice)
    try:
        yield
    finally:
        _now.reset(token)
