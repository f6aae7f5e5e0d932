"""How a training is cut for the device it runs on: members of a block, steps of a call, devices."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import psutil
from jax.sharding import Mesh

from jser import allocator, computing
from jser.computing import Computing
from jser.errors import InputError
from jser.models import cudnn
from jser.training import blocks, hosts
from jser.training.one_member import init_member
from jser.training.platform import on_cpu
from jser.training.population import (
    SHOWN,
    STATS,
    Features,
    Members,
    Program,
    State,
    gather,
    variables,
)
from jser.training.stream import window_bytes

# Members of a block at most: an accelerator is full long before.
MOST = 64
# Of the free memory, what a block's training may take; the rest is the compiler's.
SHARE = 0.6
# Of what memory decides: see `choose_plan`.
CHOICES = ("auto", "always", "never")
# Of a stream: in use, on its way, and sent behind it.
WINDOWS = 3
# Where members stop by themselves, blocks that live ones are put together from.
BLOCKS = 4


@dataclasses.dataclass(frozen=True)
class Plan:
    """How the work is cut for the device.

    Attributes:
        width: members of a block on one device; decides the bits.
        steps_per_call: optimiser steps in one compiled call, at most; 0: those of an epoch.
        devices: of all hosts; over them blocks are split, and the batches of a member that
            several of them share (`computing.spread`).
        computing: by what models are computed.
        stream: features do not lie on the devices, see `jser.training.stream`.
    """

    width: int
    steps_per_call: int
    devices: tuple[jax.Device, ...]
    computing: Computing = computing.PLAIN
    stream: bool = False

    @property
    def block(self) -> int:
        """Members of a block over all devices."""
        return self.width * (len(self.devices) // self.computing.spread)

    def mesh(self) -> Mesh:
        """The devices, by members and by rows of their batches."""
        return blocks.member_mesh(list(self.devices), self.computing.spread)

    @property
    def from_host(self) -> bool:
        """Whether the host calls every step."""
        return self.steps_per_call == 1

    def calls(self, steps: int, done: int = 0) -> list[tuple[np.int32, np.int32]]:
        """First step and the one behind the last of each call of an epoch of so many steps.

        Args:
            steps: of the epoch.
            done: of them, those that are behind.
        """
        each = self.steps_per_call or steps
        return [(np.int32(i), np.int32(min(i + each, steps))) for i in range(done, steps, each)]


def choose_plan(
    program: Program,
    features: Features,
    members: Members,
    width: int = 0,
    steps_per_call: int = 0,
    lstm: str = "auto",
    remat: str = "never",
    stream: str = "auto",
    spread: int = 0,
) -> Plan:
    """The default plan: on a CPU one member at a time, on accelerators as many as fit.

    Args:
        program: what is trained.
        features: on what.
        members: host table [P, ...].
        width: 0 chooses by device and by memory.
        steps_per_call: 0 chooses by device.
        lstm: of `computing.LSTMS`; ``auto``: see `lstm_for`.
        remat: of `CHOICES`: whether a tuned stem's blocks are computed again for the gradient;
            ``auto``: where what one member keeps for it does not fit into memory.
        stream: of `CHOICES`: whether features are sent to the devices batch by batch; ``auto``:
            where they would take more than their share of the memory.
        spread: devices that share a member; 0: as many as there are for each, where members are
            fewer than devices.

    Raises:
        InputError: a number is negative; there is no such LSTM, or not here, or no such `remat` or
            `stream`.
    """
    devices = tuple(jax.devices())
    if width < 0 or steps_per_call < 0:
        raise InputError(
            f"population.width: {width} and population.steps_per_call: {steps_per_call} must not "
            "be negative; 0 chooses by device"
        )
    check_names(lstm, remat, stream)
    spread = spread_for(spread, len(members), len(devices), program.batch_size)
    mine = -(-len(members) * spread // len(devices))
    here = hosts.least_of(_free_of_one(jax.local_devices()[0]))
    held = isinstance(features.frames, np.ndarray | jax.Array)
    if stream == "never" and not held:
        raise InputError(
            "population.stream: never holds all features on the device, and the records stay on "
            "disk; leave it at auto, or give --config.population.records=memory"
        )
    too_many = not held or bytes_of(features) > SHARE * here
    streams = stream == "always" or (stream == "auto" and too_many)
    # A stream has windows of features in place of all of them, and half of the memory for them.
    free = here // 2 if streams else here - bytes_of(features)

    def needs(choice: Computing) -> tuple[int, int]:
        """Bytes of a member's step, and those that all members' states leave free."""
        with computing.by(choice):
            state, step = training_bytes(program, features, members)
        return step // spread, free - mine * state

    choice = Computing(remat=remat == "always", spread=spread)
    # Where nothing pretrained is tuned, there is nothing to compute again.
    if remat == "auto" and features.initial:
        step, left = needs(choice)
        choice = Computing(remat=step > SHARE * left)
    if not width and on_cpu():
        width = 1
    elif not width:
        width = width_for(mine, *needs(choice), bool((members.patience > 0).any()))
    choice = dataclasses.replace(choice, lstm=lstm_for(lstm, width))
    if not steps_per_call and on_cpu():
        steps_per_call = 1
    elif not steps_per_call and streams:
        one = window_bytes(features, width * program.batch_size)
        steps_per_call = max(1, int(SHARE * free) // (WINDOWS * one // spread))
    return Plan(width, steps_per_call, devices, choice, streams)


def check_names(lstm: str = "auto", remat: str = "never", stream: str = "auto") -> None:
    """Check what can be known of `choose_plan`'s arguments before there are features.

    Raises:
        InputError: one is none of its choices.
    """
    known = {
        "lstm": (lstm, ("auto", *computing.LSTMS)),
        "remat": (remat, CHOICES),
        "stream": (stream, CHOICES),
    }
    for field, (value, choices) in known.items():
        if value not in choices:
            raise InputError(f"population.{field}: {value!r} is none of {', '.join(choices)}")


def spread_for(asked: int, n_members: int, n_devices: int, batch_size: int) -> int:
    """Devices that share a member.

    Args:
        asked: 0: where there are more devices than members, as many as each can have.
        n_members: in all.
        n_devices: of all hosts.
        batch_size: rows that they divide among them.

    Raises:
        InputError: the devices, or the rows of a batch, cannot be divided so.
    """
    if asked:
        for whole, what in ((n_devices, "devices"), (batch_size, "rows of a batch")):
            if whole % asked:
                raise InputError(
                    f"population.spread: {asked} devices a member do not divide {whole} {what}; "
                    "give another number, or 0, which chooses"
                )
        return asked
    most = max(1, n_devices // n_members)
    fits = [k for k in range(1, most + 1) if n_devices % k == 0 and batch_size % k == 0]
    return fits[-1]


def lstm_for(name: str, width: int) -> str:
    """What bidirectional LSTMs of blocks of this width are computed by.

    ``auto`` is cuDNN where members train one at a time on an NVIDIA GPU, and the scan elsewhere: a
    mapped scan keeps a device busy that cuDNN, which cannot be mapped, would serve one by one.

    Raises:
        InputError: cuDNN cannot be had here.
    """
    can = cudnn.available() and width == 1
    if name == "auto":
        return "cudnn" if can else "scan"
    if name == "cudnn" and not can:
        raise InputError(
            "population.lstm: cudnn needs an NVIDIA GPU and population.width=1, since it cannot be "
            "mapped over members; leave it at auto"
        )
    return name


def width_for(n_members: int, step: int, free: int, stopping: bool) -> int:
    """Members of a block on one device.

    Args:
        n_members: of one device.
        step: bytes that a member's step needs.
        free: bytes of the device beside the features and all members' states.
        stopping: members stop by themselves: then blocks are smaller, so that some of them can go.
    """
    wanted = -(-n_members // BLOCKS) if stopping else n_members
    return max(1, min(MOST, wanted, int(SHARE * free) // max(step, 1)))


def training_bytes(program: Program, features: Features, members: Members) -> tuple[int, int]:
    """Bytes of a member: of its state, and in a step of its gradient and what backward needs.

    Counted from shapes alone; nothing is computed.
    """
    member = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape[1:], a.dtype), members)
    # They may be no array.
    shape = jax.ShapeDtypeStruct(features.frames.shape, features.frames.dtype)
    features = features.replace(frames=shape)

    def kept(features: Features, member: Members) -> tuple[State, Any]:
        state = init_member(program, features, member)
        rows = jnp.zeros(program.batch_size, jnp.int32)
        x, length, pooled = gather(features, member, rows)

        def answer(params: Any) -> Any:
            return program.model.apply(
                variables(features, member, params, state.stats),
                x,
                length,
                pooled,
                member.hyper,
                True,
                rngs={"dropout": jax.random.key(0)},
                mutable=[STATS, SHOWN],
            )[0]

        return state, jax.vjp(answer, state.params)[1]

    state, backward = jax.eval_shape(kept, features, member)
    return bytes_of(state), bytes_of(state.params) + bytes_of(backward)


def bytes_of(tree: Any) -> int:
    """Of all leaves of a tree, whether they are held or only described."""
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _free_of_one(device: jax.Device) -> int:
    """Bytes of a device that are free."""
    stats = device.memory_stats() or {}
    if "bytes_limit" not in stats:
        return _free_of_host()
    return int(stats["bytes_limit"] - stats.get("bytes_in_use", 0))


def _free_of_host() -> int:
    """Bytes of the machine that this process may take, with those that it keeps for itself."""
    return int(psutil.virtual_memory().available) + allocator.kept()


def check_memory(block: State, n_blocks: int, plan: Plan) -> None:
    """Refuse a population that cannot fit: the system would kill the program without a word.

    Args:
        block: shapes and types of one block's state.
        n_blocks: that are held at once.
        plan: whose devices hold them.

    Raises:
        InputError: their bytes are more than what is free.
    """
    needed = n_blocks * bytes_of(block)
    ours = [device for device in plan.devices if device.process_index == jax.process_index()]
    if plan.devices[0].platform == "cpu":
        free = _free_of_host()
    else:
        stats = ours[0].memory_stats() or {}
        free = (stats.get("bytes_limit", needed) - stats.get("bytes_in_use", 0)) * len(ours)
    # Each device of those that share a member holds its state.
    needed = needed * plan.computing.spread * len(ours) // len(plan.devices)
    if hosts.any_of(needed > free):
        raise InputError(
            f"the parameters and optimiser of all members take {needed / 2**30:.1f} GiB, "
            f"{free / 2**30:.1f} GiB of memory are free; give smaller layers (model.units, "
            "model.dense, components) or fewer seeds"
        )
