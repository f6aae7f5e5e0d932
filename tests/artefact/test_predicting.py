"""`jser predict`: files of any kind in, rows out; what cannot be read is said."""

import csv
import io
import json
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import soxr

from jser import cli
from jser.artefact import loader
from jser.records import corpus as records


@pytest.fixture
def recording(data, tmp_path):
    """An utterance as a file, and its samples."""
    corpus = records.load("synthetic", data, "waveform")
    path = tmp_path / "speech.wav"
    soundfile.write(path, corpus.waveform[3], 16000)
    return path, corpus.waveform[3]


@pytest.fixture
def predict(artefact, capsys):
    """A function of words behind `jser predict ARTEFACT`: (status, standard output, error)."""

    def run(*words):
        status = cli.main(["predict", str(artefact), *map(str, words)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_a_row_has_what_the_artefact_says(predict, recording, artefact):
    path, pcm = recording
    status, out, _ = predict(path, "--json")
    assert status == 0
    row = json.loads(out)
    said = loader.Artefact(artefact)([pcm / np.float32(32768)])["probabilities"][0]
    classes = json.loads((artefact / "artefact.json").read_text())["classes"]
    assert list(row["probabilities"]) == classes
    np.testing.assert_allclose(list(row["probabilities"].values()), said, atol=2e-6)
    assert row["label"] == classes[int(said.argmax())]
    assert (row["path"], row["start"]) == (str(path), 0.0)
    assert row["end"] == pytest.approx(len(pcm) / 16000, abs=1e-3)


def test_any_rate_channels_and_format(predict, recording, tmp_path):
    path, pcm = recording
    x = pcm / 32768
    stereo = np.stack([soxr.resample(x, 16000, 44100)] * 2, axis=1)
    made = {"a.flac": (x, 16000), "b.ogg": (x, 16000), "c.mp3": (stereo, 44100),
            "d.aiff": (stereo, 44100), "e.au": (x, 16000), "f.caf": (stereo, 44100),
            "g.w64": (x, 16000)}  # fmt: skip
    (tmp_path / "more").mkdir()
    for name, (samples, rate) in made.items():
        soundfile.write(tmp_path / "more" / name, samples, rate)
    (tmp_path / "more" / "notes.txt").write_text("not sound")
    status, out, _ = predict(path, tmp_path / "more", "--json")
    assert status == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["path"].rpartition("/")[2] for row in rows] == ["speech.wav", *made]
    for row in rows[1:]:  # coded with losses, the numbers move
        for name, p in rows[0]["probabilities"].items():
            assert row["probabilities"][name] == pytest.approx(p, abs=0.25), row["path"]


def test_what_cannot_be_read_is_said_and_the_rest_goes_on(predict, recording, tmp_path):
    path, _ = recording
    (tmp_path / "broken.wav").write_bytes(path.read_bytes()[:2000])
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "empty.flac").touch()
    status, out, error = predict(
        tmp_path / "broken.wav", tmp_path / "text.wav", path, tmp_path / "empty.flac", "--json"
    )
    assert status == 1
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["path"] for row in rows if "error" not in row] == [str(path)]
    assert [row["path"].rpartition("/")[2] for row in rows if set(row) == {"path", "error"}] == [
        "broken.wav", "text.wav", "empty.flac",
    ]  # fmt: skip
    for name, why in (("broken.wav", "truncated"), ("text.wav", "text"), ("empty.flac", "empty")):
        assert any(name in line and why in line for line in error.splitlines()), name


def test_silence_has_no_emotion(predict, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(48000, np.int16), 16000)
    status, out, _ = predict(tmp_path / "silence.wav", "--json")
    row = json.loads(out)
    assert (status, row["label"], row["probabilities"]) == (0, "silence", None)
    assert row["warnings"] == ["nothing but silence"]


MADE = "was trained on made speech, so its answers say nothing about people"


