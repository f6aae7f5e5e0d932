"""A fake corpus and its records, shared by the tests of building."""

import pytest

from jser.datasets.emodb import fake as emodb
from jser.records.builder import build


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    return emodb.make(tmp_path_factory.mktemp("emodb"))


@pytest.fixture(scope="session")
def built(source, tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    return data, build("emodb", source, data, "waveform", allow_partial=True)
