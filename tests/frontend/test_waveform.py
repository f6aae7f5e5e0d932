"""Decoding: bits kept, everything else refused with one sentence."""

import hashlib
import os
import struct

import numpy as np
import pytest
import soundfile

from jser.errors import InputError
from jser.frontend import decoding, waveform
from jser.frontend.waveform import AudioError


@pytest.fixture
def noise():
    return (np.random.default_rng(0).normal(size=16000) * 3000).astype(np.int16)


def write(path, samples, rate=16000, subtype="PCM_16", **kwargs):
    soundfile.write(path, samples, rate, subtype=subtype, **kwargs)
    return path


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_mono_16_bit_passes_bit_by_bit(tmp_path, noise, suffix):
    wave = waveform.load(write(tmp_path / f"a.{suffix}", noise))
    assert wave.pcm.dtype == np.int16
    np.testing.assert_array_equal(wave.pcm, noise)
    assert (wave.sample_rate_in, wave.channels_in, wave.clipped) == (16000, 1, 0.0)
    assert wave.pcm_sha256 == hashlib.sha256(noise.astype("<i2").tobytes()).hexdigest()
    assert wave.peak_db == pytest.approx(20 * np.log10(np.abs(noise.astype(int)).max() / 32768))
    np.testing.assert_array_equal(wave.float32(), noise / np.float32(32768))


def test_stereo_is_averaged(tmp_path):
    both = np.stack([np.full(1600, 1000), np.full(1600, 3000)], axis=1).astype(np.int16)
    both[::2] = 0
    wave = waveform.load(write(tmp_path / "a.wav", both))
    assert wave.channels_in == 2
    np.testing.assert_array_equal(wave.pcm[1::2], 2000)
    np.testing.assert_array_equal(wave.pcm[::2], 0)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_resampling_keeps_a_sine(tmp_path, rate):
    t = np.arange(rate) / rate
    wave = waveform.load(write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 440 * t), rate))
    assert wave.sample_rate_in == rate
    assert len(wave.pcm) == 16000
    expected = 16384 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    middle = slice(1000, -1000)  # The resampler rings at the ends.
    assert np.abs(wave.pcm[middle] - expected[middle]).max() < 8


def test_aliases_are_filtered_out(tmp_path):
    t = np.arange(48000) / 48000
    tone = 0.5 * np.sin(2 * np.pi * 10000 * t) + 0.01 * np.sin(2 * np.pi * 300 * t)
    wave = waveform.load(write(tmp_path / "a.wav", tone, 48000))
    spectrum = np.abs(np.fft.rfft(wave.pcm[1000:-1000]))
    assert spectrum.argmax() * 16000 / 14000 == pytest.approx(300, abs=2)


@pytest.mark.parametrize(
    ("subtype", "tolerance"), [("PCM_24", 0.5), ("PCM_32", 0.5), ("FLOAT", 0.5), ("PCM_U8", 256)]
)
def test_other_sample_formats(tmp_path, noise, subtype, tolerance):
    wave = waveform.load(write(tmp_path / "a.wav", noise / 32768, subtype=subtype))
    assert np.abs(wave.pcm.astype(int) - noise).max() <= tolerance


def test_max_seconds_keeps_the_beginning(tmp_path, noise):
    short = waveform.load(write(tmp_path / "a.wav", noise), max_seconds=0.25)
    np.testing.assert_array_equal(short.pcm, noise[:4000])
    long = waveform.load(tmp_path / "a.wav", max_seconds=9.0)
    np.testing.assert_array_equal(long.pcm, noise)
    up = write(tmp_path / "b.wav", np.repeat(noise, 3), 48000)
    whole = waveform.load(up).pcm[:4000].astype(int)
    assert np.abs(waveform.load(up, max_seconds=0.25).pcm - whole).max() <= 1


def test_clipping_is_a_share(tmp_path, noise):
    noise[:160] = 32767
    assert waveform.load(write(tmp_path / "a.wav", noise)).clipped == pytest.approx(0.01)
    loud = noise / 32768
    loud[:320] = 1.5
    assert waveform.load(write(tmp_path / "b.wav", loud, subtype="FLOAT")).clipped == pytest.approx(
        0.02
    )


def test_streamed_wav_without_a_length_is_read(tmp_path, noise):
    path = write(tmp_path / "a.wav", noise)
    data = bytearray(path.read_bytes())
    at = data.index(b"data")
    data[at + 4 : at + 8] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(data)
    np.testing.assert_array_equal(waveform.load(path).pcm, noise)


@pytest.mark.parametrize("when", ["never", "before", "meanwhile"])
def test_the_samples_are_of_the_content_that_was_asked_for(tmp_path, noise, monkeypatch, when):
    path = write(tmp_path / "a.wav", noise)
    sha256, status = hashlib.sha256(path.read_bytes()).hexdigest(), path.stat()

    def change():
        write(path, noise[::-1])
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    if when == "never":
        np.testing.assert_array_equal(waveform.load(path, sha256=sha256).pcm, noise)
        return
    if when == "before":
        change()
    else:
        decode = decoding.decode
        monkeypatch.setattr(decoding, "decode", lambda *words: change() or decode(*words))
    with pytest.raises(AudioError, match="has changed since its hash was taken"):
        waveform.load(path, sha256=sha256)
    monkeypatch.undo()
    np.testing.assert_array_equal(waveform.load(path).pcm, noise[::-1])


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


BAD = {
    "missing": (lambda p, x: p, "no such file"),
    "folder": (lambda p, x: p.mkdir() or p, "is a folder"),
    "empty": (lambda p, x: p.write_bytes(b""), "is empty (0 bytes)"),
    "pointer": (
        lambda p, x: p.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "Git LFS pointer",
    ),
    "html": (lambda p, x: p.write_text("<html>404</html>"), "is a web page"),
    "random": (lambda p, x: p.write_bytes(bytes(range(256)) * 9), "not a sound file"),
    "header only": (lambda p, x: write(p, x[:0]), "holds no samples"),
    "cut wav": (lambda p, x: cut(write(p, x), 0.5), "header promises 32000 bytes"),
    "cut flac": (lambda p, x: cut(write(p, x, format="FLAC"), 0.5), "truncated"),
    "zeros": (lambda p, x: write(p, 0 * x), "is silent"),
    "constant": (lambda p, x: write(p, 0 * x + 900), "is silent"),
    "whisper": (lambda p, x: write(p, x // 1000), "is silent: it stays within -69 dB"),
    "nan": (lambda p, x: write(p, np.where(x > 0, np.nan, 0.1), subtype="FLOAT"), "not finite"),
    "inf": (lambda p, x: write(p, np.where(x > 0, np.inf, 0.1), subtype="FLOAT"), "not finite"),
    "int range": (
        lambda p, x: write(p, x.astype(float), subtype="FLOAT"),
        "float samples up to 1.2",
    ),
    "short": (lambda p, x: write(p, x[:399]), "too short: 24.9 ms"),
    "slow": (lambda p, x: write(p, x, 4000), "sample rate 4000 Hz"),
    "fast": (lambda p, x: write(p, x, 500000), "sample rate 500000 Hz"),
}


@pytest.mark.parametrize("kind", BAD)
def test_refusals_are_one_sentence(tmp_path, noise, kind):
    make, sentence = BAD[kind]
    path = tmp_path / "03a01Fa.wav"
    make(path, noise)
    with pytest.raises(AudioError) as caught:
        waveform.load(path)
    assert isinstance(caught.value, InputError)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert sentence in text
    assert "\n" not in text
    assert caught.value.reason in text
