"""The space of a sweep: what config files may say, and what is refused."""

from types import SimpleNamespace

import pytest

from jser import config as configs
from jser import grid
from jser.errors import InputError
from jser.sweep import reading, run, samplers, space
from tests.conftest import TINY


def load(**changed):
    fields = TINY | {k.replace("__", "."): v for k, v in changed.items()}
    return configs.load("dcnn_blstm:synthetic", fields.items())


@pytest.fixture(scope="module")
def config():
    return load()


def test_distributions_lie_as_they_say():
    assert space.log_uniform(1e-4, 1e-2).at(0.5) == pytest.approx(1e-3)
    assert space.uniform(1.0, 3.0).at(0.25) == 1.5
    assert [space.integer(1, 3).at(x) for x in (0.0, 0.3, 0.34, 0.99, 1.0)] == [1, 1, 2, 3, 3]
    assert space.integer(1, 64, log=True).at(1.0) == 64
    assert [space.choice("a", "b").at(x) for x in (0.0, 0.49, 0.5, 1.0)] == ["a", "a", "b", "b"]


@pytest.mark.parametrize("name", ["dcnn_blstm:synthetic", "acrnn:synthetic"])
def test_packaged_spaces_fit_their_configs(name):
    found = reading.load(name, configs.load(name))
    assert "hyper.learning_rate" in found.fields
    # One program for all: no trial of a packaged space is compiled for itself.
    assert grid.static_values(dict.fromkeys(found.fields, 0)) == ()


def test_a_list_is_each_trial_once(config):
    def sweep():
        yield {"hyper.learning_rate": 1e-3, "model.dense": [8, 4]}
        yield {"hyper.learning_rate": 3e-3}

    found = reading.of(sweep(), config)
    assert found.points == (
        {"hyper.learning_rate": 1e-3, "model.dense": (8, 4)},
        {"hyper.learning_rate": 3e-3, "model.dense": (4,)},
    )
    assert run.check(run.Options(), found) == 2
    with pytest.raises(InputError, match=r"--trials=5: sweep\(\) lists 2 trials"):
        run.check(run.Options(trials=5), found)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"stem.taps": space.choice(("conv1",), ("conv2",))},
         "sweep: stem.taps: changes what is heard or who is tested, .* `jser compare`"),
        ({"hyper.droput": space.uniform(0.1, 0.5)}, "sweep: hyper.droput: the config has no field"),
        ({"hyper.dropout": 0.5}, r"sweep: hyper.dropout: 0.5 is no distribution; give one of"),
        ({"hyper.dropout": space.uniform(0.5, 0.1)}, "hyper.dropout: 0.5 is not below 0.1"),
        ({"hyper.dropout": space.uniform(0.5, 1.5)}, "hyper.dropout: 1.5 must be at least 0 and"),
        ({"hyper.dropout": space.log_uniform(0, 0.5)}, "0 has no logarithm; begin above 0"),
        ({"hyper.dropout": space.integer(0, 1)}, "like 0.5 .float., for which there is choice"),
        ({"batch_size": space.uniform(4, 8)}, "like 8 .int., for which there is integer"),
        ({"batch_size": space.choice(4, "8")}, "batch_size: '8' must be like the default, 8"),
        ({"batch_size": space.choice(4, 4)}, "batch_size: .4, 4. has a value twice"),
        ({"batch_size": space.choice()}, "batch_size: has no value"),
        ({}, "sweep: gives no field"),
        ([], "sweep: gives no field"),
        ([3], "sweep: trial 1 is 3; a list of trials has a dict each"),
        ([{"batch_size": 4}, {"batch_size": 0}], "batch_size: 0 must be at least 2"),
        ([{"batch_size": 4}, {"batch_size": 4}], "trials 1 and 2 are the same"),
    ],
)  # fmt: skip
def test_impossible_spaces(config, given, sentence):
    with pytest.raises(InputError, match=sentence):
        reading.of(given, config)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"sampler": "cma"}, "--sampler=cma: is none of tpe, random, qmc"),
        ({"pruner": "median"}, "--pruner=median: is none of halving, hyperband, none"),
        ({"trials": 0}, "--trials=0: is less than 1"),
        ({"batch": -1}, "--batch=-1: is less than 1"),
        ({"heartbeat": 0}, "--heartbeat=0: is less than 1"),
    ],
)
def test_impossible_options(config, changed, sentence):
    found = reading.of({"hyper.dropout": space.uniform(0.1, 0.5)}, config)
    with pytest.raises(InputError, match=sentence):
        run.check(run.Options(**changed), found)


def test_a_file_of_its_own(config, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def sweep():\n    return {'hyper.dropout': 1 / 0}\n")
    with pytest.raises(configs.UsageError, match=r"--space=.*mine.py: line 2: ZeroDivisionError"):
        reading.load("dcnn_blstm:synthetic", config, str(file))
    file.write_text("")
    with pytest.raises(configs.UsageError, match=r"mine.py: the file has no sweep\(\)"):
        reading.load("dcnn_blstm:synthetic", config, str(file))
    with pytest.raises(configs.UsageError, match=r"svm: its file has no sweep\(\)"):
        reading.load("svm", config)


def test_a_grid_is_no_sweep():
    config = load(grid__hyper__dropout="0.1,0.2")
    with pytest.raises(InputError, match="grid: a sweep has its values from sweep"):
        reading.of({"hyper.dropout": space.uniform(0.1, 0.5)}, config)


def test_values_go_through_optuna_and_back():
    found = space.Space({"a": space.choice((4,), (4, 8)), "b": space.integer(1, 3)})

    trial = SimpleNamespace(params={"a": samplers.words((4, 8)), "b": 2})
    assert samplers.values_of(trial, found) == {"a": (4, 8), "b": 2}
