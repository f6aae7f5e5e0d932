"""F0 against glides and synthetic speech whose F0 is known, and against librosa's pYIN."""

import librosa
import numpy as np
import pytest

from jser.frontend.descriptors import DescriptorSpec, descriptors
from jser.frontend.pitch import PitchSpec, best_path, candidates, harmonics_to_noise
from tests.frontend.known_pitch import GLIDES, at_frames, errors, glide, synthetic

SPEC = DescriptorSpec()


def hertz(rows):
    """F0 [T] in Hz, 0 where unvoiced."""
    return np.where(rows[:, 0] > 0, 27.5 * 2 ** (rows[:, 0] / 12), 0)


@pytest.mark.parametrize(("snr_db", "gross", "cents"), [(20, 0, 1.5), (10, 0, 4), (5, 0.01, 8)])
def test_glides_from_80_to_500_hz_in_noise(snr_db, gross, cents):
    made = [glide(*pair, snr_db=snr_db, seed=i) for i, pair in enumerate(GLIDES)]
    estimated = [hertz(rows) for rows in descriptors([x for x, _ in made], SPEC)]
    truth = [at_frames(f0, len(e)) for (_, f0), e in zip(made, estimated, strict=True)]
    estimated, truth = np.concatenate(estimated), np.concatenate(truth)
    everywhere = np.ones(len(truth), bool)
    wrong = errors(estimated, truth, everywhere, ~everywhere)
    assert wrong["missed"] < 0.01
    assert wrong["gross"] <= gross
    assert wrong["cents"] < cents


def test_synthetic_speech_with_its_own_f0():
    made = [
        synthetic(speaker, emotion)
        for speaker in ("f1", "f2", "m1", "m3")
        for emotion in ("neutral", "anger", "fear")
    ]
    rows = [hertz(r) for r in descriptors([x for x, _, _ in made], SPEC)]
    ours = np.concatenate(rows)
    truth, voice = (
        np.concatenate([at_frames(m[k], len(r)) for m, r in zip(made, rows, strict=True)])
        for k in (1, 2)
    )
    wrong = errors(ours, truth, voice > 0.4, voice < 0.02)
    assert wrong["missed"] < 0.01
    assert wrong["invented"] < 0.2  # a 50 ms window reaches over the ends of a vowel
    assert wrong["gross"] < 0.015


def test_errors_by_hand():
    """Of five voiced frames one is missed and one an octave off; the others 0, 100, 200 cents."""
    truth = np.full(7, 100.0)
    found = np.array([100, 100 * 2 ** (1 / 12), 100 * 2 ** (-2 / 12), 200, 0, 50, 0])
    voiced = np.array([1, 1, 1, 1, 1, 0, 0], bool)
    wrong = errors(found, truth, voiced, ~voiced)
    assert wrong == {"missed": 0.2, "invented": 0.5, "gross": 0.25, "cents": pytest.approx(100)}


def test_agrees_with_pyin_on_a_glide():
    x, _ = glide(110, 330, seconds=1.0, snr_db=25)
    ours = hertz(descriptors([x], SPEC)[0])
    # pYIN's frames of 1024 samples lie around the same middles.
    theirs, _, _ = librosa.pyin(
        np.pad(x, (312, 1024)), fmin=60, fmax=600, sr=16000, frame_length=1024, hop_length=160,
        center=False,
    )  # fmt: skip
    theirs = theirs[: len(ours)]
    inside = slice(5, -5)
    cents = 1200 * np.abs(np.log2(ours[inside] / theirs[inside]))
    assert np.median(cents) < 15
    assert cents.max() < 60


@pytest.mark.parametrize("f0", [65, 120, 283.7, 590])
def test_pure_tone(f0):
    x = 0.3 * np.sin(2 * np.pi * f0 * np.arange(8000) / 16000).astype(np.float32)
    rows = descriptors([x], SPEC)[0][3:-3]
    assert np.abs(1200 * np.log2(hertz(rows) / f0)).max() < 3
    names = ["f0_semitones", "hnr_db", "voicing"]
    assert rows[:, 1].min() > 25, names  # nothing but harmonics
    assert rows[0, 0] == pytest.approx(12 * np.log2(f0 / 27.5), abs=0.03)


