"""A run becomes an artefact that says what the run says, or nothing is left behind."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from jser import cli
from jser.artefact import answer, calibration, export, loader, opening, parity
from jser.errors import InputError
from jser.evaluation.predictions import read_csv
from jser.records import corpus as records
from tests.conftest import jser


def test_an_artefact_is_whole(artefact):
    info = json.loads((artefact / "artefact.json").read_text())
    assert sorted(path.name for path in artefact.iterdir()) == [
        "README.md", "artefact.json", "heard.npz", "load.py", "model.safetensors",
        "model.stablehlo", "stream.stablehlo",
    ]  # fmt: skip
    assert sorted(info["classes"]) == ["anger", "fear", "happiness", "neutral", "sadness"]
    assert info["members"] == [f"fold {k}, seed 0" for k in (1, 2, 3, 4)]
    assert info["trained_on"]["n_utterances"] == 20
    assert info["trained_on"]["unheard_speakers"] == []
    assert info["trained_on"]["synthetic"] is True
    assert len(info["trained_on"]["pcm_sha256"]) == 20
    assert info["trained_on"]["licences"] == {"synthetic": "Apache-2.0"}
    assert info["parity"]["recordings"] == parity.RECORDINGS
    for differences in info["parity"]["formats"].values():
        assert max(differences["logits"], differences["scores"]) <= parity.LIMIT
        assert differences["probabilities"] <= parity.LIMIT / min(info["temperature"], 1)


def test_the_card_says_whose_figure_it_is(artefact, first_fold):
    card = (first_fold / "README.md").read_text()
    front, _, text = card.removeprefix("---\n").partition("\n---\n")
    assert '"synthetic (made speech)"' in front
    assert "UAR of the run's members one by one" in front
    # Behind a list an empty line, or the text would be a part of it.
    lines = text.splitlines()
    *_, mark = (n for n, line in enumerate(lines) if line.startswith("- **"))
    assert lines[mark + 1] == ""
    assert lines[mark + 2].startswith("The run that it is of: protocol `")
    assert "One trained member answers: fold 1, seed 0." in text
    assert "of fold 1 alone, seed 0, so they have unheard speakers" in text
    assert (
        "The answers of 4 trained members are averaged: fold 1, seed 0; fold"
        in (artefact / "README.md").read_text()
    )


def test_it_answers_as_the_run_did(first_fold, tiny_run, data):
    """Against predictions.csv, which the run wrote in a process of its own."""
    judged = read_csv(tiny_run / "run" / "predictions.csv")
    mine = judged.fold == judged.fold[0]
    corpus = records.load("synthetic", data, "waveform")
    place = {str(u): i for i, u in enumerate(corpus.utterance_id)}
    sound = [corpus.waveform[place[u]] / np.float32(32768) for u in judged.utterance_id[mine]]
    said = loader.Artefact(first_fold)(sound)
    np.testing.assert_allclose(said["scores"], judged.posterior[mine], atol=1e-4)
    assert np.array_equal(said["probabilities"].argmax(1), judged.predicted[mine])
    np.testing.assert_allclose(said["probabilities"].sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(said["attention"].sum(1), 1, atol=1e-4)


def test_onnx_answers_alike(first_fold, data):
    """By onnxruntime alone: for recordings of any length, alone and together."""
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    corpus = records.load("synthetic", data, "waveform")
    sound = [corpus.waveform[i] / np.float32(32768) for i in (0, 7, 13)]
    wave = np.zeros((3, max(map(len, sound)) + 999), np.float32)
    for row, x in zip(wave, sound, strict=True):
        row[: len(x)] = x
    length = np.array([len(x) for x in sound], np.int32)
    session = onnxruntime.InferenceSession(str(first_fold / "model.onnx"))
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(names, {"wave": wave, "length": length}), strict=True))
    said = loader.Artefact(first_fold)(sound)
    for name in ("logits", "scores", "probabilities"):
        np.testing.assert_allclose(found[name], said[name], atol=1e-4)
    info = json.loads((first_fold / "artefact.json").read_text())
    assert set(info["parity"]["formats"]) == {"StableHLO", "ONNX"}
    meta = session.get_modelmeta().custom_metadata_map
    assert meta["classes"].split(", ") == info["classes"]


def test_onnx_is_an_extra(run_copy, tmp_path, monkeypatch):
    for name in ("onnx", "jser.artefact.onnx", "jser.artefact.onnx.converting"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=r"--onnx: needs onnx; pip install onnx onnxruntime"):
        export.export(run_copy, tmp_path / "out", fold=2, onnx=True)
    assert list(tmp_path.iterdir()) == []


def test_members_are_averaged(artefact, first_fold, data):
    corpus = records.load("synthetic", data, "waveform")
    sound = [corpus.waveform[0] / np.float32(32768)]
    whole, one = loader.Artefact(artefact)(sound), loader.Artefact(first_fold)(sound)
    assert whole["logits"].shape == (1, 4, 5)
    np.testing.assert_allclose(whole["logits"][:, 0], one["logits"][:, 0], atol=1e-5)
    assert np.abs(whole["scores"] - one["scores"]).max() > 1e-4


def test_padding_and_company_change_nothing(artefact, data):
    corpus = records.load("synthetic", data, "waveform")
    sound = [x / np.float32(32768) for x in corpus.waveform[:3]]
    loaded = loader.Artefact(artefact)
    together = loaded([*sound, np.zeros(4 * 16000 + 1, np.float32)])
    for i, x in enumerate(sound):
        alone = loaded([x])
        np.testing.assert_allclose(together["scores"][i], alone["scores"][0], atol=2e-5)
        assert together["steps"][i] == alone["steps"][0]


def test_the_loader_needs_nothing_of_jser(artefact, tmp_path):
    """In a process where jser, flax and tensorflow cannot be imported."""
    shutil.copytree(artefact, tmp_path / "artefact")
    code = """
