"""What a recording is like, apart from what is said: level, bandwidth, pauses, rhythm.

A system answers whatever it hears, and answers music or a telephone call with the confidence that
it has of speech in a studio. These few numbers of a log-Mel spectrogram are held against those of
the recordings that it was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jser.frontend.log_mel import LogMelSpec, band_centres
from jser.frontend.segments import DB

# A frame is sound while it is no further below the loudest one.
ACTIVE_DB = 35.0
# Hz: what a telephone lets through, and from where on it lets nothing through.
TELEPHONE = (300.0, 3400.0)
ABOVE = 4200.0
# Syllables come at this rate, Hz: speech rises and falls in these (Houtgast and Steeneken 1985).
SYLLABLES = (2.0, 8.0)
# What lies this far outside of what training had is unlike it; a unit a measure.
MARGINS = {"level_db": 6.0, "treble_db": 6.0, "active_share": 0.1, "rhythm_db": 0.5}
# Of the training recordings: what lies between counts as heard.
PERCENTILES = (0.5, 99.5)


def measure(static: np.ndarray, spec: LogMelSpec | None = None) -> dict[str, float]:
    """What one recording is like.

    Args:
        static: log-Mel [T, M], natural logarithm, of the whole recording.
        spec: of the front end.

    Returns:
        `level_db`, mean power of the frames with sound; `treble_db`, power from 4.2 kHz on
        over that between 300 and 3400 Hz; `active_share`, frames with sound among all;
        `rhythm_db`, standard deviation of the frames' level in dB within `SYLLABLES`, 0 where a
        recording is too short.
    """
    spec = spec or LogMelSpec()
    power = np.exp(static.astype(np.float64))
    frame_db = DB * np.log(power.sum(1))
    active = frame_db >= frame_db.max() - ACTIVE_DB
    bands, hz = power[active].mean(0), band_centres(spec)
    middle = bands[(hz >= TELEPHONE[0]) & (hz <= TELEPHONE[1])].sum()
    return {
        "level_db": float(DB * np.log(np.exp(frame_db[active] / DB).mean())),
        "treble_db": float(DB * np.log(bands[hz >= ABOVE].sum() / middle)),
        "active_share": float(active.mean()),
        "rhythm_db": _rhythm(np.maximum(frame_db, frame_db.max() - ACTIVE_DB), spec),
    }


def _rhythm(frame_db: np.ndarray, spec: LogMelSpec) -> float:
    n, rate = len(frame_db), spec.sample_rate / spec.hop
    if n < rate / SYLLABLES[0]:
        return 0.0
    spectrum = np.abs(np.fft.rfft((frame_db - frame_db.mean()) * np.hanning(n))) ** 2
    hz = np.fft.rfftfreq(n, 1 / rate)
    inside = (hz >= SYLLABLES[0]) & (hz <= SYLLABLES[1])
    return float(np.sqrt(2 * spectrum[inside].sum() / (n * np.square(np.hanning(n)).sum())))


@dataclass(frozen=True)
class Range:
    """What training had of one measure."""

    low: float
    high: float


def ranges(statics: Sequence[np.ndarray]) -> dict[str, Range]:
    """The range of each measure over log-Mels [T_i, M] of training recordings."""
    values = [measure(static) for static in statics]
    found = {}
    for name in MARGINS:
        low, high = np.percentile([value[name] for value in values], PERCENTILES)
        found[name] = Range(round(float(low), 4), round(float(high), 4))
    return found


def warnings(measured: Mapping[str, float], heard: Mapping[str, Range]) -> dict[str, str]:
    """In what a recording is unlike those of training: measure -> a sentence; empty: in nothing."""
    found = {}
    for name, margin in MARGINS.items():
        value, known = measured[name], heard[name]
        if value < known.low - margin:
            sentence = _SENTENCES[name][0]
        elif value > known.high + margin:
            sentence = _SENTENCES[name][1]
        else:
            continue
        found[name] = sentence.format(value=value, low=known.low, high=known.high)
    return found


_SENTENCES = {
    "level_db": (
        "quieter than the training recordings ({value:.0f} dB, theirs {low:.0f} to {high:.0f})",
        "louder than the training recordings ({value:.0f} dB, theirs {low:.0f} to {high:.0f})",
    ),
    "treble_db": (
        "without the treble of the training recordings ({value:.0f} dB above 4 kHz, theirs "
        "{low:.0f} to {high:.0f}): a telephone, a strong codec or resampling",
        "shriller than the training recordings ({value:.0f} dB above 4 kHz, theirs {low:.0f} to "
        "{high:.0f})",
    ),
    "active_share": (
        "mostly silence (sound in {value:.0%} of it, in the training recordings {low:.0%} or more)",
        "without pauses, unlike the training recordings (sound in {value:.0%} of it): music or "
        "noise",
    ),
    "rhythm_db": (
        "without the rise and fall of syllables ({value:.1f} dB, in the training recordings "
        "{low:.1f} to {high:.1f}): music, noise or silence",
        "with stronger rise and fall than the training recordings ({value:.1f} dB, theirs "
        "{low:.1f} to {high:.1f}): clicks or knocking",
    ),
}
