"""An artefact of the tiny run, made once for all tests and all pytest workers."""

import importlib.util
import shutil

import pytest

from jser.artefact import export

ONNX = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))


@pytest.fixture(scope="session")
def run_copy(once, tiny_run):
    """The tiny run, to which an export adds the read-outs that it needs."""
    return once("exported-run", lambda to: shutil.copytree(tiny_run / "run", to / "run")) / "run"


@pytest.fixture(scope="session")
def artefact(once, run_copy, xla_cache):
    """All four folds of it, exported."""

    def make(folder):
        export.export(run_copy, folder / "artefact")

    return once("artefact", make) / "artefact"


@pytest.fixture(scope="session")
def first_fold(once, run_copy, xla_cache):
    """Its first fold alone, as ONNX too where that can be written: one speaker was not heard."""

    def make(folder):
        export.export(run_copy, folder / "artefact", fold=1, onnx=ONNX)

    return once("artefact-fold", make) / "artefact"
