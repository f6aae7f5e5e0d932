"""A population: members that share one corpus and train as one compiled program.

A member is one (fold, seed, point of a grid). Members differ by index tables, labels and scalars
alone, so the program of one, which is `one_member`'s, is the program of all: `blocks` maps it over
members and devices. Here is what they are made of.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jser import computing
from jser.errors import InputError
from jser.frontend.masking import OnTheFly
from jser.training import optimiser

Params = Any
# jax.Array on the device, np.ndarray in the host's tables.
Array = Any
Hyper = dict[str, Array]

# Stands for "before the first epoch" where a key is drawn.
INITIAL = 2**31 - 1
# Stand behind the three keys that a step is split into.
DISTURB, METRIC = 3, 4
# Between the seeds of the members of an ensemble; it wraps around.
BAG_STRIDE = 0x1F123BB5
# Collections that a model may write: statistics, and what it shows beside its answer.
STATS, SHOWN = "batch_stats", "intermediates"
# Of the center loss, among the parameters.
CENTRES = optimiser.CENTRES
METRIC_LOSSES = ("none", "contrastive", "center")


class Features(flax.struct.PyTreeNode):
    """A corpus in device memory: ragged sequences, without labels.

    Attributes:
        frames: [G, F, D]; one set a fold, or one for all folds (G = 1). On the host it may be
            `records.rows.OneSet`, whose rows are made when they are read.
        offset: int32 [R], first step of each row in `frames`, or [K] of those that are `named`;
            int64 on the host where steps are more than an int32 counts.
        length: int32 [R], steps of each row.
        pooled: [G, R, U], statistics over a row's whole length.
        source: int32 [R], the utterance (0..N-1) of which the row is a copy.
        max_steps: longest row, S.
        made: int32 [R], steps that the model makes of a row's frames, where it makes them itself
            (a tuned stem); its `length` argument is then [B, 2]: frames and steps.
        initial: parameters that a model starts from instead of its own, by the first names of the
            tree; the same for all members, and data, not constants of the program.
        constants: collections of variables that a model reads and nobody trains; leaves [G, ...].
        named: int32 [K], rising, the rows whose frames are here; None: all are.
    """

    frames: Array
    offset: Array
    length: Array
    pooled: Array
    source: Array
    max_steps: int = flax.struct.field(pytree_node=False)
    made: Array | None = None
    initial: Params = flax.struct.field(default_factory=dict)
    constants: Params = flax.struct.field(default_factory=dict)
    named: Array | None = None


def features_of(
    frames: Array, offset: Array, length: Array, max_steps: int, **more: Any
) -> Features:
    """Features of recordings without copies and without statistics over their whole length.

    Args:
        frames, offset, length, max_steps: see `Features`.
        more: other fields of it.
    """
    n = len(length)
    pooled, source = np.zeros((1, n, 1), np.float32), np.arange(n, dtype=np.int32)
    return Features(frames, offset, length, pooled, source, max_steps, **more)


class Members(flax.struct.PyTreeNode):
    """What sets the members of a population apart; every leaf has the leading axis P.

    Attributes:
        fold: int32 [P].
        seed: int32 [P].
        bag: int32 [P], place in the member's ensemble.
        point: int32 [P], place in the grid of hyperparameters.
        group: int32 [P], which set of features is the member's.
        hyper: name -> float32 [P].
        train_index: int32 [P, L], rows of `Features`; -1 pads; repeats are allowed.
        dev_index: int32 [P, V], rows to select on; -1 pads.
        label: int32 [P, N], -1 off the member's own train and dev utterances.
        mean: float32 [P, D], subtracted from features.
        scale: float32 [P, D], multiplied with them.
        class_weight: float32 [P], 1: the loss is weighted by inverse class counts of the member's
            train table; 0: it is not.
        epochs: int32 [P], epochs to train.
        horizon: int32 [P], epochs that the schedule of the learning rate spans.
        patience: int32 [P], epochs without a better one after which a member stops; 0: none.
    """

    fold: Array
    seed: Array
    bag: Array
    point: Array
    group: Array
    hyper: Hyper
    train_index: Array
    dev_index: Array
    label: Array
    mean: Array
    scale: Array
    class_weight: Array
    epochs: Array
    horizon: Array
    patience: Array

    def __len__(self) -> int:
        return self.fold.shape[0]


class State(flax.struct.PyTreeNode):
    """Training state; every leaf has the leading axis P.

    `stats` are what a model counts and nobody trains (of batch normalisation). `average` and
    `average_stats` are exponential moving averages of the parameters and of these, with one decay,
    as in timm's ModelEmaV3: averaged weights do not go with the statistics of the last ones. The
    averages are what gets evaluated: they make the choice of the epoch matter less. `best_*` belong
    to the epoch that the member's dev speakers chose. `alive` ends with the member's last epoch,
    when its patience is at an end, or with a loss that is not finite (then `failed`).
    """

    params: Params
    average: Params
    stats: Params
    average_stats: Params
    opt_state: Any
    best_params: Params
    best_stats: Params
    best_score: Array
    best_loss: Array
    best_epoch: Array
    epoch: Array
    alive: Array
    failed: Array


class EpochMetrics(flax.struct.PyTreeNode):
    """Figures of one epoch, one a member: [P].

    `trained` says whose they are: a member that is done or has failed has none. `alive` says who
    goes on. `train_loss` is the mean over the member's own steps.
    """

    trained: Array
    alive: Array
    train_loss: Array
    dev_loss: Array
    dev_uar: Array


@dataclasses.dataclass(frozen=True)
class Program:
    """The static part of a training: what all members of a group share.

    Attributes:
        model: ``apply(variables, x [B, S, D], length [B], pooled [B, U], hyper, train)`` gives
            (logits [B, K], attention [B, S]).
        optimiser: a name of `optimiser.make`.
        schedule: of the learning rate, a name of `optimiser.SCHEDULES`.
        by_length: an epoch puts rows of like lengths into one batch, see `lengths`.
        widths: steps at which batches are computed, rising, the last one `Features.max_steps`;
            empty: at the longest row's. Changes nothing but time.
        metric_loss: ``none``, ``contrastive`` or ``center``: a loss on the embedding that the model
            sows, added with the weight ``hyper.metric``.
        log_posteriors: logits are log-posteriors already, each step's own averaged: the loss is
            then the mean of the steps' losses.
        disturb: what happens to training inputs on the fly; never to dev or test.
        n_classes: K.
        batch_size: B.
        mixup: mix pairs of a batch with a share drawn from Beta(hyper.mixup, hyper.mixup).
        n_copies: augmented copies among the rows of `Features`. An epoch hears each row of the
            train table in one version, the original or a copy, drawn anew; 0 hears the table as
            it is.
    """

    model: nn.Module
    n_classes: int
    batch_size: int
    mixup: bool = False
    n_copies: int = 0
    optimiser: str = "adamw"
    log_posteriors: bool = False
    disturb: OnTheFly | None = None
    metric_loss: str = "none"
    by_length: bool = False
    widths: tuple[int, ...] = ()
    schedule: str = "cosine"


def check_metric_loss(name: str, weight: float) -> None:
    """Check a loss on the embedding: that there is one, and that it counts.

    Raises:
        InputError: there is no such loss, or its weight is 0.
    """
    if name not in METRIC_LOSSES:
        near = difflib.get_close_matches(name, METRIC_LOSSES, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"metric_loss: {name!r} is none of {', '.join(METRIC_LOSSES)}{hint}")
    if name != "none" and weight == 0:
        raise InputError(
            f"metric_loss: {name} has the weight hyper.metric 0, so it changes nothing; give one, "
            "for example --config.hyper.metric=0.1, or set metric_loss to none"
        )


def member_key(member: Members, epoch: jax.Array | int) -> jax.Array:
    """Random key of one member's epoch; never depends on the member's place."""
    key = jax.random.fold_in(jax.random.key(0), member.seed + BAG_STRIDE * member.bag)
    return jax.random.fold_in(jax.random.fold_in(key, member.fold), epoch)


def gather(
    features: Features, member: Members, rows: jax.Array, width: int = 0
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Normalised sequences [B, S, D], lengths [B] and pooled statistics [B, U] of rows int [B].

    A row of -1 has length 0. Lengths are [B, 2] where `features.made` is given. `width` is S; 0:
    that of the longest row. Where devices share the member, and features come by `stream`, each
    has the frames of its own part of the rows.
    """
    if features.frames.ndim == 4:
        return _gather_parts(features, member, rows, width)
    safe = jnp.maximum(rows, 0)
    length = jnp.where(rows >= 0, features.length[safe], 0)
    steps = jnp.arange(width or features.max_steps)
    place = safe if features.named is None else jnp.searchsorted(features.named, safe)
    index = features.offset[place][:, None] + steps[None, :]
    index = jnp.minimum(index, features.frames.shape[1] - 1)
    group = jnp.minimum(member.group, features.frames.shape[0] - 1)
    x = features.frames[group, index].astype(jnp.float32)
    x = (x - member.mean) * member.scale
    x = jnp.where((steps[None, :] < length[:, None])[:, :, None], x, 0.0)
    if features.made is not None:
        length = jnp.stack([length, jnp.where(rows >= 0, features.made[safe], 0)], axis=-1)
    group = jnp.minimum(member.group, features.pooled.shape[0] - 1)
    return x, length, features.pooled[group, safe].astype(jnp.float32)


