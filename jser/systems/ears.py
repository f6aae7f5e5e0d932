"""What an exported artefact hears with: an adapter's inputs, made of sound in one traced program.

`contract.Inputs` are made for a whole corpus, on the host, in batches, with a cache between; an ear
makes the same numbers of a few recordings at once, for `jser.artefact`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jser.errors import InputError
from jser.frontend.log_mel import LogMelSpec
from jser.frontend.segments import SEGMENT_FRAMES
from jser.training import normalisation
from jser.training.projection import Projection

# Samples of as many frames as a recording has at least, behind `segments.fill_short`.
FEWEST_SAMPLES = LogMelSpec().window + (SEGMENT_FRAMES - 1) * LogMelSpec().hop


class Heard(NamedTuple):
    """What a system makes of recordings before anything that a member has learnt.

    Attributes:
        frames: float32 [B, S, D], steps; behind the true ones without meaning.
        length: int32 [B], true steps.
        columns: int32 [B], the true frames where `frames` are [B, F, D'] of which a network makes
            its S steps itself (a tuned stem); None: frames are steps.
        pooled: float32 [B, U], statistics over the whole length; None where none are read.
        views: name -> [B, U], what read-outs see.
        bounds: int32 [B, S, 2], first 10 ms frame and one past the last of each step.
    """

    frames: jax.Array
    length: jax.Array
    pooled: jax.Array | None
    views: Mapping[str, jax.Array]
    bounds: jax.Array
    columns: jax.Array | None = None


# Weights, recordings float32 [B, n] that are silent behind their ends, true samples int [B].
Hear = Callable[[Any, jax.Array, jax.Array], Heard]


@dataclass(frozen=True)
class Ear:
    """How a configured system hears.

    Attributes:
        hear: pure and traceable with symbolic B and n, where n is at least `FEWEST_SAMPLES`.
        weights: its first argument, arrays that nobody trains here.
        frames: a fold's projection of steps; empty: none.
        pooled: a fold's projection of what is pooled; empty: none.
        carries: frames from one step to the next, where recurrent layers go along these steps and
            can go on from window to window of a stream; 0: each window is heard by itself.
    """

    hear: Hear
    weights: Any
    frames: Sequence[Projection] = field(default_factory=tuple)
    pooled: Sequence[Projection] = field(default_factory=tuple)
    carries: int = 0


def check_normalisation(mode: str) -> None:
    """Refuse what needs to know who speaks, see `normalisation.MODES`.

    Raises:
        InputError: see above.
    """
    if normalisation.parse(mode)[0].startswith("speaker"):
        raise InputError(
            f"normalisation: {mode} needs other recordings of each speaker, and an artefact hears "
            "one recording of somebody it does not know; train with normalisation=train"
        )


def rounded(x: jax.Array) -> jax.Array:
    """As the features of a stem are kept, in float16: what is learnt has heard them so."""
    return x.astype(jnp.float16).astype(jnp.float32)


def of_utterance(frames: jax.Array, length: jax.Array, least: jax.Array | None) -> jax.Array:
    """`normalisation.by_group` of the mode ``utterance``, of steps [B, S, D].

    Args:
        frames, length: steps.
        least: [D], the share of a column's deviation over the corpus that is added to its own;
            None: columns are of one kind, and a hundredth of the mean deviation is.
    """
    true = (jnp.arange(frames.shape[1]) < length[:, None])[:, :, None]
    count = jnp.maximum(length, 1)[:, None, None]
    mean = jnp.where(true, frames, 0).sum(1, keepdims=True) / count
    away = jnp.where(true, frames - mean, 0)
    deviation = jnp.sqrt(jnp.square(away).sum(1, keepdims=True) / count)
    added = 0.01 * deviation.mean(-1, keepdims=True) if least is None else least
    return away / (deviation + added + 1e-12)
