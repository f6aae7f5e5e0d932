"""What a training would be, before it is one: members, how they are cut, bytes, compilations.

Features are computed where the cache has none, as the training would; nothing is trained or scored,
and no run directory is made.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from jser import grid, systems, trainings, two_stage
from jser.evaluation import certificates
from jser.preparation import Prepared, check, prepare
from jser.training import plan as plans
from jser.training.plan import Plan


def describe(config: Any, allow_leak: str | None = None) -> dict[str, Any]:
    """What `jser train` would do with a config.

    Args:
        config: resolved.
        allow_leak: why a protocol that leaks may be trained.

    Returns:
        `title`, `certificate` (as JSON has it), `device`, `refit`, `tuned` (a stem in two stages
        before), and `groups`: of each compiled program `points`, `members`, `epochs`, `steps` (of
        an epoch), `width` (members of a block on one device), `blocks`, `devices`, `spread`,
        `stream`, `remat`, `widths` (of batches; the step is compiled for each), and in bytes
        `features`, `state` (of all members) and `step` (of one member's). None for a system without
        a network.

    Raises:
        InputError: the training would be refused.
    """
    groups = grid.groups(config)
    check(groups[0].config)
    first = prepare(groups[0].config, allow_leak, groups[0].points, groups[0].folds)
    grid.check_folds(config, first.protocol)
    described = []
    if isinstance(first, Prepared):
        ready = [first, *(trainings.like(first, group, allow_leak) for group in groups[1:])]
        described = [_group(group, prepared) for group, prepared in zip(groups, ready, strict=True)]
    return {
        "title": systems.get(config.system).title(config),
        "certificate": first.certificate.to_json(),
        "device": f"{len(jax.devices())} x {jax.devices()[0].device_kind}",
        "refit": bool(config.get("refit")) and bool(described),
        "tuned": bool(described) and two_stage.is_on(config),
        "groups": described,
    }


def _group(group: grid.Group, prepared: Prepared) -> dict[str, Any]:
    plan: Plan = trainings.plan_of(prepared)
    tables, program, features = prepared.tables, prepared.program, prepared.features
    with plans.computing.by(plan.computing):
        state, step = plans.training_bytes(program, features, tables)
    steps = -(-(tables.train_index >= 0).sum(axis=1) // program.batch_size)
    return {
        "points": len(group.points),
        "members": len(tables),
        "epochs": int(tables.epochs.max()),
        "steps": int(np.max(steps)),
        "width": plan.width,
        "blocks": -(-len(tables) // plan.block),
        "devices": len(plan.devices),
        "spread": plan.computing.spread,
        "stream": plan.stream,
        "remat": plan.computing.remat,
        "widths": max(1, len(program.widths)),
        "features": plans.bytes_of(features),
        "state": len(tables) * state,
        "step": step // plan.computing.spread,
    }


def render(found: dict[str, Any]) -> Group:
    """`describe`'s answer as a table, under who is tested by whom."""
    above: list[RenderableType] = [
        Text(found["title"]),
        certificates.render_json(found["certificate"]),
    ]
    groups = found["groups"]
    if not groups:
        return Group(*above, Text("no network to train: the answer is fitted in closed form"))
    table = Table(title=f"compiled programs: {len(groups)}, on {found['device']}")
    for column in ("", *(f"{k + 1}" for k in range(len(groups)))):
        table.add_column(column, justify="right" if column else "left")
    rows = {
        "points of the grid": lambda g: f"{g['points']:,}",
        "members (folds x seeds x points)": lambda g: f"{g['members']:,}",
        "epochs, at most": lambda g: f"{g['epochs']:,}",
        "steps an epoch": lambda g: f"{g['steps']:,}",
        "member-steps in all": lambda g: f"{g['members'] * g['epochs'] * g['steps']:,}",
        "members in a block, on a device": lambda g: f"{g['width']:,}",
        "blocks": lambda g: f"{g['blocks']:,}",
        "devices that share a member": lambda g: f"{g['spread']:,}",
        "steps compiled, by width of batch": lambda g: f"{g['widths']:,}",
        "features": lambda g: _mebibytes(g["features"]) + (" (sent by step)" * g["stream"]),
        "states of all members": lambda g: _mebibytes(g["state"]),
        "a member's step": lambda g: _mebibytes(g["step"]) + (" (computed again)" * g["remat"]),
    }
    for name, say in rows.items():
        table.add_row(name, *(say(group) for group in groups))
    behind = []
    if found["tuned"]:
        behind.append("before: the stem is tuned, fold by fold")
    if found["refit"]:
        behind.append("behind: the chosen train again on train and dev, with the same program")
    behind.append("nothing was trained; leave out --dry_run to begin")
    return Group(*above, table, *map(Text, behind))


def _mebibytes(n: int) -> str:
    return f"{n / 2**20:,.1f} MiB"
