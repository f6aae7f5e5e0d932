"""One member of a population: its first state, an epoch's order, a step, an answer, a choice.

Pure functions of the program, the features and the member; `blocks` maps and compiles them.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jser import computing
from jser.training import lengths, metric_losses, objectives
from jser.training.population import (
    CENTRES,
    DISTURB,
    INITIAL,
    METRIC,
    SHOWN,
    STATS,
    EpochMetrics,
    Features,
    Members,
    Params,
    Program,
    State,
    embedding_of,
    gather,
    member_key,
    own_steps,
    row_labels,
    transform,
    variables,
)


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
        average_stats=stats,
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


def shuffle(program: Program, features: Features, member: Members, epoch: jax.Array) -> jax.Array:
    """The member's train rows in this epoch's order: int [steps, B], empty batches last.

    Random numbers are drawn place by place, so how far a table is padded changes no order.
    """
    noise = jax.random.uniform(member_key(member, epoch), member.train_index.shape)
    order = member.train_index[jnp.argsort(jnp.where(member.train_index >= 0, noise, 2.0))]
    if program.n_copies:
        key = jax.random.fold_in(member_key(member, epoch), 1)
        version = jax.random.randint(key, order.shape, 0, program.n_copies + 1)
        n_utterances = member.label.shape[0]
        order = jnp.where(order >= 0, order % n_utterances + version * n_utterances, -1)
    order = jnp.pad(order, (0, -order.shape[0] % program.batch_size), constant_values=-1)
    order = order.reshape(-1, program.batch_size)
    if program.by_length:
        key = jax.random.fold_in(member_key(member, epoch), 2)
        order = lengths.put_together(order, features.length, key, program.batch_size)
    return order


def longest(features: Features, rows: jax.Array) -> jax.Array:
    """Steps of the longest of rows int [B]."""
    return jnp.max(jnp.where(rows >= 0, features.length[jnp.maximum(rows, 0)], 0))


def widths_of(program: Program, features: Features) -> tuple[int, ...]:
    """Widths at which batches are computed."""
    return program.widths or (features.max_steps,)


def _metric_loss(
    program: Program,
    key: jax.Array,
    shown: Mapping[str, Any],
    label: jax.Array,
    weight: jax.Array,
    params: Params,
) -> jax.Array:
    """The loss on the embedding that a model showed."""
    embedding = embedding_of(shown)
    assert embedding is not None
    if program.metric_loss == "center":
        return metric_losses.center(embedding, label, weight, params[CENTRES])
    return metric_losses.contrastive(embedding, label, weight, key)


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
    label = row_labels(features, member, rows)
    table = row_labels(features, member, member.train_index)
    by_count = objectives.class_weights(table, program.n_classes)[label]
    weight = (label >= 0) * jnp.where(member.class_weight > 0, by_count, 1.0)

    def gradient(width: int) -> tuple[tuple[jax.Array, Params], Params]:
        x, length, pooled = computing.spread_rows(gather(features, member, rows, width))
        target = objectives.targets(label, program.n_classes, member.hyper["label_smoothing"])
        counted = weight
        if program.disturb is not None:
            frames = length[:, 0] if length.ndim == 2 else length
            x = program.disturb(jax.random.fold_in(key, DISTURB), x, frames, member.hyper)
        if program.mixup:
            strength = member.hyper["mixup"]
            drawn = jnp.maximum(strength, 1e-3)
            share = jnp.where(strength > 0, jax.random.beta(mix_key, drawn, drawn), 1.0)
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
            counted = jnp.where(label >= 0, both, 0.0)

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
            loss = objectives.cross_entropy(logits, target, counted, program.log_posteriors)
            if program.metric_loss != "none":
                pairs = jax.random.fold_in(key, METRIC)
                beside = _metric_loss(program, pairs, shown, label, counted, params)
                loss = loss + member.hyper["metric"] * beside
            return loss, shown.get(STATS, {})

        return jax.value_and_grad(loss_of, has_aux=True)(state.params)

    (loss, stats), grads = lengths.at_width(
        widths_of(program, features), longest(features, rows), gradient
    )
    updates, opt_state = transform(program, features, member).update(
        grads, state.opt_state, state.params
    )
    params = jax.tree.map(jnp.add, state.params, updates)
    decay = member.hyper["average"]
    follow = functools.partial(jax.tree.map, lambda a, p: decay * a + (1 - decay) * p)
    counts = jnp.any(label >= 0)
    finite = jnp.isfinite(loss) & jnp.isfinite(optax.global_norm(grads))
    go = state.alive & finite & counts
    keep = functools.partial(jax.tree.map, lambda new, old: jnp.where(go, new, old))
    failed = state.failed | (state.alive & ~finite)
    return state.replace(
        params=keep(params, state.params),
        average=keep(follow(state.average, params), state.average),
        stats=keep(stats, state.stats),
        average_stats=keep(follow(state.average_stats, stats), state.average_stats),
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

    seen = variables(features, member, params, stats)
    choices = widths_of(program, features)

    def one(batch: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        def answer(width: int) -> tuple[jax.Array, jax.Array, jax.Array]:
            x, length, pooled = computing.spread_rows(gather(features, member, batch, width))
            (logits, alpha), shown = program.model.apply(
                seen, x, length, pooled, member.hyper, False, mutable=[SHOWN]
            )
            if len(choices) > 1:
                alpha = jnp.pad(alpha, ((0, 0), (0, choices[-1] - width)))
            embedding = embedding_of(shown)
            return logits, alpha, logits[:, :0] if embedding is None else embedding

        return lengths.at_width(choices, longest(features, batch), answer)

    found = jax.lax.map(one, batches.reshape(-1, program.batch_size))
    logits, alpha, embedding = (a.reshape(padded, a.shape[-1])[: rows.shape[0]] for a in found)
    return logits, alpha, embedding


def finish_epoch(
    program: Program,
    features: Features,
    member: Members,
    state: State,
    losses: jax.Array,
    logits: jax.Array | None = None,
) -> tuple[State, EpochMetrics]:
    """Score the member's dev speakers, keep the best epoch, and end members that are done.

    The best epoch has the highest dev UAR over the classes present; ties go to the lower dev
    loss, then to the earlier epoch. A member without dev rows (a refit) keeps its last epoch.

    Args:
        program: the static part.
        features: the corpus.
        member: whose epoch ends.
        state: after the epoch's last step.
        losses: the sum of its steps' losses, a scalar; the figures have the mean of its own steps.
        logits: [V, K] of its dev rows, where they are known; None: computed here.

    Returns:
        The state, and the epoch's figures, scalars.
    """
    if logits is None:
        logits, _, _ = predict_rows(
            program, features, member, state.average, state.average_stats, member.dev_index
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
    best_epoch = pick(epoch, state.best_epoch)
    patient = epoch - best_epoch < member.patience
    new = state.replace(
        best_params=jax.tree.map(pick, state.average, state.best_params),
        best_stats=jax.tree.map(pick, state.average_stats, state.best_stats),
        best_score=pick(uar, state.best_score),
        best_loss=pick(dev_loss, state.best_loss),
        best_epoch=best_epoch,
        epoch=epoch,
        alive=state.alive & (epoch < member.epochs) & (patient | (member.patience == 0)),
    )
    # A refit has no dev: no figure is better than a zero that looks like one.
    # Who failed in this epoch is not alive, and his losses are those of the steps before.
    return new, EpochMetrics(
        trained=state.alive,
        alive=new.alive,
        train_loss=losses / own_steps(program, member),
        dev_loss=jnp.where(has_dev, dev_loss, jnp.nan),
        dev_uar=jnp.where(has_dev, uar, jnp.nan),
    )
