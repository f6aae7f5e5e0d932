"""The sound of a few utterances: the same samples as the whole corpus has, or a reason."""

import shutil

import numpy as np
import pytest

from jser.errors import InputError
from jser.records import corpus, recordings


@pytest.fixture(scope="module")
def whole(data):
    return corpus.load("synthetic", data, "waveform")


def test_samples_are_those_of_the_corpus(data, whole):
    wanted = [str(whole.utterance_id[i]) for i in (0, 7, 19)]
    found = recordings.find("synthetic", data, whole.fingerprint, wanted)
    assert sorted(found) == sorted(wanted)
    for i in (0, 7, 19):
        samples = found[str(whole.utterance_id[i])]
        assert samples.dtype == np.int16
        np.testing.assert_array_equal(samples, whole.waveform[i])
    assert recordings.find("synthetic", data, whole.fingerprint, []) == {}


def test_more_records_than_are_held_at_once(data, whole, monkeypatch):
    monkeypatch.setattr(recordings, "_AT_ONCE", 3)
    wanted = {str(u) for u in whole.utterance_id}
    assert set(recordings.find("synthetic", data, whole.fingerprint, wanted)) == wanted


def test_why_there_is_no_sound(data, whole, tmp_path):
    build = "`jser build synthetic --variant=waveform`"
    with pytest.raises(InputError, match=build):
        recordings.find("synthetic", tmp_path, whole.fingerprint, ["a"])
    with pytest.raises(InputError, match=f"another state of the corpus; {build}"):
        recordings.find("synthetic", data, "0" * 64, ["a"])
    shutil.copytree(data / "synthetic" / "waveform", tmp_path / "synthetic" / "waveform")
    (shard,) = (tmp_path / "synthetic" / "waveform").rglob("*.array_record*")
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(InputError, match=f"shard is damaged .*; {build}"):
        recordings.find("synthetic", tmp_path, whole.fingerprint, ["a"])


def test_licence(data, tmp_path):
    assert recordings.licence("synthetic", data) == "Apache-2.0"
    assert recordings.licence("synthetic", tmp_path) == ""
