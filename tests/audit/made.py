"""Small corpora in memory, and copies of recordings as they go round."""

from __future__ import annotations

import io

import numpy as np
import soundfile
import soxr
from scipy import signal

RATE = 16000


def pcm(samples):
    """Float samples -> int16, as a file has them."""
    return np.clip(np.rint(np.asarray(samples) * 32768), -32768, 32767).astype(np.int16)


def floats(recording):
    return recording.astype(np.float32) / 32768


def resampled(x):
    return soxr.resample(soxr.resample(x, RATE, 8000), 8000, RATE)


def coded(x, kind, subtype):
    file = io.BytesIO()
    soundfile.write(file, x, RATE, format=kind, subtype=subtype)
    file.seek(0)
    return soundfile.read(file, dtype="float32")[0]


def telephone(x):
    """300 to 3400 Hz, 8 kHz, eight bits by the mu law."""
    sos = signal.butter(4, [300, 3400], "bandpass", fs=RATE, output="sos")
    y = soxr.resample(signal.sosfilt(sos, x), RATE, 8000)
    code = np.rint(127 * np.sign(y) * np.log1p(255 * np.abs(y)) / np.log(256)) / 127
    return soxr.resample(np.sign(code) * (256 ** np.abs(code) - 1) / 255, 8000, RATE)


COPIES = {
    "level": lambda x: x * 10 ** (-12 / 20),
    "8 kHz": resampled,
    "mp3": lambda x: coded(x, "MP3", "MPEG_LAYER_III"),
    "ogg": lambda x: coded(x, "OGG", "VORBIS"),
    "telephone": telephone,
    "cut": lambda x: x[480:-800],
    "cut within a frame": lambda x: x[187:],
    "all": lambda x: coded(resampled(0.25 * x[597:]), "MP3", "MPEG_LAYER_III"),
}
