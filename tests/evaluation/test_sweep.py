"""A sweep's tables and page: all kinds of fields, pruned and failed trials, many fields."""

import pytest

from jser.evaluation import page, sweep
from jser.evaluation.best_of import expected_best
from jser.evaluation.tables import to_text

FIELDS = {
    "hyper.learning_rate": {"kind": "Uniform", "low": 1e-4, "high": 1e-2, "log": True},
    "hyper.dropout": {"kind": "Uniform", "low": 0.1, "high": 0.7, "log": False},
    "batch_size": {"kind": "Integer", "low": 8, "high": 64, "log": False},
    "model.dense": {"kind": "Choice", "values": [[64], [128, 64]]},
}


def trial(number, uar, state="complete"):
    values = {"hyper.learning_rate": 1e-3 * (number + 1), "hyper.dropout": 0.1 * (number + 1),
              "batch_size": 8 + number, "model.dense": [[64], [128, 64]][number % 2]}  # fmt: skip
    return {
        "number": number, "slot": number, "values": values, "state": state, "dev_uar": uar,
        "why": "its workers died" if state == "failed" else None, "epochs": 5, "seconds": 1.5,
    }  # fmt: skip


@pytest.fixture
def result():
    trials = [trial(0, 0.5), trial(1, 0.625), trial(2, 0.25, "pruned"), trial(3, None, "failed")]
    trials[3]["values"] = {}  # nobody had asked for them
    fold = {
        "study": "s/fold-1",
        "chosen": 1,
        "trials": trials,
        "importance": dict.fromkeys(FIELDS, 0.25),
        "best_of": expected_best([0.5, 0.625, 0.25, 0.0]),
    }
    figure = {"mean": 0.5, "std": None, "low": 0.4, "high": 0.6}
    report = {
        "system": "S", "corpus": "c", "protocol": "p", "protocol_description": "p by speaker",
        "n_utterances": 9, "n_speakers": 2, "unit": "speaker", "things": "recordings",
        "seeds": [0], "marks": ["LEAK: said so"], "uar": figure, "configs_scored": 3,
        "configs_total": 4,
    }  # fmt: skip
    return {
        "name": "s", "tried": 4, "sampler": "tpe", "pruner": "halving", "epochs": 9,
        "fields": FIELDS, "folds": [{"name": "a", **fold}, {"name": "b", **fold}],
        "chosen": [trials[1]["values"]] * 2, "dev_uar": [0.625] * 2, "seconds": 12.0,
        "versions": {}, "best": "host:/runs/best", "report": report,
    }  # fmt: skip


def test_tables_fit_and_say_what_was_tried(result):
    text = to_text(sweep.render(result), 100)
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text
    whole = " ".join(text.split())
    assert (
        "one configuration scored (3rd here, of 4 so far), chosen among 4 tried per fold on dev"
    ) in whole
    assert "8 trials: 4 complete, 2 pruned, 2 failed; 12 s" in whole
    assert "learning_rate 0.002, dropout 0.2, batch_size 9, model.dense 128,64" in whole
    assert "LEAK: said so" in whole
    few = {**result, "fields": {"batch_size": FIELDS["batch_size"]}}
    assert "batch_size" in to_text(sweep.render(few, most=1), 100)
    assert "and 3 more in sweep.txt" in to_text(sweep.render(few, most=1), 100)


def test_the_expected_best_is_the_mean_of_folds(result):
    assert sweep.mean_best(result) == pytest.approx(result["folds"][0]["best_of"])
    result["folds"][1]["importance"] = None
    assert sweep.importance(result) == dict.fromkeys(FIELDS, 0.25)


def test_the_page_has_every_trial(result):
    html = page.render_sweep(result)
    assert html.count('class="mark trial chosen"') == 2
    assert html.count('class="mark trial"') == 4  # the failed ones have no value to be drawn at
    assert "failed: its workers died" in html
    assert "5 of 9" in html
    assert "Expected best dev UAR of n trials" in html
