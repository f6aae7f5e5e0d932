"""A population: members that share one corpus and train as one compiled program.

A member is one (fold, seed, hyperparameters). Members differ by index tables, labels and scalars
alone, so the program of one, which is here, is the program of all: `blocks` maps it over members
and devices.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax

from jser.frontend.masking import OnTheFly
from jser.training import metric_losses, objectives, optimiser

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
        frames: [G, F, D]; one set a fold, or one for all folds (G = 1).
        offset: int32 [R], first step of each row in `frames`.
        length: int32 [R], steps of each row.
        pooled: [G, R, U], statistics over a row's whole length.
        source: int32 [R], the utterance (0..N-1) of which the row is a copy.
        max_steps: longest row, S.
        made: int32 [R], steps that the model makes of a row's frames, where it makes them itself
            (a tuned stem); its `length` argument is then [B, 2]: frames and steps.
        initial: parameters that a model starts from instead of its own, by the first names of the
            tree; the same for all members, and data, not constants of the program.
        constants: collections of variables that a model reads and nobody trains; leaves [G, ...].
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


class Members(flax.struct.PyTreeNode):
    """What sets the members of a population apart; every leaf has the leading axis P.

    Attributes:
        fold: int32 [P].
        seed: int32 [P].
        bag: int32 [P], place in the member's ensemble.
        group: int32 [P], which set of features is the member's.
        hyper: name -> float32 [P].
        train_index: int32 [P, L], rows of `Features`; -1 pads; repeats are allowed.
        dev_index: int32 [P, V], rows to select on; -1 pads.
        label: int32 [P, N], -1 off the member's own train and dev utterances.
        mean: float32 [P, D], subtracted from features.
        scale: float32 [P, D], multiplied with them.
        epochs: int32 [P], epochs to train.
    """

    fold: Array
    seed: Array
    bag: Array
    group: Array
    hyper: Hyper
    train_index: Array
    dev_index: Array
    label: Array
    mean: Array
    scale: Array
    epochs: Array

    def __len__(self) -> int:
        return self.fold.shape[0]


class State(flax.struct.PyTreeNode):
    """Training state; every leaf has the leading axis P.

    `average` is the exponential moving average of the parameters, which is what gets evaluated:
    it makes the choice of the epoch matter less. `stats` are what a model counts and nobody trains
    (of batch normalisation); they belong to `params`, so with them `average` should decay by 0.
    `best_*` belong to the epoch that the member's
    dev speakers chose. `alive` ends with the member's last epoch, or with a loss that is not
    finite (then `failed`).
    """

    params: Params
    average: Params
    stats: Params
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
    """Figures of one epoch, one a member: [P]."""

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
        metric_loss: ``none``, ``contrastive`` or ``center``: a loss on the embedding that the model
            sows, added with the weight ``hyper.metric``.
        log_posteriors: logits are log-posteriors already, each step's own averaged: the loss is
            then the mean of the steps' losses.
        disturb: what happens to training inputs on the fly; never to dev or test.
        n_classes: K.
        batch_size: B.
        steps_per_epoch: steps that cover the longest train table.
        epochs: epochs of the schedule.
        class_weighted: weight the loss by inverse class counts of the member's train table.
        mixup: mix pairs of a batch with a share drawn from Beta(hyper.mixup, hyper.mixup).
        n_copies: augmented copies among the rows of `Features`. An epoch hears each row of the
            train table in one version, the original or a copy, drawn anew; 0 hears the table as
            it is.
    """

    model: nn.Module
    n_classes: int
    batch_size: int
    steps_per_epoch: int
    epochs: int
    class_weighted: bool
    mixup: bool = False
    n_copies: int = 0
    optimiser: str = "adamw"
    log_posteriors: bool = False
    disturb: OnTheFly | None = None
    metric_loss: str = "none"

    @property
    def total_steps(self) -> int:
        """Steps of the whole schedule."""
        return self.epochs * self.steps_per_epoch


def member_key(member: Members, epoch: jax.Array | int) -> jax.Array:
    """Random key of one member's epoch; never depends on the member's place."""
    key = jax.random.fold_in(jax.random.key(0), member.seed + BAG_STRIDE * member.bag)
    return jax.random.fold_in(jax.random.fold_in(key, member.fold), epoch)


