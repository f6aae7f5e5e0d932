"""A small synthetic corpus with waveforms, for short runs of each system."""

import pytest

from jser import config as configs
from jser import experiment
from jser.artefact import export
from tests.artefact.conftest import ONNX


@pytest.fixture(scope="module")
def run_system(data_without_ledger, xla_cache, tmp_path_factory):
    """A function that trains a packaged config shortly on the small corpus: (report, folder)."""

    def run(name, **changed):
        fields = {"seeds": "0", "epochs": "2", "dev_speakers": "1"}
        fields["data_dir"] = str(data_without_ledger)
        fields |= {key.replace("__", "."): str(value) for key, value in changed.items()}
        config = configs.load(f"{name}:synthetic", list(fields.items()))
        folder = tmp_path_factory.mktemp(name)
        return experiment.run(config, folder), folder

    return run


@pytest.fixture
def exported(tmp_path):
    """A function that exports a run, which fails where the artefact says something else."""

    def make(folder, onnx=ONNX, **which):
        return export.export(folder, tmp_path / "artefact", onnx=onnx, **which)

    return make
