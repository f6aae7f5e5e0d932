"""A second picture of every utterance: a narrow-band spectrogram that shows the harmonics.

The log-Mel of the records resolves time: its 25 ms window blurs the partials of a voice into bands.
With a window of 64 ms and twice the bands the partials show, and with them pitch and its movement.
The same frozen stem looks at both; of this one, only the statistics over the whole utterance are
kept, for a read-out. Augmented copies have none: a read-out here is fitted on originals.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from jser.errors import InputError
from jser.frontend.log_mel import LogMelSpec, log_mel_batch
from jser.models import stems
from jser.records import selection
from jser.records.corpus import Corpus
from jser.records.selection import Origin
from jser.training import stem_features
from jser.training.stem_features import StepFeatures
from jser.training.stem_spec import StemSpec

FRONT_END = LogMelSpec(window=1024, n_fft=1024, n_mels=128)
# A longer window holds more power: about 8 dB, of which narrower bands take a part away.
SHIFT_DB = 6.0
# Recordings in one call of the front end.
CHUNK = 64


def check(spec: StemSpec) -> None:
    """Check that a stem can look at pictures of any width.

    Raises:
        InputError: a tap is a fully connected layer.
    """
    net = stems.get(spec.net)
    for tap in spec.taps:
        if net.blocks[net.index(tap)].flat:
            raise InputError(
                f"readout.views: 'narrow' needs maps, and stem.taps has {tap}, a fully connected "
                "layer; take 'narrow' out, or tap a convolution"
            )


def narrow(spec: StemSpec) -> StemSpec:
    """The stem's specification for this picture: the whole utterance, and the level shifted.

    With ``level="peak"`` the loudest value of either picture is 0 dB, and nothing needs a shift.
    """
    low, high = spec.range_db
    shift = SHIFT_DB if spec.level == "recorded" else 0.0
    return dataclasses.replace(
        spec,
        picture="utterance",
        window=0,
        range_db=(low + shift, high + shift),
    )


def compute(corpus: Corpus, spec: StemSpec, weights_dir: Path, folder: Path) -> np.ndarray:
    """Pooled features float16 [N, D] of the narrow-band pictures of a corpus with waveforms.

    Args:
        corpus: with waveforms.
        spec: of the system's stem, whose taps must be maps, not vectors.
        weights_dir: where `jser weights` keeps weights that come in no package.
        folder: of the cache.
    """
    found = [
        _of_origin(origin, narrow(spec), weights_dir, folder)[origin.rows]
        for origin in selection.origins(corpus)
    ]
    return np.concatenate(found)


def _of_origin(origin: Origin, mine: StemSpec, weights_dir: Path, folder: Path) -> np.ndarray:
    """Pooled features [n, D] of all utterances of a built corpus."""

    def make() -> StepFeatures:
        pcm = origin.whole().waveform
        assert pcm is not None, "asked for in preparation"
        static: list[np.ndarray] = []
        for i in range(0, len(pcm), CHUNK):
            sound = [x.astype(np.float32) / 32768 for x in pcm[i : i + CHUNK]]
            static += log_mel_batch(sound, FRONT_END)
        made = stem_features.compute(static, mine, weights_dir, "narrow-band pictures")
        # A step is the whole utterance here: nothing is worth keeping twice.
        return dataclasses.replace(made, frames=made.frames[:0])

    key = mine.key(origin.fingerprint, FRONT_END.hash(), weights_dir)
    return stem_features.cached(folder, key, make)[0].pooled
