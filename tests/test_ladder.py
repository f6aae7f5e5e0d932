"""The leak ladder: its rungs, what is compared with what, and that it goes on after a kill."""

import json

import pytest

from jser import config as configs
from jser import ladder
from jser.errors import InputError
from jser.evaluation import compare
from tests.conftest import TINY
from tests.evaluation.html_tree import parse
from tests.protocols.made import fake

NAMES = [
    "random_test_selects", "random", "speaker_test_selects", "speaker_transductive",
    "speaker_enrol", "speaker_disjoint", "normalisation_utterance", "normalisation_none",
    "same_size", "text_disjoint",
]  # fmt: skip


def config(**changed):
    return configs.load("dcnn_blstm:synthetic", list(changed.items()))


def test_rungs_are_the_ones_promised():
    steps, left_out = ladder.plan(config(), fake(texts=4))
    assert [s.name for s in steps] == NAMES
    assert left_out == []
    by_name = {s.name: s for s in steps}
    assert [s.name for s in steps if not s.beside] == ["speaker_disjoint"]
    assert by_name["text_disjoint"].beside == "same_size", "at equal training size"
    assert "50%" in by_name["same_size"].what
    assert dict(by_name["random"].changes)["protocol"] == "random:10"
    for step in steps:
        changed = dict(step.changes)
        selects = changed["protocol"].endswith("+test_selects")
        assert (changed.get("refit") == "False") == selects, "a refit would train on the test"
        configs.load("dcnn_blstm:synthetic", step.changes)


def test_rungs_without_known_sentences_are_left_out_with_the_reason():
    corpus = fake()
    corpus.text_id[:] = ""
    steps, left_out = ladder.plan(config(), corpus)
    assert [s.name for s in steps] == NAMES[:-2]
    assert len(left_out) == 1
    assert "does not say which sentence" in left_out[0]


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        ("random:5", "is not by speaker"),
        ("leave_one_speaker_out+same_size", "without what follows the +"),
        ("leave_one_speaker", "did you mean leave_one_speaker_out"),
    ],
)
def test_protocols_that_make_no_ladder(protocol, words):
    with pytest.raises(InputError, match=words.replace("+", r"\+")):
        ladder.plan(config(protocol=protocol), fake())


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("acoustic_rnn", []),
        ("cnn_rnn", ["normalisation_utterance"]),
        ("svm", ["normalisation_utterance", "normalisation_none"]),
    ],
)
def test_rungs_that_a_system_refuses_are_left_out_with_the_reason(
    name, refused, data, tmp_path, monkeypatch
):
    climbed = []
    monkeypatch.setattr(ladder.series, "run", lambda runs, *_, **__: climbed.extend(runs))
    monkeypatch.setattr(ladder.rungs, "build", lambda rows, left_out: {"left_out": left_out})
    monkeypatch.setattr(ladder.tables, "to_text", lambda *_: "")
    monkeypatch.setattr(ladder.rungs, "render", lambda made: made)
    monkeypatch.setattr(ladder.page, "render_ladder", lambda made: "")
    fields = [("data_dir", str(data)), ("dev_speakers", "1")]
    made = ladder.climb(f"{name}:synthetic", fields, tmp_path)
    assert [one.name for one in climbed] == [n for n in NAMES[:-2] if n not in refused]
    sentences = [s for s in made["left_out"] if s.startswith("speaker-disjoint, normalisation")]
    assert len(sentences) == len(refused)
    with pytest.raises(InputError, match="seeds"):
        ladder.climb(f"{name}:synthetic", [*fields, ("seeds", "-1")], tmp_path)


def test_climb(run, data, tmp_path, monkeypatch):
    """A whole ladder of three rungs, one of them unfinished when it is climbed again."""
    whole = ladder.plan
    kept = ("random_test_selects", "random", "speaker_disjoint")

    def shorter(*args):
        steps, left_out = whole(*args)
        return [s for s in steps if s.name in kept], left_out

    monkeypatch.setattr(ladder, "plan", shorter)
    fields = TINY | {"epochs": "2", "data_dir": str(data)}
    command = [
        "ladder", "--config=dcnn_blstm:synthetic", f"--workdir={tmp_path / 'l'}",
        *(f"--config.{k}={v}" for k, v in fields.items()),
    ]  # fmt: skip
    status, out, err = run(*command)
    assert status == 0, err
    assert "run 3 of 3: speaker-disjoint, normalisation train" in err
    made = json.loads((tmp_path / "l" / "ladder.json").read_text())
    rows = {row["name"]: row for row in made["rungs"]}
    assert tuple(rows) == kept
    assert "1 sentences for 2 groups" in made["left_out"][0]
    assert rows["random_test_selects"]["selection"] == "test"
    assert any(m.startswith("SELECTION TEST") for m in rows["random_test_selects"]["marks"])
    assert any("chose the epoch" in m for m in rows["random_test_selects"]["marks"])
    assert rows["random"]["selection"] == "nested"
    assert rows["speaker_disjoint"]["comparison"] is None
    runs = tmp_path / "l"
    for name in kept[:-1]:
        again = compare.across(runs / name, runs / "speaker_disjoint")
        assert rows[name]["comparison"] == json.loads(json.dumps(again))
        gain = rows[name]["uar"]["mean"] - rows["speaker_disjoint"]["uar"]["mean"]
        assert rows[name]["comparison"]["difference"] == pytest.approx(gain, abs=1e-5)
    tree = parse((runs / "ladder.html").read_text(encoding="utf-8"))
    assert len(tree.id("prices").all("tr")) == 1 + len(kept)
    assert "What each step is worth" in tree.id("prices").text()
    assert max(map(len, (runs / "ladder.txt").read_text().splitlines())) <= 100

    (runs / "random" / "report.json").unlink()
    before = {n: (runs / n / "report.json").stat().st_mtime_ns for n in kept if n != "random"}
    status, again, err = run(*command)
    assert status == 0, err
    assert again == out
    after = {n: (runs / n / "report.json").stat().st_mtime_ns for n in kept if n != "random"}
    assert after == before, "what was finished is not run again"
    status, _, err = run(*command, "--config.epochs=3")
    assert status == 1
    assert "holds a run of another config" in err
    status, _, err = run(*command, "--config.normalisation=none")
    assert status == 1
    assert "set by the rungs" in err


def test_a_refit_never_trains_on_the_test(run, data, tmp_path):
    fields = TINY | {"data_dir": str(data), "protocol": "leave_one_speaker_out+test_selects"}
    status, _, err = run(
        "train", "--config=dcnn_blstm:synthetic", f"--workdir={tmp_path / 'r'}",
        *(f"--config.{k}={v}" for k, v in fields.items()),
    )  # fmt: skip
    assert status == 1
    assert "--config.refit=False" in err
    assert not (tmp_path / "r").exists()
