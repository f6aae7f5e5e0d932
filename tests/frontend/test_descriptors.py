"""Descriptors of whole recordings: against librosa frame by frame, and what must not matter."""

import librosa
import numpy as np
import pytest

from jser.datasets.synthetic import speech
from jser.errors import InputError
from jser.frontend import spectral
from jser.frontend.descriptors import (
    DescriptorSpec,
    descriptor_names,
    descriptors,
    margins,
    pitch_frames,
    table,
)
from jser.frontend.framing import cut, frame_count
from jser.frontend.log_mel import LogMelSpec, log_mel_batch
from jser.frontend.voice import hush

SPEC = DescriptorSpec()
NAMES = descriptor_names(SPEC)
HZ = np.fft.rfftfreq(512, 1 / 16000)


@pytest.fixture(scope="module")
def waves():
    made = [("f1", "anger"), ("m2", "sadness"), ("f3", "fear")]
    return [speech.utterance(s, e, 1).astype(np.float32) / 32768 for s, e in made]


@pytest.fixture(scope="module")
def rows(waves):
    return descriptors(waves, SPEC)


def column(x, name):
    return x[:, NAMES.index(name)]


def test_shapes_names_and_frames_of_the_log_mel(waves, rows):
    assert len(set(NAMES)) == len(NAMES)
    for x, mel in zip(rows, log_mel_batch(waves, LogMelSpec()), strict=True):
        assert x.shape == (len(mel), len(NAMES))
        assert x.dtype == np.float32
        assert np.isfinite(x).all()


def test_spectral_columns_against_librosa(waves, rows):
    frames = librosa.util.frame(waves[0].astype(float), frame_length=400, hop_length=160).T
    frames = frames - frames.mean(1, keepdims=True)
    power = np.abs(np.fft.rfft(frames * np.hamming(400), 512)) ** 2
    ours = rows[0]
    loud = column(ours, "energy_db") > -60
    theirs = librosa.feature.spectral_centroid(S=power.T, freq=HZ)[0]
    np.testing.assert_allclose(column(ours, "centroid_hz")[loud], theirs[loud], rtol=1e-3)
    theirs = 10 * np.log10(librosa.feature.spectral_flatness(S=power.T, power=1.0)[0])
    np.testing.assert_allclose(column(ours, "flatness_db")[loud], theirs[loud], atol=0.01)
    theirs = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-10)
    np.testing.assert_allclose(column(ours, "energy_db"), theirs, atol=0.01)
    crossings = (np.diff(np.signbit(frames), axis=1)).sum(1) * 16000 / 399
    np.testing.assert_allclose(column(ours, "zcr_hz"), crossings, atol=2 * 16000 / 399)
    rate = librosa.feature.zero_crossing_rate(
        frames[10], frame_length=400, hop_length=400, center=False, pad=False
    )
    assert column(ours, "zcr_hz")[10] == pytest.approx(rate[0, 0] * 400 * 16000 / 399, abs=81)
    filters = librosa.filters.mel(
        sr=16000, n_fft=512, n_mels=26, fmin=20, fmax=8000, htk=True, norm=None
    )
    log_mel = np.log(power @ filters.T + spectral.FLOOR)
    theirs = librosa.feature.mfcc(S=log_mel.T, n_mfcc=15, norm="ortho").T
    first = NAMES.index("mfcc_00")
    np.testing.assert_allclose(ours[:, first : first + 15], theirs, atol=0.02)
    weighted = np.cbrt(power @ filters.T * spectral.equal_loudness(26, 20.0, 8000.0))
    np.testing.assert_allclose(column(ours, "loudness"), weighted.sum(1), rtol=1e-3)


def test_pure_tone():
    x = 0.5 * np.sin(2 * np.pi * 400 * np.arange(16000) / 16000).astype(np.float32)
    middle = descriptors([x], SPEC)[0][10:-10]
    assert np.abs(column(middle, "centroid_hz") - 400).max() < 5
    assert np.abs(column(middle, "zcr_hz") - 800).max() < 41
    assert np.abs(column(middle, "f0_semitones") - 12 * np.log2(400 / 27.5)).max() < 0.02
    assert column(middle, "energy_db") == pytest.approx(10 * np.log10(0.125), abs=0.05)
    assert column(middle, "flux").max() < 0.05
    assert column(middle, "jitter_percent").max() < 0.1
    assert column(middle, "shimmer_percent").max() < 0.5


