"""Optimisers whose settings may differ from member to member of a population."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import optax


def warmup_cosine(
    peak: jax.Array | float, warmup: jax.Array | float, total: jax.Array | float
) -> Callable[[jax.Array], jax.Array]:
    """Linear warm-up, then half a cosine down to zero.

    optax's own schedule of that name branches on its arguments and so refuses a traced peak.

    Args:
        peak: learning rate at the end of the warm-up.
        warmup: share of `total` spent rising, 0 to 1.
        total: steps in all.
    """

    def schedule(step: jax.Array) -> jax.Array:
        rise = jnp.maximum(warmup * total, 1.0)
        done = jnp.clip((step - rise) / jnp.maximum(total - rise, 1.0), 0.0, 1.0)
        return peak * jnp.minimum((step + 1.0) / rise, 0.5 * (1.0 + jnp.cos(jnp.pi * done)))

    return schedule


def matrices(params: optax.Params) -> optax.Params:
    """Which parameters decay: matrices do, biases and scales do not."""
    return jax.tree.map(lambda p: p.ndim > 1, params)


def adamw(hyper: Mapping[str, jax.Array], total_steps: int) -> optax.GradientTransformation:
    """AdamW with clipping by global norm, decay of the matrices only, and `warmup_cosine`.

    Args:
        hyper: traced scalars ``learning_rate``, ``weight_decay``, ``clip``, ``warmup``. Built
            inside the step, so that a sweep over them compiles once.
        total_steps: steps of the whole training.
    """
    schedule = warmup_cosine(hyper["learning_rate"], hyper["warmup"], float(total_steps))
    return optax.chain(
        optax.clip_by_global_norm(hyper["clip"]),
        optax.scale_by_adam(),
        optax.add_decayed_weights(hyper["weight_decay"], mask=matrices),
        optax.scale_by_learning_rate(schedule),
    )
