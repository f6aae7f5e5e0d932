"""Spectral descriptors against librosa, scipy and numbers worked out by hand."""

import librosa
import numpy as np
import pytest
import scipy.stats

from jser.frontend import spectral

HZ = np.fft.rfftfreq(512, 1 / 16000)


@pytest.fixture(scope="module")
def power():
    """Power spectra [20, 257] of coloured noise."""
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.standard_normal((20, 400)), axis=1) * 0.02 + rng.standard_normal((20, 400))
    return (np.abs(np.fft.rfft(x * np.hamming(400), 512)) ** 2).astype(np.float32)


def test_moments_against_librosa_and_a_weighted_sample(power):
    centroid, spread, skewness, kurtosis = (np.asarray(v) for v in spectral.shape(power, HZ))
    theirs = librosa.feature.spectral_centroid(S=power.T.astype(float), freq=HZ)[0]
    np.testing.assert_allclose(centroid, theirs, rtol=1e-4)
    theirs = librosa.feature.spectral_bandwidth(S=power.T.astype(float), freq=HZ, p=2)[0]
    np.testing.assert_allclose(spread, theirs, rtol=1e-4)
    # A sample in which each frequency occurs as often as its share says.
    for row in range(3):
        times = np.round(power[row].astype(float) / power[row].sum() * 2e6).astype(int)
        sample = np.repeat(HZ, times)
        assert skewness[row] == pytest.approx(scipy.stats.skew(sample), abs=1e-2)
        assert kurtosis[row] == pytest.approx(scipy.stats.kurtosis(sample, fisher=False), abs=2e-2)


def test_rolloff_flatness_and_cepstra_against_librosa(power):
    for share, ours in zip(spectral.ROLLOFFS, spectral.rolloff(power, HZ), strict=True):
        theirs = librosa.feature.spectral_rolloff(
            S=power.T.astype(float), freq=HZ, roll_percent=share
        )[0]
        assert np.abs(ours - theirs).max() <= HZ[1] + 1e-3  # rounding may tip one bin
        assert (ours == theirs).mean() > 0.9
    flat = librosa.feature.spectral_flatness(S=power.T.astype(float), power=1.0)[0]
    np.testing.assert_allclose(spectral.flatness(power), 10 * np.log10(flat), atol=1e-3)
    log_mel = np.log(power @ spectral.mel_bands(16000, 512, 26, 20.0, 8000.0))
    theirs = librosa.feature.mfcc(S=log_mel.T, n_mfcc=15, dct_type=2, norm="ortho").T
    np.testing.assert_allclose(log_mel @ spectral.cosines(26, 15), theirs, atol=1e-4)


def test_entropy_against_scipy(power):
    share = power / power.sum(1, keepdims=True)
    theirs = scipy.stats.entropy(share.astype(float), axis=1) / np.log(257)
    np.testing.assert_allclose(spectral.entropy(power), theirs, atol=1e-5)
    assert spectral.entropy(np.ones(257, np.float32)) == pytest.approx(1, abs=1e-5)


def test_slope_against_a_regression(power):
    level = 10 * np.log10(power)
    for low, high in ((0, 500), (500, 1500)):
        inside = (low <= HZ) & (high >= HZ)
        theirs = [scipy.stats.linregress(HZ[inside] / 1000, row[inside]).slope for row in level]
        ours = spectral.slope(level.astype(np.float32), HZ, low, high)
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


def test_balance_by_hand():
    power = np.zeros(257, np.float32)
    power[[10, 20, 64, 100]] = [30, 70, 1, 9]  # 312, 625, 2000 and 3125 Hz
    assert spectral.alpha_ratio(power, HZ) == pytest.approx(10, abs=1e-3)
    assert spectral.hammarberg(power, HZ) == pytest.approx(10 * np.log10(70 / 9), abs=1e-3)
    assert spectral.band_power(power, HZ, 250, 650) == 100
    assert spectral.band_power(power, HZ, 1000, 4000) == 10


def test_flux_by_hand():
    now, before = np.zeros((2, 4), np.float32)
    now[:2], before[1:3] = 1e6, 1e6
    # Normalised to sum 1 the spectra differ by a half at two of four bins.
    assert spectral.flux(now, before) == pytest.approx(np.sqrt(0.25 * 2 / 4) * 4, abs=1e-4)
    assert spectral.flux(now, 100 * now) == pytest.approx(0, abs=1e-4)  # loudness is no flux


def test_sharpness_of_one_band_by_hand():
    """Of a single band at 1 kHz (8.53 Bark): 0.11 times its Bark number; rising above 16 Bark."""
    hz = np.array([1000.0, 5000.0])
    low = spectral.sharpness(np.array([1.0, 0.0], np.float32), hz)
    assert low == pytest.approx(0.11 * (26.81 * 1000 / 2960 - 0.53), abs=1e-4)
    z = 26.81 * 5000 / 6960 - 0.53
    high = spectral.sharpness(np.array([0.0, 1.0], np.float32), hz)
    assert high == pytest.approx(0.11 * 0.066 * np.exp(0.171 * z) * z, abs=1e-4)


def test_equal_loudness_rises_to_the_most_audible_frequencies():
    weight = spectral.equal_loudness(26, 20.0, 8000.0)
    centres = librosa.mel_frequencies(28, fmin=20, fmax=8000, htk=True)[1:-1]
    w = 2 * np.pi * centres[10]
    by_hand = (w**2 + 56.8e6) * w**4 / ((w**2 + 6.3e6) ** 2 * (w**2 + 0.38e9))
    assert weight[10] == pytest.approx(by_hand, rel=1e-5)
    assert (np.diff(weight) > 0).all()  # this approximation falls only above 8 kHz
