"""Sets of descriptors of every utterance and copy, frame by frame, computed once and cached."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jser import progress
from jser.frontend import augment, descriptor_sets
from jser.frontend.descriptors import DescriptorSpec
from jser.records import feature_cache, selection
from jser.records.corpus import Corpus
from jser.records.selection import Origin
from jser.training import stem_features
from jser.training.stem_features import StepFeatures

# Recordings in one call of the front end, and so between two steps of the progress bar.
CHUNK = 128
_FIELDS = tuple(field.name for field in dataclasses.fields(StepFeatures))


def compute(
    corpus: Corpus,
    copies: Sequence[augment.CopySpec],
    name: str,
    spec: DescriptorSpec,
    folder: Path,
) -> StepFeatures:
    """Frames of a set of descriptors, of the N originals, then of each copy in turn.

    Args:
        corpus: with waveforms.
        copies: made of every utterance.
        name: of the set, see `descriptor_sets`.
        spec: of the descriptors.
        folder: of the cache.

    Returns:
        Rows R = N (1 + copies) on the clock of the log-Mel: frames float32 [F, D], each row's
        offset and length in frames, and `pooled` float32 [R, 2 D], mean and standard deviation of
        each column over a row's frames.

    Raises:
        InputError: there is no such set, or the disk is full.
    """
    return stem_features.joined(
        [
            _of_origin(origin, copy, name, spec, folder).taken(origin.rows)
            for copy in (None, *copies)
            for origin in selection.origins(corpus)
        ]
    )


def statistics(frames: np.ndarray) -> np.ndarray:
    """Mean and standard deviation of each column of [T, D] over its frames, float32 [2 D]."""
    x = frames.astype(np.float64)
    return np.concatenate([x.mean(0), x.std(0)]).astype(np.float32)


def _of_origin(
    origin: Origin,
    copy: augment.CopySpec | None,
    name: str,
    spec: DescriptorSpec,
    folder: Path,
) -> StepFeatures:
    """Frames of all utterances of a built corpus, or of a copy of each."""
    width = len(descriptor_sets.names(name))

    def make() -> dict[str, np.ndarray]:
        corpus = origin.whole()
        assert corpus.waveform is not None, "asked for in preparation"
        pcm, keys = corpus.waveform, list(corpus.pcm_sha256)
        what = f"{name} of {corpus.name}" + (f" ({copy.name})" if copy else "")
        made: list[np.ndarray] = []
        with progress.bar(len(pcm), what, "utterance") as tick:
            for i in range(0, len(pcm), CHUNK):
                mine = pcm[i : i + CHUNK]
                if copy is None:
                    sound = [x.astype(np.float32) / 32768 for x in mine]
                else:
                    named = keys[i : i + CHUNK]
                    sound = list(augment.waveforms(mine, named, copy, spec.sample_rate))
                made += descriptor_sets.frames(sound, name, spec)
                tick(len(mine))
        length = np.array([len(x) for x in made], np.int32)
        return {
            "frames": np.concatenate(made, dtype=np.float32).reshape(-1, width),
            "offset": (np.cumsum(length) - length).astype(np.int32),
            "length": length,
            "pooled": np.stack([statistics(x) for x in made]),
        }

    key = f"{origin.fingerprint[:24]}-{descriptor_sets.set_hash(name, spec)}" + (
        f"-{copy.key()}" if copy else ""
    )
    arrays, _ = feature_cache.load_or_make(folder, key, _FIELDS, make, "frames of descriptors")
    return StepFeatures(**arrays)
