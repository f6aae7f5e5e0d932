"""What systems on frames share: columns on one clock of 10 ms, trimmed, normalised, laid out.

A system names its groups of columns in a fixed order (descriptors, channels of log-Mel, flags);
its model's attributes say their widths. Nothing here learns: mean and scale belong to a member.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from jser import progress
from jser.errors import InputError
from jser.frontend import segments
from jser.frontend.descriptors import DescriptorSpec, along
from jser.frontend.level import LEVELS, standardised
from jser.frontend.log_mel import LogMelSpec, log_mel_batch, three_channels
from jser.records import places, selection
from jser.records.corpus import WHERE, Corpus
from jser.records.rows import Rows
from jser.records.selection import Origin
from jser.systems import by_need, checks
from jser.systems.contract import Inputs
from jser.training import descriptor_frames, normalisation, population, stem_features
from jser.training.stem_features import StepFeatures

# Recordings in one call of the front end.
CHUNK = 64

# Values [F, D] of some rows int [n] -> what a member subtracts and multiplies, each [D].
Fit = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def check(config: Any, letter: str) -> None:
    """Check what all systems on frames have in their configs.

    Raises:
        InputError: `config.frames` is impossible, or read-outs are asked for.
    """
    checks.one_of("frames.level", config.frames.level, LEVELS)
    checks.one_of("population.records", config.population.records, WHERE)
    checks.no_views(config, letter)


def load(config: Any) -> Corpus:
    """The corpus with its sound, in memory.

    Raises:
        InputError: it is not there, or cannot be read from disk as the config asks.
    """
    if config.population.records == "disk":
        raise InputError(
            f"population.records: disk is for systems on log-Mel alone, and {config.system} reads "
            "descriptors, which are held in memory; leave it at auto"
        )
    return _load(config, "waveform", "memory")


def load_log_mel(config: Any, n_mels: int) -> Corpus:
    """The corpus for `on_log_mel`: with its sound where log-Mel is made of it.

    Raises:
        InputError: it is not there.
    """
    variant = "log_mel" if by_need.of_records(config, n_mels) else "waveform"
    return _load(config, variant, config.population.records)


def _load(config: Any, variant: str, where: str) -> Corpus:
    data_dir = places.of_config(config)
    return selection.load(config.corpus, data_dir, variant, config.labels, config.classes, where)


def on_log_mel(config: Any, corpus: Corpus, n_mels: int, channels: int, model: nn.Module) -> Inputs:
    """Inputs of a model that reads log-Mel alone, trimmed; of a corpus in memory or on disk.

    Args:
        config: of the experiment.
        corpus: with waveforms.
        n_mels, channels: see `log_mel`.
        model: of one member.
    """
    if isinstance(corpus.frames, Rows):
        rows = by_need.trimmed(by_need.log_mel(config, corpus, n_mels, channels), corpus, config)
        return by_need.inputs(config, corpus, rows, model)
    steps = trimmed(log_mel(config, corpus, n_mels, channels), corpus, config.frames.trim_db)
    return inputs(config, corpus, steps, model)


# --- groups of columns ----------------------------------------------------------------------------


def described(config: Any, corpus: Corpus, name: str) -> StepFeatures:
    """A set of descriptors [F, D] of all utterances, see `descriptor_sets`."""
    folder = places.of_config(config) / "cache" / "descriptors"
    spec = DescriptorSpec(level=config.frames.level)
    return descriptor_frames.compute(corpus, (), name, spec, folder)


def log_mel(config: Any, corpus: Corpus, n_mels: int, channels: int) -> StepFeatures:
    """Log-Mel [F, channels * n_mels] of all utterances: static, then delta, then delta-delta.

    At `peak` level the log-Mel is shifted, at `variance` it is that of scaled waveforms: the mean
    of a recording and the front end's floor under quiet ones are no constants that a shift could
    take out afterwards.

    Args:
        config: of the experiment.
        corpus: with waveforms.
        n_mels: M; the records' own are taken where they have as many and their level is left.
        channels: 1 or 3.
    """
    folder = places.of_config(config) / "cache" / "log_mel"
    static = stem_features.joined(
        [
            _static(origin, n_mels, config.frames.level == "variance", folder).taken(origin.rows)
            for origin in selection.origins(corpus)
        ]
    )
    rows = np.split(static.frames, static.offset[1:])
    if config.frames.level == "peak":
        rows = [x - x.max() for x in rows]
    if channels == 3:
        rows = [
            x[: len(row)].reshape(len(row), -1)
            for x, row in zip(along(_channels, rows, DescriptorSpec()), rows, strict=True)
        ]
    return dataclasses.replace(static, frames=np.concatenate(rows))


@functools.partial(jax.jit, static_argnames="spec")
def _channels(x: jax.Array, length: jax.Array, spec: DescriptorSpec) -> jax.Array:
    """[B, T, M] -> [B, T, 3, M]."""
    del spec
    return jax.numpy.swapaxes(jax.vmap(three_channels)(x, length), 2, 3)


def _static(origin: Origin, n_mels: int, standard: bool, folder: Path) -> StepFeatures:
    """Log-Mel [F, M] of all utterances of a built corpus, or of them at mean 0 and variance 1."""
    spec = LogMelSpec(n_mels=n_mels)

    def laid_out(frames: np.ndarray, length: np.ndarray) -> StepFeatures:
        offset = (np.cumsum(length) - length).astype(np.int32)
        return StepFeatures(frames, offset, length, np.zeros((len(length), 0), np.float32))

    if spec == LogMelSpec() and not standard:
        whole = origin.whole()
        assert isinstance(whole.frames, np.ndarray), "loaded into memory"
        return laid_out(whole.frames, whole.length)

    def make() -> StepFeatures:
        whole = origin.whole()
        assert whole.waveform is not None
        found: list[np.ndarray] = []
        with progress.bar(
            len(whole.waveform), f"log-Mel of {n_mels} bands of {origin.name}", "utterance"
        ) as tick:
            for i in range(0, len(whole.waveform), CHUNK):
                pcm = whole.waveform[i : i + CHUNK]
                sound = [standardised(x) if standard else x.astype(np.float32) / 32768 for x in pcm]
                found += log_mel_batch(sound, spec)
                tick(len(pcm))
        length = np.array([len(x) for x in found], np.int32)
        return laid_out(np.concatenate(found), length)

    key = f"{origin.fingerprint[:24]}-{spec.hash()}" + ("-variance" if standard else "")
    return stem_features.cached(folder, key, make)[0]


# --- rows -----------------------------------------------------------------------------------------


def beside(groups: Sequence[StepFeatures]) -> StepFeatures:
    """Columns of several groups of the same rows, in their order."""
    first = groups[0]
    for other in groups[1:]:
        if not np.array_equal(first.length, other.length):
            raise ValueError("groups of columns do not have the same frames")
    return dataclasses.replace(first, frames=np.concatenate([g.frames for g in groups], axis=1))


def trimmed(steps: StepFeatures, corpus: Corpus, trim_db: float) -> StepFeatures:
    """Frames between the first and the last of speech, by the records' log-Mel; 0 dB: all."""
    if trim_db <= 0:
        return steps
    bounds = [_bounds(corpus, i, trim_db) for i in range(len(corpus.label))]
    kept = np.concatenate(
        [
            np.arange(offset + first, offset + stop)
            for offset, (first, stop) in zip(steps.offset, bounds, strict=True)
        ]
    )
    length = np.array([stop - first for first, stop in bounds], np.int32)
    return StepFeatures(
        steps.frames[kept],
        (np.cumsum(length) - length).astype(np.int32),
        length,
        steps.pooled,
    )


