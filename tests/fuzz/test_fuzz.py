"""A slice of `python -m tests.fuzz`, and what it has found."""

import os
import struct

import numpy as np
import pytest

from jser.frontend import waveform
from jser.frontend.containers import MOST_CODED_BYTES
from tests.fuzz import building, reading, sound_trial, sounds, table_trial
from tests.fuzz.sound_trial import REFUSED, SAME, UNKNOWABLE, WRONG

SLICE = 20 * len(sounds.kinds())


@pytest.fixture(scope="module")
def files():
    return sounds.good()


@pytest.fixture(scope="module")
def good(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("good")
    made = {}
    for name, data in files.items():
        (folder / name).write_bytes(data)
        made[name] = waveform.load(folder / name).pcm
    return made


def test_a_slice_of_sound_files(files, good, tmp_path):
    verdicts = set()
    for number in range(SLICE):
        case = sounds.case(0, number, files)
        (tmp_path / case.name).write_bytes(case.data)
        try:
            pcm = waveform.load(tmp_path / case.name).pcm
        except waveform.AudioError as error:
            clear = error.reason.isprintable() and ";" in error.reason
            if case.harmless or not clear:
                pytest.fail(f"{number} {case.name} ({case.original}): {error}")
            verdicts.add(REFUSED)
        else:
            verdict, why = sound_trial.samples_verdict(case, pcm, good.get(case.original), files)
            assert verdict != WRONG, (number, case.name, case.original, why)
            verdicts.add(verdict)
        (tmp_path / case.name).unlink()
    assert verdicts == {REFUSED, SAME, UNKNOWABLE}


@pytest.mark.timeout(400)
def test_a_slice_through_the_builder(files, tmp_path):
    cases = [sounds.case(1, number, files) for number in range(len(sounds.kinds()))]
    fates, peak = sound_trial.run(cases, files, tmp_path / "sounds")
    assert [fate for fate in fates if fate.verdict == WRONG] == []
    assert len(fates) == len(cases)
    assert 0 < peak < building.MIB


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_slice_of_manifests_through_the_builder(tmp_path):
    fates, _ = table_trial.run(1, range(28), tmp_path)
    assert [fate for fate in fates if fate.verdict == WRONG] == []
    assert len(fates) == 28
    assert {fate.verdict for fate in fates} == {REFUSED, table_trial.BUILT}


def test_the_judge_notices_wrong_samples(files, good):
    """A verdict that could not be WRONG would be worth nothing."""
    case = sounds.Damaged(0, "", "pcm16.wav", "x.wav", files["pcm16.wav"])
    right = good["pcm16.wav"]
    assert sound_trial.samples_verdict(case, right, right, files)[0] == SAME
    assert sound_trial.samples_verdict(case, right[1:], right, files)[0] == WRONG
    assert sound_trial.samples_verdict(case, np.roll(right, 1), right, files)[0] == WRONG
    coded = sounds.Damaged(0, "", "pcm16.flac", "x.flac", files["pcm16.flac"])
    assert sound_trial.samples_verdict(coded, right[1:], right, files)[0] == WRONG
    assert sound_trial.samples_verdict(coded._replace(original=""), right, None, files)[0] == WRONG


def test_the_second_reader_agrees_on_good_files(files, good):
    read = 0
    for name, data in files.items():
        try:
            stored = reading.read(data)
        except reading.Unreadable:
            continue
        expected = sound_trial.expected_pcm(stored)
        assert len(expected) == len(good[name])
        assert np.abs(expected - good[name]).max() <= 1, name
        read += 1
    assert read == 18


# --- what it has found ----------------------------------------------------------------------------


def chunk(name, content):
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


@pytest.mark.parametrize("name", ["gsm.wav", "ms.wav"])
def test_coded_wav_ends_where_its_chunks_say(files, good, tmp_path, name):
    """libsndfile decoded the byte behind GSM's audio, and what followed it, as 40 ms of sound."""
    assert len(good[name]) == round(sounds.SECONDS * 16000)
    (tmp_path / "x.wav").write_bytes(files[name] + chunk(b"LIST", b"INFO" + bytes(range(200))))
    assert np.array_equal(waveform.load(tmp_path / "x.wav").pcm, good[name])
    end = [waveform.Cut(0.5, sounds.SECONDS), waveform.Cut(0.5, None)]
    whole, rest = waveform.load_cuts(tmp_path / "x.wav", end)
    if name == "gsm.wav":  # libsndfile cannot seek in it, which was called damage
        assert "no segment can be looked up" in str(whole)
    else:
        assert len(whole.pcm) == 1600
        assert np.array_equal(whole.pcm, rest.pcm)


def test_samples_that_no_block_has(files, tmp_path):
    """A wrong number of samples in a block would move the end."""
    data = bytearray(files["ms.wav"])
    at = data.index(b"fmt ") + 8
    data[at + 18 : at + 20] = struct.pack("<H", 1000)  # 1012 are in 512 bytes
    (tmp_path / "x.wav").write_bytes(data)
    with pytest.raises(waveform.AudioError, match="contradicts itself"):
        waveform.load(tmp_path / "x.wav")


def test_tag_behind_an_odd_number_of_bytes(tmp_path):
    """The byte that pads an odd length was taken for the beginning of what follows."""
    x = sounds.voice(1)[:9599]
    data = sounds.encoded(x, "WAV", "PCM_U8")
    assert data[:4] == b"RIFF"
    tag = b"TAG" + bytes(125)
    length = struct.unpack("<I", data[40:44])[0]
    bare = data[: 44 + length]
    assert length % 2 == 1
    for rest in (b"", b"\0", b"\0" + tag, tag, b"\0" + chunk(b"LIST", b"INFO") + tag):
        (tmp_path / "x.wav").write_bytes(bare + rest)
        assert len(waveform.load(tmp_path / "x.wav").pcm) == 9599, rest[:8]
    (tmp_path / "x.wav").write_bytes(bare + b"\0\1\2\3\4")
    with pytest.raises(waveform.AudioError, match="does not know"):
        waveform.load(tmp_path / "x.wav")


@pytest.mark.parametrize("name", ["pcm16.flac", "vorbis.ogg", "mono.mp3"])
def test_coded_files_larger_than_memory(files, tmp_path, name):
    """They were read whole: six GiB of zeros behind a FLAC took as much memory, and minutes."""
    (tmp_path / name).write_bytes(files[name])
    os.truncate(tmp_path / name, MOST_CODED_BYTES + 1)
    with pytest.raises(waveform.AudioError, match=r"is too large: 1\.0 GiB"):
        waveform.load(tmp_path / name)


def test_an_error_that_comes_as_the_file_is_closed(files, tmp_path):
    """Read piece by piece an MP3 was let through that is refused whole."""
    case = sounds.case(1, 1520, files)
    (tmp_path / "x.mp3").write_bytes(case.data)
    for read in (waveform.load, lambda path: list(waveform.passing(path))):
        with pytest.raises(waveform.AudioError, match="decoding fails part of the way"):
            read(tmp_path / "x.mp3")


def test_many_zeros_behind_a_wav(files, good, tmp_path):
    (tmp_path / "x.wav").write_bytes(files["pcm16.wav"])
    os.truncate(tmp_path / "x.wav", 64 << 20)
    assert np.array_equal(waveform.load(tmp_path / "x.wav").pcm, good["pcm16.wav"])
    with open(tmp_path / "x.wav", "ab") as file:
        file.write(b"junk")
    with pytest.raises(waveform.AudioError, match="bytes that its header does not know"):
        waveform.load(tmp_path / "x.wav")
