"""Who trains together: blocks of members that are alive, closed up as members come to their end.

A block costs the same whether one of its members is alive or all are. So at the end of an epoch,
where those who are left fit into fewer blocks, they move together. A member's numbers do not depend
on its neighbours, and blocks keep their width, so no bit of the result changes.
"""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from jax.sharding import Mesh

from jser.training import blocks
from jser.training.population import Members, State


@dataclasses.dataclass(eq=False)
class Block:
    """Members that train together.

    Attributes:
        places: int [n], theirs in the table; dummies fill the block behind them.
        table: device table [block, ...].
        lean: the same without dev rows.
        state: device state [block, ...].
    """

    places: np.ndarray
    table: Members
    lean: Members
    state: State


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

    def restore(self, host: State) -> None:
        """Those of a host state [P, ...] who are alive."""
        self._ended = jax.tree.map(np.array, host)
        self._put(np.flatnonzero(host.alive))

    def end(self, ended: np.ndarray) -> None:
        """End members where they are; they keep what they have chosen. Waits for the device.

        Args:
            ended: bool [P].
        """
        for block in self.blocks:
            if ended[block.places].any():
                alive = jax.device_get(block.state.alive).copy()
                alive[: len(block.places)] &= ~ended[block.places]
                on_device = jax.device_put(alive, blocks.by_member(self._mesh))
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
            self._put(np.sort(np.concatenate(left)))
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
        fetched = jax.device_get([block.state for block in some])
        if self._ended is None:
            shape = lambda a: np.zeros((len(self._members), *a.shape[1:]), a.dtype)  # noqa: E731
            whole = jax.tree.map(shape, fetched[0])
        else:
            whole = jax.tree.map(np.array, self._ended) if copy else self._ended
        for block, state in zip(some, fetched, strict=True):
            _write(whole, block.places, state)
        return whole

    def _put(self, places: np.ndarray) -> None:
        """Make the blocks of some members from their ended states."""
        self.blocks = []
        for i in range(0, len(places), self._block):
            mine = places[i : i + self._block]
            filled = blocks.filled(mine, self._block)
            state = jax.tree.map(lambda a: a[filled], self._ended)  # noqa: B023
            real = np.arange(self._block) < len(mine)
            state = state.replace(alive=state.alive & real)
            on_device = jax.device_put(state, blocks.by_member(self._mesh))
            self.blocks.append(self._made(mine, on_device))

    def _made(self, places: np.ndarray, state: State) -> Block:
        lean = blocks.to_block(self._lean, places, self._block, self._mesh)
        dev = self._members.dev_index[blocks.filled(places, self._block)]
        table = lean.replace(dev_index=jax.device_put(dev, blocks.by_member(self._mesh)))
        return Block(places, table, lean, state)


def _write(whole: State, places: np.ndarray, state: State) -> None:
    """Put the members of a block into a host state [P, ...], in place."""

    def into(all_of_them: np.ndarray, mine: np.ndarray) -> None:
        all_of_them[places] = mine[: len(places)]

    jax.tree.map(into, whole, state)