import sys
for name in ("jser", "flax", "orbax", "tensorflow", "librosa", "safetensors"):
    sys.modules[name] = None
import numpy as np
from load import Artefact
said = Artefact(".")([np.sin(np.arange(9000) / 9).astype(np.float32)])
print(said["probabilities"].shape, float(said["probabilities"].sum()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "artefact",
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    shape, total = done.stdout.rsplit(" ", 1)
    assert shape == "(1, 5)"
    assert float(total) == pytest.approx(1, abs=1e-5)


TONE = np.sin(np.arange(9000) / 9).astype(np.float32)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ((TONE * 9000).astype(np.int16), "is int16, not float in -1..1; divide int16 by 32768"),
        (np.stack([TONE, TONE]), "has 2 dimensions, not one; give samples [n], mono"),
        (np.float32(0.5), "has 0 dimensions, not one"),
        (TONE[:0], "is empty; leave it out"),
        (np.where(np.arange(9000) == 7, np.nan, TONE), "holds NaN or infinity; leave it out"),
        (np.where(np.arange(9000) == 7, np.inf, TONE), "holds NaN or infinity; leave it out"),
    ],
)
def test_what_is_no_sound_gets_no_answer(artefact, wrong, sentence):
    loaded = loader.Artefact(artefact)
    with pytest.raises(ValueError, match=re.escape(f"recordings[1]: {sentence}")):
        loaded([TONE, wrong])
    stream = loader.Stream(loaded)
    if wrong.size:
        with pytest.raises(ValueError, match=re.escape(f"samples: {sentence}")):
            next(stream.feed(wrong))
    else:
        assert list(stream.feed(wrong)) == []  # a pipe may have nothing for a while


def test_no_recordings_get_no_answer(artefact):
    with pytest.raises(ValueError, match="recordings: there are none; give at least one"):
        loader.Artefact(artefact)([])


def test_few_shapes_serve_every_length():
    sizes = [loader.padded(n, 16000) for n in range(1, 20 * 16000, 1000)]
    assert sorted(set(sizes)) == [16000 * s for s in (2, 3, 4, 6, 8, 12, 16, 24)]
    assert all(n <= size for n, size in zip(range(1, 20 * 16000, 1000), sizes, strict=True))
    assert loader.padded(48000, 16000) == 48000


