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
MARGINS = {
    "seconds": 0.1, "level_db": 6.0, "treble_db": 6.0, "active_share": 0.1, "rhythm_db": 0.5,
}  # fmt: skip
# Share of the samples at full scale from which on speech is distorted.
CLIPPED = 0.005
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
        recording is too short; `seconds`.
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
        "seconds": len(static) * spec.hop / spec.sample_rate,
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
    found: dict[str, str] = {}
    for name, known in heard.items():
        value, margin = measured[name], MARGINS[name]
        if name == "rhythm_db" and "seconds" in found:
            continue  # too short to have one
        below, above = _SENTENCES[name]
        sentence = below if value < known.low - margin else above
        if sentence and not known.low - margin <= value <= known.high + margin:
            found[name] = sentence.format(value=value, low=known.low, high=known.high)
    return found


def distortion(pcm: np.ndarray) -> dict[str, str]:
    """A warning of samples int16 [n] that are cut off at full scale; empty: they are not."""
    share = float(np.mean((pcm >= 32767) | (pcm <= -32768))) if len(pcm) else 0.0
    if share < CLIPPED:
        return {}
    return {"clipped": f"clipped: {share:.1%} of the samples are at full scale"}


# Below and above what training had; a recording that is longer is cut into windows.
_SENTENCES = {
    "seconds": (
        "shorter than the training recordings ({value:.1f} s, theirs {low:.1f} to {high:.1f})",
        "",
    ),
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
