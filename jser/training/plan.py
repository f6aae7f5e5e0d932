"""How a training is cut for the device it runs on: members of a block, steps of a call, devices."""

from __future__ import annotations

import dataclasses
import math

import jax
import psutil

from jser.errors import InputError
from jser.training.population import State


def on_cpu() -> bool:
    """Whether trainings run on a CPU: members one by one, steps from the host, no scans of them."""
    return jax.devices()[0].platform == "cpu"


@dataclasses.dataclass(frozen=True)
class Plan:
    """How the work is cut for the device.

    Attributes:
        width: members of a block on one device; decides the bits.
        steps_per_call: optimiser steps in one compiled call.
        devices: over which blocks are split.
    """

    width: int
    steps_per_call: int
    devices: tuple[jax.Device, ...]

    @property
    def block(self) -> int:
        """Members of a block over all devices."""
        return self.width * len(self.devices)


def choose_plan(
    n_members: int, steps_per_epoch: int, width: int = 0, steps_per_call: int = 0
) -> Plan:
    """The default plan: on a CPU one member at a time, on accelerators as many as there are.

    Args:
        n_members: P.
        steps_per_epoch: of the program.
        width: 0 chooses by device.
        steps_per_call: 0 chooses by device; must divide steps_per_epoch otherwise.

    Raises:
        InputError: it does not, or a number is negative.
    """
    devices = tuple(jax.devices())
    if width < 0 or steps_per_call < 0:
        raise InputError(
            f"population.width: {width} and population.steps_per_call: {steps_per_call} must not "
            "be negative; 0 chooses by device"
        )
    width = width or (1 if on_cpu() else min(64, -(-n_members // len(devices))))
    steps_per_call = steps_per_call or (1 if on_cpu() else steps_per_epoch)
    if steps_per_epoch % steps_per_call:
        raise InputError(
            f"population.steps_per_call: {steps_per_call} does not divide the "
            f"{steps_per_epoch} steps of an epoch; choose a divisor, or 0"
        )
    return Plan(width, steps_per_call, devices)


def check_memory(block: State, n_blocks: int, plan: Plan) -> None:
    """Refuse a population that cannot fit: the system would kill the program without a word.

    Args:
        block: shapes and types of one block's state.
        n_blocks: that are held at once.
        plan: whose devices hold them.

    Raises:
        InputError: their bytes are more than what is free.
    """
    needed = n_blocks * sum(
        math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(block)
    )
    if plan.devices[0].platform == "cpu":
        free = psutil.virtual_memory().available
    else:
        stats = plan.devices[0].memory_stats() or {}
        free = (stats.get("bytes_limit", needed) - stats.get("bytes_in_use", 0)) * len(plan.devices)
    if needed > free:
        raise InputError(
            f"the parameters and optimiser of all members take {needed / 2**30:.1f} GiB, "
            f"{free / 2**30:.1f} GiB of memory are free; give smaller layers (model.units, "
            "model.dense, components) or fewer seeds"
        )
