"""Copies of recordings are known by marks of them; others are not."""

import io

import numpy as np
import pytest
import soundfile
import soxr

from jser.audit import copies
from jser.frontend.log_mel import LogMelSpec, log_mel_batch
from jser.records import corpus as records

RATE = 16000


@pytest.fixture(scope="module")
def recordings(data):
    return list(records.load("synthetic", data, "waveform").waveform)


def marks(recordings):
    return copies.marks(log_mel_batch(recordings, LogMelSpec()))


def mp3(pcm):
    file = io.BytesIO()
    soundfile.write(file, pcm, RATE, format="MP3")
    file.seek(0)
    return soundfile.read(file, dtype="int16")[0]


def telephone(pcm):
    narrow = soxr.resample(pcm.astype(np.float32), RATE, 8000)
    return np.clip(soxr.resample(narrow, 8000, RATE), -32768, 32767).astype(np.int16)


@pytest.mark.parametrize(
    "change",
    [mp3, telephone, lambda pcm: pcm // 10, lambda pcm: np.pad(pcm, (7000, 3000))],
    ids=["mp3", "telephone", "quieter", "with silence"],
)
def test_copies_are_known(recordings, change):
    known, n = marks(recordings[:10]), len(recordings)
    found = copies.copied(known, marks([change(pcm) for pcm in recordings]), n)
    assert found[:10].mean() >= 0.9
    assert not found[10:].any()


def test_nothing_is_like_nothing(recordings):
    none = marks([recordings[0][:1600]])  # too short to be told from another
    assert len(none.owner) == 0
    some = marks(recordings[:2])
    assert not copies.copied(none, some, 2).any()
    assert not copies.copied(some, none, 1).any()


def test_marks_are_kept(recordings, tmp_path):
    made = marks(recordings[:3])
    assert made.patches.dtype == np.int8
    copies.save(tmp_path / "heard.npz", made)
    for one, other in zip(copies.load(tmp_path / "heard.npz"), made, strict=True):
        np.testing.assert_array_equal(one, other)


def test_moments_at_one_lag_are_needed():
    """By hand: two recordings of two moments each, whose patches are the same."""
    patches = np.eye(2, 195, dtype=np.int8) * 127
    owner, moment = np.zeros(2, np.int32), np.array([40, 90], np.int32)
    known = copies.Marks(patches, owner, moment)
    for shift, expected in (((5, 5), True), ((5, 7), True), ((5, 9), False)):
        asked = copies.Marks(patches, owner, moment + np.array(shift, np.int32))
        assert copies.copied(known, asked, 1).tolist() == [expected]
    one = copies.Marks(patches[:1], owner[:1], moment[:1])
    assert copies.copied(known, one, 1).tolist() == [False]
