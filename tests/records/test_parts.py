"""Records built in parts: the same as of the local build, each shard once, resumed, refused."""

import dataclasses
import errno
import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from jser.datasets.fi import fake as fi
from jser.errors import InputError
from jser.records import corpus, extract, parts, pictures, places
from jser.records.builder import build

RECORDINGS = 10


@pytest.fixture(scope="module")
def local(built):
    return built[0]


def in_turn(done=None, stop_after=None):
    """A runner in this process; `done` gets what was worked on, in another order than given."""
    done = [] if done is None else done

    def run(todo):
        for part in reversed(todo):
            if stop_after is not None and len(done) == stop_after:
                raise KeyboardInterrupt
            parts.make(part)
            done.append(part.digest)

    return parts.Parts(run, RECORDINGS)


def in_parts(source, data, way=None, **more):
    return build("emodb", source, data, "waveform", True, way=way or in_turn(), **more)


def records(data):
    return places.records_dir(data, "emodb", "waveform")


def test_the_corpus_is_that_of_the_local_build(source, local, tmp_path):
    result = in_parts(source, tmp_path)
    ours, theirs = (corpus.load("emodb", data, "waveform") for data in (tmp_path, local))
    assert ours.fingerprint == theirs.fingerprint
    for field in dataclasses.fields(ours):
        a, b = getattr(ours, field.name), getattr(theirs, field.name)
        if field.name == "waveform":
            assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
        elif isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b, err_msg=field.name)
    shards = sorted(path.name for path in records(tmp_path).glob("*.array_record-*"))
    assert shards == [f"emodb-corpus.array_record-0000{k}-of-00006" for k in range(6)]
    one, other = (
        json.loads((records(d) / "jser_corpus.json").read_text()) for d in (tmp_path, local)
    )
    differ = {key for key in one if one[key] != other[key]}
    assert differ == {"shards", "sha256", "described_by"}  # The numbers of shards differ.
    assert (result.computed, result.resumed) == (56, 0)
    assert not list((tmp_path / "cache" / "parts").iterdir())


def test_one_part_has_the_metadata_of_the_local_build(source, local, tmp_path):
    in_parts(source, tmp_path, parts.Parts(lambda todo: [parts.make(p) for p in todo], 100))
    for name in ("dataset_info.json", "features.json", "label.labels.txt", "LICENSE"):
        assert (records(tmp_path) / name).read_bytes() == (records(local) / name).read_bytes()


def test_second_build_does_nothing_whatever_the_way(source, local, tmp_path):
    def refuse(todo):
        raise AssertionError

    assert in_parts(source, local, parts.Parts(refuse)).already_built
    in_parts(source, tmp_path)
    assert build("emodb", source, tmp_path, "waveform", True).already_built


def test_interrupted_pipeline_does_only_the_rest(source, local, tmp_path):
    first, second = [], []
    with pytest.raises(KeyboardInterrupt):
        in_parts(source, tmp_path, in_turn(first, stop_after=2))
    assert not records(tmp_path).exists()
    result = in_parts(source, tmp_path, in_turn(second))
    assert (len(first), len(second)) == (2, 4)
    assert not set(first) & set(second)
    assert result.resumed > 0
    assert result.resumed + result.computed == 56
    ours, theirs = (corpus.load("emodb", data, "waveform") for data in (tmp_path, local))
    assert ours.fingerprint == theirs.fingerprint


def test_killed_worker_leaves_no_half_shard(source, local, tmp_path):
    """kill -9 after the third shard's records, before its name."""
    script = (
        "import os, signal, sys\n"
        "from jser.records import builder, parts\n"
        "before, calls = parts.file_sha256, []\n"
        "def dies(path):\n"
        "    calls.append(path)\n"
        "    if len(calls) == 3: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return before(path)\n"
        "parts.file_sha256 = dies\n"
        "way = parts.Parts(lambda todo: [parts.make(p) for p in todo], int(sys.argv[3]))\n"
        "builder.build('emodb', sys.argv[1], sys.argv[2], 'waveform', True, way=way)\n"
    )
    command = [sys.executable, "-c", script, str(source), str(tmp_path), str(RECORDINGS)]
    done = subprocess.run(command, capture_output=True, timeout=100)
    assert done.returncode == -signal.SIGKILL
    folder = places.parts_dir(tmp_path, "emodb", "waveform")
    assert len(list(folder.glob("*.array_record"))) == len(list(folder.glob("*.json"))) == 2
    assert len(list(folder.glob("*.part"))) == 1
    second = []
    in_parts(source, tmp_path, in_turn(second))
    assert len(second) == 4
    assert not folder.exists()
    assert (
        corpus.load("emodb", tmp_path, "waveform").fingerprint
        == corpus.load("emodb", local, "waveform").fingerprint
    )


@pytest.mark.parametrize("what", ["shard", "manifest", "of another part"])
def test_damaged_part_is_made_again(source, tmp_path, what):
    first, second = [], []
    with pytest.raises(KeyboardInterrupt):
        in_parts(source, tmp_path, in_turn(first, stop_after=3))
    folder = places.parts_dir(tmp_path, "emodb", "waveform")
    manifests = sorted(folder.glob("*.json"))
    if what == "shard":
        path = manifests[0].with_suffix(".array_record")
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif what == "manifest":
        manifests[0].write_text(manifests[0].read_text()[:-20])
    else:
        shutil.copy(manifests[1], manifests[0])
    in_parts(source, tmp_path, in_turn(second))
    assert len(second) == 4
    assert len(set(first) & set(second)) == 1
    corpus.load("emodb", tmp_path, "waveform")  # Verifies every shard's hash.