def test_neighbours_do_not_change_a_bit(waves, rows):
    for wave, x in zip(waves, rows, strict=True):
        np.testing.assert_array_equal(descriptors([wave], SPEC)[0], x)


def test_silence_behind_changes_only_the_frames_that_reach_it(waves, rows):
    longer = np.concatenate([waves[0], np.zeros(4000, np.float32)])
    x = descriptors([longer], SPEC)[0]
    # The log-Mel ends with whole windows; the 50 ms of the pitch reach two frames further. The
    # path may differ only where the ends of the recording did.
    same = len(rows[0]) - 2
    np.testing.assert_allclose(x[:same], rows[0][:same], rtol=1e-4, atol=1e-3)


def test_cuts_between_blocks_do_not_show():
    """The same sound at two places, 64 frames and a third of a block apart."""
    voice = speech.utterance("m1", "neutral", 2).astype(np.float32)[:16000] / 32768
    shift = 21
    moved = np.concatenate([np.zeros(shift * 160, np.float32), voice])
    a, b = descriptors([voice, moved], SPEC)
    # At the very beginning the flux has no frame before.
    np.testing.assert_allclose(b[shift + 2 :][: len(a) - 2], a[2:], rtol=1e-3, atol=1e-2)


def test_smoothed_samples_at_a_cut_have_all_their_neighbours():
    """Noise, in which cycles are looked for, hushed in blocks as it is hushed whole."""
    x = np.random.default_rng(0).standard_normal(140 * SPEC.hop).astype(np.float32)
    frames = frame_count(len(x), SPEC.window, SPEC.hop)
    before, after = margins(SPEC)
    blocks = cut([x], [frames], block=64, hop=SPEC.hop, before=before, after=after)
    found = np.concatenate(np.asarray(pitch_frames(hush(blocks), SPEC)))[:frames]
    side = (SPEC.pitch.window - SPEC.window) // 2
    silence = np.zeros((1, before), np.float32)
    whole = np.asarray(hush(np.concatenate([silence, x[None], silence], axis=1)))[0]
    for t in (0, 63, 64, 127, 128, frames - 1):
        start = before + t * SPEC.hop - side
        np.testing.assert_allclose(found[t], whole[start : start + SPEC.pitch.window], atol=1e-6)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros(16000),
        np.zeros(400),
        np.zeros(10),
        np.full(8000, 0.5),
        np.eye(1, 4000, 2000)[0],
        np.sign(np.sin(np.arange(8000) / 9)),
        1e-4 * np.random.default_rng(0).standard_normal(9000),
        np.random.default_rng(0).uniform(-1, 1, 400),
    ],
    ids=["silence", "25 ms", "10 samples", "offset", "click", "square", "whisper", "short noise"],
)
def test_always_finite(x):
    for level in ("recorded", "peak", "variance"):
        rows = descriptors([x.astype(np.float32)], DescriptorSpec(level=level))[0]
        assert np.isfinite(rows).all()


@pytest.mark.parametrize("level", ["peak", "variance"])
def test_the_recording_level_is_taken_away(waves, level):
    spec = DescriptorSpec(level=level)
    loud, quiet = descriptors([waves[0], waves[0] * np.float32(0.125)], spec)
    np.testing.assert_allclose(loud, quiet, rtol=1e-5, atol=1e-4)


def test_only_marked_columns_follow_the_level(waves, rows):
    louder = descriptors([waves[0] * np.float32(2)], SPEC)[0]
    active = column(rows[0], "energy_db") > column(rows[0], "energy_db").max() - 25
    moved = np.abs(louder - rows[0])[active].mean(0) / (rows[0][active].std(0) + 1e-9)
    for descriptor, how_much in zip(table(SPEC), moved, strict=True):
        assert (how_much > 0.1) == descriptor.level, (descriptor.name, how_much)


def test_no_waveforms_and_bad_specifications():
    assert descriptors([], SPEC) == []
    with pytest.raises(InputError, match="loud"):
        DescriptorSpec(level="loud")
    with pytest.raises(InputError, match="odd"):
        DescriptorSpec(smooth=4)


def test_hash_follows_every_field():
    from jser.frontend.pitch import PitchSpec

    assert DescriptorSpec().hash() == SPEC.hash()
    changed = [
        DescriptorSpec(bands=20), DescriptorSpec(level="peak"),
        DescriptorSpec(pitch=PitchSpec(voicing=0.5)),
    ]  # fmt: skip
    assert len({s.hash() for s in [SPEC, *changed]}) == 4
