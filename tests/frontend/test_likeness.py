"""What is unlike speech in a studio is said to be; the same speech is not."""

import numpy as np
import pytest
import soxr

from jser.frontend import likeness
from jser.frontend.log_mel import LogMelSpec, log_mel_batch
from jser.records import corpus as records

RATE = 16000


def measured(x):
    return likeness.measure(log_mel_batch([np.asarray(x, np.float32)], LogMelSpec())[0])


@pytest.fixture
def corpus(data):
    return records.load("synthetic", data, "waveform")


@pytest.fixture
def heard(corpus):
    return likeness.ranges(corpus.statics())


def speech(corpus, i=0):
    return corpus.waveform[i] / np.float32(32768)


def test_training_recordings_are_like_themselves(corpus, heard):
    for i in range(len(corpus.label)):
        assert likeness.warnings(likeness.measure(corpus.static(i)), heard) == {}


@pytest.mark.parametrize(("what", "measure"), [
    ("quiet", "level_db"), ("loud", "level_db"), ("telephone", "treble_db"),
    ("mostly silent", "active_share"), ("chord", "rhythm_db"), ("noise", "rhythm_db"),
    ("short", "seconds"),
])  # fmt: skip
def test_what_is_unlike(corpus, heard, what, measure):
    x, t = speech(corpus), np.arange(3 * RATE) / RATE
    rng = np.random.default_rng(0)
    made = {
        "quiet": lambda: x * 0.003,
        "loud": lambda: x * 30,
        "telephone": lambda: soxr.resample(soxr.resample(x, RATE, 6000), 6000, RATE),
        "mostly silent": lambda: np.concatenate([x, 1e-5 * rng.standard_normal(20 * RATE)]),
        "chord": lambda: sum(np.sin(2 * np.pi * f * t) for f in (220, 277, 330)) / 20,
        "short": lambda: x[4000:6400],
        "noise": lambda: 0.05 * rng.standard_normal(len(t)),
    }
    found = likeness.warnings(measured(made[what]()), heard)
    assert measure in found
    assert "training recordings" in found[measure]


def test_a_syllable_is_short_not_music(corpus, heard):
    found = likeness.warnings(measured(speech(corpus)[4000:6400]), heard)
    assert found["seconds"].startswith("shorter than the training recordings (0.1 s, theirs ")
    assert "rhythm_db" not in found


def test_clipped_samples_are_distorted(corpus):
    pcm = corpus.waveform[0]
    assert likeness.distortion(pcm) == {}
    loud = np.clip(30 * pcm.astype(np.int32), -32768, 32767).astype(np.int16)
    share = np.mean(np.abs(loud.astype(np.int32)) >= 32767)
    assert share > likeness.CLIPPED
    assert likeness.distortion(loud)["clipped"].startswith(f"clipped: {share:.1%}")
    assert likeness.distortion(pcm[:0]) == {}


def test_syllables_have_a_rhythm():
    """A tone that swings by 6 dB four times a second: its deviation is 6 / sqrt(2)."""
    t = np.arange(4 * RATE) / RATE
    swing = 10 ** (6 * np.sin(2 * np.pi * 4 * t) / 20)
    assert measured(0.05 * swing * np.sin(2 * np.pi * 1000 * t))["rhythm_db"] == pytest.approx(
        6 / np.sqrt(2), rel=0.1
    )
    steady = measured(0.05 * np.sin(2 * np.pi * 1000 * t))
    assert steady["rhythm_db"] < 0.2
    assert measured(0.05 * np.sin(2 * np.pi * 1000 * t[: RATE // 4]))["rhythm_db"] == 0
