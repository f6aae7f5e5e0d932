"""Names in a config -> models."""

import pytest

from jser.errors import InputError
from jser.models import registry


def test_no_such_system():
    with pytest.raises(InputError, match=r"system: 'dcnn_blst' .* did you mean dcnn_blstm"):
        registry.make("dcnn_blst", n_classes=4)


def test_every_system_has_its_names():
    assert registry.names("dcnn_blstm") == ("A", "DCNN-BLSTMwA")
