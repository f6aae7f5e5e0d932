"""Figures of a training as they come: fetched behind the device's back, shown and written down."""

from __future__ import annotations

from collections import deque

import jax
import numpy as np

from jser import progress
from jser.training.metrics_log import MetricsLog
from jser.training.population import EpochMetrics, Members


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
        self._epoch = 0  # whose figures are being put together
        self._of_epoch = _nothing(len(members))
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

    def take_all(self) -> None:
        """Fetch all that waits, and write it down. Waits for the device."""
        while self._waiting:
            self._take()
        self._write()

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
            self._write()
            self._epoch = epoch
        measured = jax.tree.map(lambda a: a[: len(places)], jax.device_get(on_device))
        for whole, mine in zip(
            jax.tree.leaves(self._of_epoch), jax.tree.leaves(measured), strict=True
        ):
            whole[places] = mine
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

    def _write(self) -> None:
        if self._of_epoch.trained.any():
            self._log.write(self._epoch, self._of_epoch)
        self._of_epoch = _nothing(len(self._members))


def _nothing(n: int) -> EpochMetrics:
    """The figures of an epoch in which nobody has trained."""
    unknown = [np.full(n, np.nan, np.float32) for _ in range(3)]
    return EpochMetrics(np.zeros(n, bool), np.zeros(n, bool), *unknown)
