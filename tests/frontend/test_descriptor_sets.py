"""Sets of descriptors: against librosa and scipy frame by frame, and what must not matter."""

import librosa
import numpy as np
import pytest
from scipy import ndimage

from jser.datasets.synthetic import speech
from jser.errors import InputError
from jser.frontend import descriptor_sets
from jser.frontend.descriptor_sets import SETS, frames, names, set_hash
from jser.frontend.descriptors import DescriptorSpec, descriptor_names, descriptors
from jser.frontend.log_mel import LogMelSpec, log_mel_batch

SPEC = DescriptorSpec()
RATE = 16000


@pytest.fixture(scope="module")
def waves():
    made = [("f1", "anger"), ("m2", "sadness"), ("f3", "fear")]
    return [speech.utterance(s, e, 1).astype(np.float32) / 32768 for s, e in made]


@pytest.fixture(scope="module")
def rows(waves):
    return {name: frames(waves, name) for name in SETS}


def column(x, name, of):
    return x[:, names(of).index(name)]


def slope(x):
    """Regression over two frames each way with the ends repeated, as librosa has it."""
    return librosa.feature.delta(x.astype(float), width=5, order=1, axis=0, mode="nearest")


@pytest.mark.parametrize("name", SETS)
def test_shapes_names_and_frames_of_the_log_mel(waves, rows, name):
    assert len(set(names(name))) == len(names(name)) == {"byun_lee": 48}.get(name, 32)
    for x, mel in zip(rows[name], log_mel_batch(waves, LogMelSpec()), strict=True):
        assert x.shape == (len(mel), len(names(name)))
        assert x.dtype == np.float32
        assert np.isfinite(x).all()


