"""An epoch, and answers, of a block whose features come by `stream`."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jser.training import hosts
from jser.training.alive import Block
from jser.training.blocks import BlockProgram
from jser.training.population import EpochMetrics, Members, Program
from jser.training.stream import Source

Call = tuple[Any, Any]


class _Pace:
    """Keeps the host from sending windows far ahead of the device, which holds each until used."""

    def __init__(self) -> None:
        self._waiting: deque[jax.Array] = deque()

    def called(self, result: jax.Array) -> None:
        """A call has been given to the device: wait until it is done with the one before."""
        self._waiting.append(result)
        if len(self._waiting) > 1:
            jax.block_until_ready(self._waiting.popleft())


@functools.partial(jax.jit, static_argnums=1)
def _first_rows(tree: Any, count: int) -> Any:
    return jax.tree.map(lambda a: a[:, :count], tree)


def epoch(
    program: Program,
    compiled: BlockProgram,
    source: Source,
    members: Members,
    block: Block,
    number: jax.Array,
    calls: Sequence[tuple[Call, Call]],
    split: jax.sharding.Sharding,
    after_call: Callable[[], None],
) -> EpochMetrics:
    """What is left of one epoch of one block: shuffle, step, select.

    The host waits for the order of an epoch, and then stays two calls ahead of the device.

    Args:
        program: the static part.
        compiled: functions of the block's width.
        source: of the features.
        members: host table [block, ...] of the block with its dummies.
        block: who trains.
        number: of the epoch, on the devices.
        calls: first step and the one behind the last of each call, for the host and on the devices.
        split: of what has a member's axis.
        after_call: called when the block has taken note of a call.
    """
    orders = compiled.shuffle(source.resident, number, block.lean)
    order = hosts.get(orders)
    rows = [order[:, first:end] for (first, end), _ in calls]
    pace = _Pace()
    windows = source.windows(rows, members.group) if rows else iter(())
    for features, ((_, step), (first, end)) in zip(windows, calls, strict=True):
        state, loss = compiled.train(features, first, end, block.lean, block.state, orders)
        block.trained(state, loss, int(step))
        pace.called(loss)
        after_call()
    dev = members.dev_index
    if (dev < 0).all():  # a refit
        nothing = np.zeros((*dev.shape, program.n_classes), np.float32)
        logits = hosts.put(nothing, split)
    else:
        params = block.state.average, block.state.average_stats
        logits, _, _ = answers(program, compiled, source, members, block.lean, params, dev, split)
    state, metrics = compiled.score(source.resident, block.table, block.state, block.losses, logits)
    block.finished(state)
    return metrics


def answers(
    program: Program,
    compiled: BlockProgram,
    source: Source,
    members: Members,
    table: Members,
    params: Any,
    rows: np.ndarray,
    split: jax.sharding.Sharding,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Logits, attention and embedding [block, V, ...] of rows int [block, V], batch by batch.

    Args:
        program, compiled, source, members, split: see `epoch`.
        table: the members on the devices.
        params: parameters and statistics, [block, ...].
        rows: -1 for none.
    """
    count, batch_size = rows.shape[1], program.batch_size
    padded = np.pad(rows, ((0, 0), (0, -count % batch_size)), constant_values=-1)
    pieces = [padded[:, i : i + batch_size] for i in range(0, padded.shape[1], batch_size)]
    found, pace = [], _Pace()
    for features, piece in zip(source.windows(pieces, members.group), pieces, strict=True):
        found.append(compiled.predict(features, table, *params, hosts.put(piece, split)))
        pace.called(found[-1][0])
    whole = tuple(jnp.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
    logits, attention, embedding = _first_rows(whole, count)
    return logits, attention, embedding
