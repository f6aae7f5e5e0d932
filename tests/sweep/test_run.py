"""Whole sweeps on the tiny corpus: each fold by its own dev speakers, two workers, one score."""

import dataclasses
import json
import subprocess

import numpy as np
import pytest

from jser import config as configs
from jser import experiment
from jser.errors import InputError
from jser.sweep import budget, reading, run, space, summary, training
from jser.sweep.storage import open_storage, optuna
from tests.conftest import TINY, flags, jser

SPACE = """
from jser.sweep import space
def sweep():
    return {
        "hyper.learning_rate": space.log_uniform(3e-4, 3e-2),
        "hyper.dropout": space.uniform(0.0, 0.6),
    }
"""
FOLDS = 4


def load(data, **changed):
    fields = TINY | {k.replace("__", "."): v for k, v in changed.items()}
    return configs.load("dcnn_blstm:synthetic", [*fields.items(), ("data_dir", str(data))])


def words(data, folder, *more, **changed):
    (folder / "space.py").write_text(SPACE)
    return [
        "sweep", "--config=dcnn_blstm:synthetic", f"--workdir={folder / 'sweep'}",
        f"--space={folder / 'space.py'}", "--trials=2", "--heartbeat=5",
        f"--config.data_dir={data}", *flags(epochs="3", seeds="0,1", **changed), *more,
    ]  # fmt: skip


# In this process first: the two workers then find the program compiled.
def test_labels_of_the_test_change_nothing_in_a_folds_study(
    data_without_ledger, tmp_path, monkeypatch
):
    """The planted test: fold 1's test speaker says other things, and its study stays as it was."""
    config = load(data_without_ledger, epochs="4")
    found = reading.of(
        {"hyper.learning_rate": space.log_uniform(3e-4, 3e-2), "model.units": space.choice(4)},
        config,
    )
    monkeypatch.setattr(run, "_finish", lambda studies, config, names, *_: studies)
    real = run._prepared(config, None)
    test = real.protocol.folds[0].test
    label = real.corpus.label.copy()
    label[test] = np.roll(label[test], 1)
    assert (label[test] != real.corpus.label[test]).all()
    planted = dataclasses.replace(real, corpus=dataclasses.replace(real.corpus, label=label))
    seen = []
    for name, prepared in (("real", real), ("planted", planted)):
        monkeypatch.setattr(run, "_prepared", lambda *_, ready=prepared: ready)
        (tmp_path / name).mkdir()
        options = run.Options(
            trials=3, storage=f"journal:///{tmp_path / name / 'log'}", name="same", batch=FOLDS
        )
        studies = run.run(config, found, tmp_path / name, options)
        seen.append(
            [
                [(t.params, t.state, t.values, t.intermediate_values, t.user_attrs["dev_loss"])
                 for t in one.study.trials]
                for one in studies.folds
            ]
        )  # fmt: skip
    assert seen[0][0] == seen[1][0]
    assert all(seen[0][k] != seen[1][k] for k in range(1, FOLDS)), "the label was not planted"


@pytest.fixture(scope="module")
def two(data_without_ledger, tmp_path_factory):
    """A sweep by two workers at once: its folder, and what each of them printed."""
    folder = tmp_path_factory.mktemp("two")
    workers = [subprocess.Popen(**jser(*words(data_without_ledger, folder))) for _ in range(2)]
    try:
        said = [worker.communicate(timeout=200) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], [err[-2000:] for _, err in said]
    return folder, said


def trials_of(folder, k, name="sweep", file="study.db"):
    """As Optuna, and its dashboard, read them."""
    url = f"sqlite:///{folder / 'sweep' / file}"
    return optuna().load_study(study_name=f"{name}/fold-{k + 1}", storage=url)


@pytest.mark.timeout(240)
def test_two_workers_share_the_trials_and_one_scores_the_winners(two, data_without_ledger):
    folder, said = two
    result = json.loads((folder / "sweep" / "sweep.json").read_text())
    assert [len(fold["trials"]) for fold in result["folds"]] == [2] * FOLDS
    for k, fold in enumerate(result["folds"]):
        study = trials_of(folder, k)
        assert len(study.trials) == 2
        assert sorted(t.user_attrs[budget.SLOT] for t in study.trials) == [0, 1]
        best = next(t for t in fold["trials"] if t["number"] == fold["chosen"])
        assert study.best_value == best["dev_uar"] == result["dev_uar"][k]
        assert best["values"] == result["chosen"][k]
        assert best["by_seed"]["seeds"] == [0, 1]
        assert np.mean(best["by_seed"]["dev_uar"]) == pytest.approx(best["dev_uar"], abs=1e-6)
        assert len(fold["best_of"]) == 2
    assert any("chosen among 2" in out for out, _ in said)
    assert (folder / "sweep" / "sweep.txt").exists()
    page = (folder / "sweep" / "sweep.html").read_text()
    assert "Expected best dev UAR" in page
    assert not (folder / "sweep" / "work").exists()
    # The winners' run is an ordinary one, scored once; its folds train to the trials' dev UAR.
    best_run = folder / "sweep" / "best"
    report = json.loads((best_run / "report.json").read_text())
    assert report["uar"] == result["report"]["uar"]
    assert report["by_fold"]["tried"] == 2
    assert report["by_fold"]["chosen"] == result["chosen"]
    assert report["by_fold"]["dev_uar"] == pytest.approx(result["dev_uar"], abs=1e-6)
    assert report["configs_total"] == 1
    assert report["n_utterances"] == 20
    lines = [json.loads(x) for x in (best_run / "ledger.jsonl").read_text().splitlines()]
    assert [x.get("tried") for x in lines if x["role"] == "system"] == [2]
    text = " ".join((best_run / "report.txt").read_text().split())
    assert "chosen in each fold by its dev speakers among 2 trials; f1: hyper." in text
    assert "chosen among 2 tried per fold on dev" in text
    assert "What each fold's dev speakers chose" in (best_run / "report.html").read_text()


