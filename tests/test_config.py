"""Configs: every field can be set, what is misspelt is named, and runs are told apart."""

import json

import ml_collections
import pytest

from jser import config as configs
from jser import run_directory
from jser.config import UsageError
from jser.errors import InputError


def every_field():
    return sorted(configs.fields(configs.load("dcnn_blstm:emodb")))


def another(value):
    """Another value of the same kind, and its text on a command line."""
    if isinstance(value, bool):
        return not value, str(not value).lower()
    if isinstance(value, str):
        return "other", "other"
    if isinstance(value, int | float):
        return value + 1, repr(value + 1)
    if value and not isinstance(value[0], str):
        more = (*value, value[-1] + 1)
        return more, ",".join(map(repr, more))
    return ("a", "b"), "a,b"


@pytest.mark.parametrize(("field", "value"), every_field(), ids=lambda x: str(x))
def test_every_field_can_be_set(field, value):
    wanted, text = another(value)
    made = configs.load("dcnn_blstm:emodb", [(field, text)])
    found = dict(configs.fields(made))
    assert found[field] == wanted
    assert type(found[field]) is type(value)
    untouched = {k: v for k, v in every_field() if k != field}
    assert {k: v for k, v in found.items() if k != field} == untouched


@pytest.mark.parametrize(
    ("field", "text", "wanted"),
    [
        ("seeds", "(1, 2)", (1, 2)),
        ("seeds", "5", (5,)),
        ("seeds", "[]", ()),
        ("augment.copies", "'noise', 'speed'", ("noise", "speed")),
        ("augment.copies", "", ()),
        ("hyper.clip", "2", 2.0),
        ("hyper.learning_rate", "3e-4", 3e-4),
        ("refit", "False", False),
        ("stem.range_db", "-50,20", (-50.0, 20.0)),
    ],
)
def test_ways_to_write_a_value(field, text, wanted):
    found = dict(configs.fields(configs.load("dcnn_blstm", [(field, text)])))[field]
    assert found == wanted
    assert type(found) is type(wanted)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("epochs", "ten"),
        ("epochs", "1.5"),
        ("epochs", "True"),
        ("epochs", ""),
        ("refit", "1"),
        ("refit", "yes"),
        ("hyper.clip", "(1,)"),
        ("hyper.clip", "True"),
        ("seeds", "0,x"),
        ("seeds", "0.5"),
        ("epochs", "__import__('os')"),
    ],
)
def test_values_of_another_type(field, text):
    with pytest.raises(UsageError, match=f"--config.{field}=") as caught:
        configs.load("dcnn_blstm", [(field, text)])
    assert "the value must be like the default" in str(caught.value)


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        ("epoch", "did you mean --config.epochs?"),
        ("hyper.learning_rat", "did you mean --config.hyper.learning_rate?"),
        ("learning_rate", "did you mean --config.hyper.learning_rate?"),
        ("stem.tap", "did you mean --config.stem.taps?"),
        ("hyper", "there is no such field"),
        ("zzz", "fields are augment.copies, "),
    ],
)
def test_misspelt_fields(field, hint):
    with pytest.raises(UsageError) as caught:
        configs.load("dcnn_blstm", [(field, "1")])
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_configs_and_corpora(tmp_path):
    with pytest.raises(UsageError, match="'dcnn_blst' is not a packaged config; did you"):
        configs.load("dcnn_blst")
    with pytest.raises(UsageError, match="'emodp' is not a corpus; did you mean 'emodb'"):
        configs.load("dcnn_blstm:emodp")
    with pytest.raises(UsageError, match=r"nowhere.py: no such file; packaged configs are .*'dcnn"):
        configs.load(str(tmp_path / "nowhere.py"))
    (tmp_path / "empty.py").write_text("x = 1\n")
    with pytest.raises(UsageError, match=r"empty.py: the file has no get_config\(\)"):
        configs.load(str(tmp_path / "empty.py:emodb"))


def test_a_file_is_a_config(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from jser.configs import dcnn_blstm\n\n\n"
        "def get_config(corpus='synthetic'):\n"
        "    config = dcnn_blstm.get_config(corpus)\n"
        "    config.epochs = 7\n"
        "    return config\n"
    )
    assert configs.load(str(path)).epochs == 7
    assert configs.load(f"{path}:ravdess").corpus == "ravdess"
    assert configs.load(f"{path}:ravdess", [("epochs", "2")]).epochs == 2


