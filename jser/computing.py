"""By what is computed, where there is a choice that changes time and memory alone.

A model does not know the device's memory, nor whether it is mapped over members. Whoever traces it
does, and says so here; what is traced inside of `by` reads it with `now`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import jax
from jax.sharding import PartitionSpec

LSTMS = ("scan", "cudnn")
# The axis of a mesh along which a batch is spread.
ROWS = "rows"


@dataclass(frozen=True)
class Computing:
    """A choice.

    Attributes:
        lstm: of bidirectional layers, one of `LSTMS`.
        remat: blocks of a tuned stem keep nothing for the gradient but their input, and are
            computed again where it needs more.
        spread: devices that share a member, each with a part of a batch; see `spread_rows`.
        tiles: on a CPU, convolutions may go by Winograd's tiles, which compile four times as long.
        advance: steps from one window of a stream to the next; see `jser.models.blstm`. 0: what is
            heard is no stream.
        bits: the program may read a float's bits; False: what is quicker with them goes without.
    """

    lstm: str = "scan"
    remat: bool = False
    tiles: bool = True
    spread: int = 1
    advance: int = 0
    bits: bool = True


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


def spread_rows(batch: Any) -> Any:
    """A batch, leaves [B, ...], of which each device of a member computes its part of the rows.

    What goes over all rows (a loss, statistics of batch normalisation, a gradient) XLA sums over
    the devices, so the numbers are those of one device but for the order of sums.
    """
    if now().spread == 1:
        return batch
    return jax.lax.with_sharding_constraint(batch, PartitionSpec(ROWS))