@pytest.mark.timeout(240)
def test_the_same_command_again_shows_it_and_scores_nothing(two, data_without_ledger, run):
    folder, _ = two
    status, out, err = run(*words(data_without_ledger, folder))
    assert status == 0, err
    assert "one configuration scored (1st here, of 1 so far), chosen among 2" in " ".join(
        out.split()
    )
    again = experiment.evaluate(folder / "sweep" / "best")
    assert again["configs_total"] == 1
    assert (
        again["uar"] == json.loads((folder / "sweep" / "sweep.json").read_text())["report"]["uar"]
    )
    status, _, err = run(*words(data_without_ledger, folder, "--trials=4"))
    assert status == 1
    assert "has another sweep named sweep (trials is 2 there, 4 here)" in err


def test_trials_that_diverge_count_and_are_not_chosen(data_without_ledger, tmp_path, monkeypatch):
    config = load(data_without_ledger, epochs="12", hyper__warmup="0", hyper__weight_decay="100")
    # At a rate of 10, weights grow a thousandfold each step.
    found = reading.of([{"hyper.learning_rate": rate} for rate in (10.0, 1e-3)], config)
    monkeypatch.setattr(
        run, "_finish", lambda studies, config, names, *_: summary.build(studies, config, names)
    )
    options = run.Options(storage=f"journal:///{tmp_path / 'log'}", pruner="none", batch=2 * FOLDS)
    result = run.run(config, found, tmp_path, options)
    for fold in result["folds"]:
        assert [t["state"] for t in fold["trials"]] == ["failed", "complete"]
        assert fold["trials"][0]["epochs"] < 12
        assert fold["trials"][0]["values"] == {"hyper.learning_rate": 10.0}
        assert fold["best_of"][0] == pytest.approx(fold["trials"][1]["dev_uar"] / 2)
    assert result["chosen"] == [{"hyper.learning_rate": 1e-3}] * FOLDS


def test_whatever_ends_a_training_gives_its_trials_back(data_without_ledger, tmp_path, monkeypatch):
    config = load(data_without_ledger)
    found = reading.of({"hyper.dropout": space.uniform(0.1, 0.5)}, config)

    class Preempted(BaseException):
        pass

    def ends(*args, **_):
        raise Preempted

    monkeypatch.setattr(training.loop, "fit", ends)
    url = f"journal:///{tmp_path / 'log'}"
    with pytest.raises(Preempted):
        run.run(config, found, tmp_path, run.Options(trials=2, storage=url, name="ended", batch=3))
    storage = open_storage(url, 60)
    states = []
    for k in range(FOLDS):
        study = optuna().load_study(study_name=f"ended/fold-{k + 1}", storage=storage)
        states += [t.state.name for t in study.trials]
        assert len(budget.view(study).active) == 2
        assert not budget.view(study).settled
    assert sorted(states) == ["FAIL"] * 3 + ["WAITING"] * 8
    assert not (tmp_path / "work").exists()


def test_what_cannot_be_swept(data_without_ledger, tmp_path):
    fields = [("data_dir", str(data_without_ledger)), ("dev_speakers", "1")]
    svm = configs.load("svm:synthetic", fields)
    found = reading.of({"balance.class_weights": space.choice(True, False)}, svm)
    with pytest.raises(InputError, match="sweep: svm trains no network"):
        run.run(svm, found, tmp_path, run.Options())


def test_of_the_best_the_lower_loss_then_the_earlier_wins():
    def trial(slot, uar, loss=1.0, state="complete"):
        return {"slot": slot, "dev_uar": uar, "dev_loss": loss, "state": state}

    trials = [trial(0, 0.5), trial(1, 0.6, 2.0), trial(2, 0.6), trial(3, 0.6),
              trial(4, 0.9, state="pruned"), trial(5, None, None, "failed")]  # fmt: skip
    assert summary.winner(trials)["slot"] == 2
    assert summary.winner(trials[4:])["slot"] == 4
    assert summary.winner(trials[5:]) is None