def test_safetensors_are_read_as_by_their_library(artefact):
    ours = loader.read_safetensors(artefact / "model.safetensors")
    theirs = load_file(artefact / "model.safetensors")
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_a_difference_is_an_error_and_leaves_nothing(run_copy, tmp_path, monkeypatch):
    said = parity.of_artefact

    def wrong(*args):
        true = said(*args)
        return dataclasses.replace(true, scores=true.scores + 2e-4)

    monkeypatch.setattr(parity, "of_artefact", wrong)
    with pytest.raises(InputError, match=r"StableHLO: its scores differ by 0\.0002"):
        export.export(run_copy, tmp_path / "out" / "artefact", fold=2)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [({"fold": 9}, "--fold=9: the run has 1, 2, 3, 4"), ({"seed": 3}, "--seed=3: the run has 0")],
)
def test_no_such_member(run_copy, tmp_path, asked, sentence):
    with pytest.raises(InputError, match=sentence):
        export.export(run_copy, tmp_path / "out", **asked)


def test_told_to_end_it_leaves_nothing(run_copy, tmp_path):
    """SIGTERM in the midst: one sentence, and no folder that is half an artefact."""
    words = jser("export", run_copy, f"--out={tmp_path / 'out'}", "--fold=1")
    with subprocess.Popen(**words) as program:
        while not (passing := list(tmp_path.glob(".out.*/artefact/model.safetensors"))):
            time.sleep(0.05)
            assert program.poll() is None, program.stderr.read()
        program.terminate()
        err = program.stderr.read()
        assert program.wait(60) == 75, err
    assert err.splitlines()[-1] == "jser: told to end"
    assert "Traceback" not in err
    assert not passing[0].parents[1].exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null"])
def test_a_damaged_report(run_copy, tmp_path, text):
    run = shutil.copytree(run_copy, tmp_path / "run")
    (run / "report.json").write_text(text)
    with pytest.raises(InputError, match=r"report.json: is damaged .* `jser evaluate"):
        export.export(run, tmp_path / "out")


def test_a_link_is_no_folder(run_copy, tmp_path):
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"--out=.*: is a link; name the folder itself"):
        export.export(run_copy, tmp_path / "out")


