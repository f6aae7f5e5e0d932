"""How systems on frames hear: groups of columns, made of sound in one traced program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jser.frontend import whole
from jser.frontend.descriptors import DescriptorSpec
from jser.frontend.log_mel import LogMelSpec, three_channels
from jser.records.corpus import Corpus
from jser.records.rows import Rows
from jser.systems import by_need, ears, frames
from jser.systems.ears import Ear, Heard

# Recordings [B, n] and true samples [B] -> columns [B, T, C], made by `described` or `log_mel`.
Columns = Callable[[jax.Array, jax.Array], jax.Array]
# Columns [B, T, C], trimmed, and true frames [B] -> further ones.
Flags = Callable[[jax.Array, jax.Array], jax.Array]


def described(config: Any, name: str) -> Columns:
    """`frames.described`: a set of descriptors."""
    spec = DescriptorSpec(level=config.frames.level)
    return lambda wave, length: whole.set_of(wave, length, name, spec)[0]


def log_mel(config: Any, n_mels: int, channels: int) -> Columns:
    """`frames.log_mel`: static, then delta, then delta-delta."""
    level, spec = config.frames.level, LogMelSpec(n_mels=n_mels)

    def columns(wave: jax.Array, length: jax.Array) -> jax.Array:
        if level == "variance":
            wave = whole.levelled(wave, length, level)
        static, count = whole.log_mels(wave, length, spec)
        if level == "peak":
            true = (jnp.arange(static.shape[1]) < count[:, None])[:, :, None]
            static = static - jnp.where(true, static, -jnp.inf).max((1, 2), keepdims=True)
        if channels == 1:
            return static
        made = jnp.swapaxes(jax.vmap(three_channels)(static, count), 2, 3)
        return made.reshape(*made.shape[:2], -1)

    return columns


def on_log_mel(config: Any, corpus: Corpus, n_mels: int, channels: int) -> Ear:
    """The ear of a system on log-Mel alone, as `frames.on_log_mel` has its inputs.

    Args:
        config: of the experiment.
        corpus: in memory or on disk.
        n_mels, channels: see `frames.log_mel`.

    Raises:
        InputError: the normalisation needs other recordings of a speaker.
    """

    def deviation() -> np.ndarray:
        if isinstance(corpus.frames, Rows):
            rows = by_need.log_mel(config, corpus, n_mels, channels)
            return by_need.deviation(by_need.trimmed(rows, corpus, config), config, corpus.name)
        steps = frames.log_mel(config, corpus, n_mels, channels)
        return frames.deviation(frames.trimmed(steps, corpus, config.frames.trim_db))

    return make(config, [log_mel(config, n_mels, channels)], deviation)


def make(
    config: Any,
    groups: Sequence[Columns],
    corpus_deviation: Callable[[], np.ndarray],
    recurrent: bool = False,
    flags: Flags | None = None,
) -> Ear:
    """The ear of a system on frames.

    Args:
        config: of the experiment.
        groups: of columns, in the order in which the model reads them.
        corpus_deviation: [D] of all columns over the corpus' frames; asked for where the
            normalisation of an utterance by itself needs it.
        recurrent: recurrent layers go along the frames, not along what convolutions leave of them.
        flags: columns that stand behind the others and are not normalised.

    Raises:
        InputError: the normalisation needs other recordings of a speaker.
    """
    ears.check_normalisation(config.normalisation)
    weights = {}
    if config.normalisation == "utterance":
        weights["least"] = (0.01 * corpus_deviation()).astype(np.float32)
    trim_db = float(config.frames.trim_db)

    def hear(weights: Any, wave: jax.Array, length: jax.Array) -> Heard:
        x = jnp.concatenate([columns(wave, length) for columns in groups], axis=-1)
        static, count = whole.log_mels(wave, length, LogMelSpec())
        first, stop = jnp.zeros_like(count), count
        if trim_db > 0:
            first, stop = whole.speech_bounds(static, count, trim_db)
            x, count = whole.shifted(x, first, stop)
        behind = [flags(x, count)] if flags else []
        if "least" in weights:
            x = ears.of_utterance(x, count, weights["least"])
        x = jnp.concatenate([x, *behind], axis=-1)
        begin = jnp.minimum(first[:, None] + jnp.arange(x.shape[1]), stop[:, None] - 1)
        bounds = jnp.stack([begin, begin + 1], axis=-1).astype(jnp.int32)
        return Heard(x, count, None, {}, bounds)

    return Ear(hear, weights, carries=int(recurrent and trim_db == 0))