def test_broken_recordings_are_reported_as_locally(source, tmp_path, monkeypatch):
    copy = shutil.copytree(source, tmp_path / "copy")
    bad = sorted(copy.rglob("*.wav"))[:4]
    for path in bad:
        path.write_bytes(path.read_bytes()[:200] + path.name.encode())
    monkeypatch.setattr("jser.records.sources.check_complete", lambda *_: None)
    said = []
    for data, way in (("local", None), ("parts", in_turn())):
        with pytest.raises(InputError) as caught:
            build("emodb", copy, tmp_path / data, "waveform", way=way)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert said[0].count("\n") == 4
    other = build("emodb", copy, tmp_path / "local", "waveform", True)
    monkeypatch.setattr(parts, "_Writer", None)  # They are left out: nothing is written twice.
    one = in_parts(copy, tmp_path / "parts")
    assert one.audit == other.audit
    assert (one.resumed, one.computed) == (52, 0)
    assert corpus.load("emodb", tmp_path / "parts", "waveform").partial


def test_pictures_go_in_parts_too(tmp_path):
    source = fi.make(tmp_path / "s", per_class=3)
    build("fi", source, tmp_path / "local")
    build("fi", source, tmp_path / "parts", way=in_turn())
    ours, theirs = (pictures.load("fi", tmp_path / d) for d in ("parts", "local"))
    assert ours.fingerprint == theirs.fingerprint
    assert list(ours.utterance_id) == list(theirs.utterance_id)
    rows = np.arange(len(ours.label))
    np.testing.assert_array_equal(ours.images(rows), theirs.images(rows))


def test_mended_recording_is_taken_in(source, tmp_path, monkeypatch):
    """Where only the reading had failed, the content's hash does not change."""
    copy = shutil.copytree(source, tmp_path / "copy")
    path = sorted(copy.rglob("*.wav"))[7]
    real = extract.waveform.load

    def fails(where, *rest):
        if where.name == path.name:
            raise extract.AudioError(where, "cannot be read (Input/output error)")
        return real(where, *rest)

    monkeypatch.setattr(extract.waveform, "load", fails)
    monkeypatch.setattr("jser.records.sources.check_complete", lambda *_: None)
    with pytest.raises(InputError, match="1 of 56 recordings cannot be used"):
        build("emodb", copy, tmp_path, "waveform", way=in_turn())
    monkeypatch.setattr(extract.waveform, "load", real)
    done = []
    result = build("emodb", copy, tmp_path, "waveform", True, way=in_turn(done))
    assert len(done) == 1
    assert 0 < result.computed < 20
    assert len(corpus.load("emodb", tmp_path, "waveform").label) == 56


def test_a_part_without_a_usable_recording_has_no_shard(source, tmp_path):
    copy = shutil.copytree(source, tmp_path / "copy")
    paths = sorted(copy.rglob("*.wav"))
    for path in paths[1:]:
        path.write_bytes(b"")
    assert in_parts(copy, tmp_path).computed == 1
    (shard,) = records(tmp_path).glob("*.array_record-*")
    assert shard.name.endswith("-00000-of-00001")
    assert list(corpus.load("emodb", tmp_path, "waveform").utterance_id) == [paths[0].stem]


def test_assignment_depends_on_the_id_alone(source, tmp_path):
    """Another folder, another label: the same division; another content: another digest."""
    seen = []

    def look(todo):
        seen.append(todo)
        raise KeyboardInterrupt

    moved = shutil.copytree(source, tmp_path / "moved")
    changed = sorted(moved.rglob("*.wav"))[3]
    for k, folder in enumerate((source, moved, moved)):
        if k == 2:
            changed.write_bytes(changed.read_bytes()[:-2] + b"\1\1")
        with pytest.raises(KeyboardInterrupt):
            in_parts(folder, tmp_path / "data", parts.Parts(look, RECORDINGS))
    names = [[[u.utterance_id for u in p.utterances] for p in todo] for todo in seen]
    assert names[0] == names[1] == names[2]
    assert sum(map(len, names[0])) == 56
    digests = [[p.digest for p in todo] for todo in seen]
    assert digests[0] == digests[1]
    assert sum(a != b for a, b in zip(digests[1], digests[2], strict=True)) == 1
    assert all(u.path.is_absolute() for p in seen[0] for u in p.utterances)


def test_no_space(source, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(parts._Writer, "put", full)
    with pytest.raises(InputError, match="no space left on the disk; free some"):
        in_parts(source, tmp_path)
    assert not list(tmp_path.rglob("*.part"))
    monkeypatch.undo()
    assert in_parts(source, tmp_path).computed == 56


def test_links_are_not_needed(source, local, tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(parts.os, "link", none)
    in_parts(source, tmp_path)
    assert (
        corpus.load("emodb", tmp_path, "waveform").fingerprint
        == corpus.load("emodb", local, "waveform").fingerprint
    )


def test_a_pipeline_that_forgets_a_part_is_noticed(source, tmp_path):
    with pytest.raises(RuntimeError, match="has not finished"):
        in_parts(source, tmp_path, parts.Parts(lambda todo: [parts.make(todo[0])], RECORDINGS))