def _gather_parts(
    features: Features, member: Members, rows: jax.Array, width: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """`gather` where `frames` [parts, G, F, D] and what lies in them are of parts of the rows."""

    def part(window: tuple[Any, ...], own: jax.Array) -> Any:
        frames, offset, named = window
        there = features.replace(frames=frames, offset=offset, named=named)
        return gather(there, member, own, width)

    own = rows.reshape(len(features.frames), -1)
    windows = features.frames, features.offset, features.named
    found = computing.spread_rows(jax.vmap(part)(windows, own))
    x, length, pooled = (a.reshape(len(rows), *a.shape[2:]) for a in found)
    return x, length, pooled


def variables(
    features: Features, member: Members, params: Params, stats: Params
) -> dict[str, Params]:
    """What a member's model is applied with: parameters, statistics, its group's constants."""
    constants = jax.tree.map(lambda a: a[member.group], features.constants)
    return {"params": params, **({STATS: stats} if stats else {}), **constants}


def embedding_of(shown: Mapping[str, Any]) -> jax.Array | None:
    """What a model sowed as its ``embedding`` [B, E], in itself or in a part of it."""
    found = [
        leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(shown.get(SHOWN, {}))
        if any(getattr(key, "key", None) == "embedding" for key in path)
    ]
    return found[-1] if found else None


def transform(
    program: Program, features: Features, member: Members
) -> optax.GradientTransformation:
    """The member's optimiser, on a schedule over its own steps: neighbours may have more rows."""
    total = member.horizon * own_steps(program, member)
    return optimiser.make(
        program.optimiser, member.hyper, total, features.initial, program.schedule
    )


def own_steps(program: Program, member: Members) -> jax.Array:
    """Steps of an epoch that have a row of the member's; in those behind them nothing changes."""
    n = jnp.sum(member.train_index >= 0)
    return jnp.maximum(-(-n // program.batch_size), 1)


def row_labels(features: Features, member: Members, rows: jax.Array) -> jax.Array:
    """Labels int [B] of rows; -1 for padding and for what the member must not see."""
    return jnp.where(rows >= 0, member.label[features.source[jnp.maximum(rows, 0)]], -1)