def test_a_place_that_is_taken(run_copy, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(InputError, match="is a file; name a folder"):
        export.export(run_copy, tmp_path / "file")
    with pytest.raises(InputError, match="is not empty; name a new folder"):
        export.export(run_copy, tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]


def test_no_run(tmp_path):
    with pytest.raises(InputError, match="no run there"):
        export.export(tmp_path / "nothing", tmp_path / "out")


# --- opening one ----------------------------------------------------------------------------------


def test_what_is_no_artefact(run_copy, artefact, tmp_path):
    with pytest.raises(InputError, match=r"no artefact there; make one with `jser export"):
        opening.info(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"is a run; `jser export .* makes an artefact of it"):
        opening.info(run_copy)
    broken = shutil.copytree(artefact, tmp_path / "broken")
    (broken / "model.stablehlo").write_bytes(b"x" * 100)
    with pytest.raises(InputError, match="damaged"):
        opening.load(broken)
    (broken / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model.safetensors is missing"):
        opening.info(broken)
    newer = shutil.copytree(artefact, tmp_path / "newer")
    info = json.loads((newer / "artefact.json").read_text()) | {"format": loader.FORMAT + 1}
    (newer / "artefact.json").write_text(json.dumps(info))
    with pytest.raises(InputError, match="has format 2, and this version of jser reads up to 1"):
        opening.info(newer)
    (newer / "artefact.json").write_text("{")
    with pytest.raises(InputError, match="not readable"):
        opening.info(newer)


def said_of(folder, capsys, *words):
    """The one line of a command's refusal."""
    assert cli.main([*map(str, words)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"jser: {folder}")
    return line


@pytest.fixture
def copied(artefact, tmp_path):
    return shutil.copytree(artefact, tmp_path / "copied")


def without_content(folder):
    """An artefact that does not say what its files were: the loader has to see it."""
    path = folder / "artefact.json"
    info = json.loads(path.read_text())
    del info["sha256"]
    path.write_text(json.dumps(info))


def test_weights_of_another_artefact(artefact, first_fold, copied, tmp_path, capsys):
    """One fold's have other names than all folds' together; in others shapes differ alone."""
    sentence = (
        "model.safetensors: does not fit model.stablehlo; the files of two artefacts are mixed: "
        "export it again"
    )
    sound = tmp_path / "a.wav"
    shutil.copy(first_fold / "model.safetensors", copied)
    said = said_of(copied, capsys, "predict", copied, sound)
    assert "model.safetensors: is damaged, or of another artefact" in said
    without_content(copied)
    assert sentence in said_of(copied, capsys, "predict", copied, sound)
    assert sentence in said_of(copied, capsys, "listen", copied)
    weights = load_file(artefact / "model.safetensors")
    name = next(name for name, value in weights.items() if value.ndim == 2)
    save_file(weights | {name: weights[name][:, 1:]}, copied / "model.safetensors")
    assert sentence in said_of(copied, capsys, "predict", copied, sound)
    with pytest.raises(loader.Mixed, match="are mixed"):
        loader.Artefact(copied)


def test_classes_of_another_artefact(copied, tmp_path, capsys):
    path = copied / "artefact.json"
    info = json.loads(path.read_text())
    path.write_text(json.dumps(info | {"classes": info["classes"][1:]}))
    said = said_of(copied, capsys, "predict", copied, tmp_path / "a.wav")
    assert "artefact.json: does not fit model.stablehlo" in said
    del info["trained_on"]
    path.write_text(json.dumps(info))
    said = said_of(copied, capsys, "predict", copied, tmp_path / "a.wav")
    assert "artefact.json: lacks trained_on; export the artefact again" in said


def test_a_stream_that_is_missing_or_damaged(copied, first_fold, capsys):
    path = copied / "stream.stablehlo"
    shutil.copy(first_fold / path.name, path)
    said = said_of(copied, capsys, "listen", copied)
    assert "stream.stablehlo: is damaged, or of another artefact" in said
    without_content(copied)
    assert "model.safetensors: does not fit stream" in said_of(copied, capsys, "listen", copied)
    path.write_bytes(path.read_bytes()[:1000])
    assert "stream.stablehlo is damaged" in said_of(copied, capsys, "listen", copied)
    path.unlink()
    said = said_of(copied, capsys, "listen", copied)
    assert "stream.stablehlo is missing; export the artefact again" in said
    assert opening.load(copied).classes  # recordings can still be answered


# --- calibration ----------------------------------------------------------------------------------


def test_a_temperature_finds_what_made_the_labels():
    """Labels drawn from posteriors that are then made twice as sure: the temperature is 2."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 0.8, (8000, 4))
    honest = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    label = np.array([rng.choice(4, p=p) for p in honest])
    sure = np.exp(2 * logits) / np.exp(2 * logits).sum(1, keepdims=True)
    found = calibration.temperature(sure, label)
    assert found == pytest.approx(2, rel=0.06)
    above = sure.min(1) > answer.FLOOR
    np.testing.assert_allclose(calibration.tempered(sure[above], 2.0), honest[above], atol=1e-6)


def test_each_fold_has_a_temperature(artefact):
    made = json.loads((artefact / "artefact.json").read_text())["calibration"]
    assert sorted(made["temperature_by_fold"]) == ["1", "2", "3", "4"]
    low, high = calibration.RANGE
    assert all(low <= t <= high for t in made["temperature_by_fold"].values())
    assert 0 <= made["test_error"] <= 1
    assert len(made["test_error_by_speaker"]) == 4


def test_a_place_that_cannot_be_written(run_copy, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"--out=.*cannot be written \("):
        export.export(run_copy, tmp_path / "file" / "artefact")
