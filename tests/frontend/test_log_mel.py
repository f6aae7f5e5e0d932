"""The front end against a float64 reference, and its independence of neighbours and padding."""

import jax
import librosa
import numpy as np
import pytest

from jser.frontend import segments
from jser.frontend.log_mel import (
    LogMelSpec,
    band_centres,
    deltas,
    log_mel_batch,
    mel_filters,
    n_frames,
    three_channels,
)

SPEC = LogMelSpec()


def reference(x: np.ndarray, spec: LogMelSpec) -> np.ndarray:
    """Float64, frame by frame, with librosa's filters, from the definition."""
    x = x.astype(np.float64)
    x = np.pad(x, (0, max(0, spec.window - len(x))))
    y = np.append(x[0], x[1:] - spec.pre_emphasis * x[:-1])
    frames = librosa.util.frame(y, frame_length=spec.window, hop_length=spec.hop).T
    power = np.abs(np.fft.rfft(frames * np.hamming(spec.window), n=spec.n_fft)) ** 2
    filters = librosa.filters.mel(
        sr=spec.sample_rate,
        n_fft=spec.n_fft,
        n_mels=spec.n_mels,
        fmin=spec.f_min,
        fmax=spec.f_max,
        dtype=np.float64,
    )
    return np.log(np.maximum(power @ filters.T, spec.floor))


