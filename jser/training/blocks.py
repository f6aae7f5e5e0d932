"""Blocks of members, mapped and compiled: from one member's functions to a population's.

`vmap` over the members of a block, `shard_map` over the devices; the host's loop goes over blocks,
step-blocks and epochs. Results are equal bit for bit whatever the number, order and neighbours of
members, as long as the width of a block is kept.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jser import computing
from jser.computing import Computing
from jser.training import hosts, stream
from jser.training.one_member import (
    finish_epoch,
    init_member,
    predict_rows,
    shuffle,
    train_step,
)
from jser.training.population import EpochMetrics, Features, Members, Params, Program, State


@dataclasses.dataclass(frozen=True)
class BlockProgram:
    """Compiled functions over a block of ``devices x width`` members; each leaf is [block, ...]."""

    init: Callable[..., State]
    shuffle: Callable[..., jax.Array]
    train: Callable[..., tuple[State, jax.Array]]
    finish: Callable[..., tuple[State, EpochMetrics]]
    score: Callable[..., tuple[State, EpochMetrics]]
    predict: Callable[..., tuple[jax.Array, jax.Array, jax.Array]]


def member_mesh(devices: list[jax.Device] | None = None, spread: int = 1) -> Mesh:
    """An axis ``member`` over the devices, and one over the rows of a batch where they share it.

    Args:
        devices: default: all.
        spread: devices that share a member, neighbours among those given.
    """
    found = np.array(devices or jax.devices())
    if spread == 1:
        return Mesh(found, ("member",))
    return Mesh(found.reshape(-1, spread), ("member", computing.ROWS))


def by_member(mesh: Mesh) -> NamedSharding:
    """Leaves [block, ...] over the devices."""
    return NamedSharding(mesh, PartitionSpec("member"))


def over_members(function: Callable[..., Any], n_shared: int, width: int) -> Callable[..., Any]:
    """`function` of one member, mapped over the leading axis of all but its first arguments.

    One member alone is not vmapped: on a CPU the batch dimension of 1 costs about a tenth of the
    step (tests/benchmarks/step.py).
    """
    if width > 1:
        return lambda *args: jax.vmap(
            function, in_axes=(None,) * n_shared + (0,) * (len(args) - n_shared)
        )(*args)

    def alone(*args: Any) -> Any:
        shared, own = args[:n_shared], args[n_shared:]
        out = function(*shared, *jax.tree.map(lambda leaf: leaf[0], own))
        return jax.tree.map(lambda leaf: leaf[None], out)

    return alone


# Of one program: its training, its answers and, behind a read-out, its answers to all.
@functools.lru_cache(maxsize=16)
def compile_block(
    program: Program,
    mesh: Mesh,
    width: int,
    from_host: bool,
    choice: Computing = computing.PLAIN,
    windows: bool = False,
) -> BlockProgram:
    """Compile the member functions for blocks; the same functions for an equal program.

    Args:
        program: the static part.
        mesh: from `member_mesh`; each device runs its share of the block, with the same width. XLA
            fuses a program of several devices otherwise than one of a single device, so numbers
            agree to rounding there, not to the bit.
        width: members of a block on one device.
        from_host: each call of `train` is one step, and no loop of the device's own.
        choice: by what models are computed.
        windows: features are those of a `stream.Source`.
    """
    members, shared = PartitionSpec("member"), PartitionSpec()

    def over_block(
        function: Callable[..., Any],
        n_member_args: int,
        n_shared: int,
        donate: tuple[int, ...] = (),
    ) -> Callable[..., Any]:
        def traced(features: Features, *args: Any) -> Any:
            with computing.by(choice):
                return function(features, *args)

        mapped = over_members(traced, n_shared, width)

        def of_own(features: Features, *args: Any) -> Any:
            return mapped(stream.in_windows(features) if windows else features, *args)

        def sharded(features: Features, *args: Any) -> Any:
            first = stream.parts(features) if windows else shared
            return jax.shard_map(
                of_own,
                mesh=mesh,
                in_specs=(first,) + (shared,) * (n_shared - 1) + (members,) * n_member_args,
                out_specs=members,
                axis_names={"member"},
                check_vma=False,
            )(features, *args)

        return jax.jit(sharded, donate_argnums=donate)

    def init(features: Features, member: Members) -> State:
        return init_member(program, features, member)

    def train(
        features: Features,
        first: jax.Array,
        end: jax.Array,
        member: Members,
        state: State,
        orders: jax.Array,
    ) -> tuple[State, jax.Array]:
        if from_host:
            return train_step(program, features, member, state, orders[first], first)

        def body(step: jax.Array, carry: tuple[State, jax.Array]) -> tuple[State, jax.Array]:
            state, total = carry
            state, loss = train_step(program, features, member, state, orders[step], step)
            return state, total + loss

        return jax.lax.fori_loop(first, end, body, (state, jnp.float32(0)))

    def finish(
        features: Features, member: Members, state: State, losses: jax.Array
    ) -> tuple[State, EpochMetrics]:
        return finish_epoch(program, features, member, state, losses)

    def score(
        features: Features, member: Members, state: State, losses: jax.Array, logits: jax.Array
    ) -> tuple[State, EpochMetrics]:
        return finish_epoch(program, features, member, state, losses, logits)

    def predict(
        features: Features, member: Members, params: Params, stats: Params, rows: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        return predict_rows(program, features, member, params, stats, rows)

    def order(features: Features, epoch: jax.Array, member: Members) -> jax.Array:
        return shuffle(program, features, member, epoch)

    return BlockProgram(
        init=over_block(init, 1, 1),
        shuffle=over_block(order, 1, 2),
        train=over_block(train, 3, 3, donate=(4,)),
        finish=over_block(finish, 3, 1, donate=(2,)),
        score=over_block(score, 4, 1, donate=(2,)),
        predict=over_block(predict, 4, 1),
    )


def filled(places: np.ndarray, block: int) -> np.ndarray:
    """Places int [block]: those given, and the last of them again."""
    return np.concatenate([places, np.repeat(places[-1:], block - len(places))])


def to_block(members: Members, places: np.ndarray, block: int, mesh: Mesh) -> Members:
    """Some members of a host table [P, ...] as a device block [block, ...]; dummies fill it.

    A dummy repeats the last of them with no epochs to train, so it costs its place and no more.
    """
    return hosts.put(of_block(members, places, block), by_member(mesh))


def of_block(members: Members, places: np.ndarray, block: int) -> Members:
    """The same on the host."""
    table = jax.tree.map(lambda a: a[filled(places, block)], members)
    real = np.arange(block) < len(places)
    return table.replace(epochs=np.where(real, table.epochs, 0).astype(np.int32))


def to_blocks(members: Members, block: int, mesh: Mesh) -> list[Members]:
    """A whole host table [P, ...] as device blocks [block, ...]."""
    everyone = np.arange(len(members))
    return [
        to_block(members, everyone[i : i + block], block, mesh)
        for i in range(0, len(members), block)
    ]


def without_dev(members: Members) -> Members:
    """A host table for all that looks at no dev rows: of one shape, however many there are."""
    return members.replace(dev_index=members.dev_index[:, :1])


def from_blocks(blocks: list[Any], n_members: int) -> Any:
    """Join trees with leaves [block, ...] into one host tree [P, ...] without the dummies."""
    host = hosts.get(blocks)
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:n_members], *host)
