"""Records: built from fake corpora, read back exactly, resumed, refused."""

import errno
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from jser.datasets.emodb import fake as emodb
from jser.datasets.ravdess import fake as ravdess
from jser.errors import InputError
from jser.frontend import waveform
from jser.frontend.log_mel import LogMelSpec, log_mel_batch
from jser.records import audit, cache, corpus, disk, places, sidecar
from jser.records.builder import build


def files(source):
    return sorted(source.rglob("*.wav"))


def test_round_trip_is_exact(source, built):
    data, result = built
    c = corpus.load("emodb", data, "waveform")
    paths = {path.stem: path for path in files(source)}
    assert list(c.utterance_id) == sorted(paths)
    assert (result.computed, result.resumed, result.already_built) == (len(paths), 0, False)
    waves = [waveform.load(paths[name]) for name in c.utterance_id]
    for k, mel in enumerate(log_mel_batch([w.float32() for w in waves], LogMelSpec())):
        rows = slice(c.offset[k], c.offset[k] + c.length[k])
        np.testing.assert_array_equal(c.frames[rows], mel)
        np.testing.assert_array_equal(c.waveform[k], waves[k].pcm)
        assert c.pcm_sha256[k] == waves[k].pcm_sha256
    assert c.frames.dtype == np.float32
    assert (c.offset.dtype, c.length.dtype, c.label.dtype) == (np.int64, np.int32, np.int32)
    assert c.offset[0] == 0
    assert c.offset[-1] + c.length[-1] == len(c.frames)
    k = list(c.utterance_id).index("08a02Ta")
    assert (c.speaker[k], c.session[k], c.text_id[k]) == ("08", "08", "a02")
    assert c.classes[c.label[k]] == "sadness"
    assert (c.partial, c.synthetic, c.note) == (True, False, None)
    assert c.sex["08"] == "f"


def test_log_mel_variant_has_the_same_features(source, built, tmp_path):
    data, _ = built
    build("emodb", source, tmp_path, allow_partial=True)
    plain, full = corpus.load("emodb", tmp_path), corpus.load("emodb", data, "waveform")
    assert plain.waveform is None
    np.testing.assert_array_equal(plain.frames, full.frames)
    assert plain.fingerprint == full.fingerprint


def test_sidecar_says_everything(built):
    data, result = built
    content = json.loads((result.path / "jser_corpus.json").read_text())
    assert result.path == places.records_dir(data, "emodb", "waveform")
    assert content["n_utterances"] == 56
    assert content["partial"] is True
    assert content["missing"]["classes"]["anger"] == 119
    assert content["front_end_hash"] == LogMelSpec().hash()
    assert LogMelSpec(**content["front_end"]) == LogMelSpec()
    assert content["shards"] == sidecar.shard_hashes(result.path)
    assert content["classes"][0] == "anger"
    for field in ("sex", "citation", "licence", "audit", "fingerprint", "synthetic", "note"):
        assert field in content


def test_nothing_is_left_over(built):
    data, result = built
    assert not list((data / "cache").rglob("*.npz"))
    assert not list(data.rglob("incomplete.*"))
    assert sorted(p.name for p in (data / "cache" / "building").iterdir()) == [
        "emodb-waveform.lock"
    ]
    assert str(data) not in "".join(p.read_text() for p in result.path.glob("*.json"))


def test_second_build_does_nothing(source, built, tmp_path):
    data, first = built
    before = {p: p.stat().st_mtime_ns for p in first.path.iterdir()}
    again = build("emodb", source, data, "waveform", allow_partial=True)
    assert again.already_built
    assert again.computed == 0
    assert again.audit == json.loads(json.dumps(first.audit))
    assert before == {p: p.stat().st_mtime_ns for p in first.path.iterdir()}


def test_two_builds_have_one_fingerprint(source, built, tmp_path):
    # Flat instead of nested, flac instead of wav: the same samples.
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in files(source):
        samples, rate = soundfile.read(path, dtype="int16")
        soundfile.write(flat / f"{path.stem}.flac", samples, rate)
    build("emodb", flat, tmp_path / "data", allow_partial=True)
    mine = corpus.load("emodb", tmp_path / "data")
    assert mine.fingerprint == corpus.load("emodb", built[0], "waveform").fingerprint


def test_changed_source_leads_to_a_rebuild(source, tmp_path):
    copy = shutil.copytree(source, tmp_path / "copy")
    data = tmp_path / "data"
    build("emodb", copy, data, allow_partial=True)
    old = corpus.load("emodb", data)
    path = files(copy)[0]
    samples, rate = soundfile.read(path, dtype="int16")
    soundfile.write(path, samples[::-1], rate)
    assert not build("emodb", copy, data, allow_partial=True).already_built
    new = corpus.load("emodb", data)
    assert new.fingerprint != old.fingerprint
    assert (new.pcm_sha256 != old.pcm_sha256).sum() == 1
    files(copy)[-1].unlink()
    build("emodb", copy, data, allow_partial=True)
    assert len(corpus.load("emodb", data).label) == len(old.label) - 1


