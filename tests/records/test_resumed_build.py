"""Builds that were stopped, go on, or find their files changed."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from jser.errors import InputError
from jser.frontend import waveform
from jser.frontend.log_mel import log_mel_batch
from jser.records import cache, corpus, extract, parts, places, sidecar
from jser.records.builder import build


def files(source):
    return sorted(source.rglob("*.wav"))


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_interrupted_build_goes_on(source, tmp_path, monkeypatch, error):
    monkeypatch.setattr(extract, "BATCH_FILES", 10)
    monkeypatch.setattr(extract, "LAST_BATCH_FILES", 10)
    calls = []

    def dies(waves, spec):
        if len(calls) == 3:
            raise error("killed")
        calls.append(len(waves))
        return log_mel_batch(waves, spec)

    monkeypatch.setattr(extract, "log_mel_batch", dies)
    with pytest.raises(error):
        build("emodb", source, tmp_path, allow_partial=True)
    with pytest.raises(InputError, match="no records of emodb"):
        corpus.load("emodb", tmp_path)
    seen = []
    monkeypatch.setattr(
        extract, "log_mel_batch", lambda w, s: seen.append(len(w)) or log_mel_batch(w, s)
    )
    result = build("emodb", source, tmp_path, allow_partial=True)
    assert (result.resumed, result.computed, sum(seen)) == (30, 26, 26)
    assert len(corpus.load("emodb", tmp_path).label) == 56


def test_killed_build_goes_on(source, tmp_path):
    """kill -9 in the writing of the shards: half a build lies about, the features are kept."""
    script = (
        "import os, signal, sys\n"
        "from jser.records import builder, cache, sidecar\n"
        "cache.PACK_SECONDS = 0.0\n"
        "builder.sidecar.shard_hashes = lambda folder: os.kill(os.getpid(), signal.SIGKILL)\n"
        "builder.build('emodb', sys.argv[1], sys.argv[2], allow_partial=True)\n"
    )
    command = [sys.executable, "-c", script, str(source), str(tmp_path)]
    assert subprocess.run(command, capture_output=True, timeout=100).returncode == -9
    stale = places.records_dir(tmp_path, "emodb", "log_mel").parent / "incomplete.ABC_1.0.0"
    stale.mkdir(parents=True)
    assert places.work_dir(tmp_path, "emodb", "log_mel").is_dir()
    result = build("emodb", source, tmp_path, allow_partial=True)
    assert (result.resumed, result.computed) == (56, 0)
    assert not places.work_dir(tmp_path, "emodb", "log_mel").exists()
    assert not stale.exists()


def test_a_full_shard_is_followed_by_another(source, built, tmp_path, monkeypatch):
    monkeypatch.setattr("jser.records.shards.SHARD_BYTES", 200_000)
    path = build("emodb", source, tmp_path, allow_partial=True).path
    said = json.loads((path / "dataset_info.json").read_text())["splits"][0]
    lengths = [int(n) for n in said["shardLengths"]]
    assert len(lengths) == len(list(path.glob("*.array_record-*"))) > 1
    assert sum(lengths) == 56
    ours, theirs = corpus.load("emodb", tmp_path), corpus.load("emodb", built[0])
    assert list(ours.utterance_id) == list(theirs.utterance_id)
    np.testing.assert_array_equal(ours.frames, theirs.frames)


@pytest.mark.parametrize("way", ["local", "parts"])
def test_file_that_changes_after_its_hash_was_taken(source, tmp_path, monkeypatch, way):
    """Other samples never stand under the old hash, not even with an equal size and time."""
    copy = shutil.copytree(source, tmp_path / "copy")
    path = files(copy)[5]
    status = path.stat()
    real = extract.extract

    def later(*words, **more):
        samples, rate = soundfile.read(path, dtype="int16")
        soundfile.write(path, samples[::-1], rate)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert path.stat().st_size == status.st_size
        return real(*words, **more)

    monkeypatch.setattr(extract, "extract", later)
    monkeypatch.setattr("jser.records.sources.check_complete", lambda *_: None)
    run = {"local": None, "parts": parts.Parts(lambda todo: [parts.make(p) for p in todo], 20)}
    with pytest.raises(InputError) as caught:
        build("emodb", copy, tmp_path, way=run[way])
    lines = str(caught.value).splitlines()
    assert "1 of 56 recordings cannot be used" in lines[0]
    assert lines[1] == (
        f"wav/{path.name}: has changed since its hash was taken; run the same command again"
    )
    monkeypatch.setattr(extract, "extract", real)
    build("emodb", copy, tmp_path, allow_partial=True, way=run[way])
    c = corpus.load("emodb", tmp_path)
    (k,) = np.flatnonzero(c.utterance_id == path.stem)
    assert c.pcm_sha256[k] == waveform.load(path).pcm_sha256
    assert len(c.label) == 56


@pytest.mark.parametrize(("seconds", "n_bytes"), [(1e9, 1 << 30), (0.0, 1 << 30), (1e9, 100_000)])
def test_packs_are_written_for_what_takes_long_to_make(
    source, tmp_path, monkeypatch, seconds, n_bytes
):
    """Nothing that is done at once; else so often that a killed build loses little."""
    monkeypatch.setattr(extract, "BATCH_FILES", 10)
    monkeypatch.setattr(extract, "LAST_BATCH_FILES", 10)
    monkeypatch.setattr(cache, "PACK_SECONDS", seconds)
    monkeypatch.setattr(cache, "PACK_BYTES", n_bytes)
    real, packs = cache.np.savez, []

    def savez(file, **arrays):
        packs.append(arrays["log_mel"].nbytes)
        real(file, **arrays)

    monkeypatch.setattr(cache.np, "savez", savez)
    build("emodb", source, tmp_path, allow_partial=True)
    whole = corpus.load("emodb", tmp_path).frames.nbytes
    if not seconds:
        assert len(packs) == 6
        assert sum(packs) == whole
    elif n_bytes < whole:
        assert packs
        assert n_bytes <= min(packs)
        assert max(packs) < n_bytes + whole / 5
    else:
        assert not packs
    assert not list((tmp_path / "cache").rglob("*.npz"))


def test_damaged_pack_is_computed_again(source, tmp_path, monkeypatch):
    monkeypatch.setattr(sidecar, "write", lambda *_: (_ for _ in ()).throw(RuntimeError("stop")))
    with pytest.raises(RuntimeError, match="stop"):
        build("emodb", source, tmp_path, allow_partial=True)
    (pack,) = (tmp_path / "cache").rglob("*.npz")
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)
    monkeypatch.undo()
    assert build("emodb", source, tmp_path, allow_partial=True).computed == 56
    corpus.load("emodb", tmp_path)


def test_failed_rebuild_keeps_the_old_records(source, tmp_path, monkeypatch):
    copy = shutil.copytree(source, tmp_path / "copy")
    build("emodb", copy, tmp_path, allow_partial=True)
    files(copy)[0].write_bytes(b"")
    # Without allow_partial the counts would be refused first.
    monkeypatch.setattr("jser.records.sources.check_complete", lambda *_: None)
    with pytest.raises(InputError, match="1 of 56 recordings cannot be used"):
        build("emodb", copy, tmp_path)
    assert len(corpus.load("emodb", tmp_path).label) == 56
