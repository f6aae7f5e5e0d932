"""Functionals of acoustic descriptors of every utterance and copy, computed once and cached."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jser import progress
from jser.frontend import augment, descriptors, functionals
from jser.frontend.descriptors import DescriptorSpec
from jser.records import feature_cache, selection
from jser.records.corpus import Corpus
from jser.records.selection import Origin

# Recordings in one call of the front end, and so between two steps of the progress bar.
CHUNK = 128


def compute(
    corpus: Corpus, copies: Sequence[augment.CopySpec], spec: DescriptorSpec, folder: Path
) -> np.ndarray:
    """Functionals float32 [R, U]: of the N originals, then of each copy in turn.

    Args:
        corpus: with waveforms.
        copies: made of every utterance.
        spec: of the descriptors.
        folder: of the cache.
    """
    found = [
        _of_origin(origin, copy, spec, folder)[origin.rows]
        for copy in (None, *copies)
        for origin in selection.origins(corpus)
    ]
    return np.concatenate(found)


def _of_origin(
    origin: Origin, copy: augment.CopySpec | None, spec: DescriptorSpec, folder: Path
) -> np.ndarray:
    """Functionals [n, U] of all utterances of a built corpus, or of a copy of each."""

    def make() -> dict[str, np.ndarray]:
        corpus = origin.whole()
        assert corpus.waveform is not None, "asked for in preparation"
        pcm, keys = corpus.waveform, list(corpus.pcm_sha256)
        what = f"descriptors of {corpus.name}" + (f" ({copy.name})" if copy else "")
        made = []
        with progress.bar(len(pcm), what, "utterance") as tick:
            for i in range(0, len(pcm), CHUNK):
                mine = pcm[i : i + CHUNK]
                if copy is None:
                    sound = [x.astype(np.float32) / 32768 for x in mine]
                else:
                    named = keys[i : i + CHUNK]
                    sound = list(augment.waveforms(mine, named, copy, spec.sample_rate))
                frames = descriptors.descriptors(sound, spec)
                made.append(functionals.functionals(frames, spec))
                tick(len(mine))
        return {"functionals": np.concatenate(made).astype(np.float32)}

    key = f"{origin.fingerprint[:24]}-{spec.hash()}" + (f"-{copy.key()}" if copy else "")
    found, _ = feature_cache.load_or_make(folder, key, ("functionals",), make, "descriptors")
    return found["functionals"]