def test_made_speech_is_said(predict, recording, artefact, tmp_path, monkeypatch, capsys):
    """Once a command, on the standard error; nothing where people spoke."""
    path, pcm = recording
    status, out, error = predict(path, path, "--json")
    assert (status, len(out.splitlines())) == (0, 2)
    assert error == f"jser: {artefact}: {MADE}\n"
    raw = io.BytesIO(pcm.astype("<i2").tobytes())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(raw)))
    assert cli.main(["listen", str(artefact), "--json"]) == 0
    assert capsys.readouterr().err == f"jser: {artefact}: {MADE}\n"
    spoken = shutil.copytree(artefact, tmp_path / "spoken")
    info = json.loads((spoken / "artefact.json").read_text())
    info["trained_on"]["synthetic"] = False
    (spoken / "artefact.json").write_text(json.dumps(info))
    assert cli.main(["predict", str(spoken), str(path), "--json"]) == 0
    assert capsys.readouterr().err == ""


def test_not_sure(predict, recording):
    path, _ = recording
    assert json.loads(predict(path, "--json", "--sure=1")[1])["label"] == "not sure"
    status, _, error = predict(path, "--sure=1.5")
    assert status == 1
    assert "--sure=1.5: is no probability" in error


def test_a_timeline_is_the_windows(predict, recording, tmp_path):
    _, pcm = recording
    long = np.concatenate([pcm] * 12)
    soundfile.write(tmp_path / "long.wav", long, 16000)
    _, out, _ = predict(tmp_path / "long.wav", "--json", "--timeline", "--window=2", "--hop=1")
    rows = [json.loads(line) for line in out.splitlines()]
    seconds = len(long) / 16000
    assert [row["start"] for row in rows] == list(range(len(rows)))
    assert rows[-1]["end"] == pytest.approx(seconds, abs=1e-3)
    _, out, _ = predict(tmp_path / "long.wav", "--json", "--window=2", "--hop=1")
    whole = json.loads(out)
    weight = np.array([row["end"] - row["start"] for row in rows])
    for name, p in whole["probabilities"].items():
        mean = np.average([row["probabilities"][name] for row in rows], weights=weight)
        assert p == pytest.approx(mean, abs=1e-5)


def test_music_is_unlike_training(predict, tmp_path):
    t = np.arange(48000) / 16000
    chord = sum(np.sin(2 * np.pi * f * t) for f in (220, 277, 330)) / 20
    soundfile.write(tmp_path / "chord.wav", chord, 16000)
    _, out, _ = predict(tmp_path / "chord.wav", "--json")
    assert any("syllables" in sentence for sentence in json.loads(out)["warnings"])


def test_tables_for_people_and_for_programs(predict, recording):
    path, _ = recording
    _, table, _ = predict(path)
    head, row = table.splitlines()[:2]
    assert head.split()[:3] == ["recording", "seconds", "label"]
    assert "%" in row
    _, out, _ = predict(path, "--csv")
    (only,) = csv.DictReader(io.StringIO(out))
    assert only["path"] == str(path)
    assert sum(float(only[name]) for name in list(only)[4:-1]) == pytest.approx(1, abs=1e-4)


def test_from_the_standard_input(artefact, recording, data, monkeypatch, capsys):
    path, _ = recording
    assert cli.main(["predict", str(artefact), str(path), "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)
    with path.open("rb") as file:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
        assert cli.main(["predict", str(artefact), "-", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == expected | {"path": "-"}


def test_a_closed_standard_input(artefact, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    assert cli.main(["predict", str(artefact), "-"]) == 1
    assert "-: the standard input is closed; pipe a sound" in capsys.readouterr().err
    assert cli.main(["listen", str(artefact)]) == 1
    assert "standard input: is closed; pipe" in capsys.readouterr().err


def test_an_empty_folder(predict, tmp_path):
    status, _, error = predict(tmp_path)
    assert status == 1
    assert "no sound file in this folder or below it" in error


@pytest.mark.slow
def test_an_hour_takes_no_more_memory_than_a_minute(artefact, tmp_path, data):
    """Peak memory of two processes, whose files differ 60 times in length."""
    corpus = records.load("synthetic", data, "waveform")
    speech = np.concatenate(list(corpus.waveform))
    peaks = {}
    for seconds in (60, 3600):
        path = tmp_path / f"{seconds}.wav"
        with soundfile.SoundFile(path, "w", 16000, 1) as file:
            for _ in range(-(-seconds * 16000 // len(speech))):
                file.write(speech)
        subprocess.run(
            [sys.executable, "-m", "jser", "predict", str(artefact), str(path), "--json"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        peaks[seconds] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    assert peaks[3600] < peaks[60] + 100  # MB; the hour alone is 115 MB, and 230 as floats
