"""A grid: its points and groups, what each fold chooses; a point trains as it does alone."""

import json

import numpy as np
import pytest

from jser import config as configs
from jser import experiment, grid, preparation, trainings
from jser.errors import InputError
from jser.evaluation import page
from jser.training import loop
from tests.conftest import TINY
from tests.training.conftest import same_bits, take


def load(data, **changed):
    fields = TINY | {k.replace("__", "."): v for k, v in changed.items()}
    return configs.load("dcnn_blstm:synthetic", [*fields.items(), ("data_dir", str(data))])


# --- points and groups ----------------------------------------------------------------------------


def test_points_are_all_combinations(data):
    config = load(data, grid__hyper__learning_rate="1e-3,3e-3", grid__model__units="4,6")
    assert grid.points(config) == [
        {"hyper.learning_rate": rate, "model.units": units}
        for rate in (1e-3, 3e-3)
        for units in (4, 6)
    ]
    assert grid.points(load(data)) == [{}]


def test_numbers_share_a_program_and_shapes_do_not(data):
    config = load(
        data,
        grid__hyper__dropout="0.1,0.5",
        grid__balance__class_weights="true,false",
        grid__model__dense="4/8,4",
        grid__batch_size="8,4",
    )
    groups = grid.groups(config)
    assert len(groups) == 4
    assert sorted(p for group in groups for p in group.places) == list(range(16))
    points = grid.points(config)
    for group in groups:
        assert len(group.points) == 4
        for own, place in zip(group.points, group.places, strict=True):
            assert "grid" not in own
            assert own.hyper.dropout == points[place]["hyper.dropout"]
            assert own.balance.class_weights == points[place]["balance.class_weights"]
            assert own.model.dense == group.config.model.dense == points[place]["model.dense"]
            assert own.batch_size == group.config.batch_size
    assert groups[0].config.model.dense == (4, 8)
    assert [group.stage("select") for group in groups[:2]] == ["select", "select_group_2"]


@pytest.mark.parametrize(
    ("axis", "values", "sentence"),
    [
        ("stem__taps", "conv1,conv2", "grid.stem.taps: changes what is heard .* `jser compare`"),
        ("seeds", "0/1,2", "grid.seeds: changes what is heard or who is tested"),
        ("hyper__dropout", "0.1,0.1", "grid.hyper.dropout: .* has a value twice"),
        ("hyper__dropout", "", "grid.hyper.dropout: has no value"),
        ("hyper__dropout", "0.1,1.5", "hyper.dropout: 1.5 must be at least 0 and below 1"),
        (
            "hyper__droput",
            "0.1,0.2",
            "'hyper.droput' is not a field .* did you mean 'hyper.dropout'",
        ),
        ("hyper__dropout", "0.1,much", "each value must be like the default, 0.\\d+ .*comma"),
    ],
)
def test_impossible_grids(data, axis, values, sentence):
    def prepared():
        groups = grid.groups(load(data, **{f"grid__{axis}": values}))
        return preparation.prepare(groups[0].config, None, groups[0].points)

    with pytest.raises(InputError, match=sentence):
        prepared()


def test_too_many_points(data):
    many = ",".join(str(x / 1000) for x in range(1, 102))
    with pytest.raises(InputError, match="10201 points are too many; at most 10000"):
        grid.points(load(data, grid__hyper__dropout=many, grid__hyper__warmup=many))


def test_a_grid_survives_its_run_directory(data):
    config = load(data, grid__hyper__dropout="0.1,0.5", grid__model__dense="4/8,4")
    again = configs.from_json(json.loads(configs.to_json(config)))
    assert grid.points(again) == grid.points(config)
    assert configs.config_hash(again) == configs.config_hash(config)
    assert configs.config_hash(load(data)) != configs.config_hash(config)
    assert "grid" not in load(data)


# --- the choice -----------------------------------------------------------------------------------


def test_winners_by_hand():
    """Three folds, two seeds, three points."""
    fold = np.repeat([0, 1, 2], 6)
    place = np.tile(np.repeat([0, 1, 2], 2), 3)
    means_6_55_55 = [0.5, 0.7, 0.9, 0.2, 0.6, 0.5]
    all_5_so_the_lower_loss = [0.5, 0.5, 0.4, 0.6, 0.5, 0.5]
    best_has_failed_then_the_earlier = [0.9, 0.9, 0.5, 0.5, 0.5, 0.5]
    score = np.array([*means_6_55_55, *all_5_so_the_lower_loss, *best_has_failed_then_the_earlier])
    loss = np.ones(18)
    loss[6:12] = [1.0, 1.0, 0.8, 0.8, 0.9, 0.9]
    loss[12] = np.nan
    assert grid.winners(fold, place, score, loss) == {0: 0, 1: 1, 2: 1}
    # Where all have failed somewhere, something is chosen all the same.
    assert grid.winners(fold[:6], place[:6], score[:6], np.full(6, np.nan)) == {0: 0}


# --- whole runs -----------------------------------------------------------------------------------

AXES = {"grid__hyper__learning_rate": "1e-3,2e-2", "grid__model__units": "4,6"}


@pytest.fixture(scope="module")
def whole(data_without_ledger, tmp_path_factory):
    """A run over a grid of 2 x 2 in two groups: its config, folder, report."""
    config = load(data_without_ledger, seeds="0,1", epochs="4", **AXES)
    folder = tmp_path_factory.mktemp("grid") / "run"
    return config, folder, experiment.run(config, folder)


