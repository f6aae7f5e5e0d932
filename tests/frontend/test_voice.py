"""Jitter and shimmer of pulse trains made with known ones; formants of known resonators."""

import numpy as np
import pytest
import scipy.linalg
from scipy import signal

from jser.frontend.formants import formants, harmonic_levels, predict
from jser.frontend.voice import cycles, hush

HZ = np.fft.rfftfreq(512, 1 / 16000)
LONGEST = 268


def vowel(f0, jitter=0.0, shimmer=0.0, snr_db=40.0, count=60, seed=0):
    """Frames [count, 800] of a pulse train through three resonators, made at 8 times the rate."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        x = np.zeros(8 * 2400)
        at = 0.0
        while at < len(x):
            x[int(at)] += 1 + shimmer * rng.standard_normal()
            at += 8 * 16000 / f0 * (1 + jitter * rng.standard_normal())
        x = signal.resample_poly(x, 1, 8)
        for f, b in ((650, 80), (1100, 90), (2500, 150)):
            r = np.exp(-np.pi * b / 16000)
            x = signal.lfilter([1], [1, -2 * r * np.cos(2 * np.pi * f / 16000), r * r], x)
        # The falling spectrum of a glottis.
        x = signal.lfilter([1], [1, -0.95], x)[800:1600]
        x = x / x.std() + 10 ** (-snr_db / 20) * rng.standard_normal(800)
        out.append(x)
    return np.array(out, np.float32)


def jitter_and_shimmer(frames, f0):
    period = np.full(len(frames), 16000 / f0, np.float32)
    found = cycles(np.asarray(hush(frames)), period, LONGEST)
    return [float(np.mean(v)) for v in found]


@pytest.mark.parametrize("f0", [90, 150, 230])
def test_a_steady_voice_has_none(f0):
    jitter, shimmer = jitter_and_shimmer(vowel(f0), f0)
    assert jitter < 0.3
    assert shimmer < 2


@pytest.mark.parametrize(("f0", "low"), [(90, 0.85), (150, 0.75)])
def test_known_jitter_and_shimmer_come_out(f0, low):
    """Neighbours drawn at random differ by 2 / sqrt(pi) standard deviations in the mean.

    Marks sit on waves that ring over from the cycle before, which takes a part of both, more at
    higher F0.
    """
    jitter, _ = jitter_and_shimmer(vowel(f0, jitter=0.02, count=200), f0)
    expected = 2 * 100 * 0.02 / np.sqrt(np.pi)
    assert low * expected < jitter < 1.2 * expected
    _, shimmer = jitter_and_shimmer(vowel(f0, shimmer=0.1, count=200), f0)
    expected = 2 * 100 * 0.1 / np.sqrt(np.pi)
    assert 0.6 * expected < shimmer < 1.4 * expected


def test_unvoiced_and_empty_frames_give_zero():
    frames = np.random.default_rng(0).standard_normal((3, 800)).astype(np.float32)
    frames[2] = 0
    jitter, shimmer = cycles(frames, np.array([0, 0, 100], np.float32), LONGEST)
    np.testing.assert_array_equal(jitter, 0)
    np.testing.assert_array_equal(shimmer, 0)


def test_levinson_against_a_toeplitz_solver():
    rng = np.random.default_rng(0)
    x = signal.lfilter([1], [1, -1.3, 0.8], rng.standard_normal(4000))
    auto = np.array([x[: 4000 - k] @ x[k:] for k in range(9)]) / 4000
    theirs = np.append(1, scipy.linalg.solve_toeplitz(auto[:8], -auto[1:9]))
    np.testing.assert_allclose(predict(auto.astype(np.float32), 8), theirs, atol=1e-3)
    np.testing.assert_array_equal(predict(np.zeros(9, np.float32), 8), [1] + [0] * 8)


@pytest.mark.parametrize(
    "resonances", [(650, 1100, 2500), (300, 2200, 2900), (500, 1500, 2500), (350, 800, 2300)]
)
def test_formants_of_known_resonators(resonances):
    x = np.zeros(4000)
    x[::133] = 1
    x = signal.lfilter([1], [1, -0.97], x)
    for f, b in zip((*resonances, 3500, 4500), (60, 80, 120, 150, 200), strict=True):
        r = np.exp(-np.pi * b / 16000)
        x = signal.lfilter([1], [1, -2 * r * np.cos(2 * np.pi * f / 16000), r * r], x)
    power = np.abs(np.fft.rfft(x[2000:2400] * np.hamming(400), 512)) ** 2
    frequency, bandwidth = formants(power[None].astype(np.float32), HZ)
    np.testing.assert_allclose(frequency[0], resonances, atol=40)
    assert (np.asarray(bandwidth[0]) < 350).all()


def test_formants_of_silence_are_a_neutral_tube():
    frequency, bandwidth = formants(np.zeros((1, 257), np.float32), HZ)
    np.testing.assert_array_equal(frequency[0], [500, 1500, 2500])
    np.testing.assert_array_equal(bandwidth[0], 500)


def test_harmonic_levels_by_hand():
    """Harmonics of 200 Hz whose levels are set: H2 6 dB below H1, A1 at 600 Hz 10 dB above."""
    t = np.arange(800) / 16000
    level = {1: 0.0, 2: -6.0, 3: 10.0, 8: -20.0, 13: -30.0}
    x = sum(10 ** (db / 20) * np.cos(2 * np.pi * 200 * k * t) for k, db in level.items())
    power = np.abs(np.fft.rfft(x * np.hanning(800), 1152)) ** 2
    hz = np.fft.rfftfreq(1152, 1 / 16000)
    found = harmonic_levels(
        power[None].astype(np.float32),
        hz,
        np.array([200.0], np.float32),
        np.array([[620.0, 1650.0, 2500.0]], np.float32),
    )
    np.testing.assert_allclose(np.ravel(found), [6, -10, 20, 30], atol=0.7)