def gather(
    features: Features, member: Members, rows: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Normalised sequences [B, S, D], lengths [B] and pooled statistics [B, U] of rows int [B].

    A row of -1 has length 0. Lengths are [B, 2] where `features.made` is given.
    """
    safe = jnp.maximum(rows, 0)
    length = jnp.where(rows >= 0, features.length[safe], 0)
    steps = jnp.arange(features.max_steps)
    index = features.offset[safe][:, None] + steps[None, :]
    index = jnp.minimum(index, features.frames.shape[1] - 1)
    group = jnp.minimum(member.group, features.frames.shape[0] - 1)
    x = features.frames[group, index].astype(jnp.float32)
    x = (x - member.mean) * member.scale
    x = jnp.where((steps[None, :] < length[:, None])[:, :, None], x, 0.0)
    if features.made is not None:
        length = jnp.stack([length, jnp.where(rows >= 0, features.made[safe], 0)], axis=-1)
    group = jnp.minimum(member.group, features.pooled.shape[0] - 1)
    return x, length, features.pooled[group, safe].astype(jnp.float32)


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
    """The member's optimiser."""
    return optimiser.make(program.optimiser, member.hyper, program.total_steps, features.initial)


def row_labels(features: Features, member: Members, rows: jax.Array) -> jax.Array:
    """Labels int [B] of rows; -1 for padding and for what the member must not see."""
    return jnp.where(rows >= 0, member.label[features.source[jnp.maximum(rows, 0)]], -1)


# --- one member ----------------------------------------------------------------------------------


def init_member(program: Program, features: Features, member: Members) -> State:
    """Fresh state of one member; initial weights depend on its seed and fold alone."""
    x, length, pooled = gather(features, member, jnp.zeros(1, jnp.int32))
    key = member_key(member, INITIAL)
    made = program.model.init(key, x, length, pooled, member.hyper, False)
    params = {**made["params"], **features.initial}
    if program.metric_loss == "center":
        shown = jax.eval_shape(
            lambda p: program.model.apply(
                {**made, "params": p}, x, length, pooled, member.hyper, False, mutable=[SHOWN]
            )[1],
            params,
        )
        embedding = embedding_of(shown)
        assert embedding is not None
        params[CENTRES] = jnp.zeros((program.n_classes, embedding.shape[-1]))
    stats = made.get(STATS, {})
    return State(
        params=params,
        average=params,
        stats=stats,
        opt_state=transform(program, features, member).init(params),
        best_params=params,
        best_stats=stats,
        best_score=jnp.float32(-1.0),
        best_loss=jnp.float32(jnp.inf),
        best_epoch=jnp.int32(0),
        epoch=jnp.int32(0),
        alive=member.epochs > 0,
        failed=jnp.bool_(False),
    )


def shuffle(program: Program, member: Members, epoch: jax.Array) -> jax.Array:
    """The member's train rows in this epoch's order: int [steps, B], padding last."""
    noise = jax.random.uniform(member_key(member, epoch), member.train_index.shape)
    order = member.train_index[jnp.argsort(jnp.where(member.train_index >= 0, noise, 2.0))]
    if program.n_copies:
        key = jax.random.fold_in(member_key(member, epoch), 1)
        version = jax.random.randint(key, order.shape, 0, program.n_copies + 1)
        n_utterances = member.label.shape[0]
        order = jnp.where(order >= 0, order % n_utterances + version * n_utterances, -1)
    total = program.steps_per_epoch * program.batch_size
    order = jnp.pad(order, (0, total - order.shape[0]), constant_values=-1)
    return order.reshape(program.steps_per_epoch, program.batch_size)


def own_steps(program: Program, member: Members) -> jax.Array:
    """Steps of an epoch that have a row of the member's; in those behind them nothing changes."""
    n = jnp.sum(member.train_index >= 0)
    return jnp.maximum(-(-n // program.batch_size), 1)


def train_step(
    program: Program,
    features: Features,
    member: Members,
    state: State,
    rows: jax.Array,
    step: jax.Array,
) -> tuple[State, jax.Array]:
    """One optimiser step of one member on rows int [B]; returns the state and the loss."""
    key = jax.random.fold_in(member_key(member, state.epoch), step)
    mix_key, partner_key, dropout_key = jax.random.split(key, 3)
    x, length, pooled = gather(features, member, rows)
    label = row_labels(features, member, rows)
    target = objectives.targets(label, program.n_classes, member.hyper["label_smoothing"])
    weight = (label >= 0).astype(jnp.float32)
    if program.disturb is not None:
        frames = length[:, 0] if length.ndim == 2 else length
        x = program.disturb(jax.random.fold_in(key, DISTURB), x, frames, member.hyper)
    if program.class_weighted:
        table = row_labels(features, member, member.train_index)
        weight = weight * objectives.class_weights(table, program.n_classes)[label]
    if program.mixup:
        share = jax.random.beta(mix_key, member.hyper["mixup"], member.hyper["mixup"])
        # Partners only among rows that count, or a mixed row would be half empty.
        partner = jax.random.permutation(partner_key, rows.shape[0])
        partner = jnp.where(label[partner] >= 0, partner, jnp.arange(rows.shape[0]))
        x = share * x + (1 - share) * x[partner]
        pooled = share * pooled + (1 - share) * pooled[partner]
        length = jnp.maximum(length, length[partner])
        # Each half keeps its own class weight.
        both = share * weight + (1 - share) * weight[partner]
        target = (
            share * weight[:, None] * target
            + (1 - share) * weight[partner][:, None] * target[partner]
        ) / jnp.maximum(both, 1e-9)[:, None]
        weight = jnp.where(label >= 0, both, 0.0)

    def loss_of(params: Params) -> tuple[jax.Array, Params]:
        (logits, _), shown = program.model.apply(
            variables(features, member, params, state.stats),
            x,
            length,
            pooled,
            member.hyper,
            True,
            rngs={"dropout": dropout_key},
            mutable=[STATS, SHOWN],
        )
        loss = objectives.cross_entropy(logits, target, weight, program.log_posteriors)
        if program.metric_loss != "none":
            embedding = embedding_of(shown)
            assert embedding is not None
            if program.metric_loss == "center":
                beside = metric_losses.center(embedding, label, weight, params[CENTRES])
            else:
                pairs = jax.random.fold_in(key, METRIC)
                beside = metric_losses.contrastive(embedding, label, weight, pairs)
            loss = loss + member.hyper["metric"] * beside
        return loss, shown.get(STATS, {})

    (loss, stats), grads = jax.value_and_grad(loss_of, has_aux=True)(state.params)
    updates, opt_state = transform(program, features, member).update(
        grads, state.opt_state, state.params
    )
    params = jax.tree.map(jnp.add, state.params, updates)
    decay = member.hyper["average"]
    average = jax.tree.map(lambda a, p: decay * a + (1 - decay) * p, state.average, params)
    counts = jnp.any(label >= 0)
    finite = jnp.isfinite(loss) & jnp.isfinite(optax.global_norm(grads))
    go = state.alive & finite & counts
    keep = functools.partial(jax.tree.map, lambda new, old: jnp.where(go, new, old))
    failed = state.failed | (state.alive & ~finite)
    return state.replace(
        params=keep(params, state.params),
        average=keep(average, state.average),
        stats=keep(stats, state.stats),
        opt_state=keep(opt_state, state.opt_state),
        failed=failed,
        alive=state.alive & ~failed,
    ), jnp.where(go, loss, 0.0)


def predict_rows(
    program: Program,
    features: Features,
    member: Members,
    params: Params,
    stats: Params,
    rows: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Logits [V, K], attention [V, S] and embedding [V, E] of rows int [V].

    In batches of the training's size. E is 0 where the model shows no embedding.
    """
    padded = -(-rows.shape[0] // program.batch_size) * program.batch_size
    batches = jnp.pad(rows, (0, padded - rows.shape[0]), constant_values=-1)

    def one(batch: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        x, length, pooled = gather(features, member, batch)
        seen = variables(features, member, params, stats)
        (logits, alpha), shown = program.model.apply(
            seen, x, length, pooled, member.hyper, False, mutable=[SHOWN]
        )
        embedding = embedding_of(shown)
        return logits, alpha, logits[:, :0] if embedding is None else embedding

    found = jax.lax.map(one, batches.reshape(-1, program.batch_size))
    logits, alpha, embedding = (a.reshape(padded, a.shape[-1])[: rows.shape[0]] for a in found)
    return logits, alpha, embedding


def finish_epoch(
    program: Program, features: Features, member: Members, state: State, losses: jax.Array
) -> tuple[State, EpochMetrics]:
    """Score the member's dev speakers, keep the best epoch, and end members that are done.

    The best epoch has the highest dev UAR over the classes present; ties go to the lower dev
    loss, then to the earlier epoch. A member without dev rows (a refit) keeps its last epoch.
    """
    logits, _, _ = predict_rows(
        program, features, member, state.average, state.stats, member.dev_index
    )
    label = row_labels(features, member, member.dev_index)
    one_hot = objectives.targets(label, program.n_classes)
    count = one_hot.sum(0)
    hit = (jnp.argmax(logits, -1)[:, None] == jnp.arange(program.n_classes)) * one_hot
    present = count > 0
    recall = jnp.where(present, hit.sum(0) / jnp.maximum(count, 1), 0.0)
    uar = recall.sum() / jnp.maximum(present.sum(), 1)
    weight = objectives.class_weights(label, program.n_classes)[label] * (label >= 0)
    dev_loss = objectives.cross_entropy(logits, one_hot, weight, program.log_posteriors)
    has_dev = jnp.any(label >= 0)
    better = jnp.where(
        has_dev,
        (uar > state.best_score) | ((uar == state.best_score) & (dev_loss < state.best_loss)),
        True,
    )
    better = better & state.alive
    epoch = state.epoch + state.alive.astype(jnp.int32)
    pick = lambda new, old: jnp.where(better, new, old)  # noqa: E731
    new = state.replace(
        best_params=jax.tree.map(pick, state.average, state.best_params),
        best_stats=jax.tree.map(pick, state.stats, state.best_stats),
        best_score=pick(uar, state.best_score),
        best_loss=pick(dev_loss, state.best_loss),
        best_epoch=pick(epoch, state.best_epoch),
        epoch=epoch,
        alive=state.alive & (epoch < member.epochs),
    )
    # A refit has no dev: no figure is better than a zero that looks like one.
    return new, EpochMetrics(
        losses, jnp.where(has_dev, dev_loss, jnp.nan), jnp.where(has_dev, uar, jnp.nan)
    )