def test_a_point_trains_as_it_does_alone(whole, data_without_ledger, tmp_path):
    config, _, _ = whole
    (_, second) = grid.groups(config)
    prepared = preparation.prepare(second.config, None, second.points)
    plan = trainings.plan_of(prepared)
    together = loop.fit(
        prepared.program, prepared.features, prepared.tables, plan, tmp_path, "again", 1e9
    )
    for local, place in enumerate(second.places):
        alone = preparation.prepare(grid.at(config, grid.points(config)[place]))
        state = loop.fit(
            alone.program, alone.features, alone.tables, plan, tmp_path, f"alone_{place}", 1e9
        )
        assert same_bits(take(together, prepared.tables.point == local), state)


def test_each_fold_chose_by_its_own_dev(whole):
    """The chosen points once more, from metrics.jsonl alone."""
    _, folder, report = whole
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    best = {}
    for row in rows:
        if row["stage"].startswith("select"):
            key = row["fold"], row.get("point", 0), row["seed"]
            rank = row["dev_uar"], -row["dev_loss"]
            best[key] = max(best.get(key, rank), rank)
    assert len(best) == 4 * 4 * 2
    for k, place in enumerate(report["grid"]["chosen"]):
        ranks = [
            tuple(np.mean([best[k, p, s] for s in (0, 1)], axis=0)) for p in range(4)
        ]  # mean UAR, then mean loss
        assert max(range(4), key=lambda p: ranks[p]) == place
        for p in range(4):
            assert report["grid"]["dev_uar"][p][k] == pytest.approx(ranks[p][0], abs=1e-6)
    refitted = {
        (row["fold"], row["seed"], row.get("point", 0))
        for row in rows
        if row["stage"].startswith("refit")
    }
    assert refitted == {(k, s, p) for k, p in enumerate(report["grid"]["chosen"]) for s in (0, 1)}


def test_a_grid_is_one_configuration_scored_once(whole, data_without_ledger):
    _, folder, report = whole
    assert report["configs_scored"] == report["configs_total"] == 1
    roles = [
        json.loads(line)["role"] for line in (folder / "ledger.jsonl").read_text().splitlines()
    ]
    assert sorted(roles) == ["baseline", "part", "system"]
    assert report["n_utterances"] == 20
    assert len(report["folds"]) == 4
    again = experiment.evaluate(folder)
    assert again["uar"] == report["uar"]
    assert again["grid"] == report["grid"]
    assert report["grid"]["groups"] == 2
    assert report["parameters"] > 0


def test_what_a_grid_shows(whole):
    _, folder, _ = whole
    text = (folder / "report.txt").read_text()
    assert "4 points (hyper.learning_rate 0.001, 0.02; model.units 4, 6), each fold's by" in (
        " ".join(text.split())
    )
    html = (folder / "report.html").read_text()
    assert "What dev chose of the grid" in html
    assert page.read_metrics(folder)


def test_a_grid_without_refit(data_without_ledger, tmp_path):
    config = load(
        data_without_ledger, refit="false", epochs="2", grid__hyper__learning_rate="1e-3,2e-2"
    )
    report = experiment.run(config, tmp_path / "run")
    assert not report["refit"]
    assert len(report["grid"]["chosen"]) == 4
    assert not list((tmp_path / "run" / "checkpoints").glob("refit*"))


def test_one_diverging_point_does_not_end_a_grid(data_without_ledger, tmp_path):
    config = load(
        data_without_ledger,
        epochs="12",
        hyper__warmup="0",
        hyper__weight_decay="100",  # at a rate of 10, weights grow a thousandfold each step
        grid__hyper__learning_rate="1e-3,10",
        grid__model__units="4,6",
    )
    grid_of = experiment.run(config, tmp_path / "run")["grid"]
    rates = [point["hyper.learning_rate"] for point in grid_of["points"]]
    assert {rates[p] for p in grid_of["chosen"]} == {1e-3}
    assert [rate for rate, dev in zip(rates, grid_of["dev_uar"], strict=True) if None in dev] == (
        [10.0, 10.0]
    )


def test_inputs_that_differ_are_refused(data_without_ledger, tmp_path):
    fields = {"data_dir": str(data_without_ledger), "epochs": "1", "seeds": "0"}
    fields |= {"dev_speakers": "1", "grid.model.channels": "1,3", "model.mels": "8"}
    fields |= {"segments.frames": "40", "segments.shift": "40"}
    config = configs.load("acrnn:synthetic", list(fields.items()))
    with pytest.raises(InputError, match=r"grid.model.channels: changes what the network reads"):
        experiment.run(config, tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()  # found before anything trained


def test_a_later_group_that_is_impossible_is_found_before_anything_trains(
    data_without_ledger, tmp_path
):
    config = load(data_without_ledger, grid__model__units="4,0")
    with pytest.raises(InputError, match=r"model.units: 0 must be at least 1"):
        experiment.run(config, tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_system_without_a_network_has_no_grid(data_without_ledger, tmp_path):
    fields = {"data_dir": str(data_without_ledger), "grid.balance.class_weights": "True,False"}
    config = configs.load("svm:synthetic", [*fields.items(), ("dev_speakers", "1")])
    with pytest.raises(InputError, match="grid: svm trains no network"):
        experiment.run(config, tmp_path / "run")
