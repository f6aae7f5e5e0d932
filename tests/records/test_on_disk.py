"""Built records that stay on disk: their index, and what is read of them."""

import dataclasses
import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from jser.errors import InputError
from jser.records import corpus as records
from jser.records import on_disk, places, sidecar


@pytest.fixture
def own(data, tmp_path):
    """A data folder with records of its own, and no index."""
    for variant in places.VARIANTS:
        folder = places.records_dir(data, "synthetic", variant)
        shutil.copytree(folder, places.records_dir(tmp_path, "synthetic", variant))
    return tmp_path


@pytest.mark.parametrize("variant", places.VARIANTS)
def test_the_same_corpus_as_in_memory(own, variant):
    held = records.load("synthetic", own, variant)
    here = records.load("synthetic", own, variant, where="disk")
    for field in dataclasses.fields(held):
        if field.name not in ("frames", "waveform"):
            found, wanted = getattr(here, field.name), getattr(held, field.name)
            assert np.array_equal(found, wanted), field.name
            assert getattr(found, "dtype", None) == getattr(wanted, "dtype", None), field.name
    assert here.frames.shape == held.frames.shape
    # From several threads and in any order, as a stream reads.
    order = np.random.default_rng(0).permutation(len(held.length)).tolist()
    with ThreadPoolExecutor(4) as pool:
        for i, static in zip(order, pool.map(here.static, order), strict=True):
            np.testing.assert_array_equal(static, held.static(i))
            assert static.dtype == np.float32
    assert (here.waveform is None) == (variant == "log_mel")
    if here.waveform is not None:
        for ours, theirs in zip(here.waveform, held.waveform, strict=True):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == np.int16


def test_the_index_is_taken_once(own, monkeypatch):
    first = records.load("synthetic", own, where="disk")
    asked = []
    parsed = on_disk.Shards.parsed
    monkeypatch.setattr(
        on_disk.Shards,
        "parsed",
        lambda self, number, names=on_disk.SAID: asked.append(names) or parsed(self, number, names),
    )
    again = records.load("synthetic", own, where="disk")
    assert not asked
    assert again.frames.key == first.frames.key
    np.testing.assert_array_equal(again.static(3), first.static(3))
    assert set(asked) == {("log_mel",)}, "of a record no more than is asked for is parsed"
    (piece,) = places.index_dir(own).iterdir()
    piece.write_bytes(b"torn")
    third = records.load("synthetic", own, where="disk")
    np.testing.assert_array_equal(third.utterance_id, first.utterance_id)
    assert asked.count(on_disk.SAID) == len(first.label)


def test_records_that_cannot_be_read(own):
    """The hashes are right, so that only the reader can tell."""
    folder = places.records_dir(own, "synthetic", "log_mel")
    (shard,) = folder.glob("*.array_record*")
    shard.write_bytes(shard.read_bytes()[:-1000])
    content = sidecar.read(folder)
    content["shards"] = sidecar.shard_hashes(folder)
    sidecar.write(folder, {k: v for k, v in content.items() if k != "sha256"})
    with pytest.raises(InputError, match=r"records cannot be read \(.*build again with"):
        records.load("synthetic", own, where="disk")
    assert not list(places.index_dir(own).glob("*.npz"))


def test_a_disk_that_goes_away(own):
    records.load("synthetic", own, where="disk")
    there = records.load("synthetic", own, where="disk")
    folder = places.records_dir(own, "synthetic", "log_mel")
    for shard in folder.glob("*.array_record*"):
        shard.unlink()
    with pytest.raises(InputError, match=r"log_mel.*can no longer be read .*the same command"):
        there.static(0)


def test_fewer_records_than_the_sidecar_says(own):
    folder = places.records_dir(own, "synthetic", "log_mel")
    content = sidecar.read(folder) | {"n_utterances": 21}
    sidecar.write(folder, {k: v for k, v in content.items() if k != "sha256"})
    for where in ("memory", "disk"):
        with pytest.raises(InputError, match=r"20 records, jser_corpus\.json says 21"):
            records.load("synthetic", own, where=where)


def test_where_records_lie_is_decided_by_memory(own, monkeypatch):
    folder = places.records_dir(own, "synthetic", "waveform")
    content = json.loads((folder / places.SIDECAR).read_text())
    seconds = content["audit"]["seconds"]["total"]
    # Hand-worked: 100 frames of 64 float32, and 16,000 int16, a second.
    bytes_needed = seconds * (100 * 64 * 4 + 32_000)

    def free(amount):
        memory = type("Memory", (), {"available": amount})
        monkeypatch.setattr(on_disk.psutil, "virtual_memory", memory)

    free(bytes_needed / on_disk.SHARE * 1.01)
    assert not on_disk.are_many(content, seconds)
    assert isinstance(records.load("synthetic", own, "waveform", where="auto").frames, np.ndarray)
    free(bytes_needed / on_disk.SHARE * 0.99)
    assert on_disk.are_many(content, seconds)
    there = records.load("synthetic", own, "waveform", where="auto")
    assert not isinstance(there.frames, np.ndarray)