@pytest.mark.parametrize("snr_db", [0, 5, 10, 15])
def test_harmonics_to_noise_ratio_is_the_snr_of_a_tone_in_white_noise(snr_db):
    """Boersma 1993: r at the period is the harmonic share of the power, so HNR is the SNR."""
    rng = np.random.default_rng(0)
    t = np.arange(48000) / 16000
    x = np.sqrt(2) * np.sin(2 * np.pi * 150 * t) + 10 ** (-snr_db / 20) * rng.standard_normal(48000)
    rows = descriptors([(0.1 * x).astype(np.float32)], SPEC)[0]
    assert rows[5:-5, 1].mean() == pytest.approx(snr_db, abs=1.0)


def test_harmonics_to_noise_by_hand():
    r = np.array([0.5, 10 / 11, 100 / 101, 0.0, 1.0], np.float32)
    expected = [0, 10, 20, 10 * np.log10(0.01 / 0.99), 10 * np.log10(0.9999 / 0.0001)]
    np.testing.assert_allclose(harmonics_to_noise(r), expected, atol=0.01)


def test_noise_and_silence_are_unvoiced():
    noise = 0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    rows = descriptors([noise, np.zeros(16000, np.float32)], SPEC)
    assert (rows[0][:, 0] > 0).mean() < 0.05
    assert (rows[1][:, 0] == 0).all()


def test_a_frame_with_no_maximum_has_no_candidates():
    spec = PitchSpec()
    frames = np.zeros((2, spec.window), np.float32)
    frames[1] = np.linspace(-1, 1, spec.window)
    lag, strength, unvoiced = candidates(frames, np.ones(2, np.float32), spec, 16000)
    assert (np.asarray(strength[0]) < -100).all()
    assert np.isfinite(np.asarray(lag)).all()
    assert unvoiced[0] == pytest.approx(spec.voicing + 2)


def exhaustive(lag, strength, unvoiced, spec):
    """The best of all (K + 1)^T paths, from the definition."""
    import itertools

    frames, k = lag.shape
    best, best_score = None, -np.inf
    for path in itertools.product(range(k + 1), repeat=frames):
        score = 0.0
        for t, s in enumerate(path):
            if s == k:
                score += unvoiced[t]
            else:
                score += strength[t, s] - spec.octave * np.log2(60 / 16000 * lag[t, s])
            if t:
                before = path[t - 1]
                if (s == k) != (before == k):
                    score -= spec.change
                elif s < k:
                    score -= spec.jump * abs(np.log2(lag[t - 1, before] / lag[t, s]))
        if score > best_score:
            best, best_score = path, score
    return best


@pytest.mark.parametrize("seed", range(4))
def test_best_path_against_all_paths(seed):
    spec = PitchSpec()
    rng = np.random.default_rng(seed)
    lag = rng.uniform(30, 250, (6, 3)).astype(np.float32)
    strength = rng.uniform(0.3, 0.9, (6, 3)).astype(np.float32)
    unvoiced = rng.uniform(0.4, 0.8, 6).astype(np.float32)
    path = best_path(lag, strength, unvoiced, 6, spec, 16000)
    assert tuple(np.asarray(path)) == exhaustive(lag, strength, unvoiced, spec)
    # Padding changes nothing.
    more = np.random.default_rng(9).uniform(0.3, 250, (5, 7)).astype(np.float32)
    padded = best_path(
        np.concatenate([lag, more[:, :3]]),
        np.concatenate([strength, more[:, 3:6]]),
        np.concatenate([unvoiced, more[:, 6]]),
        6,
        spec,
        16000,
    )
    np.testing.assert_array_equal(padded[:6], path)
