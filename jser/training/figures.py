"""Figures of a training as they come: fetched behind the device's back, shown and written down."""

from __future__ import annotations

import time
from collections import deque

import jax
import numpy as np

from jser import progress
from jser.training import hosts
from jser.training.metrics_log import MetricsLog, nothing
from jser.training.population import EpochMetrics, Members

# Between two looks at the step of an epoch: short ones are over before.
STEP_SECONDS = 2.0


class Figures:
    """What blocks measure, each fetched when the next one has been put to work.

    Attributes:
        alive: bool [P], who goes on, as far as is known: nobody is waited for, so of the block that
            was put last it is what was known an epoch ago.
    """

    def __init__(self, members: Members, log: MetricsLog, tick: progress.Tick):
        self._members = members
        self._log = log
        self._tick = tick
        self._waiting: deque[tuple[int, np.ndarray, EpochMetrics]] = deque()
        self._said: float | None = None
        # Of the epoch whose figures are being put together, those that a resumed training has.
        self._epoch, self._of_epoch = log.begun()
        self._going = members.epochs > 0  # after what was fetched last
        self.alive = np.ones(len(members), bool)

    def put(self, epoch: int, places: np.ndarray, measured: EpochMetrics) -> None:
        """Take note of what a block measures in `epoch` (from 1 on), and fetch what waits before.

        Args:
            epoch: of the block.
            places: int [n], its members' in the table.
            measured: on the device, [block].
        """
        # Their last epoch is known beforehand, an early end is not.
        self.alive[places] &= self._members.epochs[places] > epoch
        self._waiting.append((epoch, places, measured))
        while len(self._waiting) > 1:
            self._take()

    def at(self, step: int, steps: int) -> None:
        """Show which of its steps an epoch is at, where it is long."""
        now = time.monotonic()
        if self._said is None:  # the first step waited for the compiler
            self._said = now
        if now - self._said > STEP_SECONDS:
            self._said = now
            self._tick(0, step=f"{step:,}/{steps:,}")

    def take_all(self, within: bool = False) -> None:
        """Fetch all that waits, and write it down; `within` an epoch. Waits for the device."""
        while self._waiting:
            self._take()
        if not within:
            self._close_epoch()

    def newest(self) -> EpochMetrics:
        """The figures [P] of the epoch that was put last. Waits for the device."""
        while self._waiting:
            self._take()
        return self._of_epoch

    def end(self, ended: np.ndarray) -> None:
        """Take note that members bool [P] end with the epoch whose figures are the newest."""
        going = ended & self.alive
        self.alive &= ~ended
        if going.any():
            self._tick(int((self._members.epochs[going] - self._epoch).sum()))

    def _take(self) -> None:
        epoch, places, on_device = self._waiting.popleft()
        if epoch != self._epoch:
            self._close_epoch()
            self._epoch = epoch
        measured = jax.tree.map(lambda a: a[: len(places)], hosts.get(on_device))
        for whole, mine in zip(
            jax.tree.leaves(self._of_epoch), jax.tree.leaves(measured), strict=True
        ):
            whole[places] = mine
        self._log.write_members(epoch, places, measured)
        # Who was alive and has not trained has failed: nothing else keeps a member from an epoch.
        stopped = self._going[places] & ~measured.trained
        self._log.write_not_finite(epoch, places[stopped].tolist())
        self._going[places] &= measured.alive
        self.alive[places] &= measured.alive
        self._show(epoch, places, measured)

    def _show(self, epoch: int, places: np.ndarray, measured: EpochMetrics) -> None:
        trained = measured.trained
        # Who stops before the last epoch leaves no work behind.
        left = self._members.epochs[places] - epoch
        done = int(trained.sum() + left[trained & ~measured.alive].sum())
        loss, uar = measured.train_loss[trained], measured.dev_uar[trained]
        shown = {"loss": loss.mean(), "dev_uar": uar.mean()} if trained.any() else {}
        self._tick(done, **{name: float(x) for name, x in shown.items() if np.isfinite(x)})

    def _close_epoch(self) -> None:
        if self._of_epoch.trained.any():
            self._log.write(self._epoch, self._of_epoch)
        self._of_epoch = nothing(len(self._members))