@pytest.mark.parametrize("name", SETS)
def test_shared_columns_are_the_descriptors_own(waves, rows, name):
    own = descriptors(waves[:1], SPEC)[0]
    smooth = {"is09": 3}.get(name, 1)
    shared = [n for n in names(name) if n in descriptor_names(SPEC) and not n.startswith("f0_")]
    assert len(shared) >= 14
    for n in shared:
        wanted = own[:, descriptor_names(SPEC).index(n)].astype(float)
        wanted = ndimage.uniform_filter1d(wanted, smooth, mode="nearest")
        np.testing.assert_allclose(column(rows[name][0], n, name), wanted, rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize("name", ["lee_tashev", "is09"])
def test_hertz_are_zero_where_unvoiced_and_derivatives_do_not_jump(waves, rows, name):
    semitones = descriptors(waves[:1], SPEC)[0][:, 0]
    voiced = semitones > 0
    x = rows[name][0]
    f0, change = (column(x, n, name) for n in ("f0_hz", "d_f0_hz"))
    assert 0.2 < voiced.mean() < 0.9
    assert (f0[~voiced] == 0).all()
    assert (change[~voiced] == 0).all()
    places = np.arange(len(f0))
    hertz = 27.5 * 2 ** (semitones / 12)
    line = np.interp(places, places[voiced], hertz[voiced])
    line = ndimage.uniform_filter1d(line, {"is09": 3}.get(name, 1), mode="nearest")
    np.testing.assert_allclose(f0[voiced], line[voiced], rtol=1e-4)
    np.testing.assert_allclose(change[voiced], slope(line)[voiced], atol=0.02)
    for n in names(name)[:16]:
        if n != "f0_hz":
            wanted = slope(column(x, n, name))
            tolerance = 1e-4 * np.abs(column(x, n, name)).max()
            np.testing.assert_allclose(column(x, f"d_{n}", name), wanted, atol=tolerance)


def test_lines_through_unvoiced_frames(waves, rows):
    semitones = descriptors(waves[:1], SPEC)[0][:, 0].astype(float)
    places, voiced = np.arange(len(semitones)), semitones > 0
    line = np.interp(places, places[voiced], semitones[voiced])
    x = rows["byun_lee"][0]
    np.testing.assert_allclose(column(x, "f0_semitones", "byun_lee"), line, rtol=1e-4)
    np.testing.assert_allclose(column(x, "d_f0_semitones", "byun_lee"), slope(line), atol=1e-3)
    silence = frames([np.zeros(8000, np.float32)], "byun_lee")[0]
    assert (column(silence, "f0_semitones", "byun_lee") == 0).all()


def test_byun_lee_against_librosa(waves, rows):
    x = rows["byun_lee"][0]
    cut = librosa.util.frame(waves[0].astype(float), frame_length=400, hop_length=160).T
    cut = cut - cut.mean(1, keepdims=True)
    power = (np.abs(np.fft.rfft(cut * np.hamming(400), 512)) ** 2).T
    hz = np.fft.rfftfreq(512, 1 / RATE)
    loud = column(x, "rms", "byun_lee") > 1e-3
    assert loud.mean() > 0.5

    def same(name, wanted, **tolerance):
        np.testing.assert_allclose(
            column(x, name, "byun_lee")[loud], np.asarray(wanted)[loud], err_msg=name, **tolerance
        )

    feature = librosa.feature
    theirs = [feature.rms(y=c, frame_length=400, hop_length=400, center=False)[0, 0] for c in cut]
    same("rms", theirs, rtol=1e-4)
    # librosa counts a first sample as a crossing where `pad` is on.
    counts = [
        feature.zero_crossing_rate(
            c, frame_length=400, hop_length=400, center=False, pad=False, threshold=0
        )[0, 0]
        for c in cut
    ]
    same("zcr_hz", np.array(counts) * 400 * RATE / 399, atol=2 * RATE / 399)
    same("centroid_hz", feature.spectral_centroid(S=power, freq=hz)[0], rtol=1e-3)
    same("spread_hz", feature.spectral_bandwidth(S=power, freq=hz)[0], rtol=1e-3)
    theirs = feature.spectral_rolloff(S=power, freq=hz, roll_percent=0.9)[0]
    same("rolloff_90_hz", theirs, atol=RATE / 512 + 1)
    assert np.mean(column(x, "rolloff_90_hz", "byun_lee")[loud] == theirs[loud]) > 0.98
    theirs = 10 * np.log10(feature.spectral_flatness(S=power, power=1.0)[0])
    same("flatness_db", theirs, atol=0.01)
    filters = librosa.filters.mel(
        sr=RATE, n_fft=512, n_mels=26, fmin=20, fmax=8000, htk=True, norm=None
    )
    theirs = feature.mfcc(S=np.log(filters @ power + 1e-6), n_mfcc=13)
    for k in range(13):
        same(f"mfcc_{k:02d}", theirs[k], atol=0.02)


def test_contrast_and_chroma_against_librosa(waves, rows):
    """Of 50 ms around the same middle: 200 samples more on each side of the log-Mel's frame."""
    x = rows["byun_lee"][0]
    padded = np.pad(waves[0].astype(float), (200, 600))
    long = librosa.util.frame(padded, frame_length=800, hop_length=160).T[: len(x)]
    long = (long - long.mean(1, keepdims=True)) * np.hanning(800)
    power = (np.abs(np.fft.rfft(long, 1152)) ** 2).T
    hz = np.fft.rfftfreq(1152, 1 / RATE)
    loud = column(x, "rms", "byun_lee") > 1e-3
    first = names("byun_lee").index("contrast_0_db")
    theirs = librosa.feature.spectral_contrast(S=power, freq=hz, sr=RATE).T
    np.testing.assert_allclose(x[loud, first : first + 7], theirs[loud], atol=0.05)
    first = names("byun_lee").index("chroma_c")
    theirs = librosa.feature.chroma_stft(S=power, sr=RATE, n_fft=1152, tuning=0.0).T
    np.testing.assert_allclose(x[loud, first : first + 12], theirs[loud], atol=1e-3)
    a440 = 0.3 * np.sin(2 * np.pi * 440 * np.arange(8000) / RATE).astype(np.float32)
    tone = frames([a440], "byun_lee")[0][10:-10]
    assert (column(tone, "chroma_a", "byun_lee") == 1).all()


@pytest.mark.parametrize("name", SETS)
def test_neighbours_do_not_change_a_bit(waves, rows, name):
    for wave, x in zip(waves, rows[name], strict=True):
        np.testing.assert_array_equal(frames([wave], name)[0], x)


@pytest.mark.parametrize("name", ["is09", "byun_lee"])
def test_what_lies_behind_the_true_end_is_never_read(rows, name):
    made = SETS[name]
    static = np.stack([x[:100, : len(made.columns)] for x in rows[name]])
    length = np.array([100, 61, 1])
    spoilt = np.full((3, 140, static.shape[2]), 1e6, np.float32)
    for row, n in enumerate(length):
        spoilt[row, :n] = static[row, :n]
    short = descriptor_sets._dynamic(static, length, made=made, spec=SPEC)
    long = descriptor_sets._dynamic(spoilt, length, made=made, spec=SPEC)
    for row, n in enumerate(length):
        np.testing.assert_array_equal(long[row, :n], short[row, :n])
    np.testing.assert_array_equal(short[2, 0, len(made.columns) :], 0)


@pytest.mark.parametrize("name", SETS)
def test_always_finite(name):
    rng = np.random.default_rng(0)
    odd = [
        np.zeros(16000), np.zeros(10), np.full(8000, 0.5), np.eye(1, 4000, 2000)[0],
        np.sign(np.sin(np.arange(8000) / 9)), 1e-4 * rng.standard_normal(9000),
        rng.uniform(-1, 1, 400),
    ]  # fmt: skip
    for x in frames([w.astype(np.float32) for w in odd], name):
        assert np.isfinite(x).all()


def test_peak_level_takes_the_recording_level_away(waves):
    spec = DescriptorSpec(level="peak")
    silence = np.zeros(400, np.float32)
    loud, quiet, still = frames([waves[0], waves[0] * np.float32(0.125), silence], "byun_lee", spec)
    assert np.isfinite(still).all()
    np.testing.assert_allclose(loud, quiet, rtol=1e-4, atol=1e-3)


def test_no_waveforms_and_unknown_names():
    assert frames([], "is09") == []
    with pytest.raises(InputError, match=r"'is_09' is no set of descriptors; did you mean is09\?"):
        names("is_09")
    with pytest.raises(InputError, match="sets are lee_tashev, is09, byun_lee"):
        frames([], "xxxxx")


def test_hash_follows_set_and_specification():
    hashes = {
        set_hash(name, spec) for name in SETS for spec in (SPEC, DescriptorSpec(level="peak"))
    }
    assert len(hashes) == 6
    assert set_hash("is09") == set_hash("is09", descriptor_sets.DEFAULT)
