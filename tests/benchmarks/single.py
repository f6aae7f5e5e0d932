"""The main system's training as one would write it for one network: what a population costs.

The same model, batches, mixup, loss, optimiser and moving average as `one_member.train_step`, but
settings are numbers in the program, optax' own schedule and AdamW are used, all rows count, and
nothing asks whether a member is alive.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax


def training(
    model: Any,
    features: Any,
    label: np.ndarray,
    hyper: dict[str, float],
    batch_size: int,
    total: int,
    params: Any,
    key: Any,
) -> tuple[Callable[..., Any], Any]:
    """A compiled step and its first state.

    Args:
        model: of the main system.
        features: of one set.
        label: int [R].
        hyper: the config's.
        batch_size: B.
        total: steps of the whole training.
        params: to start from.
        key: of the epoch's random numbers.

    Returns:
        ``step(state, data, rows [B], number) -> (state, loss)``, and (state, data).
    """
    count = np.bincount(label)
    by_class = jnp.asarray(len(label) / (np.maximum(count, 1) * (count > 0).sum()), jnp.float32)
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, hyper["learning_rate"], round(hyper["warmup"] * total), total
    )
    optimiser = optax.chain(
        optax.clip_by_global_norm(hyper["clip"]),
        optax.adamw(
            schedule,
            weight_decay=hyper["weight_decay"],
            mask=lambda p: jax.tree.map(lambda a: a.ndim > 1, p),
        ),
    )
    data = jax.device_put(
        (features.frames[0], features.offset, features.length, label.astype(np.int32))
    )

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state: Any, data: Any, rows: Any, number: Any) -> Any:
        params, average, opt_state = state
        frames, offset, length, label = data
        mix, partners, drop = jax.random.split(jax.random.fold_in(key, number), 3)
        places = jnp.arange(features.max_steps)
        index = jnp.minimum(offset[rows][:, None] + places, len(frames) - 1)
        n = length[rows]
        x = jnp.where((places < n[:, None])[:, :, None], frames[index], 0.0)
        target = optax.smooth_labels(
            jax.nn.one_hot(label[rows], len(by_class)), hyper["label_smoothing"]
        )
        weight = by_class[label[rows]]
        share = jax.random.beta(mix, hyper["mixup"], hyper["mixup"])
        partner = jax.random.permutation(partners, batch_size)
        x = share * x + (1 - share) * x[partner]
        n = jnp.maximum(n, n[partner])
        both = share * weight + (1 - share) * weight[partner]
        target = (
            share * weight[:, None] * target + (1 - share) * (weight[:, None] * target)[partner]
        ) / both[:, None]

        def loss_of(params: Any) -> Any:
            logits, _ = model.apply(
                {"params": params}, x, n, None, hyper, True, rngs={"dropout": drop}
            )
            return jnp.sum(both * optax.softmax_cross_entropy(logits, target)) / jnp.sum(both)

        loss, gradient = jax.value_and_grad(loss_of)(params)
        updates, opt_state = optimiser.update(gradient, opt_state, params)
        params = optax.apply_updates(params, updates)
        average = optax.incremental_update(params, average, 1 - hyper["average"])
        return (params, average, opt_state), loss

    # A step may write over its state, so nothing in it may be there twice.
    params, average = (jax.tree.map(jnp.copy, params) for _ in range(2))
    return step, ((params, average, optimiser.init(params)), data)
