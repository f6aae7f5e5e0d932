"""Trials trained: those that share a program as members of one population."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jser import config as configs
from jser import grid, trainings
from jser.preparation import Prepared, with_members
from jser.training import loop
from jser.training.plan import MOST, choose_plan
from jser.training.population import EpochMetrics, Members, State


@dataclasses.dataclass(frozen=True)
class Asked:
    """A claimed trial.

    Attributes:
        trial: of Optuna.
        trial_id: in the storage.
        fold: whose dev speakers judge it, the only one in which it is trained.
        values: field -> value.
    """

    trial: Any
    trial_id: int
    fold: int
    values: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Result:
    """What a trial gave.

    Attributes:
        value: mean over the fold's members of dev UAR in 0..1, at each one's own best epoch so far;
            None: a member's loss stopped being finite.
        pruned: it was ended before its last epoch.
        known: `seeds`, and of each seed, in their order, `best_epoch`, `dev_uar` and `dev_loss`
            (means over an ensemble); `epochs` that were trained, `seconds` of this worker.
    """

    value: float | None
    pruned: bool
    known: dict[str, Any]


class Judge:
    """Ends trials' members as they train: see `loop.fit`.

    A trial ends whose member's loss stopped being finite, and one that `prune` ends.
    """

    def __init__(
        self,
        places: Sequence[np.ndarray],
        members: Members,
        prune: Callable[[int, int, float], bool],
    ):
        """Nothing has been trained.

        Args:
            places: int [n] of each trial, its members' in the table.
            members: the table.
            prune: is told a trial's place among `places`, an epoch and the trial's value so far,
                and says whether the trial ends. It is asked trial by trial, in their order.
        """
        self._places = places
        self._prune = prune
        self._going = np.ones(len(members), bool)
        self._best = np.full(len(members), -np.inf)
        self.failed = np.zeros(len(places), bool)
        self.pruned = np.zeros(len(places), bool)

    def __call__(self, epoch: int, figures: EpochMetrics) -> np.ndarray:
        """Who ends with an epoch, bool [P]."""
        trained, ended = np.asarray(figures.trained), np.zeros(len(self._going), bool)
        lost = self._going & ~trained
        with np.errstate(invalid="ignore"):
            scores = np.where(trained, np.asarray(figures.dev_uar, np.float64), -np.inf)
        self._best = np.fmax(self._best, scores)
        was, self._going = self._going, trained & np.asarray(figures.alive)
        for k, mine in enumerate(self._places):
            if not was[mine].any() or self.failed[k] or self.pruned[k]:
                continue
            self.failed[k] = bool(lost[mine].any())
            on = bool(self._going[mine].any())
            if self.failed[k]:
                ended[mine] = True
            elif self._prune(k, epoch, float(self._best[mine].mean())) and on:
                self.pruned[k] = True
                ended[mine] = True
        self._going &= ~ended
        return ended


class Trainer:
    """Trains batches of trials on one corpus, which is laid out once."""

    def __init__(self, first: Prepared, config: Any, allow_leak: str | None, pruning: bool):
        """Nothing is trained yet.

        Args:
            first: of the config itself.
            config: of the sweep.
            allow_leak: see `experiment.run`.
            pruning: trials may be ended early.
        """
        self._first = first
        self._config = config
        self._allow_leak = allow_leak
        self._pruning = pruning
        own = dict(configs.fields(config))
        self._own = own
        self._ready: dict[Any, Prepared] = {}

    def capacity(self) -> int:
        """Trials that fill one block of a compiled population; one at least."""
        tables = self._first.tables
        many = np.arange(MOST * len(jax.devices())) % len(tables)
        whole = jax.tree.map(lambda leaf: leaf[many], tables)
        return max(1, -(-self._plan(self._first, whole).block // self._members_of_one()))

    def _members_of_one(self) -> int:
        """Members of a trial: seeds, and an ensemble's."""
        return int((self._first.tables.fold == self._first.tables.fold[0]).sum())

    def _plan(self, prepared: Prepared, tables: Members) -> Any:
        if self._pruning:
            # Who may be ended is planned for as one who stops by himself: blocks are smaller.
            tables = tables.replace(patience=np.maximum(tables.patience, 1))
        how = prepared.config.population
        return choose_plan(prepared.program, prepared.features, tables, **how)

    def train(
        self,
        asked: Sequence[Asked],
        folder: Path,
        prune: Callable[[Asked, int, float], bool],
        settle: Callable[[Asked, Result], None],
    ) -> None:
        """Train trials, group by group of those that share a program.

        Args:
            asked: claimed trials.
            folder: gets what a training writes, and is removed.
            prune: is told a trial, an epoch and its value so far, and says whether it ends.
            settle: is told what a trial gave, once its group is trained.

        Raises:
            InputError: a value is impossible, or the states do not fit into memory.
        """
        groups: dict[Any, list[Asked]] = {}
        for one in asked:
            groups.setdefault(grid.static_values(one.values), []).append(one)
        for mine in groups.values():
            try:
                for one, result in zip(mine, self._group(mine, folder, prune), strict=True):
                    settle(one, result)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def _group(
        self,
        mine: Sequence[Asked],
        folder: Path,
        prune: Callable[[Asked, int, float], bool],
    ) -> list[Result]:
        began = time.monotonic()
        points = tuple(grid.at(self._config, one.values) for one in mine)
        folds = tuple((one.fold,) for one in mine)
        ready = self._prepared(mine[0].values, points, folds)
        tables = ready.tables
        places = [np.flatnonzero(tables.point == k) for k in range(len(mine))]
        judge = Judge(places, tables, lambda k, epoch, value: prune(mine[k], epoch, value))
        folder.mkdir(parents=True, exist_ok=True)
        plan = self._plan(ready, tables)
        args = ready.program, ready.features, tables, plan
        # Trials that are cut off are given back, not gone on with: no checkpoint on the way.
        state = loop.fit(*args, folder, "sweep", float("inf"), judge=judge)
        seconds = time.monotonic() - began
        each = seconds / max(int(np.asarray(state.epoch).sum()), 1)
        return [
            _result(state, tables, place, judge.failed[k], judge.pruned[k], each)
            for k, place in enumerate(places)
        ]

    def _prepared(
        self, values: Mapping[str, Any], points: Any, folds: tuple[tuple[int, ...], ...]
    ) -> Prepared:
        """The experiment of a group: its program and inputs are made once."""
        key = grid.static_values({**{f: self._own[f] for f in values}, **values})
        if key not in self._ready:
            if key == grid.static_values({f: self._own[f] for f in values}):
                self._ready[key] = self._first
            else:
                group = grid.Group(0, points[0], points, tuple(range(len(points))), folds)
                self._ready[key] = trainings.like(self._first, group, self._allow_leak, "sweep: ")
        return with_members(self._ready[key], points, folds)


def _result(
    state: State, tables: Members, mine: np.ndarray, failed: bool, pruned: bool, seconds: float
) -> Result:
    """What the members of a trial gave.

    Args:
        state: of all.
        tables: of all.
        mine: int [n], the trial's.
        failed: one of them has.
        pruned: they were ended.
        seconds: that an epoch of one member took.
    """
    seeds = np.unique(tables.seed[mine])

    def by_seed(values: Any) -> list[Any]:
        own = [np.asarray(values)[mine][tables.seed[mine] == seed].mean() for seed in seeds]
        return [float(x) if np.isfinite(x) else None for x in own]

    failed = bool(failed or np.asarray(state.failed)[mine].any())
    epochs = np.asarray(state.epoch)[mine]
    known = {
        "seeds": seeds.tolist(),
        "best_epoch": by_seed(state.best_epoch),
        "dev_uar": by_seed(state.best_score),
        "dev_loss": by_seed(state.best_loss),
        "epochs": int(epochs.max()),
        "seconds": round(float(epochs.sum()) * seconds, 3),
    }
    score = np.asarray(state.best_score, np.float64)[mine].mean()
    value = None if failed or not np.isfinite(score) else float(score)
    return Result(value, bool(pruned), known)
