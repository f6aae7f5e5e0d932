"""Bad input by table: a command, its exit status, and words of its one sentence.

The damaged sound files are in tests/frontend/test_damage.py, whole corpora of them in
tests/records/test_damaged_corpus.py, numbers out of range in tests/test_ranges.py.
"""

import collections
import json
import os
import shutil

import numpy as np
import pytest
import soundfile

from jser import run_directory
from jser.datasets.emodb import fake
from jser.frontend import waveform
from tests.conftest import refused, train_command


def whole(path):
    """A good recording."""
    t = np.arange(8000) / 16000
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 150 * t), 16000, subtype="PCM_16")


def nan(path):
    soundfile.write(path, np.full(8000, np.nan), 16000, subtype="FLOAT")


# --- corpora --------------------------------------------------------------------------------------


def cut(path):
    whole(path)
    os.truncate(path, 5000)


CORPORA = {
    "missing": ({}, ["no such folder", "--corpus_dir=DIR"]),
    "empty": ({"readme.txt": b"x"}, ["no wav or flac file in it"]),
    "wrong layout": (
        {"Actor_01/03-01-05-01-01-01-01.wav": whole},
        ["named as expected", "03a01Fa"],
    ),
    "unknown emotion": ({"03a01Xa.wav": whole}, ["03a01Xa.wav: emotion code 'X' is none of W L E"]),
    "unknown speaker": ({"99a01Fa.wav": whole}, ["speaker '99' is none of 03 08"]),
    "unknown codes": (
        {"03a01Xa.wav": whole, "03a01Ya.wav": whole},
        ["the names of 2 files hold unknown codes"],
    ),
    "incomplete": ({"03a01Fa.wav": whole}, ["1 recordings of emodb, published are 535"]),
    "the same twice": (
        {"a/03a01Fa.wav": whole, "b/03a01Fa.wav": b"other"},
        ["both are '03a01Fa' but differ; remove one"],
    ),
}