def test_another_front_end_leads_to_a_rebuild(source, tmp_path):
    small = LogMelSpec(n_mels=32)
    build("emodb", source, tmp_path, allow_partial=True, spec=small)
    assert corpus.load("emodb", tmp_path, spec=small).frames.shape[1] == 32
    with pytest.raises(InputError, match=r"n_mels 32 there, 64 here.*`jser build emodb"):
        corpus.load("emodb", tmp_path)
    assert not build("emodb", source, tmp_path, allow_partial=True).already_built
    assert corpus.load("emodb", tmp_path).frames.shape[1] == 64


def test_all_broken_files_at_once(source, tmp_path, monkeypatch):
    copy = shutil.copytree(source, tmp_path / "copy")
    bad = files(copy)[:6]
    soundfile.write(bad[0], np.zeros(8000), 16000)
    bad[1].write_bytes(b"")
    bad[2].write_bytes(b"")
    bad[3].write_text("version https://git-lfs.github.com/spec/v1\n")
    bad[4].write_bytes(bad[4].read_bytes()[:2000])
    soundfile.write(bad[5], np.full(8000, np.nan), 16000, subtype="FLOAT")
    monkeypatch.setattr("jser.records.sources.check_complete", lambda *_: None)
    with pytest.raises(InputError) as caught:
        build("emodb", copy, tmp_path / "data")
    lines = str(caught.value).splitlines()
    assert "6 of 56 recordings cannot be used" in lines[0]
    assert "--allow_partial" in lines[0]
    for path, line, what in zip(
        bad, lines[1:], ("silent", "empty", "empty", "LFS", "truncated", "finite"), strict=True
    ):
        assert line.startswith(f"wav/{path.name}: ")
        assert what in line
    assert not places.records_dir(tmp_path / "data", "emodb", "log_mel").exists()
    result = build("emodb", copy, tmp_path / "data", allow_partial=True)
    assert result.resumed == 50
    assert len(result.audit["missing"]["broken"]) == 6
    assert "6 broken" in audit.render(result.audit)
    assert corpus.load("emodb", tmp_path / "data").partial


def test_complete_corpora_are_not_partial(tmp_path):
    build("emodb", emodb.make_complete(tmp_path / "e"), tmp_path)
    assert not corpus.load("emodb", tmp_path).partial
    result = build("ravdess", ravdess.make(tmp_path / "r"), tmp_path)
    c = corpus.load("ravdess", tmp_path)
    assert (len(c.label), c.partial) == (1440, False)
    assert result.audit["classes"]["neutral"]["found"] == 96
    assert np.bincount(c.label).tolist() == [96] + [192] * 7


def test_cut_recordings_are_not_the_corpus(tmp_path):
    source = emodb.make_complete(tmp_path / "e", longest=2.0)
    with pytest.raises(InputError, match=r"no recording is longer than 2\.00 s"):
        build("emodb", source, tmp_path)
    assert not build("emodb_first2s", source, tmp_path).audit["missing"]["classes"]


def test_incomplete_corpus_is_refused(tmp_path):
    source = ravdess.make(tmp_path / "r", speakers=["01", "02"])
    next((source / "Actor_02").glob("03-01-05-*")).unlink()
    with pytest.raises(InputError) as caught:
        build("ravdess", source, tmp_path)
    text = str(caught.value)
    assert "119 recordings of ravdess, published are 1440" in text
    assert "anger 177" in text
    assert "by speaker: 02 1, 03 60" in text
    assert "--allow_partial" in text


def test_partial_records_do_not_serve_as_whole_ones(source, built):
    with pytest.raises(InputError, match="published are 535"):
        build("emodb", source, built[0], "waveform")


