"""Names in a config -> adapters."""

import dataclasses
import inspect
import types

import pytest

from jser import config as configs
from jser import systems
from jser.errors import InputError


def test_no_such_system():
    with pytest.raises(InputError, match=r"system: 'dcnn_blst' .* did you mean dcnn_blstm"):
        systems.get("dcnn_blst")


@pytest.mark.parametrize("name", systems.NAMES)
def test_an_adapter_has_all_that_the_contract_asks_for(name):
    """With the contract's parameters, since nothing but its words checks a module."""
    adapter = systems.get(name)
    assert isinstance(adapter, types.ModuleType)
    for member, asked in vars(systems.System).items():
        if not isinstance(asked, types.FunctionType) or member.startswith("_"):
            continue
        wanted = list(inspect.signature(asked).parameters)[1:]
        assert list(inspect.signature(getattr(adapter, member)).parameters) == wanted, member
    assert len(adapter.LETTER) == 1
    assert adapter.ARCHITECTURE


def test_letters_are_one_systems():
    letters = [systems.get(name).LETTER for name in systems.NAMES]
    assert len(set(letters)) == len(letters)


@pytest.mark.parametrize("name", systems.NAMES)
def test_every_system_has_a_config(name):
    assert name in {configs.load(packaged).system for packaged in configs.packaged()}


def test_what_a_config_chooses_has_no_second_default():
    """A model's fields without a default are those of `config.model`, and the classes."""
    from jser.models.dcnn_blstm import DcnnBlstm

    for name in ("dcnn_blstm", "dcnn_blstm_paper"):
        config = configs.load(name)
        model = DcnnBlstm(n_classes=4, **config.model.to_dict())
        chosen = {
            field.name
            for field in dataclasses.fields(model)
            if field.default is dataclasses.MISSING and field.init
        }
        assert chosen == {"n_classes", *config.model}
