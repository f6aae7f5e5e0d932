"""The table of ranges: every field has a row, every row refuses what lies outside it."""

import math

import ml_collections
import pytest

from jser import config as configs
from jser import ranges
from jser.errors import InputError
from jser.ranges import NUMBERS, TUPLES, Range


def packaged_fields():
    return {
        field: value
        for name in configs.packaged()
        for field, value in configs.fields(configs.load(name))
    }


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def changed(field, value):
    """A packaged config, the default's where it has the field, with it set past all guards."""
    owner = next(
        name
        for name in ("dcnn_blstm", *configs.packaged())
        if any(
            f"{known}.".startswith(f"{field}.") for known, _ in configs.fields(configs.load(name))
        )
    )
    config = ml_collections.ConfigDict(configs.load(owner).to_dict())
    *parents, leaf = field.split(".")
    node = config
    for parent in parents:
        node = node[parent]
    with node.ignore_type():
        node[leaf] = value
    return config


def test_every_number_and_tuple_has_a_row():
    fields = packaged_fields()
    numbers = {
        field
        for field, value in fields.items()
        if is_number(value) or (isinstance(value, tuple) and value and is_number(value[0]))
    }
    assert numbers == set(NUMBERS)
    assert {field for field, value in fields.items() if isinstance(value, tuple)} == set(TUPLES)


@pytest.mark.parametrize("name", configs.packaged())
def test_packaged_configs_pass(name):
    module = __import__(f"jser.configs.{name}", fromlist=["CORPORA"])
    for corpus in getattr(module, "CORPORA", [""]):
        ranges.check(configs.load(f"{name}:{corpus}" if corpus else name))


def outside(allowed):
    low = allowed.low if allowed.above else allowed.low - 1
    high = allowed.high if allowed.below else allowed.high + 1
    return [low, high, math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("field", sorted(NUMBERS))
def test_what_lies_outside_is_refused(field):
    default = packaged_fields()[field]
    number = default[0] if isinstance(default, tuple) else default
    for value in outside(NUMBERS[field]):
        if isinstance(number, int) and not math.isfinite(value):
            continue
        value = type(number)(value)
        given = (value, *default[1:]) if isinstance(default, tuple) else value
        with pytest.raises(InputError) as caught:
            ranges.check(changed(field, given))
        assert str(caught.value) == f"{field}: {value} must be {NUMBERS[field]}"


@pytest.mark.parametrize("field", sorted(NUMBERS))
def test_the_ends_are_allowed(field):
    allowed = NUMBERS[field]
    for value, excluded in ((allowed.low, allowed.above), (allowed.high, allowed.below)):
        assert (value in allowed) != excluded


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("seeds", (), r"seeds: \(\) has 0 entries, 1 to 1000 are needed"),
        ("seeds", (3, 1, 3), r"seeds: \(3, 1, 3\) names an entry twice"),
        ("stem.taps", ("conv1", "conv1"), "names an entry twice"),
        ("stem.pool", (), "has 0 entries"),
        ("stem.range_db", (1.0,), "has 1 entries, 2 are needed"),
        ("stem.range_db", (1.0, 1.0), "must rise"),
        ("stem.range_db", (30.0, -60.0), "must rise"),
        ("augment.snr_db", (1.0, 2.0, 3.0), "has 3 entries, 2 are needed"),
        ("augment.copies", ("noise", "noise"), "names an entry twice"),
        ("model.dense", (8,) * 17, "has 17 entries, 0 to 16"),
    ],
)
def test_tuples(field, value, sentence):
    with pytest.raises(InputError, match=sentence):
        ranges.check(changed(field, value))


def test_how_a_range_reads():
    assert str(Range(0, 1, below=True)) == "at least 0 and below 1"
    assert str(Range(0.5, 2, above=True)) == "above 0.5 and at most 2"


# --- fields and their types -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("epochs", "many", "epochs: 'many' must be like 20"),
        ("epochs", 2.5, r"epochs: 2\.5 must be like"),
        ("epochs", True, "epochs: True must be like"),
        ("refit", 1, "refit: 1 must be like True"),
        ("seeds", 3, "seeds: 3 must be like"),
        ("seeds", (0, 1.5), r"seeds: \(0, 1\.5\) must be like"),
        ("augment.copies", (1,), r"augment.copies: \(1,\) must be like"),
        ("hyper.clip", None, "hyper.clip: None must be like 1.0"),
        ("stem.level", 3, "stem.level: 3 must be like 'recorded'"),
        ("stem", 3, "has no field 'stem.channels'"),
    ],
)
def test_types(field, value, sentence):
    with pytest.raises(InputError, match=sentence):
        configs.check_fields(changed(field, value))


def test_an_integer_may_stand_for_a_float_and_a_list_for_a_tuple():
    configs.check_fields(changed("hyper.clip", 2))
    configs.check_fields(changed("seeds", [1, 2]))


def test_missing_and_unknown_fields():
    config = changed("epochs", 3)
    del config.hyper["clip"]
    with pytest.raises(InputError, match=r"no field 'hyper\.clip', which dcnn_blstm needs"):
        configs.check_fields(config)
    config = changed("epochs", 3)
    config.epoch = 3
    with pytest.raises(InputError, match="no field 'epoch'; did you mean 'epochs'"):
        configs.check_fields(config)
    with pytest.raises(InputError, match="no field 'system'"):
        configs.check_fields(ml_collections.ConfigDict())
    configs.check_fields(ml_collections.ConfigDict({"system": "one of the user's own", "x": 1}))
