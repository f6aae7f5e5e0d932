"""Optimisers whose settings may differ from member to member of a population."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jser.errors import InputError


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


def warmup_constant(
    peak: jax.Array | float, warmup: jax.Array | float, total: jax.Array | float
) -> Callable[[jax.Array], jax.Array]:
    """The same linear warm-up, then `peak` to the end. Args: see `warmup_cosine`."""

    def schedule(step: jax.Array) -> jax.Array:
        return peak * jnp.minimum((step + 1.0) / jnp.maximum(warmup * total, 1.0), 1.0)

    return schedule


SCHEDULES = {"cosine": warmup_cosine, "constant": warmup_constant}

# The place of the center loss' centres among a member's parameters.
CENTRES = "centres"


def matrices(params: optax.Params) -> optax.Params:
    """Which parameters decay: matrices do; biases, scales and centres of classes do not."""
    assert isinstance(params, dict)
    return {
        name: jax.tree.map(lambda p: p.ndim > 1 and name != CENTRES, part)  # noqa: B023
        for name, part in params.items()
    }


def adamw(
    hyper: Mapping[str, jax.Array],
    total_steps: jax.Array | float,
    initial: optax.Params | None = None,
    schedule: str = "cosine",
) -> optax.GradientTransformation:
    """AdamW with clipping by global norm, and decay of the matrices only.

    Args:
        hyper: traced scalars ``learning_rate``, ``weight_decay``, ``clip``, ``warmup``, and those
            of `tuned` where `initial` is given. Built inside the step, so that a sweep over them
            compiles once.
        total_steps: steps of the member's whole training.
        initial: pretrained weights by the first names of the tree.
        schedule: of `SCHEDULES`.
    """
    return _adam(hyper, total_steps, initial, schedule, nesterov=False)


def nadam(
    hyper: Mapping[str, jax.Array],
    total_steps: jax.Array | float,
    initial: optax.Params | None = None,
    schedule: str = "cosine",
) -> optax.GradientTransformation:
    """`adamw` with Nesterov's momentum of 0.9 in place of the plain one; optax' `nadamw`.

    Source: Dozat 2016, Incorporating Nesterov momentum into Adam.
    """
    return _adam(hyper, total_steps, initial, schedule, nesterov=True)


def _adam(
    hyper: Mapping[str, jax.Array],
    total_steps: jax.Array | float,
    initial: optax.Params | None,
    schedule: str,
    nesterov: bool,
) -> optax.GradientTransformation:
    return optax.chain(
        optax.clip_by_global_norm(hyper["clip"]),
        optax.scale_by_adam(nesterov=nesterov),
        decay(hyper, initial),
        *slowed(hyper, initial),
        optax.scale_by_learning_rate(_rate(hyper, total_steps, schedule)),
    )


def sgd(
    hyper: Mapping[str, jax.Array],
    total_steps: jax.Array | float,
    initial: optax.Params | None = None,
    schedule: str = "cosine",
) -> optax.GradientTransformation:
    """SGD with momentum ``hyper.momentum``; all else as `adamw`, with decay in the gradient."""
    return optax.chain(
        optax.clip_by_global_norm(hyper["clip"]),
        decay(hyper, initial),
        optax.trace(decay=hyper["momentum"]),  # type: ignore[arg-type]
        *slowed(hyper, initial),
        optax.scale_by_learning_rate(_rate(hyper, total_steps, schedule)),
    )


def _rate(
    hyper: Mapping[str, jax.Array], total_steps: jax.Array | float, schedule: str
) -> Callable[[jax.Array], jax.Array]:
    return SCHEDULES[schedule](hyper["learning_rate"], hyper["warmup"], total_steps)


_OPTIMISERS = {"adamw": adamw, "nadam": nadam, "sgd": sgd}
NAMES = tuple(_OPTIMISERS)


def check(name: str, schedule: str = "cosine") -> None:
    """Check the names of an optimiser and of a schedule.

    Raises:
        InputError: there is none.
    """
    known: dict[str, tuple[str, Mapping[str, Any]]] = {
        "optimiser": (name, _OPTIMISERS), "schedule": (schedule, SCHEDULES)
    }  # fmt: skip
    for field, (value, names) in known.items():
        if value not in names:
            raise InputError(f"{field}: {value!r} is none of {', '.join(names)}")


def make(
    name: str,
    hyper: Mapping[str, jax.Array],
    total_steps: jax.Array | float,
    initial: optax.Params | None = None,
    schedule: str = "cosine",
) -> optax.GradientTransformation:
    """The optimiser of this name, at a rate of that schedule.

    Raises:
        InputError: there is none.
    """
    check(name, schedule)
    return _OPTIMISERS[name](hyper, total_steps, initial, schedule)


def decay(
    hyper: Mapping[str, jax.Array], initial: optax.Params | None
) -> optax.GradientTransformation:
    """Weight decay of matrices: towards zero, of pretrained ones towards where they started.

    ``hyper.stem_anchor`` is the share of the pretrained weights that decay pulls towards: 1 is
    L2-SP (Li, Grandvalet, Davoine 2018, "Explicit inductive bias for transfer learning"): with
    little data, what ImageNet taught is a better guess than nothing; 0 pulls towards zero.
    """
    if not initial:
        return optax.add_decayed_weights(hyper["weight_decay"], mask=matrices)

    def update(updates: optax.Updates, params: optax.Params | None) -> optax.Updates:
        assert isinstance(params, dict)
        assert isinstance(updates, dict)
        pull = {
            name: jax.tree.map(lambda p, o: p - hyper["stem_anchor"] * o, params[name], start)
            for name, start in initial.items()
        }
        return jax.tree.map(
            lambda u, p, decays: u + hyper["weight_decay"] * p if decays else u,
            updates,
            {**params, **pull},
            matrices(params),
        )

    return optax.stateless(update)


def slowed(
    hyper: Mapping[str, jax.Array], initial: optax.Params | None
) -> tuple[optax.GradientTransformation, ...]:
    """Pretrained weights learn ``hyper.stem_rate`` times as fast as the others; 0: not at all.

    Nothing where there are none, so that the state of a training on a frozen stem has no part for
    them.
    """
    if not initial:
        return ()

    def update(updates: optax.Updates, params: optax.Params | None) -> optax.Updates:
        assert isinstance(updates, dict)
        scaled = {
            name: jax.tree.map(lambda u: hyper["stem_rate"] * u, updates[name]) for name in initial
        }
        return {**updates, **scaled}

    return (optax.stateless(update),)