@pytest.mark.parametrize("change", ["flip", "cut", "remove"])
def test_damaged_shard_is_refused_and_rebuilt(source, tmp_path, change):
    path = build("emodb", source, tmp_path, allow_partial=True).path
    shard = next(path.glob("*.array_record*"))
    data = bytearray(shard.read_bytes())
    if change == "flip":
        data[len(data) // 2] ^= 1
        shard.write_bytes(data)
    elif change == "cut":
        shard.write_bytes(data[:-1])
    else:
        shard.unlink()
    with pytest.raises(InputError, match=r"shard is (damaged|missing).*`jser build emodb"):
        corpus.load("emodb", tmp_path)
    assert not build("emodb", source, tmp_path, allow_partial=True).already_built
    corpus.load("emodb", tmp_path)


def test_not_built_names_the_command(tmp_path):
    with pytest.raises(InputError, match=rf"`jser build ravdess --data_dir={tmp_path}`"):
        corpus.load("ravdess", tmp_path)


@pytest.mark.parametrize("where", ["cache", "shards"])
def test_no_space(source, tmp_path, monkeypatch, where):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    if where == "cache":
        monkeypatch.setattr(cache, "PACK_SECONDS", 0.0)
        monkeypatch.setattr(cache.np, "savez", full)
    else:
        monkeypatch.setattr("jser.records.builder.sidecar.write", full)
    with pytest.raises(InputError, match="no space left on the disk; free some"):
        build("emodb", source, tmp_path, allow_partial=True)
    assert not places.records_dir(tmp_path, "emodb", "log_mel").exists()
    assert not list(tmp_path.rglob("*.part"))
    monkeypatch.undo()
    assert build("emodb", source, tmp_path, allow_partial=True).computed == (
        56 if where == "cache" else 0
    )


def test_message_of_the_shard_writer_is_understood(tmp_path):
    with (
        pytest.raises(InputError, match="no space left"),
        disk.disk_errors(tmp_path),
    ):
        raise RuntimeError("write() failed: No space left on device; writing x.array_record")


def test_two_builds_at_once(source, tmp_path):
    with (
        disk.only_build(tmp_path, "emodb", "log_mel"),
        pytest.raises(InputError, match="another build of emodb"),
    ):
        build("emodb", source, tmp_path, allow_partial=True)


def test_audit_finds_what_is_odd(tmp_path):
    source = emodb.make(tmp_path / "s", speakers=["03", "08"])
    shutil.copy(source / "wav/03a01Wa.wav", source / "wav/03a02Wa.wav")
    x = np.random.default_rng(1).normal(size=9600)
    soundfile.write(source / "wav/03a01Fa.wav", 0.001 * x, 16000)
    soundfile.write(source / "wav/03a01Na.wav", np.clip(x, -1, 1), 16000)
    soundfile.write(source / "wav/03a01Ta.wav", np.stack([x, -0.5 * x], 1) * 0.1, 16000)
    soundfile.write(source / "wav/03a01Ea.wav", 0.1 * x, 48000)
    (source / "wav/notes.wav").write_bytes(b"no EMO-DB name: skipped unread")
    (source / "wav/._03a01Wa.wav").write_bytes(b"macOS")
    (source / ".hidden").mkdir()
    (source / ".hidden/03a01Xa.wav").write_bytes(b"")
    found = build("emodb", source, tmp_path, allow_partial=True).audit
    assert found["duplicates"] == [["03a01Wa", "03a02Wa"]]
    assert list(found["near_silent"]) == ["03a01Fa"]
    assert list(found["clipped"]) == ["03a01Na"]
    assert found["stereo"] == ["03a01Ta"]
    assert found["sample_rates"] == {"16000": 27, "48000": 1}
    assert found["skipped"] == {"file name is not of this corpus": 1}
    text = audit.render(json.loads(json.dumps(found)))
    for part in (
        "28 of 535 recordings",
        "03 m",
        "same audio: 2: 03a01Wa = 03a02Wa",
        "near silence",
        "clipped",
        "not mono",
        "27 at 16000 Hz, 1 at 48000 Hz",
        "skipped: 1 x file name",
    ):
        assert part in text
    table = text.splitlines()[2:15]
    assert table[0].split() == ["speaker", *found["classes"], "all"]
    assert len({len(line) for line in table}) == 1


def test_twice_the_same_file(tmp_path):
    source = ravdess.make(tmp_path / "r", speakers=["01"])
    shutil.copytree(source / "Actor_01", source / "again" / "Actor_01")
    result = build("ravdess", source, tmp_path, allow_partial=True)
    assert result.audit["n_utterances"] == 60
    assert result.skipped == {"second copy of a recording": 60}
    other = next((source / "again").rglob("*.wav"))
    soundfile.write(other, np.random.default_rng(0).normal(size=4000) * 0.1, 16000)
    with pytest.raises(InputError, match="but differ; remove one"):
        build("ravdess", source, tmp_path, allow_partial=True)


def test_tensorflow_stays_out(source, tmp_path):
    script = (
        "import sys\n"
        "from jser.records import builder, corpus\n"
        "builder.build('emodb', sys.argv[1], sys.argv[2], allow_partial=True)\n"
        "corpus.load('emodb', sys.argv[2])\n"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('tensorflow', 'apache_beam')]\n"
        "assert not bad, bad\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(source), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_unknown_variant(source, tmp_path):
    with pytest.raises(InputError, match="variant 'mfcc' is none of log_mel, waveform"):
        build("emodb", source, tmp_path, "mfcc")


def test_unwritable_data_dir(source, tmp_path, monkeypatch):
    def denied(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("jser.records.disk.places.work_dir", denied)
    with pytest.raises(InputError, match=r"cannot be written .*--data_dir"):
        build("emodb", source, tmp_path, allow_partial=True)
