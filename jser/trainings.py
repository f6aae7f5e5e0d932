"""The trainings of an experiment: select on dev, choose a point of the grid, train again.

`loop` trains one population; here is the order of the populations, and which of their members go
on. An experiment without a grid is a grid of one point.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jser import grid, two_stage
from jser.errors import InputError
from jser.preparation import Prepared, prepare
from jser.training import loop, members, population
from jser.training.plan import Plan, choose_plan

STAGES = ("select", "refit")


@dataclasses.dataclass(frozen=True)
class Trained:
    """What one compiled program has trained, of what was chosen.

    Attributes:
        prepared: the experiment of a group of the grid; its tables are the chosen members'.
        state: theirs [P, ...]; `best_params` answer.
        before: the same of the members before they were trained again on train and dev; where
            nothing was, the same.
        before_state: theirs. Their dev speakers have chosen the epoch, and taught nothing else.
    """

    prepared: Prepared
    state: population.State
    before: Prepared
    before_state: population.State


@dataclasses.dataclass(frozen=True)
class Chosen:
    """What dev chose in a grid.

    Attributes:
        points: the grid's, in its order.
        groups: compiled programs that they took.
        by_fold: each fold's chosen place among the points.
        dev_uar: of each point and fold [points, folds], averaged over seeds; NaN: a member failed.
    """

    points: list[dict[str, Any]]
    groups: int
    by_fold: dict[int, int]
    dev_uar: np.ndarray


def train(
    first: Prepared, config: Any, run_dir: Path, allow_leak: str | None
) -> tuple[list[Trained], Chosen]:
    """Train (or resume, or merely restore) all stages.

    Args:
        first: the experiment, prepared for the first group of the grid.
        config: with the grid.
        run_dir: of the run.
        allow_leak: why a protocol that leaks may be trained.

    Returns:
        Trainings of the chosen members, one a group that has some, and what was chosen.

    Raises:
        InputError: nothing could be trained, or a group reads other inputs than the first.
    """
    every = config.checkpoint.every_seconds
    groups = grid.groups(config)
    # All of them before any trains: what is wrong with the last is found in seconds, not hours.
    ready = [first, *(like(first, group, allow_leak) for group in groups[1:])]
    selected: list[tuple[grid.Group, Prepared, population.State, Any]] = []
    for group, prepared in zip(groups, map(_placed, ready, groups), strict=True):
        stems = None
        if two_stage.is_on(config):
            prepared, stems = two_stage.tune(prepared, run_dir, STAGES[0])
        state = _fit(prepared, run_dir, group.stage(STAGES[0]), every)
        selected.append((group, prepared, state, stems))
    chosen = _choose(config, [(p.tables, state) for _, p, state, _ in selected])
    trained = []
    for group, prepared, state, stems in selected:
        tables = prepared.tables
        wanted = np.array([chosen.by_fold[int(k)] for k in tables.fold])
        mine = np.flatnonzero(wanted == tables.point)
        if not len(mine):
            continue
        state = _take(state, mine)
        before = dataclasses.replace(prepared, tables=_take(prepared.tables, mine))
        selected_state = state
        if config.refit:
            if stems is not None:
                prepared, _ = two_stage.tune(prepared, run_dir, STAGES[1], stems)
            tables = _refit_tables(prepared, state, mine)
            prepared = dataclasses.replace(prepared, tables=tables)
            final = _fit(prepared, run_dir, group.stage(STAGES[1]), every)
            # Who failed before has chosen no epoch, and his refit says nothing of it.
            state = final.replace(failed=final.failed | state.failed)
        else:
            prepared = before
        trained.append(Trained(prepared, state, before, selected_state))
    if all(part.state.failed.all() for part in trained):
        loop.check_somebody_lives(trained[0].state, trained[0].prepared.tables, "hyper")
    return trained, chosen


def _fit(prepared: Prepared, run_dir: Path, stage: str, every: float) -> population.State:
    plan = plan_of(prepared)
    args = prepared.program, prepared.features, prepared.tables
    return loop.fit(*args, plan, run_dir, stage, every)


def plan_of(prepared: Prepared) -> Plan:
    """How a population is cut, as its config says."""
    cut = {k: v for k, v in prepared.config.population.items() if k != "records"}
    return choose_plan(prepared.program, prepared.features, prepared.tables, **cut)


def _placed(prepared: Prepared, group: grid.Group) -> Prepared:
    """With each member's place in the whole grid for the one in its group."""
    tables = prepared.tables
    point = np.array(group.places, np.int32)[tables.point]
    return dataclasses.replace(prepared, tables=tables.replace(point=point))


def like(
    first: Prepared, group: grid.Group, allow_leak: str | None, prefix: str = "grid."
) -> Prepared:
    """Another group's experiment, on the arrays of the first.

    Raises:
        InputError: it reads other inputs than the first; the sentence has `prefix` before fields.
    """
    prepared = prepare(group.config, allow_leak, group.points, group.folds)
    assert isinstance(prepared, Prepared)
    ours, theirs = jax.tree.leaves(first.features), jax.tree.leaves(prepared.features)
    if len(ours) != len(theirs) or not all(map(np.array_equal, ours, theirs)):
        names = grid.static_axes(group.config, first.config)
        fields = ", ".join(f"{prefix}{name}" for name in names)
        raise InputError(
            f"{fields}: changes what the network reads, and the read-outs beside it with that; "
            "compare the values with `jser compare`"
        )
    return dataclasses.replace(prepared, features=first.features)


def _choose(config: Any, of_groups: list[tuple[population.Members, population.State]]) -> Chosen:
    fold = np.concatenate([tables.fold for tables, _ in of_groups])
    place = np.concatenate([tables.point for tables, _ in of_groups])
    score = np.concatenate([state.best_score for _, state in of_groups])
    loss = np.concatenate([np.where(s.failed, np.nan, s.best_loss) for _, s in of_groups])
    points = grid.points(config)
    dev = np.full((len(points), int(fold.max()) + 1), np.nan)
    for p in range(len(points)):
        for k in range(dev.shape[1]):
            mine = (place == p) & (fold == k)
            if mine.any() and np.isfinite(loss[mine]).all():
                dev[p, k] = score[mine].mean()
    own = grid.places_of_folds(config)
    chosen = grid.winners(fold, place, score, loss) if own is None else own
    return Chosen(points, len(of_groups), chosen, dev)


def _take(tree: Any, mine: np.ndarray) -> Any:
    return jax.tree.map(lambda a: np.asarray(a)[mine], tree)


def _refit_tables(
    prepared: Prepared, selected: population.State, mine: np.ndarray
) -> population.Members:
    """Tables of the chosen members on train and dev, for the epochs that dev chose."""
    ours = prepared.tables
    protocol = members.merged(prepared.protocol)
    label, width = prepared.corpus.label, ours.mean.shape[-1]
    whole = _take(prepared.design.members(label, protocol, width), mine)
    ours = _take(ours, mine)
    # A member that failed in the first stage has chosen no epoch: it trains one, and is reported.
    tables = members.refit(whole, np.maximum(selected.best_epoch, 1))
    return tables.replace(group=ours.group, point=ours.point, mean=ours.mean, scale=ours.scale)
