"""Partials of tones made by hand, whose descriptors can be worked out."""

import numpy as np
import pytest

from jser.frontend.harmonics import NAMES, harmonic

RATE, WIDTH, N_FFT = 16000, 800, 1152


def tone(f0, amplitudes, phases=None, stretch=None):
    """One 50 ms frame of partials 1.. of f0, partial h `stretch[h - 1]` Hz too high."""
    t = np.arange(WIDTH) / RATE
    number = np.arange(1, len(amplitudes) + 1)
    phases = np.random.default_rng(int(f0)).uniform(0, 6, len(number)) if phases is None else phases
    hz = number * f0 + (0 if stretch is None else np.asarray(stretch))
    parts = np.asarray(amplitudes)[:, None] * np.sin(2 * np.pi * hz[:, None] * t + phases[:, None])
    return parts.sum(0).astype(np.float32)


def described(frame, f0):
    values = harmonic(frame[None], np.array([f0], np.float32), RATE, N_FFT, 600.0)
    return dict(zip(NAMES, (float(v[0]) for v in values), strict=True))


@pytest.mark.parametrize("f0", [90.0, 147.3, 260.0, 500.0])
def test_tone_of_known_partials(f0):
    """Amplitudes 4, 2, 1, 1, 2 (hundredths): tristimulus 4, 4, 2 tenths; odd 16 + 1 + 4, even 5."""
    amplitudes = np.array([4, 2, 1, 1, 2]) / 100
    found = described(tone(f0, amplitudes), f0)
    power = (amplitudes**2).sum() / 2
    assert found["harmonic_energy_db"] == pytest.approx(10 * np.log10(power), abs=0.15)
    assert found["noiseness"] < 0.03
    assert found["noise_energy_db"] < 10 * np.log10(power) - 15
    assert found["inharmonicity"] < 0.01
    assert found["tristimulus_1"] == pytest.approx(0.4, abs=0.01)
    assert found["tristimulus_2"] == pytest.approx(0.4, abs=0.01)
    assert found["tristimulus_3"] == pytest.approx(0.2, abs=0.01)
    assert found["odd_to_even_db"] == pytest.approx(10 * np.log10(21 / 5), abs=0.2)


@pytest.mark.parametrize("deviation", [0.01, 0.03, 0.1])
def test_noise_energy_is_that_of_the_noise(deviation):
    """But for a sixth, which lies where the 20 partials are looked for and is taken for them."""
    rng = np.random.default_rng(0)
    energy, share = [], []
    for _ in range(50):
        noise = deviation * rng.standard_normal(WIDTH)
        frame = tone(200.0, [0.05, 0.05, 0.05], rng.uniform(0, 6, 3)) + noise
        found = described(frame.astype(np.float32), 200.0)
        energy.append(10 ** (found["noise_energy_db"] / 10))
        share.append(found["noiseness"])
    assert 0.7 * deviation**2 < np.mean(energy) < deviation**2
    expected = deviation**2 / (deviation**2 + 3 * 0.05**2 / 2)
    assert 0.7 * expected < np.mean(share) < expected


def test_inharmonicity_of_stretched_partials():
    """2 / F0 (0 * 4 + 5 * 1 + 20 * 1) / (4 + 1 + 1) of amplitudes 2, 1, 1."""
    found = described(tone(200.0, [0.02, 0.01, 0.01], stretch=[0, 5, 20]), 200.0)
    assert found["inharmonicity"] == pytest.approx(2 / 200 * 25 / 6, abs=3e-3)


def test_odd_and_even_partials_alone_are_forty_decibels():
    odd = described(tone(150.0, [0.1, 0, 0.1, 0, 0.1]), 150.0)
    even = described(tone(150.0, [0, 0.1, 0, 0.1, 0, 0.1]), 150.0)
    assert odd["odd_to_even_db"] > 30
    assert even["odd_to_even_db"] < -30


def test_only_twenty_partials_count():
    """Partial 21 is noise, however strong."""
    amplitudes = np.zeros(21)
    amplitudes[[0, 20]] = 0.1
    found = described(tone(100.0, amplitudes), 100.0)
    assert found["noiseness"] == pytest.approx(0.5, abs=0.02)
    assert found["tristimulus_1"] > 0.9


def test_partials_above_nyquist_do_not_exist():
    """At 600 Hz partials 1 to 13 lie below 8 kHz."""
    amplitudes = np.full(13, 0.02)
    found = described(tone(600.0, amplitudes), 600.0)
    assert found["tristimulus_3"] == pytest.approx(9 / 13, abs=0.01)


def test_unvoiced_frames_and_silence():
    noise = 0.1 * np.random.default_rng(1).standard_normal(WIDTH).astype(np.float32)
    found = described(noise, 0.0)
    level = 10 * np.log10((noise.astype(float) ** 2).mean())
    assert found["noiseness"] == 1
    assert found["noise_energy_db"] == pytest.approx(level, abs=1)
    assert found["harmonic_energy_db"] == pytest.approx(found["noise_energy_db"] - 40, abs=0.01)
    for name in NAMES[3:]:
        assert found[name] == 0
    silent = described(np.zeros(WIDTH, np.float32), 0.0)
    assert silent["noise_energy_db"] == silent["harmonic_energy_db"] == pytest.approx(-100)
    assert silent["noiseness"] == 1
