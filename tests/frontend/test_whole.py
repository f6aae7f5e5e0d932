"""Whole recordings in one program say what blocks say, whatever stands behind them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser.frontend import descriptor_sets, descriptors, functionals, segments, whole
from jser.frontend.descriptors import DescriptorSpec
from jser.frontend.level import standardised
from jser.frontend.log_mel import LogMelSpec, log_mel_batch
from jser.frontend.voiced import voiced_segments
from tests.frontend.known_pitch import glide

SPEC = DescriptorSpec()


@pytest.fixture(scope="module")
def recordings():
    """Two lengths, padded with noise that nobody may hear: (waveforms, [2, n], lengths)."""
    made = [glide(90, 180, 0.9)[0], glide(200, 120, 1.6, seed=1)[0]]
    rng = np.random.default_rng(0)
    padded = rng.normal(0, 0.1, (2, 29000)).astype(np.float32)
    for row, x in zip(padded, made, strict=True):
        row[: len(x)] = x
    length = np.array([len(x) for x in made], np.int32)
    return made, np.asarray(whole.silent_behind(padded, length)), length


def test_log_mel(recordings):
    made, padded, length = recordings
    for spec in (LogMelSpec(), LogMelSpec(window=1024, n_fft=1024, n_mels=128)):
        found, count = whole.log_mels(padded, length, spec)
        for row, n, expected in zip(found, count, log_mel_batch(made, spec), strict=True):
            assert n == len(expected)
            np.testing.assert_allclose(row[:n], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["lee_tashev", "is09"])
def test_sets_of_descriptors(recordings, name):
    made, padded, length = recordings
    found, count = jax.jit(lambda x, n: whole.set_of(x, n, name, SPEC))(padded, length)
    for row, n, x in zip(found, count, descriptor_sets.frames(made, name, SPEC), strict=True):
        assert n == len(x)
        np.testing.assert_allclose(row[:n] / (x.std(0) + 1), x / (x.std(0) + 1), atol=1e-3)


def test_functionals(recordings):
    made, padded, length = recordings
    found = np.asarray(jax.jit(lambda x, n: whole.functionals_of(x, n, SPEC))(padded, length))
    expected = functionals.functionals(descriptors.descriptors(made, SPEC), SPEC)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)


def test_levels(recordings):
    made, padded, length = recordings
    peak = np.asarray(whole.levelled(padded, length, "peak"))
    np.testing.assert_allclose(np.abs(peak).max(1), 1, atol=1e-6)
    variance = np.asarray(whole.levelled(padded, length, "variance"))
    for row, x in zip(variance, made, strict=True):
        np.testing.assert_allclose(row[: len(x)], standardised(x), atol=2e-5)
        assert not row[len(x) :].any()
    silent = whole.levelled(jnp.zeros((1, 100)), jnp.array([50]), "variance")
    assert not np.asarray(silent).any()


def test_speech_is_found_and_cut_out():
    rng = np.random.default_rng(0)
    static = rng.normal(-8, 0.1, (2, 30, 4)).astype(np.float32)
    static[0, 5:9] += 8
    static[1, 12:20] += 8
    static[:, 25:] = 9  # behind the end
    first, stop = whole.speech_bounds(static, jnp.array([25, 25]), 30.0)
    for row, (a, b) in zip(static, zip(first, stop, strict=True), strict=True):
        assert (int(a), int(b)) == segments.speech_bounds(row[:25], 30.0)
    cut, kept = whole.shifted(static, first, stop, least=6)
    assert kept.tolist() == [6, 8]
    np.testing.assert_array_equal(cut[0, :4], static[0, 5:9])
    np.testing.assert_array_equal(cut[0, 4:6], np.stack([static[0, 8]] * 2))


def test_any_size_is_one_program():
    """What an export promises: batch and samples are symbols."""
    b, n = jax.export.symbolic_shape("b, n", constraints=["n >= 10480"])
    arguments = jax.ShapeDtypeStruct((b, n), jnp.float32), jax.ShapeDtypeStruct((b,), jnp.int32)
    function = jax.jit(lambda x, m: whole.log_mels(x, m, LogMelSpec()))
    exported = jax.export.export(function)(*arguments)
    wave, length = np.ones((3, 12345), np.float32), np.full(3, 12345, np.int32)
    static, count = exported.call(wave, length)
    assert static.shape == (3, 75, 64)
    assert count.tolist() == [75] * 3


@pytest.mark.parametrize("seed", range(5))
def test_segments_of_voice(seed):
    rng = np.random.default_rng(seed)
    lengths = [60, 41, 1]
    flags = np.zeros((3, 60), bool)
    for row, n in zip(flags, lengths, strict=True):
        row[:n] = np.repeat(rng.random(20) < 0.5, 3)[:n] & (rng.random(n) < 0.9)
    for gap, region in ((1, 2), (4, 3), (10, 5)):
        found = np.asarray(whole.voiced_segments(flags, gap, region))
        for row, of, n in zip(found, flags, lengths, strict=True):
            np.testing.assert_array_equal(row[:n], voiced_segments(of[:n], gap, region))
            assert not row[n:].any()
