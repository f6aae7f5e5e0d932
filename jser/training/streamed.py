"""An epoch, and answers, of a block whose features come by `stream`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jser.training.alive import Block
from jser.training.blocks import BlockProgram
from jser.training.population import EpochMetrics, Members, State
from jser.training.stream import Source

Call = tuple[Any, Any]


def epoch(
    compiled: BlockProgram,
    source: Source,
    members: Members,
    block: Block,
    number: jax.Array,
    calls: Sequence[tuple[Call, Call]],
    batch_size: int,
    split: jax.sharding.Sharding,
) -> tuple[State, EpochMetrics]:
    """One epoch of one block: shuffle, step, select.

    The host waits for the order of an epoch, and for nothing else.

    Args:
        compiled: functions of the block's width.
        source: of the features.
        members: host table [block, ...] of the block with its dummies.
        block: who trains.
        number: of the epoch, on the devices.
        calls: first step and the one behind the last of each call, for the host and on the devices.
        batch_size: B, of answers too.
        split: of what has a member's axis.
    """
    orders = compiled.shuffle(source.resident, number, block.lean)
    order = jax.device_get(orders)
    rows = [order[:, first:end] for (first, end), _ in calls]
    state, losses = block.state, None
    windows = source.windows(rows, members.group)
    for features, (_, (first, end)) in zip(windows, calls, strict=True):
        state, loss = compiled.train(features, first, end, block.lean, state, orders)
        losses = loss if losses is None else losses + loss
    logits, _, _ = answers(
        compiled,
        source,
        members,
        block.lean,
        (state.average, state.average_stats),
        members.dev_index,
        batch_size,
        split,
    )
    return compiled.score(source.resident, block.table, state, losses, logits)


def answers(
    compiled: BlockProgram,
    source: Source,
    members: Members,
    table: Members,
    params: Any,
    rows: np.ndarray,
    batch_size: int,
    split: jax.sharding.Sharding,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Logits, attention and embedding [block, V, ...] of rows int [block, V], batch by batch.

    Args:
        compiled, source, members, batch_size, split: see `epoch`.
        table: the members on the devices.
        params: parameters and statistics, [block, ...].
        rows: -1 for none.
    """
    count = rows.shape[1]
    padded = np.pad(rows, ((0, 0), (0, -count % batch_size)), constant_values=-1)
    pieces = [padded[:, i : i + batch_size] for i in range(0, padded.shape[1], batch_size)]
    found = [
        compiled.predict(features, table, *params, jax.device_put(piece, split))
        for features, piece in zip(source.windows(pieces, members.group), pieces, strict=True)
    ]
    logits, attention, embedding = (
        jnp.concatenate(parts, axis=1) for parts in zip(*found, strict=True)
    )
    if padded.shape[1] == count:
        return logits, attention, embedding
    cut = jax.jit(lambda a: a[:, :count])
    return cut(logits), cut(attention), cut(embedding)