def test_a_loaded_config_is_frozen():
    with pytest.raises(AttributeError):
        configs.load("dcnn_blstm").epochs = 3


@pytest.mark.parametrize("corpus", ["synthetic", "emodb", "ravdess"])
def test_json_and_back(corpus):
    made = configs.load(f"dcnn_blstm:{corpus}", [("seeds", "4,5"), ("augment.copies", "noise")])
    back = configs.from_json(json.loads(configs.to_json(made)))
    assert back.to_dict() == made.to_dict()
    assert configs.to_json(back) == configs.to_json(made)
    assert isinstance(back.seeds, tuple)


@pytest.mark.parametrize(("field", "value"), every_field(), ids=lambda x: str(x))
def test_hash_is_of_the_configuration(field, value):
    """All but seeds, places and the way the work is cut makes it another configuration."""
    first = configs.config_hash(configs.load("dcnn_blstm:emodb"))
    second = configs.config_hash(configs.load("dcnn_blstm:emodb", [(field, another(value)[1])]))
    ignored = field.split(".")[0] in ("seeds", "data_dir", "population", "checkpoint")
    assert (first == second) == ignored


# --- run directories ------------------------------------------------------------------------------


def test_a_run_directory_belongs_to_its_config(tmp_path):
    config = configs.load("dcnn_blstm", [("epochs", "2")])
    run_directory.claim(tmp_path / "run", config)
    run_directory.claim(tmp_path / "run", config)  # to go on is no fault
    assert run_directory.config_of(tmp_path / "run").to_dict() == config.to_dict()
    other = configs.load("dcnn_blstm", [("epochs", "3"), ("hyper.clip", "2")])
    with pytest.raises(InputError) as caught:
        run_directory.claim(tmp_path / "run", other)
    assert "epochs is 2 there, 3 here" in str(caught.value)
    assert "hyper.clip is 1.0 there, 2.0 here" in str(caught.value)


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="is not empty and holds no run"):
        run_directory.claim(tmp_path, configs.load("dcnn_blstm"))
    with pytest.raises(InputError, match=r"thesis.tex: is no folder, .* another --workdir"):
        run_directory.claim(tmp_path / "thesis.tex" / "run", configs.load("dcnn_blstm"))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_half_a_config_in_a_run(tmp_path):
    (tmp_path / "config.json").write_text('{"epochs": ')
    for read in (
        lambda: run_directory.claim(tmp_path, configs.load("dcnn_blstm")),
        lambda: run_directory.config_of(tmp_path),
    ):
        with pytest.raises(InputError, match=r"config.json: not a config"):
            read()


def test_a_run_from_before_the_schedule_is_the_same_configuration(tmp_path):
    config = configs.load("pcrn:emodb")
    tree = json.loads(configs.to_json(config))
    assert tree.pop("schedule") == "cosine"
    (tmp_path / "config.json").write_text(json.dumps(tree))
    run_directory.claim(tmp_path, config)
    before = run_directory.config_of(tmp_path)
    assert before == config
    kept = {k: v for k, v in config.to_dict().items() if k != "schedule"}
    unnamed = ml_collections.FrozenConfigDict(kept)
    assert configs.config_hash(unnamed) == configs.config_hash(config)
    constant = configs.load("pcrn:emodb", [("schedule", "constant")])
    assert configs.config_hash(constant) != configs.config_hash(config)
    assert "schedule" not in dict(configs.fields(configs.load("svm:emodb")))


def test_how_the_work_is_cut_may_have_fields_that_are_younger_than_the_run(tmp_path):
    config = configs.load("dcnn_blstm:synthetic", [])
    run_directory.claim(tmp_path / "run", config)
    path = tmp_path / "run" / "config.json"
    there = json.loads(path.read_text())
    del there["population"]["spread"]
    path.write_text(json.dumps(there))
    run_directory.claim(tmp_path / "run", config)
    there["population"]["width"] = 7
    path.write_text(json.dumps(there))
    with pytest.raises(InputError, match=r"population\.width is 7 there, 0 here"):
        run_directory.claim(tmp_path / "run", config)
