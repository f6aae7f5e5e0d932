"""Sounds whose F0 is known at every sample, and what a tracker that is asked for it gets wrong."""

from unittest import mock

import numpy as np

from jser.datasets.synthetic import speech

RATE = 16000
# Frame t of every tracker describes what lies around this sample, and 160 t further.
MIDDLE, HOP = 200, 160
GLIDES = ((80, 500), (500, 80), (80, 160), (300, 500))


def glide(start, end, seconds=1.5, snr_db=20.0, seed=0):
    """Harmonic tone [n] from one F0 to another, its harmonics falling by 1 / k; F0 [n]."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(RATE * seconds)) / RATE
    f0 = start * (end / start) ** (t / seconds)
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    x = sum(
        np.where(k * f0 < 7500, np.cos(k * phase + rng.uniform(0, 6)) / k, 0) for k in range(1, 20)
    )
    x = x / x.std() + 10 ** (-snr_db / 20) * rng.standard_normal(len(t))
    return (0.1 * x).astype(np.float32), f0


def synthetic(speaker, emotion, sentence=0, snr_db=None):
    """An utterance [n] of the synthetic corpus, its F0 [n] and how much it is voiced, 0..1 [n]."""
    said = {}
    source, score = speech._source, speech._score

    def source_seen(f0, *rest):
        said["f0"] = f0
        return source(f0, *rest)

    def score_seen(*args):
        track = score(*args)
        said["voicing"] = track.voicing
        return track

    with (
        mock.patch.object(speech, "_source", source_seen),
        mock.patch.object(speech, "_score", score_seen),
    ):
        x = speech.utterance(speaker, emotion, sentence).astype(np.float32) / 32768
    if snr_db is not None:
        noise = np.random.default_rng(sentence).standard_normal(len(x)).astype(np.float32)
        x = x + noise * np.float32(x.std() * 10 ** (-snr_db / 20))
    return x, said["f0"], said["voicing"]


def at_frames(curve, frames):
    """A curve [n] in the middle of each frame, [frames]."""
    return curve[np.minimum(np.arange(frames) * HOP + MIDDLE, len(curve) - 1)]


def errors(found, truth, voiced, unvoiced):
    """What is wrong with F0 [T] in Hz, 0 where unvoiced.

    Args:
        found, truth: [T].
        voiced, unvoiced: bool [T], where there is no doubt; elsewhere nothing is judged.

    Returns:
        Shares: ``missed`` of the voiced frames, ``invented`` of the unvoiced ones, ``gross`` (more
        than 20 % off) of those voiced in both; ``cents``, the median of the absolute error of the
        others.
    """
    both = voiced & (found > 0)
    ratio = found[both] / truth[both]
    gross = np.abs(ratio - 1) > 0.2
    fine = 1200 * np.abs(np.log2(ratio[~gross]))
    return {
        "missed": float((found[voiced] == 0).mean()),
        "invented": float((found[unvoiced] > 0).mean()) if unvoiced.any() else None,
        "gross": float(gross.mean()),
        "cents": float(np.median(fine)),
    }
