"""`jser evaluate ARTEFACT`: a run's report on any corpus, but not of those it was trained on."""

import csv
import json
import shutil

import numpy as np
import pytest
import soundfile

from jser import cli
from jser.artefact import evaluating, opening
from jser.artefact.evaluating import Options
from jser.errors import InputError
from jser.evaluation.predictions import read_csv
from jser.records import corpus as records
from tests.conftest import without_ledger


@pytest.fixture
def own_data(data, tmp_path_factory):
    return without_ledger(data, tmp_path_factory)


def test_who_was_heard_is_not_scored(artefact, first_fold, own_data, tmp_path):
    options = Options("synthetic", str(own_data))
    with pytest.raises(InputError, match=r"heard 20 of the 20 .* nothing; --allow_leak=REASON"):
        evaluating.evaluate(artefact, options, tmp_path / "out")
    with pytest.raises(InputError, match=r"heard 15 of the 20 .* --unheard scores .*, --allow_"):
        evaluating.evaluate(first_fold, options, tmp_path / "out")
    with pytest.raises(InputError, match=r"--unheard: all 20 recordings .* --fold=1"):
        evaluating.evaluate(
            artefact, Options("synthetic", str(own_data), unheard=True), tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()
    assert not (own_data / "ledger").exists()  # nothing was scored


def test_a_reason_is_stamped(artefact, own_data, tmp_path):
    options = Options("synthetic", str(own_data), allow_leak="to see it work")
    report = evaluating.evaluate(artefact, options, tmp_path)
    assert report["leak"].startswith("trained on 20 of the 20 recordings")
    assert report["leak"].endswith(": to see it work")
    assert any(mark.startswith("LEAK: trained on 20") for mark in report["marks"])
    assert report["uar"]["mean"] > 0.2
    page = (tmp_path / "report.html").read_text()
    assert "to see it work" in page


def test_the_unheard_speaker_has_the_runs_own_score(first_fold, tiny_run, own_data, tmp_path):
    """The artefact of fold 1 on the speaker whom fold 1 tested: predictions.csv of the run."""
    options = Options("synthetic", str(own_data), unheard=True)
    report = evaluating.evaluate(first_fold, options, tmp_path)
    assert report["leak"] is None
    assert report["n_utterances"] == 5
    assert report["configs_scored"] == 1
    assert not any("duplicates" in sentence for sentence in report["warnings"])
    run = read_csv(tiny_run / "run" / "predictions.csv")
    here = read_csv(tmp_path / "predictions.csv")
    (speaker,) = set(here.speaker)
    mine = run.speaker == speaker
    order = np.argsort(run.utterance_id[mine])
    assert np.array_equal(np.sort(here.utterance_id), run.utterance_id[mine][order])
    assert np.array_equal(here.predicted[np.argsort(here.utterance_id)], run.predicted[mine][order])
    with (tmp_path / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    recalls = [
        np.mean([row["predicted"] == name for row in rows if row["truth"] == name])
        for name in {row["truth"] for row in rows}
    ]
    assert report["uar"]["mean"] == pytest.approx(np.mean(recalls), abs=1e-6)
    assert json.loads((tmp_path / "report.json").read_text()) == report


def test_the_same_score_is_one_configuration(first_fold, own_data, tmp_path):
    options = Options("synthetic", str(own_data), unheard=True)
    for name in ("a", "b"):
        report = evaluating.evaluate(first_fold, options, tmp_path / name)
        assert (report["configs_scored"], report["configs_total"]) == (1, 1)


def test_recordings_are_known_under_other_names(artefact, data):
    """The same sound in a corpus of another name, by people of other names."""
    import dataclasses

    info = opening.info(artefact)
    corpus = records.load("synthetic", data, "waveform")
    renamed = np.array([f"x{name}" for name in corpus.speaker])
    other = dataclasses.replace(corpus, name="mine", speaker=renamed)
    assert evaluating.heard_speakers(info, other).all()
    fresh = np.array(["0" * 64] * len(corpus.label))
    assert not evaluating.heard_speakers(info, dataclasses.replace(other, pcm_sha256=fresh)).any()
    # Nobody's recording, but the names are those of the same collection.
    assert evaluating.heard_speakers(info, dataclasses.replace(corpus, pcm_sha256=fresh)).all()


def test_classes_that_it_does_not_know(first_fold, own_data, tmp_path):
    """An artefact that was not taught fear: those recordings are left out, and it says so."""
    taught = shutil.copytree(first_fold, tmp_path / "artefact")
    info = json.loads((taught / "artefact.json").read_text())
    place = info["classes"].index("fear")
    info["classes"][place] = "boredom"
    info["trained_on"]["class_counts"]["boredom"] = info["trained_on"]["class_counts"].pop("fear")
    (taught / "artefact.json").write_text(json.dumps(info))
    options = Options("synthetic", str(own_data), unheard=True)
    report = evaluating.evaluate(taught, options, tmp_path / "out")
    assert report["n_utterances"] == 4
    assert any(m.startswith("LEFT OUT: ") and "fear" in m for m in report["marks"])
    assert any(m.startswith("ABSENT: the corpus has no boredom") for m in report["marks"])
    info["classes"] = ["boredom", "surprise", "calm", "disgust", "other"]
    info["trained_on"]["class_counts"] = dict.fromkeys(info["classes"], 4)
    (taught / "artefact.json").write_text(json.dumps(info))
    with pytest.raises(InputError, match=r"of the artefact's classes .* the corpus has none"):
        evaluating.evaluate(taught, options, tmp_path / "none")


def test_command(first_fold, own_data, tmp_path, capsys):
    words = ["evaluate", str(first_fold), f"--data_dir={own_data}", f"--out={tmp_path / 'out'}"]
    assert cli.main([*words, "--data=synthetic"]) == 1
    assert "--allow_leak=REASON" in capsys.readouterr().err
    assert cli.main([*words, "--data=synthetic", "--unheard", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["artefact"]["members"] == ["fold 1, seed 0"]
    assert cli.main(words) == 1
    assert "give one of them" in capsys.readouterr().err
    assert cli.main([*words, "--data=nothing"]) == 1
    assert "nothing" in capsys.readouterr().err


def test_a_table_of_recordings(first_fold, own_data, data, tmp_path, capsys):
    """By somebody else's names, of a speaker whom nobody has heard."""
    corpus = records.load("synthetic", data, "waveform")
    heard = set(opening.info(first_fold)["trained_on"]["speakers"])
    (speaker,) = set(map(str, corpus.speaker)) - heard
    lines = ["path,label,speaker"]
    for i in np.flatnonzero(corpus.speaker == speaker):
        soundfile.write(tmp_path / f"{i}.wav", corpus.waveform[i], 16000)
        lines.append(f"{i}.wav,{corpus.classes[corpus.label[i]]},somebody")
    (tmp_path / "talk.csv").write_text("\n".join(lines) + "\n")
    words = ["evaluate", str(first_fold), f"--manifest={tmp_path / 'talk.csv'}", "--json"]
    assert cli.main([*words, f"--data_dir={own_data}", f"--out={tmp_path / 'out'}"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (report["corpus"], report["n_utterances"], report["leak"]) == ("talk", 5, None)


def coded(corpus, rows, speaker, folder, name):
    """A manifest of MP3s of some recordings, by another speaker's name."""
    lines = ["path,label,speaker"]
    for i in rows:
        soundfile.write(folder / f"{i}.mp3", corpus.waveform[i], 16000, format="MP3")
        lines.append(f"{i}.mp3,{corpus.classes[corpus.label[i]]},{speaker}")
    (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return f"--manifest={folder / name}.csv"


def test_coded_copies_of_what_was_heard_are_known(first_fold, own_data, data, tmp_path, capsys):
    """Neither hash nor name says so: MP3s of one training speaker, called anyone."""
    corpus = records.load("synthetic", data, "waveform")
    speaker = opening.info(first_fold)["trained_on"]["speakers"][0]
    rows = np.flatnonzero(corpus.speaker == speaker)
    table = coded(corpus, rows, "anyone", tmp_path, "copies")
    words = ["evaluate", str(first_fold), table, f"--data_dir={own_data}"]
    assert cli.main(words) == 1
    error = capsys.readouterr().err
    assert f"heard {len(rows)} of the {len(rows)} recordings of copies" in error
    assert "--unheard" not in error  # there is nobody else
    words += ["--name=again", "--json", f"--out={tmp_path / 'out'}"]
    assert cli.main([*words, "--allow_leak= "]) == 1
    assert "--allow_leak: gives no reason" in capsys.readouterr().err
    assert cli.main([*words, "--allow_leak=to count them"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["corpus"] == "again"
    assert report["near_duplicates"]["train_test"] >= len(rows) - 1
    assert report["leak"].endswith(": to count them")


def test_without_marks_it_is_said_that_nobody_looked(first_fold, own_data, tmp_path):
    bare = shutil.copytree(first_fold, tmp_path / "artefact")
    (bare / "heard.npz").unlink()
    options = Options("synthetic", str(own_data), unheard=True)
    report = evaluating.evaluate(bare, options, tmp_path / "out")
    assert report["near_duplicates"] is None
    assert any("duplicates" in sentence for sentence in report["warnings"])
    (bare / "heard.npz").write_bytes(b"no marks")
    with pytest.raises(InputError, match=r"heard.npz: is damaged, or of another artefact"):
        evaluating.evaluate(bare, options, tmp_path / "other")


def test_chance_is_among_all_that_it_may_name(first_fold, own_data, tmp_path):
    options = Options("synthetic", str(own_data), unheard=True)
    report = evaluating.evaluate(first_fold, options, tmp_path)
    assert report["chance_uar"] == pytest.approx(1 / len(report["classes"]))
    assert "not known\n" in (tmp_path / "report.txt").read_text()  # sentences heard in training


def test_two_artefacts_are_not_scored_at_once(first_fold, artefact, capsys):
    assert cli.main(["evaluate", str(first_fold), str(artefact), "--data=synthetic"]) == 1
    assert f"--data: one artefact is scored at a time; give {first_fold}" in capsys.readouterr().err


def test_options_of_an_artefact_are_not_for_a_run(tiny_run, capsys):
    assert cli.main(["evaluate", str(tiny_run / "run"), "--data=synthetic"]) == 1
    assert "--data: is for an artefact, and" in capsys.readouterr().err
