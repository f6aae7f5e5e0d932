"""Who trains together: blocks of members that are alive, closed up as members come to their end.

A block costs the same whether one of its members is alive or all are. So at the end of an epoch,
where those who are left fit into fewer blocks, they move together. A member's numbers do not depend
on its neighbours, and blocks keep their width, so no bit of the result changes.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jser.training import blocks, hosts
from jser.training.population import Members, State


@dataclasses.dataclass(eq=False)
class Block:
    """Members that train together.

    Attributes:
        places: int [n], theirs in the table; dummies fill the block behind them.
        table: device table [block, ...].
        lean: the same without dev rows.
        state: device state [block, ...].
        epoch: epochs that are behind them.
        step: steps of the next one that are, too.
        losses: the sum of these steps' losses, on the device, [block]; None before the first.
    """

    places: np.ndarray
    table: Members
    lean: Members
    state: State
    epoch: int = 0
    step: int = 0
    losses: jax.Array | None = None

    def trained(self, state: State, loss: jax.Array, step: int) -> None:
        """Take note of a call of the epoch: what came of it, and up to which step it went."""
        self.state = state
        self.losses = loss if self.losses is None else self.losses + loss
        self.step = step

    def finished(self, state: State) -> None:
        """The epoch is at its end."""
        self.state = state
        self.epoch, self.step, self.losses = self.epoch + 1, 0, None


@dataclasses.dataclass(frozen=True)
class Within:
    """How far members are in an epoch; all zero between two.

    Attributes:
        steps: int [P], steps done.
        losses: float32 [P], the sum of their losses.
    """

    steps: np.ndarray
    losses: np.ndarray

    def to_json(self) -> dict[str, Any]:
        """As a checkpoint keeps it; a float32 is a JSON number and back to the bit."""
        return {"steps": self.steps.tolist(), "losses": self.losses.tolist()}

    @classmethod
    def of_json(cls, found: dict[str, Any]) -> Within:
        """From `to_json`."""
        return cls(np.array(found["steps"], int), np.array(found["losses"], np.float32))


class Alive:
    """The blocks of a population, and the last states of members that are in none any more."""

    def __init__(self, members: Members, block: int, mesh: Mesh):
        """Nobody is in a block yet; see `start` and `restore`."""
        self._members = members
        self._lean = blocks.without_dev(members)
        self._block = block
        self._mesh = mesh
        self._ended: State | None = None  # host [P, ...]; rows of those in blocks are old
        self.blocks: list[Block] = []

    def start(self, states: list[State]) -> None:
        """Everybody, at the beginning.

        Args:
            states: fresh device states of consecutive members.
        """
        everyone = np.arange(len(self._members))
        self.blocks = [
            self._made(everyone[i * self._block : (i + 1) * self._block], state)
            for i, state in enumerate(states)
        ]

    def restore(self, host: State, epoch: int, within: Within | None = None) -> None:
        """Those of a host state [P, ...] who are alive.

        Args:
            host: everybody's.
            epoch: epochs that are behind all of them.
            within: how far they are in the next one; who has done it is behind the others in no
                step, and an epoch ahead in his state. Blocks are of those who stand alike.
        """
        self._ended = jax.tree.map(np.array, host)
        self.blocks = []
        if within is None:
            self._put(np.flatnonzero(host.alive), epoch)
            return
        ahead = host.epoch > epoch
        for step, done in sorted(set(zip(within.steps, ahead, strict=True)), key=_furthest_first):
            alike = (within.steps == step) & (ahead == done) & host.alive
            if alike.any():
                self._put(np.flatnonzero(alike), epoch + int(done), int(step), within.losses)

    def within(self) -> Within:
        """How far everybody is in an epoch. Waits for the device."""
        count = len(self._members)
        found = Within(np.zeros(count, int), np.zeros(count, np.float32))
        for block in self.blocks:
            found.steps[block.places] = block.step
            if block.losses is not None:
                found.losses[block.places] = hosts.get(block.losses)[: len(block.places)]
        return found

    def end(self, ended: np.ndarray) -> None:
        """End members where they are; they keep what they have chosen. Waits for the device.

        Args:
            ended: bool [P].
        """
        for block in self.blocks:
            if ended[block.places].any():
                alive = hosts.get(block.state.alive).copy()
                alive[: len(block.places)] &= ~ended[block.places]
                on_device = hosts.put(alive, blocks.by_member(self._mesh))
                block.state = block.state.replace(alive=on_device)

    def close_up(self, alive: np.ndarray) -> None:
        """Let go of blocks where nobody is alive, and move the others together if one is saved.

        Args:
            alive: bool [P]; of somebody who has just come to an end it may still be true.
        """
        living = [block for block in self.blocks if alive[block.places].any()]
        left = [block.places[alive[block.places]] for block in living]
        moving = -(-sum(map(len, left)) // self._block) < len(living)
        self._keep([block for block in self.blocks if moving or block not in living])
        if moving:
            epoch = self.blocks[0].epoch
            self.blocks = []
            self._put(np.sort(np.concatenate(left)), epoch)
        else:
            self.blocks = living

    def host(self) -> State:
        """Everybody's state: a host tree [P, ...]. Waits for the device."""
        return self._written(self.blocks, copy=True)

    def _keep(self, going: list[Block]) -> None:
        """Take the states of blocks to the host, for good."""
        if going:
            self._ended = self._written(going, copy=False)

    def _written(self, some: list[Block], copy: bool) -> State:
        """The ended states with those of some blocks in their places."""
        fetched = hosts.get([block.state for block in some])
        if self._ended is None:
            shape = lambda a: np.zeros((len(self._members), *a.shape[1:]), a.dtype)  # noqa: E731
            whole = jax.tree.map(shape, fetched[0])
        else:
            whole = jax.tree.map(np.array, self._ended) if copy else self._ended
        for block, state in zip(some, fetched, strict=True):
            _write(whole, block.places, state)
        return whole

    def _put(
        self, places: np.ndarray, epoch: int, step: int = 0, losses: np.ndarray | None = None
    ) -> None:
        """Make blocks of some members from their ended states."""
        split = blocks.by_member(self._mesh)
        for i in range(0, len(places), self._block):
            mine = places[i : i + self._block]
            filled = blocks.filled(mine, self._block)
            state = jax.tree.map(lambda a: a[filled], self._ended)  # noqa: B023
            real = np.arange(self._block) < len(mine)
            state = state.replace(alive=state.alive & real)
            block = self._made(mine, hosts.put(state, split))
            block.epoch, block.step = epoch, step
            if step and losses is not None:
                block.losses = hosts.put(losses[filled], split)
            self.blocks.append(block)

    def _made(self, places: np.ndarray, state: State) -> Block:
        lean = blocks.to_block(self._lean, places, self._block, self._mesh)
        dev = self._members.dev_index[blocks.filled(places, self._block)]
        table = lean.replace(dev_index=hosts.put(dev, blocks.by_member(self._mesh)))
        return Block(places, table, lean, state)


def _furthest_first(stands: tuple[int, bool]) -> tuple[bool, int]:
    step, done = stands
    return not done, -step


def _write(whole: State, places: np.ndarray, state: State) -> None:
    """Put the members of a block into a host state [P, ...], in place."""

    def into(all_of_them: np.ndarray, mine: np.ndarray) -> None:
        all_of_them[places] = mine[: len(places)]

    jax.tree.map(into, whole, state)
