"""A series of runs: what is trained, what is kept, and what is refused before anything is trained.

Training itself is put aside: tests/test_ladder.py and tests/test_cross.py run whole series.
"""

import json

import pytest

from jser import config as configs
from jser import experiment, run_directory, series
from jser.errors import InputError
from jser.evaluation import settings
from jser.records import selection


@pytest.fixture
def trained(monkeypatch):
    """Names of the runs that were trained, in order."""
    names = []

    def run(config, folder, allow_leak=None, sound=True):
        run_directory.claim(folder, config)
        names.append(folder.name)
        report = {"corpus": config.corpus, "joined": None, "epochs": config.epochs,
                  "fingerprint": selection.fingerprint_of(config.corpus, config.data_dir),
                  "leak": allow_leak, "sound": sound}  # fmt: skip
        (folder / "report.json").write_text(json.dumps(report))
        return report

    monkeypatch.setattr(experiment, "run", run)
    return names


def runs(data, **epochs):
    fields = [("data_dir", str(data))]
    return [
        series.Run(name, configs.load("dcnn_blstm:synthetic", [*fields, ("epochs", str(n))]))
        for name, n in epochs.items()
    ]


def test_what_is_finished_is_kept(data, tmp_path, trained, capsys):
    made = series.run(runs(data, a=1, b=2), tmp_path, "a reason", sound=False)
    assert trained == list(made) == ["a", "b"]
    assert [made[name]["epochs"] for name in made] == [1, 2]
    assert {(r["leak"], r["sound"]) for r in made.values()} == {("a reason", False)}
    said = capsys.readouterr().err.splitlines()
    assert said == [f"run {k} of 2: {n} ({tmp_path / n})" for k, n in ((1, "a"), (2, "b"))]

    again = series.run(runs(data, b=2, c=3), tmp_path)
    assert trained == ["a", "b", "c"]
    assert again["b"] == made["b"]
    assert "b, finished before)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["", "[]", '{"uar": ', '{"joined": null, "corpus": "synthetic", "fingerprint": "x"}'],
    ids=["empty", "a list", "cut", "of other records"],
)  # fmt: skip
def test_a_report_that_says_nothing_of_these_records_is_made_again(data, tmp_path, trained, text):
    series.run(runs(data, a=1), tmp_path)
    (tmp_path / "a" / "report.json").write_text(text)
    assert series.run(runs(data, a=1), tmp_path)["a"]["epochs"] == 1
    assert trained == ["a", "a"]


def test_joined_corpora_are_known_by_each_of_them(data, tmp_path, trained):
    made = series.run(runs(data, a=1), tmp_path)["a"]
    path = tmp_path / "a" / "report.json"
    one = {"name": "synthetic", "fingerprint": made["fingerprint"]}
    for part, n in ((one, 1), (one | {"fingerprint": "another"}, 2)):
        path.write_text(json.dumps(made | {"joined": {"corpora": [part]}, "fingerprint": "union"}))
        series.run(runs(data, a=1), tmp_path)
        assert len(trained) == n


def test_a_folder_of_another_config_is_found_before_the_first_training(data, tmp_path, trained):
    series.run(runs(data, b=2), tmp_path)
    with pytest.raises(InputError, match="epochs is 2 there, 3 here"):
        series.run(runs(data, a=1, b=3), tmp_path)
    assert trained == ["b"]
    assert not (tmp_path / "a").exists()


def test_an_impossible_config_is_found_before_the_first_training(data, tmp_path, trained):
    fields = [("data_dir", str(data)), ("model.attention", "lerned")]
    wrong = series.Run("b", configs.load("dcnn_blstm:synthetic", fields))
    with pytest.raises(InputError, match=r"b: model.attention: .* did you mean learned"):
        series.run([*runs(data, a=1), wrong], tmp_path)
    assert trained == []
    assert not (tmp_path / "a").exists()


def test_refused(data, tmp_path, trained):
    with pytest.raises(InputError, match="two runs would be named a;"):
        series.run([*runs(data, a=1), *runs(data, a=2)], tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="holds a run itself"):
        series.run(runs(data, a=1), tmp_path)
    assert trained == []


def test_fields_in_which_configs_differ():
    a = {"stem": {"net": "vgg", "taps": [3, 4]}, "epochs": 1, "old": True}
    b = {"stem": {"taps": [3, 4], "net": "alexnet"}, "epochs": 1}
    assert settings.flat(a) == {"stem.net": "vgg", "stem.taps": [3, 4], "epochs": 1, "old": True}
    assert settings.differences(a, b) == [("old", True, None), ("stem.net", "vgg", "alexnet")]
