"""Segments of a file: what the whole file holds between their times, decoded once."""

import hashlib
import os

import numpy as np
import pytest
import soundfile

from jser.frontend import containers, decoding, waveform
from jser.frontend.decoding import Cut

RATE = 16000
SECONDS = 12.0
CUTS = [
    Cut(0.0, 1.0),
    Cut(0.0, None),
    Cut(1.0, 2.5),
    Cut(1.0, 2.5000625),
    Cut(3.14159, 3.3),
    Cut(7.77, None),
    Cut(11.5, SECONDS),
    Cut(11.5, SECONDS + 0.04),
]


def speech_like(rate):
    """Float [samples]: a gliding tone with a beat, so that no two places are alike."""
    t = np.arange(int(SECONDS * rate)) / rate
    return 0.4 * np.sin(2 * np.pi * (150 * t + 9 * t**2)) * (0.6 + 0.4 * np.sin(11 * t**1.3))


def written(tmp_path, kind, subtype, rate=RATE, channels=1):
    path = tmp_path / f"long_{subtype}.{kind}"
    samples = np.stack([speech_like(rate) / (k + 1) for k in range(channels)], axis=1)
    soundfile.write(path, samples, rate, format=kind, subtype=subtype)
    return path


def expected(path, cut):
    """By another road: the whole file, sliced."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    last = len(samples) if cut.end is None else min(len(samples), round(cut.end * rate))
    return samples[round(cut.start * rate) : last].mean(1)


@pytest.mark.parametrize(
    ("kind", "subtype", "channels"),
    [
        ("wav", "PCM_16", 1),
        ("wav", "PCM_24", 2),
        ("wav", "FLOAT", 1),
        ("flac", "PCM_16", 1),
        ("flac", "PCM_24", 2),
        ("aiff", "PCM_16", 1),
        ("ogg", "VORBIS", 1),
        ("ogg", "OPUS", 1),
        ("mp3", "MPEG_LAYER_III", 1),
    ],
)
def test_a_segment_is_what_lies_between_its_times(tmp_path, kind, subtype, channels):
    path = written(tmp_path, kind, subtype, channels=channels)
    for cut, wave in zip(CUTS, waveform.load_cuts(path, CUTS), strict=True):
        assert isinstance(wave, waveform.Waveform), (cut, wave)
        want = np.clip(np.rint(expected(path, cut) * 32768), -32768, 32767)
        assert len(wave.pcm) == len(want), cut
        assert np.abs(wave.pcm - want).max() <= 1, cut
        assert (wave.sample_rate_in, wave.channels_in) == (RATE, channels)


def test_the_whole_as_a_segment_has_the_whole_files_hash(tmp_path):
    path = written(tmp_path, "wav", "PCM_16")
    whole = waveform.load(path)
    segment, other = waveform.load_cuts(path, [Cut(0.0, SECONDS), Cut(0.0, 1.0)])
    assert segment.pcm_sha256 == whole.pcm_sha256
    assert other.pcm_sha256 != whole.pcm_sha256


def test_a_segment_is_resampled_by_itself(tmp_path):
    path = written(tmp_path, "wav", "PCM_16", rate=44100)
    part = tmp_path / "part.wav"
    samples, rate = soundfile.read(path, dtype="int16")
    soundfile.write(part, samples[44100 : 2 * 44100], rate)
    (wave,) = waveform.load_cuts(path, [Cut(1.0, 2.0)])
    assert wave.pcm_sha256 == waveform.load(part).pcm_sha256
    assert len(wave.pcm) == RATE


def test_order_does_not_matter(tmp_path):
    path = written(tmp_path, "ogg", "VORBIS")
    forward = waveform.load_cuts(path, CUTS)
    backward = waveform.load_cuts(path, CUTS[::-1])[::-1]
    assert [w.pcm_sha256 for w in forward] == [w.pcm_sha256 for w in backward]


def test_what_cannot_be_had_says_why_and_spoils_no_neighbour(tmp_path):
    path = tmp_path / "a.wav"
    samples = np.round(20000 * speech_like(RATE)).astype(np.int16)
    samples[5 * RATE : 6 * RATE] = 0
    soundfile.write(path, samples, RATE)
    cuts = [Cut(0, 1), Cut(5, 6), Cut(11, 12.1), Cut(12.5, None), Cut(13, 14), Cut(2, 2.01)]
    good, silent, late, behind, far, short = waveform.load_cuts(path, cuts)
    assert isinstance(good, waveform.Waveform)
    assert "is silent" in silent.reason
    assert late.reason == "has 12.000 s, and the segment ends at 12.1 s; correct its times"
    assert behind.reason == "has 12.000 s, and the segment starts at 12.5 s; correct its times"
    assert "ends at 14 s" in far.reason
    assert "too short: 10.0 ms" in short.reason


@pytest.mark.parametrize("damage", [b"", b"no sound at all"])
def test_a_file_that_is_none_fails_every_segment(tmp_path, damage):
    path = tmp_path / "a.wav"
    path.write_bytes(damage)
    reasons = {wave.reason for wave in waveform.load_cuts(path, [Cut(0, 1), Cut(1, 2)])}
    assert len(reasons) == 1
    (missing,) = waveform.load_cuts(tmp_path / "none.wav", [Cut(0, 1)])
    assert "no such file" in missing.reason


def test_a_file_is_looked_through_once_until_it_changes(tmp_path, monkeypatch):
    path = written(tmp_path, "flac", "PCM_16")
    looked = []
    check = containers.check
    monkeypatch.setattr(containers, "check", lambda file: looked.append(1) or check(file))
    for start in range(5):
        waveform.load_cuts(path, [Cut(start, start + 1)])
    assert len(looked) == 1
    path.write_bytes(path.read_bytes()[:-5000])
    (wave,) = waveform.load_cuts(path, [Cut(11, 12)])
    assert len(looked) == 2
    assert isinstance(wave, waveform.AudioError)


def test_segments_are_of_the_content_that_was_asked_for(tmp_path, monkeypatch):
    path = written(tmp_path, "wav", "PCM_16")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    cuts = [Cut(0, 1), Cut(1, 2)]
    assert all(isinstance(w, waveform.Waveform) for w in waveform.load_cuts(path, cuts))
    good = waveform.load_cuts(path, cuts, sha256=sha256)
    assert all(isinstance(w, waveform.Waveform) for w in good)
    bad = waveform.load_cuts(path, cuts, sha256=64 * "0")
    assert ["has changed" in w.reason for w in bad] == [True, True]

    status = path.stat()
    samples, rate = soundfile.read(path, dtype="int16")
    decode = decoding.decode_cuts

    def meanwhile(*words):
        yield from decode(*words)
        soundfile.write(path, samples[::-1], rate)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    monkeypatch.setattr(decoding, "decode_cuts", meanwhile)
    assert all("has changed" in w.reason for w in waveform.load_cuts(path, cuts, sha256=sha256))
    monkeypatch.undo()
    # Of the same size and time: what was found out about it before does not count any more.
    assert all("has changed" in w.reason for w in waveform.load_cuts(path, cuts, sha256=sha256))


@pytest.mark.parametrize(
    ("kind", "subtype"), [("wav", "PCM_16"), ("ogg", "VORBIS"), ("mp3", "MPEG_LAYER_III")]
)
def test_long_files_are_decoded_without_seams(tmp_path, monkeypatch, kind, subtype):
    path = written(tmp_path, kind, subtype)
    whole, _ = soundfile.read(path, dtype="float32")
    monkeypatch.setattr(decoding, "_BLOCK", 20000)
    np.testing.assert_allclose(
        waveform.load(path).pcm, np.clip(np.rint(whole * 32768), -32768, 32767), atol=1
    )
