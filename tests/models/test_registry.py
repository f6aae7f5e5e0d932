"""Names in a config -> models."""

import dataclasses

import pytest

from jser import config as configs
from jser.errors import InputError
from jser.models import registry


def test_no_such_system():
    with pytest.raises(InputError, match=r"system: 'dcnn_blst' .* did you mean dcnn_blstm"):
        registry.make("dcnn_blst", n_classes=4)


def test_every_system_has_its_names():
    assert registry.names("dcnn_blstm") == ("A", "DCNN-BLSTMwA")


@pytest.mark.parametrize("name", configs.packaged())
def test_what_a_config_chooses_has_no_second_default(name):
    """The module's fields without a default are those of `config.model`, and the classes."""
    config = configs.load(name)
    model = registry.make(config.system, n_classes=4, **config.model.to_dict())
    chosen = {
        field.name
        for field in dataclasses.fields(model)
        if field.default is dataclasses.MISSING and field.init
    }
    assert chosen == {"n_classes", *config.model}