def speech_like(seed: int, samples: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(samples) / 16000
    f0 = 120 + 30 * np.sin(2 * np.pi * 2 * t)
    phase = 2 * np.pi * np.cumsum(f0) / 16000
    x = sum(np.sin(k * phase) / k for k in range(1, 20)) * (0.5 + 0.5 * np.sin(2 * np.pi * 3 * t))
    x = 0.1 * x + 0.003 * rng.standard_normal(samples)
    return (np.round(x * 32768) / 32768).astype(np.float32)


@pytest.mark.parametrize("samples", [400, 559, 560, 16000, 10480, 10481, 41234])
def test_against_float64_reference(samples):
    x = speech_like(samples, samples)
    (ours,) = log_mel_batch([x], SPEC)
    theirs = reference(x, SPEC)
    assert ours.shape == theirs.shape == (n_frames(samples, SPEC), 64)
    assert np.abs(ours - theirs).max() < 1e-4


def test_against_librosa_melspectrogram():
    """librosa's own pipeline, its window set to ours: zero-centred padding of 512 around 400."""
    x = speech_like(1, 16000)
    y = np.append(x[0], x[1:] - np.float32(0.97) * x[:-1])
    window = np.pad(np.hamming(400), (0, 112))
    mel = librosa.feature.melspectrogram(
        y=np.pad(y, (0, 112)).astype(np.float64), sr=16000, n_fft=512, hop_length=160,
        window=window, center=False, power=2.0, n_mels=64, fmin=20, fmax=8000,
    )  # fmt: skip
    (ours,) = log_mel_batch([x], SPEC)
    assert np.abs(ours - np.log(np.maximum(mel, SPEC.floor)).T).max() < 1e-4


def test_shorter_than_a_window_is_zero_filled():
    x = speech_like(2, 300)
    (ours,) = log_mel_batch([x], SPEC)
    assert ours.shape == (1, 64)
    assert np.abs(ours - reference(x, SPEC)).max() < 1e-4


def test_neighbours_do_not_change_a_bit():
    waves = [speech_like(i, 4000 + 3777 * i) for i in range(7)]
    together = log_mel_batch(waves, SPEC)
    for wave, frames in zip(waves, together, strict=True):
        np.testing.assert_array_equal(log_mel_batch([wave], SPEC)[0], frames)


def test_integers_have_the_numbers_of_their_floats(monkeypatch):
    """To the last bit, whichever recordings share a call of the compiled program."""
    rng = np.random.default_rng(5)
    pcm = [rng.integers(-32768, 32768, n).astype(np.int16) for n in (9, 399, 400, 30000, 70000)]
    pcm += [np.zeros(20000, np.int16), pcm[4] // 999]
    floats = [x * np.float32(2**-15) for x in pcm]
    expected = [log_mel_batch([x], SPEC)[0] for x in floats]
    for blocks in (128, 16):  # In the latter, recordings are divided among calls.
        monkeypatch.setattr("jser.frontend.log_mel.CALL_BLOCKS", blocks)
        for sounds in (pcm, floats, [pcm[0], *floats[1:]]):
            for ours, theirs in zip(log_mel_batch(sounds, SPEC), expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)
    assert np.abs(expected[4] - reference(floats[4], SPEC)).max() < 1e-4


def test_no_waveforms():
    assert log_mel_batch([], SPEC) == []


def test_deltas_against_librosa_and_by_hand():
    x = np.random.default_rng(0).standard_normal((50, 64)).astype(np.float32)
    ours = np.asarray(deltas(x, 50))
    theirs = librosa.feature.delta(x, width=5, axis=0, mode="nearest", polyorder=1)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    ramp = np.arange(6, dtype=np.float32)[:, None]
    # t=0: (1*(1-0) + 2*(2-0)) / 10; inside a ramp the slope is 1.
    np.testing.assert_allclose(
        np.asarray(deltas(ramp, 6))[:, 0], [0.5, 0.8, 1, 1, 0.8, 0.5], atol=1e-6
    )


def test_deltas_stop_at_the_true_end():
    x = np.random.default_rng(1).standard_normal((30, 8)).astype(np.float32)
    padded = np.concatenate([x, np.full((17, 8), 99, np.float32)])
    alone = np.asarray(three_channels(x, 30))
    np.testing.assert_array_equal(np.asarray(three_channels(padded, 30))[:30], alone)


@pytest.mark.parametrize(
    ("frames", "shift", "expected"),
    [(64, 32, 1), (95, 32, 1), (96, 32, 2), (301, 32, 8), (300, 30, 8), (10, 30, 1)],
)
def test_number_of_segments(frames, shift, expected):
    assert segments.n_segments(frames, shift) == expected


def test_segments_and_short_utterances():
    x = np.arange(130, dtype=np.float32)[:, None]
    cut = np.asarray(segments.segment(x, 30))
    assert cut.shape == (3, 64, 1)
    assert cut[2, 0, 0] == 60
    assert cut[2, -1, 0] == 123
    short = segments.fill_short(x[:5])
    assert short.shape == (64, 1)
    assert (short[5:] == 4).all()


def test_speech_bounds():
    log_mel = np.full((100, 64), -9.0)
    log_mel[20:70] = 0.0
    log_mel[40:45] = -9.0  # a pause inside stays
    assert segments.speech_bounds(log_mel, 30.0) == (20, 70)
    assert segments.speech_bounds(np.zeros((7, 64)), 30.0) == (0, 7)


def test_specification_hash_follows_every_field():
    assert LogMelSpec().hash() == LogMelSpec().hash()
    assert LogMelSpec(floor=1e-10).hash() != LogMelSpec().hash()
    assert mel_filters(SPEC).shape == (257, 64)


def test_jit_and_plain_agree():
    from jser.frontend.log_mel import log_mel

    x = speech_like(3, 10480)[None]
    x = np.concatenate([np.zeros((1, 1), np.float32), x], axis=1)
    plain = np.asarray(log_mel(x, SPEC))
    compiled = np.asarray(jax.jit(log_mel, static_argnames="spec")(x, SPEC))
    np.testing.assert_allclose(plain, compiled, atol=1e-4)


@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        LogMelSpec(f_min=0.0, f_max=900.0, n_mels=20),
        LogMelSpec(f_min=1000.0, n_mels=13),
        LogMelSpec(sample_rate=44100, n_fft=2048, f_max=20000.0, n_mels=128),
    ],
    ids=["default", "below the corner", "above the corner", "44.1 kHz"],
)
def test_filters_are_librosa_s_to_the_last_bit(spec: LogMelSpec):
    """Records that were built with librosa's filters and records that were not are the same."""
    edges = {"fmin": spec.f_min, "fmax": spec.f_max}
    theirs = librosa.filters.mel(sr=spec.sample_rate, n_fft=spec.n_fft, n_mels=spec.n_mels, **edges)
    np.testing.assert_array_equal(mel_filters(spec), theirs.T)
    centres = librosa.mel_frequencies(spec.n_mels + 2, **edges)[1:-1]
    np.testing.assert_array_equal(band_centres(spec), centres)


def test_numbers_do_not_depend_on_the_batch(monkeypatch):
    rng = np.random.default_rng(3)
    sounds = [rng.normal(0, 0.1, n).astype(np.float32) for n in (300, 16000, 90000)]
    small = log_mel_batch(sounds, SPEC)
    monkeypatch.setattr("jser.frontend.log_mel.BATCH_BLOCKS", 128)
    for a, b in zip(small, log_mel_batch(sounds, SPEC), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
