"""Epochs of a population: step, select on dev, checkpoint, resume."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from jser import progress
from jser.errors import InputError
from jser.training import blocks, metrics_log
from jser.training.checkpoints import Checkpoints
from jser.training.plan import Plan, check_memory
from jser.training.population import EpochMetrics, Features, Members, Program, State


def fit(
    program: Program,
    features: Features,
    members: Members,
    plan: Plan,
    run_dir: Path,
    stage: str,
    checkpoint_seconds: float,
) -> State:
    """Train a population to its end, from its newest checkpoint if there is one.

    Args:
        program: the static part.
        features: host or device arrays.
        members: host table [P, ...].
        plan: how the work is cut.
        run_dir: gets ``checkpoints/<stage>``, ``metrics.jsonl`` and ``tensorboard/<stage>``.
        stage: name of this training in the run, for example ``select``.
        checkpoint_seconds: the least time between two checkpoints.

    Returns:
        The final state, a host tree [P, ...]. It is the same, bit for bit, however often the
        training was killed and resumed with the same width and kind of device.
    """
    mesh = blocks.member_mesh(list(plan.devices))
    shared = NamedSharding(mesh, PartitionSpec())
    split = NamedSharding(mesh, PartitionSpec("member"))
    compiled = blocks.compile_block(program, mesh, plan.width, plan.steps_per_call)
    features = jax.device_put(features, shared)
    tables = blocks.to_blocks(members, plan.block, mesh)
    checkpoints = Checkpoints(run_dir / "checkpoints" / stage, checkpoint_seconds)
    start = 0
    like = jax.eval_shape(compiled.init, features, tables[0])
    check_memory(like, len(tables), plan)
    if checkpoints.latest() is None:
        states = [compiled.init(features, table) for table in tables]
    else:
        like = jax.tree.map(
            lambda s: jax.ShapeDtypeStruct((len(members), *s.shape[1:]), s.dtype), like
        )
        start, host, extra = checkpoints.restore(like)
        if (width := extra.get("width")) != plan.width:
            raise InputError(
                f"{run_dir}: was trained {width} members wide, now it would be "
                f"{plan.width}, which changes the last digits; go on with "
                f"--config.population.width={width} in a run of that config, or choose "
                "another --workdir"
            )
        states = _state_blocks(host, plan.block, split)
    log = metrics_log.MetricsLog(run_dir, stage, members, start)
    # A member's number of epochs is known beforehand, so the host never asks who is alive.
    total = int(np.max(members.epochs))
    firsts = [
        jax.device_put(np.int32(i), shared)
        for i in range(0, program.steps_per_epoch, plan.steps_per_call)
    ]
    calls = _calls(members.train_index, program.batch_size, plan)
    work = int(np.sum(np.maximum(members.epochs - start, 0)))
    try:
        with (
            jax.transfer_guard("disallow"),
            progress.bar(work, f"train ({stage})", "member-epoch") as tick,
        ):
            for epoch in range(start, total):
                alive = np.asarray(members.epochs) > epoch
                epoch_on_device = jax.device_put(np.int32(epoch), shared)
                measured: list[EpochMetrics | None] = []
                for b, table in enumerate(tables):
                    mine = alive[b * plan.block : (b + 1) * plan.block]
                    if not mine.any():
                        measured.append(None)
                        continue
                    states[b], metrics = _epoch(
                        compiled, features, table, states[b], epoch_on_device, firsts[: calls[b]]
                    )
                    # The block before is fetched while this one computes.
                    measured.append(metrics)
                    if b and (before := measured[b - 1]) is not None:
                        _show(tick, before, alive[(b - 1) * plan.block : b * plan.block])
                if (last := measured[-1]) is not None:
                    _show(tick, last, alive[(len(tables) - 1) * plan.block :])
                log.write(epoch + 1, _join(measured, plan.block, len(members)))
                if checkpoints.due() and epoch + 1 < total:
                    host = blocks.from_blocks(states, len(members))
                    checkpoints.save(epoch + 1, host, {"stage": stage, "width": plan.width})
        final = blocks.from_blocks(states, len(members))
        checkpoints.save(total, final, {"stage": stage, "width": plan.width})
    finally:
        checkpoints.close()
        log.close()
    if final.failed.all():
        field = "tune.hyper" if stage.startswith("stem_") else "hyper"
        raise InputError(
            f"every member's loss stopped being finite; lower --config.{field}.learning_rate "
            f"({float(members.hyper['learning_rate'][0]):g})"
        )
    return final


def _calls(train_index: np.ndarray, batch_size: int, plan: Plan) -> list[int]:
    """Calls of an epoch that a block has rows for: those of a small bag are few."""
    steps = -(-np.sum(train_index >= 0, axis=1) // batch_size)
    blocks_of = range(0, len(steps), plan.block)
    return [
        max(1, -(-int(steps[i : i + plan.block].max()) // plan.steps_per_call)) for i in blocks_of
    ]


def _epoch(
    compiled: blocks.BlockProgram,
    features: Features,
    table: Members,
    state: State,
    epoch: jax.Array,
    firsts: list[jax.Array],
) -> tuple[State, EpochMetrics]:
    """One epoch of one block: shuffle, step, select. Nothing here waits for the device."""
    orders = compiled.shuffle(features, epoch, table)
    losses = None
    for first in firsts:
        state, loss = compiled.train(features, first, table, state, orders)
        losses = loss if losses is None else losses + loss
    return compiled.finish(features, table, state, losses)


def _show(tick: progress.Tick, metrics: EpochMetrics, alive: np.ndarray) -> None:
    trained, loss, uar = jax.device_get((metrics.trained, metrics.train_loss, metrics.dev_uar))
    # Who has failed is worked on and has no figure.
    figures = {"loss": loss[trained], "dev_uar": uar[trained]} if trained.any() else {}
    shown = {name: float(x.mean()) for name, x in figures.items()}
    tick(int(alive.sum()), **{name: x for name, x in shown.items() if np.isfinite(x)})


def _join(measured: list[EpochMetrics | None], block: int, n_members: int) -> EpochMetrics:
    nothing = np.full(block, np.nan, np.float32)
    idle = EpochMetrics(np.zeros(block, bool), nothing, nothing, nothing)
    filled = [idle if m is None else m for m in measured]
    return blocks.from_blocks(filled, n_members)


def _state_blocks(host: State, block: int, sharding: NamedSharding) -> list[State]:
    n = len(host.epoch)
    missing = -n % block
    padded = jax.tree.map(lambda a: np.concatenate([a, np.repeat(a[-1:], missing, 0)]), host)
    # Dummies have no epochs to train; a restored one must not either.
    padded = padded.replace(
        alive=np.concatenate([host.alive, np.zeros(missing, bool)]),
    )
    return [
        jax.device_put(jax.tree.map(lambda a: a[i : i + block], padded), sharding)  # noqa: B023
        for i in range(0, n + missing, block)
    ]


def predict(
    program: Program,
    features: Features,
    members: Members,
    state: State,
    rows: np.ndarray,
    plan: Plan,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each member's best epoch's answers on its own rows int [P, V].

    Returns:
        Logits [P, V, K], attention [P, V, S] and embedding [P, V, E].
    """
    mesh = blocks.member_mesh(list(plan.devices))
    compiled = blocks.compile_block(program, mesh, plan.width, plan.steps_per_call)
    features = jax.device_put(features, NamedSharding(mesh, PartitionSpec()))
    tables = blocks.to_blocks(members, plan.block, mesh)
    split = NamedSharding(mesh, PartitionSpec("member"))
    missing = -len(members) % plan.block
    padded = jax.tree.map(
        lambda a: np.concatenate([a, np.repeat(a[-1:], missing, 0)]),
        (state.best_params, state.best_stats, rows),
    )
    out = []
    for b, table in enumerate(tables):
        chosen = jax.tree.map(lambda a: a[b * plan.block : (b + 1) * plan.block], padded)  # noqa: B023
        out.append(compiled.predict(features, table, *jax.device_put(chosen, split)))
    return blocks.from_blocks(out, len(members))
