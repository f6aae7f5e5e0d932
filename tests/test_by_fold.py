"""Values by fold: each fold trains its own, and what is wrong with them is said."""

import json

import pytest

from jser import config as configs
from jser import experiment, grid
from jser.errors import InputError
from tests.conftest import TINY


def load(data=None, **changed):
    fields = TINY | {k.replace("__", "."): v for k, v in changed.items()}
    place = [] if data is None else [("data_dir", str(data))]
    return configs.load("dcnn_blstm:synthetic", [*fields.items(), *place])


RATES, UNITS = "1e-3,3e-3,1e-3,1e-3", "4,4,6,4"


def test_folds_and_their_points():
    config = load(by_fold__hyper__learning_rate=RATES, by_fold__model__units=UNITS)
    assert grid.points(config) == [
        {"hyper.learning_rate": 1e-3, "model.units": 4},
        {"hyper.learning_rate": 3e-3, "model.units": 4},
        {"hyper.learning_rate": 1e-3, "model.units": 6},
    ]
    assert grid.places_of_folds(config) == {0: 0, 1: 1, 2: 2, 3: 0}
    first, second = grid.groups(config)
    assert (first.folds, second.folds) == (((0, 3), (1,)), ((2,),))
    assert "by_fold" not in first.config
    again = configs.from_json(json.loads(configs.to_json(config)))
    assert grid.points(again) == grid.points(config)
    assert configs.config_hash(again) == configs.config_hash(config) != configs.config_hash(load())
    assert grid.of_folds(load()) is None


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"by_fold__hyper__dropout": "0.1,0.2", "by_fold__model__units": "4"},
         "by_fold: needs one value a fold in each field, and has hyper.dropout 2, model.units 1"),
        ({"by_fold__stem__taps": "conv1,conv1"}, "by_fold.stem.taps: changes what is heard"),
        ({"by_fold__hyper__dropout": "0.1,0.2", "grid__model__units": "4,6"},
         "by_fold: stands beside a grid"),
        ({"by_fold__hyper__droput": "0.1"}, "did you mean 'hyper.dropout'"),
        ({"by_fold__hyper__dropout": "0.1,0.2,0.3"}, "has 3 values a field, and protocol"),
        ({"by_fold__hyper__dropout": "0.1,0.2,0.3,0.4,0.5"}, "has a value for fold 5, and"),
    ],
)  # fmt: skip
def test_impossible_values(data_without_ledger, tmp_path, changed, sentence):
    with pytest.raises(InputError, match=sentence):
        experiment.run(load(data_without_ledger, **changed), tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()
