"""From a table of one's own to records, a config and a protocol."""

import json

import numpy as np
import pytest
import soundfile

from jser import config, protocols
from jser.datasets import names
from jser.errors import InputError
from jser.frontend import containers, waveform
from jser.frontend.decoding import Cut
from jser.records import corpus, extract, places, sidecar
from jser.records.manifest import built
from jser.records.manifest import corpus as own
from jser.records.manifest.options import Options
from tests.conftest import refused

RATE = 16000


def tone(pitch, seconds=1.0):
    t = np.arange(int(seconds * RATE)) / RATE
    return 0.4 * np.sin(2 * np.pi * pitch * t) * (0.6 + 0.4 * np.sin(9 * t))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Two long recordings and two short ones, and a table of segments."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "long").mkdir()
    for k, name in enumerate(("one.flac", "two.wav")):
        soundfile.write(folder / "long" / name, tone(150 + 40 * k, 30), RATE)
    for k, name in enumerate(("x.wav", "y.wav")):
        soundfile.write(folder / name, tone(220 + 30 * k, 0.4), RATE)
    lines = ["path,start,end,label,speaker,sex,split"]
    for k in range(70):
        start = f"{0.4 * k:.2f},{0.4 * k + 0.35:.2f}"
        lines.append(f"long/one.flac,{start},{'Angry' if k % 3 else 'sad'},anna,f,train")
        lines.append(f"long/two.wav,{start},{'sad' if k % 3 else 'Angry'},ben,m,train")
    lines += ["x.wav,,,happy,cleo,f,dev", "y.wav,,,happy,dan,,test"]
    (folder / "My Talks.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def data(source, tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    result, understood = own.build(source / "My Talks.csv", None, None, data, "waveform")
    return data, result, understood


def test_records_are_the_segments(source, data):
    folder, result, understood = data
    c = corpus.load("my_talks", folder)
    assert len(c.label) == result.computed == 142
    assert c.classes == ("happiness", "sadness", "anger")
    assert (c.partial, c.note, c.sex) == (False, None, {"anna": "f", "ben": "m", "cleo": "f"})
    place = {name: k for k, name in enumerate(c.utterance_id)}
    for name, path, cut in (
        ("long/one@0-0.35", "long/one.flac", Cut(0.0, 0.35)),
        ("long/two@27.6-27.95", "long/two.wav", Cut(27.6, 27.95)),
        ("y", "y.wav", Cut(0.0, None)),
    ):
        (wave,) = waveform.load_cuts(source / path, [cut])
        samples, _ = soundfile.read(source / path, dtype="int16")
        end = None if cut.end is None else round(cut.end * RATE)
        np.testing.assert_array_equal(wave.pcm, samples[round(cut.start * RATE) : end])
        np.testing.assert_array_equal(c.waveform[place[name]], wave.pcm)
        assert c.pcm_sha256[place[name]] == wave.pcm_sha256
    k = place["long/two@0.4-0.75"]
    assert (c.speaker[k], c.session[k], c.split[k], c.classes[c.label[k]]) == (
        "ben", "ben", "train", "sadness",
    )  # fmt: skip
    said = "\n".join(understood)
    assert "'Angry' is anger" in said
    assert "segments: 140, from 4 files" in said
    assert "--config=dcnn_blstm:my_talks" in said


def test_a_long_file_is_opened_once_a_batch(source, tmp_path, monkeypatch):
    monkeypatch.setattr(extract, "LAST_BATCH_FILES", extract.BATCH_FILES)
    checked, opened = [], []
    check, load = containers.check, waveform.load_cuts
    monkeypatch.setattr(containers, "check", lambda file: checked.append(1) or check(file))
    monkeypatch.setattr(
        extract.waveform, "load_cuts", lambda *words: opened.append(words[0]) or load(*words)
    )
    waveform._checked.clear()
    own.build(source / "My Talks.csv", None, None, tmp_path)
    assert len(checked) == 4  # each file is looked through once
    # 140 segments of two files in batches.
    assert len(opened) <= 2 + 140 // extract.BATCH_FILES + 1


def test_a_second_build_does_nothing_and_a_change_is_seen(source, data):
    folder, first, _ = data
    again, _ = own.build(source / "My Talks.csv", None, None, folder, "waveform")
    assert again.already_built
    content = sidecar.read(first.path)
    assert content["manifest"]["file"] == "My Talks.csv"
    assert content["manifest"]["mapped"] == {
        "Angry": "anger",
        "happy": "happiness",
        "sad": "sadness",
    }
    assert str(source) not in json.dumps(content)


def test_configs_take_it(data, monkeypatch):
    folder, _, _ = data
    made = config.load("dcnn_blstm:my_talks", [("data_dir", str(folder))])
    assert (made.corpus, made.protocol) == ("my_talks", "leave_one_speaker_out")
    named = [("data_dir", str(folder)), ("protocol", "leave_one_speaker_out")]
    assert config.config_hash(made) == config.config_hash(config.load("dcnn_blstm:my_talks", named))
    monkeypatch.setenv("JSER_DATA", str(folder))
    assert config.load("dcnn_blstm_paper:my_talks").protocol == "leave_one_speaker_out"
    folds = protocols.make(made.protocol, corpus.load("my_talks"), made.dev_speakers).folds
    assert [fold.test_speakers for fold in folds] == [("anna",), ("ben",), ("cleo",), ("dan",)]
    with pytest.raises(config.UsageError, match="build manifest --manifest=FILE --name=qqq"):
        config.load("dcnn_blstm:qqq")
    with pytest.raises(config.UsageError, match="did you mean 'ravdess'"):
        config.load("dcnn_blstm:ravdes")


@pytest.mark.parametrize(
    ("speakers", "n", "protocol"),
    [
        (1, 300, "random:10"),
        (2, 12, "random:4"),
        (3, 300, "leave_one_speaker_out"),
        (12, 300, "leave_one_speaker_out"),
        (13, 300, "speaker_k_fold:10"),
        (5000, 9000, "speaker_k_fold:10"),
        (-1, 300, "random:10"),
        (-1, 12, "random:4"),
    ],
)
def test_the_protocol_that_suits(speakers, n, protocol):
    found = {str(k): {} for k in range(speakers)} if speakers > 0 else {"": {}, "anna": {}}
    assert built.suited(found, n) == protocol


def test_the_command_line(run, source, tmp_path):
    command = (
        "build",
        "manifest",
        f"--manifest={source / 'My Talks.csv'}",
        f"--data_dir={tmp_path}",
    )
    status, out, err = run(*command, "--variant=log_mel", "--name=talks")
    assert status == 0, err
    for words in (
        "talks: 142 recordings",
        "'sad' is sadness",
        "jser train --config=dcnn_blstm:talks",
    ):
        assert words in out
    status, out, _ = run("audit", "talks", f"--data_dir={tmp_path}")
    assert status == 0
    assert "142 recordings" in out
    refused(run("build", "manifest", f"--data_dir={tmp_path}"), 1, "--manifest=FILE")
    refused(run("build", "emodb", "--manifest=x.csv"), 1, "build emodb: --manifest is for data of")
    refused(run("build", "emodb", "--labels=own"), 1, "--labels")
    refused(run(*command, "--name=emodb"), 1, "comes with jser", "--name=ANOTHER")
    refused(run(*command, "--name=Über"), 1, "small letters")
    # The records that are damaged say how they are built again.
    (places.records_dir(tmp_path, "talks", "log_mel") / "features.json").write_text("{}")
    refused(
        run("audit", "talks", f"--data_dir={tmp_path}"),
        1, "build manifest '--manifest=My Talks.csv' --name=talks --variant=log_mel",
    )  # fmt: skip


def test_faults_leave_nothing_behind(run, source, tmp_path):
    table = tmp_path / "bad.csv"
    rows = "".join(f"nix{k}.wav,sad,anna\n" for k in range(30))
    table.write_text(f"path,label,speaker\n{rows}x.wav,angry,ben\n")
    data = tmp_path / "data"
    words = ("build", "manifest", f"--manifest={table}", f"--corpus_dir={source}",
             f"--data_dir={data}")  # fmt: skip
    status, out, err = run(*words)
    assert (status, out) == (1, "")
    listed = places.faults_list(data, "bad", "waveform")
    assert "30 faults in 31 rows, of which nothing was built" in err
    assert f"all 30 are listed in {listed}" in err
    assert len(listed.read_text().splitlines()) == 30
    assert not (data / "bad").exists()
    # What is missing may be left out, and every result says so; a wrong row may not.
    status, out, err = run(*words, "--allow_partial")
    assert status == 0, err
    assert corpus.load("bad", data).partial
    assert "line 2: nix0.wav: no such file" in out
    table.write_text(table.read_text() + "y.wav,angri,ben\n")
    refused(run(*words, "--allow_partial"), 1, "line 33: label 'angri'")


def test_segments_behind_the_end(run, source, tmp_path):
    table = source / "late.jsonl"
    entry = {"path": "x.wav", "label": "sad", "speaker": "1", "start": 0.1, "end": 0.3}
    lines = [entry, entry | {"end": 7, "label": "angry"}, entry | {"start": 0.2, "label": "angry"}]
    table.write_text("\n".join(map(json.dumps, lines)))
    words = ("build", "manifest", f"--manifest={table}", f"--data_dir={tmp_path}")
    status, _, err = run(*words)
    assert status == 1
    assert (
        "line 2: x.wav, 0.1 s to 7 s: has 0.400 s, and the segment ends at 7 s; correct its times"
        in err
    )
    table.unlink()


def test_unknown_speakers_are_marked(run, source, tmp_path):
    table = source / "nobody.csv"
    rows = [f"long/one.flac,{k},{k + 0.5},{('sad', 'angry')[k % 2]}" for k in range(9)]
    table.write_text("\n".join(["path,start,end,label", *rows]))
    result, understood = own.build(table, Options(speaker="unknown"), None, tmp_path)
    table.unlink()
    c = corpus.load("nobody", tmp_path)
    assert "no speaker-independent result" in c.note
    assert any("NO SPEAKER in 9 of 9 rows" in line for line in understood)
    assert config.load("dcnn_blstm:nobody", [("data_dir", str(tmp_path))]).protocol == "random:3"
    with pytest.raises(InputError, match="no speaker"):
        protocols.make("leave_one_speaker_out", c)
    made = protocols.make("random:3", c)
    assert made.leak
    assert result.audit["speakers"][""]["found"] == 9


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("My Talks", "my_talks"),
        ("Ärger-2", "arger_2"),
        ("2024", "own_2024"),
        ("___", "own"),
        ("日本", "own"),
        ("x" * 99, "x" * 60),
    ],
)
def test_names_of_tables(tmp_path, stem, name):
    assert own.name_of(tmp_path / f"{stem}.csv", Options()) == name


def test_names_that_are_taken(tmp_path):
    for name in (*names(), *own.RESERVED):
        with pytest.raises(InputError, match="--name=ANOTHER"):
            own.name_of(tmp_path / f"{name}.csv", Options())


def test_another_table_of_that_name(source, data, tmp_path):
    folder, _, _ = data
    other = tmp_path / "my talks.csv"
    other.write_text("path,label,speaker\nx.wav,sad,1\ny.wav,angry,2\n")
    with pytest.raises(InputError, match="records of another table lie under the name 'my_talks'"):
        own.build(other, None, source, folder, "waveform")