def _bounds(corpus: Corpus, i: int, trim_db: float) -> tuple[int, int]:
    return segments.speech_bounds(corpus.static(i), trim_db)


def deviation(steps: StepFeatures) -> np.ndarray:
    """Of each column over all frames, float32 [D]."""
    return steps.frames.astype(np.float32).std(0)


def level(config: Any) -> str:
    """See `contract.System`."""
    return str(config.frames.level)


def trim_db(config: Any) -> float:
    """See `contract.System`."""
    return float(config.frames.trim_db)


def frozen_parameters(config: Any) -> int:
    """See `contract.System`."""
    del config
    return 0


def step_bounds(config: Any, static: np.ndarray) -> np.ndarray:
    """First frame and one past the last of each step, int32 [S, 2]: a step is a frame."""
    first, stop = 0, len(static)
    if config.frames.trim_db > 0:
        first, stop = segments.speech_bounds(static, config.frames.trim_db)
    start = np.arange(first, stop, dtype=np.int32)
    return np.stack([start, start + 1], axis=1)


def inputs(
    config: Any,
    corpus: Corpus,
    steps: StepFeatures,
    model: nn.Module,
    *,
    flags: int = 0,
    chosen: Callable[[StepFeatures, np.ndarray, np.ndarray], np.ndarray] | None = None,
    **fields: Any,
) -> Inputs:
    """Inputs of a model on frames.

    Args:
        config: of the experiment.
        corpus: whose rows these are.
        steps: [F, D + flags], trimmed.
        model: of one member.
        flags: last columns, that are given to the model as they are.
        chosen: of (steps, training rows int [n], the member's labels int [N], -1 where they are
            not its own), columns bool [D] that it looks at; the others are 0 to it. None: all.
        fields: others of `Inputs`.
    """
    mode = config.normalisation
    width = steps.frames.shape[1] - flags
    normalised = normalisation.by_group(
        steps.frames[:, :width], steps.length, corpus.speaker, mode, one_unit=False
    )
    if normalised is not steps.frames:
        frames = np.concatenate([normalised, steps.frames[:, width:]], axis=1)
        steps = dataclasses.replace(steps, frames=frames)
    rows = np.split(steps.frames[:, :width], steps.offset[1:])
    pooled = np.stack([np.concatenate([x.mean(0), x.std(0)]) for x in rows])
    steps = dataclasses.replace(steps, pooled=pooled)

    def scaling(rows: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, scale = np.zeros(width + flags, np.float32), np.ones(width + flags, np.float32)
        if mode != "none":
            values = steps.frames[:, :width]
            mean[:width], scale[:width] = normalisation.moments(values, steps.places(rows), False)
        if chosen is not None:
            scale[:width] *= chosen(steps, rows, label)
        return mean, scale

    longest = int(steps.length.max())
    features = population.features_of(steps.frames[None], steps.offset, steps.length, longest)
    views = {"frames": normalisation.of_whole(pooled, corpus.speaker, mode, one_unit=False)}
    return Inputs(
        views,
        "frames",
        steps.without_frames(),
        features,
        model,
        scaling=scaling,
        log_posteriors=getattr(model, "log_posteriors", False),
        by_length=config.frames.by_length,
        **fields,
    )