def fill(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        else:
            path.write_bytes(content)


@pytest.mark.parametrize("kind", CORPORA)
def test_corpora(run, tmp_path, kind):
    files, words = CORPORA[kind]
    fill(tmp_path / "c", files)
    data = tmp_path / "data"
    result = run("build", "emodb", f"--corpus_dir={tmp_path / 'c'}", f"--data_dir={data}")
    refused(result, 1, *words)
    assert not (data / "emodb").exists()


RECORDINGS = {
    "truncated": (cut, "is truncated: its header promises 16000 bytes"),
    "empty": (lambda p: p.write_bytes(b""), "is empty (0 bytes)"),
    "silent": (lambda p: soundfile.write(p, np.zeros(8000), 16000), "is silent"),
    "nan": (nan, "not finite"),
    "no audio": (lambda p: p.write_text("<html>404</html>"), "is a web page"),
    "pointer": (
        lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\n"),
        "Git LFS pointer",
    ),
    "pipe": (lambda p: os.mkfifo(p), "is a pipe"),
}


def test_recordings_all_at_once(run, tmp_path):
    """Every kind in one corpus: a sentence each, status 1 with and without --allow_partial."""
    folder = tmp_path / "c"
    folder.mkdir()
    for (write, _), name in zip(RECORDINGS.values(), "FWLEATN", strict=True):
        write(folder / f"03a01{name}a.wav")
    words = (f"--corpus_dir={folder}", f"--data_dir={tmp_path / 'data'}", "--allow_partial")
    result = run("build", "emodb", *words)
    refused(result, 1, "none of its 7 recordings can be used")
    for (_, sentence), name in zip(RECORDINGS.values(), "FWLEATN", strict=True):
        (line,) = [x for x in result[2].splitlines() if x.startswith(f"03a01{name}a.wav: ")]
        assert sentence in line
    assert not (tmp_path / "data" / "emodb").exists()


@pytest.mark.parametrize("suffix", ["", "/under/it"])
def test_data_folder_that_is_a_file(run, tmp_path, suffix):
    (tmp_path / "file").write_text("")
    fake.make(tmp_path / "c", speakers=["03"], per_class=1)
    words = (f"--corpus_dir={tmp_path / 'c'}", f"--data_dir={tmp_path / 'file'}{suffix}")
    refused(run("build", "emodb", *words), 1, "a file is in the way", "--data_dir")
    odd = f"--data_dir={tmp_path}/nicht \udce4"
    refused(run("build", "emodb", words[0], odd), 1, "nicht \\udce4", "no UTF-8", "--data_dir")


def test_two_fetches_at_once(run, tmp_path):
    from jser.records import disk

    with disk.only_fetch(tmp_path):
        refused(run("build", "synthetic", f"--data_dir={tmp_path}"), 1, "fetching a corpus")


# --- records --------------------------------------------------------------------------------------


def changed_sidecar(folder, **fields):
    path = folder / "jser_corpus.json"
    content = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


RECORDS = {
    "sidecar cut": (
        lambda d: os.truncate(d / "jser_corpus.json", 400),
        ["jser_corpus.json: damaged", "build again with `jser build synthetic"],
    ),
    "sidecar gone": (lambda d: (d / "jser_corpus.json").unlink(), ["no records of synthetic"]),
    "sidecar whole again by hand": (
        lambda d: changed_sidecar(d, partial=False),
        ["jser_corpus.json: damaged, changed by hand"],
    ),
    "sidecar without its hash": (
        lambda d: changed_sidecar(d, sha256=None, classes="joy"),
        ["jser_corpus.json: damaged"],
    ),
    "shard flipped": (
        lambda d: flip(next(d.glob("*array_record*"))),
        ["shard is damaged", "build again with"],
    ),
    "shard gone": (
        lambda d: next(d.glob("*array_record*")).unlink(),
        ["shard is missing", "build again with"],
    ),
    "description cut": (
        lambda d: os.truncate(d / "dataset_info.json", 20),
        ["dataset_info.json: file is damaged"],
    ),
    "description gone": (
        lambda d: (d / "features.json").unlink(),
        ["features.json: file is missing"],
    ),
}


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


@pytest.mark.parametrize("kind", RECORDS)
def test_records(run, data, tmp_path, kind):
    change, words = RECORDS[kind]
    mine = tmp_path / "data"
    shutil.copytree(data / "synthetic" / "log_mel", mine / "synthetic" / "log_mel")
    change(mine / "synthetic" / "log_mel" / "1.0.0")
    refused(run("audit", "synthetic", f"--data_dir={mine}"), 1, *words)
    refused(run(*train_command(mine, tmp_path / "run")), 1, *words)
    assert not (tmp_path / "run").exists()
    # The way out works.
    source = f"--corpus_dir={data / 'source'}"
    again = ("build", "synthetic", "--variant=log_mel", source, f"--data_dir={mine}")
    status, _, err = run(*again, "--allow_partial")
    assert status == 0, err
    assert run("audit", "synthetic", f"--data_dir={mine}")[0] == 0


def test_records_of_an_earlier_version(run, data, tmp_path):
    """Without hashes of all files they are read, and built again by the next build."""
    mine = tmp_path / "data"
    shutil.copytree(data / "synthetic" / "log_mel", mine / "synthetic" / "log_mel")
    folder = mine / "synthetic" / "log_mel" / "1.0.0"
    changed_sidecar(folder, sha256=None, described_by=None)
    source = f"--corpus_dir={data / 'source'}"
    command = ("build", "synthetic", "--variant=log_mel", source, f"--data_dir={mine}")
    assert run("audit", "synthetic", f"--data_dir={mine}")[0] == 0
    assert "already built" not in run(*command, "--allow_partial")[1]
    assert "described_by" in json.loads((folder / "jser_corpus.json").read_text())
    assert "already built" in run(*command, "--allow_partial")[1]


def test_records_that_tfds_cannot_read(run, data, tmp_path, monkeypatch):
    """Whatever TFDS raises, for example of another version of its files."""
    import tensorflow_datasets as tfds

    def fails(folder):
        raise RuntimeError("proto of the future\nwith a second line")

    monkeypatch.setattr(tfds, "builder_from_directory", fails)
    words = ("records cannot be read (RuntimeError: proto of the future)", "build again with")
    refused(run("audit", "synthetic", f"--data_dir={data}"), 1, *words)


# --- run directories ------------------------------------------------------------------------------


def put(name, content):
    return lambda folder: (folder / name).write_text(content)


def config(**fields):
    def change(folder):
        path = folder / "config.json"
        tree = json.loads(path.read_text()) | fields
        path.write_text(json.dumps({k: v for k, v in tree.items() if v is not None}))

    return change


def in_its_place(name):
    """A folder where a file should be."""

    def change(folder):
        (folder / name).unlink()
        (folder / name).mkdir()

    return change


def emptied(stage):
    def change(folder):
        shutil.rmtree(folder / "checkpoints" / stage)
        (folder / "checkpoints" / stage).mkdir()

    return change


EVALUATE = {
    "config cut": (put("config.json", '{"epochs": '), ["config.json: not a config"]),
    "config of another kind": (put("config.json", "[1, 2]"), ["config.json: not a config, but a"]),
    "config a folder": (in_its_place("config.json"), ["config.json: cannot be read"]),
    "config without a field": (config(epochs=None), ["no field 'epochs', which dcnn_blstm needs"]),
    "config of another type": (config(epochs="many"), ["epochs: 'many' must be like 20"]),
    "config with one more": (config(epoch=3), ["no field 'epoch'; did you mean 'epochs'?"]),
    "config out of range": (config(epochs=0), ["epochs: 0 must be at least 1"]),
    "corpus unknown": (config(corpus="synthetix"), ["did you mean 'synthetic'"]),
    "checkpoints gone": (emptied("refit"), ["the run is not finished"]),
    "certificate cut": (put("certificate.json", '{"leak'), ["no readable certificate"]),
    "report gone": (lambda d: (d / "report.json").unlink(), ["the run is not finished"]),
    "begun on other records": (
        put("certificate.json", '{"leak": null, "fingerprint": "ab", "folds_hash": "cd"}'),
        ["was begun on other records of synthetic (fingerprint ab, now "],
    ),
    "checkpoint flipped": (
        lambda d: flip(largest(d / "checkpoints" / "refit")),
        ["the checkpoint cannot be read", "delete this folder"],
    ),
    "metrics a folder": (in_its_place("metrics.jsonl"), ["metrics.jsonl: cannot be used"]),
}


def largest(stage):
    newest = max((p for p in stage.iterdir() if p.name.isdigit()), key=lambda p: int(p.name))
    return max((p for p in newest.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


@pytest.fixture
def a_run(tiny_run, tmp_path):
    return shutil.copytree(
        tiny_run / "run", tmp_path / "run", ignore=shutil.ignore_patterns("*.tmp")
    )


@pytest.mark.parametrize("kind", EVALUATE)
def test_evaluate(run, a_run, kind):
    change, words = EVALUATE[kind]
    change(a_run)
    refused(run("evaluate", a_run), 1, *words)


@pytest.mark.parametrize("kind", ["config cut", "config of another kind", "config a folder"])
def test_train_into_a_damaged_run(run, data, a_run, kind):
    change, words = EVALUATE[kind]
    change(a_run)
    refused(run(*train_command(data, a_run)), 1, *words, "choose another --workdir")


COMPARE = {
    "report cut": (put("report.json", '{"uar": '), ["no readable report; run jser evaluate"]),
    "report of another kind": (put("report.json", "[]"), ["no readable report"]),
    "report without figures": (put("report.json", "{}"), ["report.json: lacks corpus, "]),
    "predictions gone": (lambda d: (d / "predictions.csv").unlink(), ["no readable predictions"]),
    "predictions cut": (
        lambda d: os.truncate(d / "predictions.csv", 900),
        ["does not fit its header"],
    ),
    "parts cut": (lambda d: os.truncate(d / "parts.csv", 900), ["does not fit its header"]),
    "parts empty": (
        lambda d: os.truncate(d / "parts.csv", 0),
        ["no readable predictions"],
    ),
    "predictions of another": (put("predictions.csv", "a,b\n"), ["columns a, b are not those"]),
}


@pytest.mark.parametrize("kind", COMPARE)
def test_compare(run, tiny_run, a_run, kind):
    change, words = COMPARE[kind]
    change(a_run)
    refused(run("evaluate", tiny_run / "run", a_run), 1, *words)


def test_damaged_logs_do_not_keep_a_result_back(run, a_run):
    """Metrics and times are no part of the result: what is damaged is left out, and said."""
    before = (a_run / "predictions.csv").read_bytes()
    lines = (a_run / "metrics.jsonl").read_text().splitlines()
    (a_run / "metrics.jsonl").write_text("\n".join(["rubbish", '{"stage": 3}', *lines]) + "\n{")
    (a_run / "seconds.json").write_text("{")
    with pytest.warns(UserWarning, match=r"2 damaged line\(s\) are left out"):
        status, _, err = run("evaluate", a_run)
    assert status == 0, err
    assert (a_run / "predictions.csv").read_bytes() == before
    assert len((a_run / "metrics.jsonl").read_text().splitlines()) == len(lines)


def test_one_program_at_a_time(run, data, tmp_path, a_run):
    with run_directory.only_here(a_run):
        refused(run(*train_command(data, a_run)), 1, "another jser is at work in this run")
        refused(run("evaluate", a_run), 1, "another jser is at work in this run")
    with run_directory.only_here(tmp_path / "new"):
        pass
    assert not (tmp_path / "new").exists()  # nothing was put into it
    odd = tmp_path / "nicht \udce4"
    refused(run(*train_command(data, odd)), 1, "nicht \\udce4: its name is no UTF-8", "--workdir")


def test_too_large_for_the_memory(run, data, tmp_path, monkeypatch):
    import psutil

    class Small:
        available = 1000

    monkeypatch.setattr(psutil, "virtual_memory", Small)
    # What tests before this one have freed counts as free.
    monkeypatch.setattr("jser.allocator.kept", lambda: 0)
    refused(run(*train_command(data, tmp_path / "run")), 1, "GiB of memory are free", "model.units")


def test_no_room_for_a_checkpoint(run, data, a_run, monkeypatch):
    emptied("refit")(a_run)
    usage = collections.namedtuple("usage", "free")
    monkeypatch.setattr("jser.training.checkpoints.shutil.disk_usage", lambda _: usage(100))
    refused(run(*train_command(data, a_run)), 1, "does not fit on the disk", "free some space")


def test_load_says_which_file_and_what(tmp_path):
    path = tmp_path / "new\nline.wav"
    cut(path)
    with pytest.raises(waveform.AudioError) as caught:
        waveform.load(path)
    assert str(caught.value).startswith(f"{tmp_path}/new\\nline.wav: is truncated")
