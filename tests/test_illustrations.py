"""From a run to the examples of its page: the right pictures, steps, sound and sentences."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from jser import cli, illustrations, preparation
from jser import config as configs
from jser.evaluation.predictions import read_csv
from jser.records import corpus as records
from tests.conftest import TINY
from tests.evaluation.html_tree import parse


@pytest.fixture(scope="module")
def ready(data):
    fields = [*TINY.items(), ("data_dir", str(data))]
    return preparation.prepare(configs.load("dcnn_blstm:synthetic", fields))


@pytest.fixture(scope="module")
def judged(tiny_run):
    return read_csv(tiny_run / "run" / "predictions.csv")


@pytest.fixture(scope="module")
def page(tiny_run):
    return parse((tiny_run / "run" / "report.html").read_text(encoding="utf-8"))


def test_page_without_sound_holds_no_recording(ready, judged, tiny_run, data, tmp_path):
    shown = illustrations.collect(ready, judged, sound=False)
    assert shown.examples
    assert {example.waveform for example in shown.examples} == {None}
    assert illustrations.NO_SOUND in shown.remarks
    assert not any("are part of this page" in remark for remark in shown.remarks)
    run = tmp_path / "run"
    shutil.copytree(tiny_run / "run", run, ignore=shutil.ignore_patterns("*.tmp"))
    assert "data:audio" in (run / "report.html").read_text(encoding="utf-8")
    assert cli.main(["evaluate", str(run), "--no_sound"]) == 0
    assert "data:audio" not in (run / "report.html").read_text(encoding="utf-8")


def test_pictures_and_sound_are_the_utterances_own(ready, judged, data):
    shown = illustrations.collect(ready, judged)
    whole = records.load("synthetic", data, "waveform")
    place = {str(u): i for i, u in enumerate(whole.utterance_id)}
    assert shown.examples
    for example in shown.examples:
        i = place[example.choice.utterance_id]
        assert whole.classes[whole.label[i]] == example.choice.truth
        assert whole.speaker[i] == example.choice.speaker
        frames = whole.frames[whole.offset[i] : whole.offset[i] + whole.length[i]]
        np.testing.assert_array_equal(example.log_mel, frames)
        np.testing.assert_array_equal(example.waveform, whole.waveform[i])
        assert len(example.steps) == ready.inputs.steps.length[i], "one weight a step"
        # The spectrogram covers the recording up to less than a hop.
        end = (len(frames) - 1) * example.hop + example.window
        assert 0 <= example.seconds - end < example.hop
    assert any("Apache-2.0" in remark for remark in shown.remarks)


def test_waveforms_that_are_loaded_anyway_are_used(ready, judged, data, tmp_path):
    whole = replace(ready, corpus=records.load("synthetic", data, "waveform"))
    config = configs.from_json(json.loads(configs.to_json(ready.config)) | {"data_dir": "gone"})
    shown = illustrations.collect(replace(whole, config=config), judged)
    assert all(e.waveform is not None for e in shown.examples)


def test_without_waveforms_the_page_says_how_to_get_them(ready, judged, data, tmp_path):
    shutil.copytree(data / "synthetic" / "log_mel", tmp_path / "synthetic" / "log_mel")
    config = configs.from_json(
        json.loads(configs.to_json(ready.config)) | {"data_dir": str(tmp_path)}
    )
    shown = illustrations.collect(replace(ready, config=config), judged)
    assert shown.examples
    assert all(e.waveform is None for e in shown.examples)
    (remark,) = [r for r in shown.remarks if "heard" in r]
    assert "`jser build synthetic --variant=waveform`" in remark


def test_remarks_say_what_was_averaged_and_what_attention_is_not(ready, judged):
    n = len(judged.seed)
    weights = np.full((n, 8), 1 / 8, np.float32)
    remarks = " ".join(illustrations.collect(ready, replace(judged, attention=weights)).remarks)
    assert "not why the answer came out" in remarks
    assert "also uses read-outs of the whole utterance, without attention" in remarks
    assert "seeds" not in remarks
    twice = replace(
        judged,
        **{
            name: np.concatenate([getattr(judged, name)] * 2)
            for name in ("utterance_id", "speaker", "fold", "truth", "predicted", "posterior")
        },
        seed=np.repeat([0, 1], n),
        attention=np.concatenate([weights] * 2),
    )
    assert "means over the 2 seeds" in " ".join(illustrations.collect(ready, twice).remarks)
    # Without attention nothing is said of it.
    assert "curve" not in " ".join(illustrations.collect(ready, judged).remarks)


def test_the_page_of_a_whole_run(page, tiny_run):
    report = json.loads((tiny_run / "run" / "report.json").read_text())
    assert json.loads("".join(page.one("pre").children)) == report
    assert [p.text() for p in page.one("header").all("p", "must-read")] == report["marks"]
    cards = [c for c in page.all("article") if "gap" not in c.classes]
    assert cards
    for card in cards:
        assert card.all("audio")
        assert card.all("svg", "overlay"), "attention went all the way"
        weights = card.one("details").all("table")[1]
        shares = [row.all("td")[-1].text() for row in weights.all("tr")[1:]]
        assert sum(map(float, shares)) == pytest.approx(100, abs=0.5)
    assert page.id("learning").all("svg", "curves")
    assert "components" in page.id("run").text()
