"""Columns of systems on log-Mel of a corpus that stays on disk: made when a row is read.

The twin of `frames`, which holds the columns of all utterances. A row's numbers are the same, to
the bit but for what is taken out by speaker or utterance; what is counted over many rows (mean and
scale) is put together from each row's own statistics, for which all rows are read once, and which
are kept in the cache.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from jser import progress
from jser.frontend import segments
from jser.frontend.descriptors import bucket
from jser.frontend.level import standardised
from jser.frontend.log_mel import LogMelSpec, log_mel_batch, three_channels
from jser.records import feature_cache, places
from jser.records.corpus import Corpus
from jser.records.rows import OneSet, Rows
from jser.systems.contract import Inputs
from jser.training import normalisation, population
from jser.training.stem_features import StepFeatures

# Rows whose statistics are one file of the cache: what a kill loses is a part of one.
PIECE = 10_000


def of_records(config: Any, n_mels: int) -> bool:
    """Whether log-Mel of so many bands is the records' own."""
    return LogMelSpec(n_mels=n_mels) == LogMelSpec() and config.frames.level != "variance"


def log_mel(config: Any, corpus: Corpus, n_mels: int, channels: int) -> Rows:
    """See `frames.log_mel`: the records' own where they have as many bands, or from the sound."""
    spec, level = LogMelSpec(n_mels=n_mels), config.frames.level
    held = of_records(config, n_mels)

    def static(i: int) -> np.ndarray:
        if held:
            return corpus.static(i)
        assert corpus.waveform is not None, "loaded with its sound"
        pcm = corpus.waveform[i]
        sound = standardised(pcm) if level == "variance" else pcm.astype(np.float32) / 32768
        return log_mel_batch([sound], spec)[0]

    def read(i: int) -> np.ndarray:
        x = static(i)
        if level == "peak":
            x = x - x.max()
        if channels == 3:
            padded = np.zeros((bucket(len(x)), n_mels), np.float32)
            padded[: len(x)] = x
            x = np.asarray(_channels(padded, len(x)))[: len(x)].reshape(len(x), -1)
        return x

    assert isinstance(corpus.frames, Rows)
    key = f"{corpus.frames.key}-{spec.hash()}-{level}-{channels}"
    return Rows(read, corpus.length, channels * n_mels, key)


@jax.jit
def _channels(x: jax.Array, length: jax.Array) -> jax.Array:
    """[T, M] -> [T, 3, M]."""
    return jax.numpy.swapaxes(three_channels(x, length), 1, 2)


def trimmed(rows: Rows, corpus: Corpus, config: Any) -> Rows:
    """See `frames.trimmed`."""
    db = config.frames.trim_db
    if db <= 0:
        return rows
    assert isinstance(corpus.frames, Rows)
    static = corpus.frames
    bounds = _of_each(
        lambda i: np.array(segments.speech_bounds(static.row(i), db), np.int32),
        len(static.length),
        places.rows_dir(places.of_config(config)) / f"{static.key}-speech-{db:g}",
        f"speech in {corpus.name}",
    )

    def read(i: int) -> np.ndarray:
        first, stop = bounds[i]
        return rows.row(i)[first:stop]

    return Rows(read, bounds[:, 1] - bounds[:, 0], rows.shape[1], f"{rows.key}-{db:g}")


def _of_each(function: Callable[[int], np.ndarray], n: int, folder: Path, what: str) -> np.ndarray:
    """A small array of each of n rows, from the cache or made, piece by piece."""
    with (
        progress.bar(n, what, "utterance") as tick,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):

        def piece(first: int) -> np.ndarray:
            rows = range(first, min(first + PIECE, n))

            def make() -> dict[str, np.ndarray]:
                found = []
                for one in pool.map(function, rows):
                    found.append(one)
                    tick(1)
                return {"values": np.stack(found)}

            key = f"{first:09d}-{len(rows)}"
            arrays, was_there = feature_cache.load_or_make(folder, key, ("values",), make, what)
            if was_there:
                tick(len(rows))
            return arrays["values"]

        return np.concatenate([piece(first) for first in range(0, n, PIECE)])


def statistics(rows: Rows, config: Any, name: str) -> np.ndarray:
    """Mean and deviation of each column of each row over its frames, float32 [R, 2 D]."""

    def of_row(i: int) -> np.ndarray:
        x = rows.row(i)
        return np.concatenate([x.mean(0), x.std(0)])

    folder = places.rows_dir(places.of_config(config)) / f"{rows.key}-statistics"
    return _of_each(of_row, len(rows.length), folder, f"statistics of {name}")


def deviation(rows: Rows, config: Any, name: str) -> np.ndarray:
    """See `frames.deviation`."""
    pooled = statistics(rows, config, name)
    return normalisation.over_rows(pooled, rows.length, np.arange(len(rows.length)))[1]


def inputs(config: Any, corpus: Corpus, rows: Rows, model: nn.Module) -> Inputs:
    """See `frames.inputs`."""
    mode, width = config.normalisation, rows.shape[1]
    pooled = statistics(rows, config, corpus.name)
    groups = normalisation.groups(pooled, rows.length, corpus.speaker, mode)
    if groups is not None:
        group, mean, scale = groups
        raw = rows
        rows = Rows(
            lambda i: (raw.row(i) - mean[group[i]]) * scale[group[i]],
            raw.length,
            width,
            f"{raw.key}-{mode}",
        )
        pooled = np.concatenate(
            [
                (pooled[:, :width] - mean[group]) * scale[group],
                pooled[:, width:] * scale[group],
            ],
            axis=1,
        )

    def scaling(chosen: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        del label
        if mode == "none":
            return np.zeros(width, np.float32), np.ones(width, np.float32)
        return normalisation.moments_of_rows(pooled, rows.length, chosen)

    longest = int(rows.length.max())
    features = population.features_of(OneSet(rows), rows.offset, rows.length, longest)
    views = {"frames": normalisation.of_whole(pooled, corpus.speaker, mode, one_unit=False)}
    nothing = np.zeros((0, width), np.float32)
    return Inputs(
        views,
        "frames",
        StepFeatures(nothing, rows.offset, rows.length, pooled),
        features,
        model,
        scaling=scaling,
        by_length=config.frames.by_length,
    )
