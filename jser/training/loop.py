"""Epochs of a population: step, select on dev, checkpoint, resume."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from jser import interrupt, progress
from jser.errors import InputError
from jser.training import blocks, hosts, metrics_log, stream, streamed
from jser.training.alive import Alive, Block, Within
from jser.training.checkpoints import Checkpoints
from jser.training.figures import Figures
from jser.training.plan import Plan, check_memory
from jser.training.population import EpochMetrics, Features, Members, Program, State

# Where several hosts call every step: after how many of them they ask one another whether one of
# them is to end, or to save. Each time costs a collective.
AGREE_EVERY = 8


def fit(
    program: Program,
    features: Features,
    members: Members,
    plan: Plan,
    run_dir: Path,
    stage: str,
    checkpoint_seconds: float,
    judge: Callable[[int, EpochMetrics], np.ndarray] | None = None,
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
        judge: is told each epoch (from 1 on) and its figures [P], and says who ends with it, bool
            [P]. The host then waits for each epoch. A training that goes on from a checkpoint
            tells it the later epochs only.

    Returns:
        The final state, a host tree [P, ...]. It is the same, bit for bit, however often the
        training was killed and resumed with the same width and kind of device. Members whose loss
        stopped being finite are marked in it, see `check_somebody_lives`.

    Raises:
        InputError: the states do not fit into memory, the checkpoint is damaged or was trained at
            another width, or the disk is full.
        Preempted: SIGTERM has come; the next call goes on at the step after the last.
    """
    mesh = plan.mesh()
    shared = NamedSharding(mesh, PartitionSpec())
    hosts.check_equal((features, members), "features, folds or settings")
    compiled = blocks.compile_block(
        program, mesh, plan.width, plan.from_host, plan.computing, plan.stream
    )
    source = stream.Source(features, mesh) if plan.stream else None
    features = source.resident if source else hosts.put(features, shared)
    checkpoints = Checkpoints(run_dir / "checkpoints" / stage, checkpoint_seconds)
    alive = Alive(members, plan.block, mesh)
    start, host = 0, None
    tables = blocks.to_blocks(blocks.without_dev(members), plan.block, mesh)
    like = jax.eval_shape(compiled.init, features, tables[0])
    check_memory(like, len(tables), plan)
    if checkpoints.latest() is None:
        alive.start([compiled.init(features, table) for table in tables])
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
        remat = plan.computing.remat
        if (was := extra.get("remat", remat)) != remat:
            raise InputError(
                f"{run_dir}: was trained with the maps of its stem "
                f"{'computed again' if was else 'kept'} for the gradient, which may change the "
                f"last digits; go on with --config.population.remat={'always' if was else 'never'}"
                ", or choose another --workdir"
            )
        within = extra.get("within")
        alive.restore(host, start, within and Within.of_json(within))
    del tables
    log = metrics_log.MetricsLog(run_dir, stage, members, start, host)
    steps = np.maximum(-(-np.sum(members.train_index >= 0, axis=1) // program.batch_size), 1)
    calls: dict[tuple[int, int], Any] = {}  # by an epoch's steps and those done: host's, devices'
    split = blocks.by_member(mesh)
    how = {"stage": stage, "width": plan.width, "remat": plan.computing.remat}
    epoch, called = start, 0
    try:
        with (
            jax.transfer_guard("disallow"),
            interrupt.held(),
            progress.bar(_work(members, alive), f"train ({stage})", "member-epoch") as tick,
        ):
            figures = Figures(members, log, tick)

            def after_call() -> None:
                """Save within an epoch, where it is long or the machine is taken away."""
                nonlocal called
                called += 1
                if source is not None:  # else the host is far ahead of the device
                    figures.at(block.step, most)
                if hosts.several() and called % AGREE_EVERY:
                    return
                ending = hosts.any_of(interrupt.is_ending())
                if ending or hosts.any_of(checkpoints.due(within=True)):
                    figures.take_all(within=True)
                    host = alive.host()
                    at = alive.within()
                    done = int((host.epoch.astype(np.int64) * steps + at.steps).sum())
                    checkpoints.save_within(epoch, done, host, {**how, "within": at.to_json()})
                if ending:
                    checkpoints.close()
                    hosts.leave()
                    raise interrupt.Preempted

            while alive.blocks:
                on_device = hosts.put(np.int32(epoch), shared)
                for block in alive.blocks:
                    if block.epoch > epoch:
                        continue  # before the training was resumed
                    most = int(steps[block.places].max())  # those of a small bag are few
                    if (key := (most, block.step)) not in calls:
                        on_host = plan.calls(*key)
                        calls[key] = on_host, hosts.put(on_host, shared)
                    on_host, sent = calls[key]
                    if source is None:
                        metrics = _epoch(
                            compiled, features, block, on_device, on_host, sent, after_call
                        )
                    else:
                        metrics = streamed.epoch(
                            program,
                            compiled,
                            source,
                            blocks.of_block(members, block.places, plan.block),
                            block,
                            on_device,
                            list(zip(on_host, sent, strict=True)),
                            split,
                            after_call,
                        )
                    # What was measured before is fetched while this block computes.
                    figures.put(epoch + 1, block.places, metrics)
                epoch += 1
                if judge is not None:
                    ended = judge(epoch, figures.newest())
                    alive.end(ended)
                    figures.end(ended)
                if plan.from_host:
                    figures.take_all()  # the device has idled a moment between steps anyway
                alive.close_up(figures.alive)
                if hosts.any_of(checkpoints.due()) and alive.blocks:
                    figures.take_all()
                    checkpoints.save(epoch, alive.host(), how)
            figures.take_all()
        final = alive.host()
        if epoch > start or checkpoints.latest() is None:
            checkpoints.save(epoch, final, how)
        checkpoints.close(done=True)
    finally:
        checkpoints.close()
        log.close()
    return final


def check_somebody_lives(final: State, members: Members, field: str) -> None:
    """Refuse a training of which nothing is left.

    Args:
        final: from `fit`.
        members: that were trained.
        field: of the config, whose learning rate they had.

    Raises:
        InputError: every member's loss stopped being finite.
    """
    if final.failed.all():
        lowest = float(members.hyper["learning_rate"].min())
        raise InputError(
            "every member's loss stopped being finite; lower "
            f"--config.{field}.learning_rate ({lowest:g})"
        )


def _work(members: Members, alive: Alive) -> int:
    """Epochs that are left to all members."""
    return sum(int((members.epochs[block.places] - block.epoch).sum()) for block in alive.blocks)


def _epoch(
    compiled: blocks.BlockProgram,
    features: Features,
    block: Block,
    epoch: jax.Array,
    on_host: list[tuple[np.int32, np.int32]],
    calls: list[tuple[jax.Array, jax.Array]],
    after_call: Callable[[], None],
) -> EpochMetrics:
    """What is left of an epoch of a block: shuffle, step, select. Nothing waits for the device."""
    orders = compiled.shuffle(features, epoch, block.lean)
    for (_, step), (first, end) in zip(on_host, calls, strict=True):
        state, loss = compiled.train(features, first, end, block.lean, block.state, orders)
        block.trained(state, loss, int(step))
        after_call()
    state, metrics = compiled.finish(features, block.table, block.state, block.losses)
    block.finished(state)
    return metrics


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
    mesh = plan.mesh()
    compiled = blocks.compile_block(
        program, mesh, plan.width, plan.from_host, plan.computing, plan.stream
    )
    shared = NamedSharding(mesh, PartitionSpec())
    source = stream.Source(features, mesh) if plan.stream else None
    features = source.resident if source else hosts.put(features, shared)
    tables = blocks.to_blocks(blocks.without_dev(members), plan.block, mesh)
    split = blocks.by_member(mesh)
    missing = -len(members) % plan.block
    padded = jax.tree.map(
        lambda a: np.concatenate([a, np.repeat(a[-1:], missing, 0)]),
        (state.best_params, state.best_stats, rows),
    )
    out = []
    for b, table in enumerate(tables):
        chosen = jax.tree.map(lambda a: a[b * plan.block : (b + 1) * plan.block], padded)  # noqa: B023
        *params, own = chosen
        params = hosts.put(params, split)
        if source is None:
            out.append(compiled.predict(features, table, *params, hosts.put(own, split)))
            continue
        some = np.arange(b * plan.block, min((b + 1) * plan.block, len(members)))
        host = blocks.of_block(members, some, plan.block)
        out.append(streamed.answers(program, compiled, source, host, table, params, own, split))
    return blocks.from_blocks(out, len(members))
