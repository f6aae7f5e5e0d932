"""How each recording sounds: what was clipped, cut off, padded, or filtered before it came here.

A file that is damaged is refused when records are built. What is measured here are files that can
be used and should be looked at: marks that processing leaves. Where they go with a class or a
speaker, a system can learn them in place of an emotion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jser.audit.measures import Kind
from jser.frontend.waveform import SAMPLE_RATE
from jser.records.audit import NEAR_SILENCE_DB

_FRAME = SAMPLE_RATE // 100  # 10 ms
_FFT = 512
_BAND_HZ = 250
# Loud is what 5 % of the frames exceed; heard is what lies at most this far below.
_HEARD_DB = 25.0
# A band is empty this far below the strongest, or where nothing but the rounding to 16 bits is.
_EMPTY_DB = 70.0
_ROUNDING = 1 / 12  # variance, in steps of 16 bits
_FLAT = 3  # equal samples at the recording's own highest or lowest value
# Steps of 16 bits, -40 dB: a quieter wave has flat tops because it is made of few steps.
_FLAT_FROM = 328


@dataclass(frozen=True)
class Sound:
    """Measures of one recording.

    Attributes:
        peak_db: highest sample, dB of full scale.
        flat: share of samples, 0..1, that lie in flat tops: three or more equal ones at the
            recording's own extremes, whatever its level is now.
        offset: mean of the samples, of full scale.
        dead_seconds: longest stretch of equal samples.
        start_db: level of the first 10 ms below the loud parts, dB.
        end_db: of the last 10 ms.
        bandwidth_hz: upper edge of the highest band of 250 Hz that holds anything, in the median
            of the louder half of the recording.
        heard_seconds: in frames of 10 ms at most 25 dB below the loud parts.
    """

    peak_db: float
    flat: float
    offset: float
    dead_seconds: float
    start_db: float
    end_db: float
    bandwidth_hz: float
    heard_seconds: float


def measure(pcm: np.ndarray) -> Sound:
    """Measures of a recording, int16 [samples] at 16 kHz, at least one sample."""
    low, high = int(pcm.min()), int(pcm.max())
    edge = np.concatenate([[0], np.flatnonzero(np.diff(pcm)) + 1, [len(pcm)]])
    run, value = np.diff(edge), pcm[edge[:-1]]
    tops = run[(run >= _FLAT) & ((value == low) | (value == high))]
    flat = int(tops.sum()) if max(-low, high) >= _FLAT_FROM else 0
    x = pcm.astype(np.float32)
    mean = float(x.mean(dtype=np.float64))
    x -= np.float32(mean)
    frames = x[: len(x) // _FRAME * _FRAME].reshape(-1, _FRAME) if len(x) >= _FRAME else x[None]
    level = 10 * np.log10(np.maximum(np.square(frames).mean(1), _ROUNDING))
    last = 10 * float(np.log10(max(float(np.square(x[-_FRAME:]).mean()), _ROUNDING)))
    loud = float(np.quantile(level, 0.95))
    return Sound(
        peak_db=20 * float(np.log10(max(-low, high, 1) / 32768)),
        flat=flat / len(pcm),
        offset=mean / 32768,
        dead_seconds=int(run.max()) / SAMPLE_RATE,
        start_db=float(level[0]) - loud,
        end_db=last - loud,
        bandwidth_hz=_bandwidth(x),
        heard_seconds=int((level > loud - _HEARD_DB).sum()) * _FRAME / SAMPLE_RATE,
    )


def _bandwidth(x: np.ndarray) -> float:
    """Hz up to which samples [n], in steps of 16 bits, hold anything."""
    if len(x) < _FFT:
        x = np.pad(x, (0, _FFT - len(x)))
    window = np.hanning(_FFT).astype(np.float32)
    blocks = x[: len(x) // _FFT * _FFT].reshape(-1, _FFT) * window
    spectrum = np.fft.rfft(blocks, axis=1)
    power = np.square(np.abs(spectrum[:, : _FFT // 2])) / np.square(window).sum()
    wide = _BAND_HZ * _FFT // SAMPLE_RATE
    bands = power.reshape(len(power), -1, wide).mean(2)
    total = bands.sum(1)
    # The median passes over clicks, which are as wide as the rate allows.
    usual = np.median(bands[total >= np.median(total)], axis=0)
    holds = (usual > 4 * _ROUNDING) & (usual > usual.max() * 10 ** (-_EMPTY_DB / 10))
    return float((np.flatnonzero(holds).max() + 1) * _BAND_HZ) if holds.any() else 0.0


# Each with what it is in RAVDESS and EMO-DB, where nothing was done to the files: see
# docs/believable.md.
KINDS = (
    Kind("clipped", "flat", "clipped", "flat tops at the recording's own extremes, even where its "
         "level was lowered afterwards", 1e-4, True, 100.0, "% of samples"),
    Kind("quiet", "peak_db", "near silence", "highest sample; eight bits of sixteen are left",
         NEAR_SILENCE_DB, False, 1.0, "dB"),
    Kind("little", "heard_seconds", "hardly any sound", "time within 25 dB of its loud parts",
         0.3, False, 1.0, "s"),
    Kind("starts", "start_db", "starts abruptly", "first 10 ms against its loud parts; the "
         "beginning is perhaps cut off", -15.0, True, 1.0, "dB"),
    Kind("ends", "end_db", "ends abruptly", "last 10 ms against its loud parts; the end is perhaps "
         "cut off, as in a truncated file or a cut to a fixed length", -15.0, True, 1.0, "dB"),
    Kind("dead", "dead_seconds", "digital silence", "longest stretch of equal samples: padding, a "
         "gate, or a room quieter than 16 bits can say", 0.25, True, 1.0, "s"),
    Kind("narrow", "bandwidth_hz", "narrow band", "upper edge of what it holds: resampled from a "
         "lower rate, a telephone, or a codec", 7000.0, False, 1.0, "Hz"),
    Kind("offset", "offset", "constant offset", "mean of the samples, of full scale", 0.01, True,
         100.0, "%", two_sided=True),
)  # fmt: skip
