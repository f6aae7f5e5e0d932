"""System A's ear against its inputs: an export compares both ways, and refuses a difference."""

import pytest

from tests.conftest import TINY

SMALL = {name.replace(".", "__"): value for name, value in TINY.items()} | {"epochs": 2}

WAYS = {
    "one recording by itself, trimmed, at its peak": {
        "normalisation": "utterance", "stem__level": "peak", "stem__trim_db": 30,
    },
    "segments of another size": {
        "stem__picture": "segments", "stem__input_size": 67, "components": 0,
        "readout__views": "stem,narrow", "stem__pool": "mean,std,max",
    },
    "all of what is read out, and a linear path": {
        "readout__views": "stem,narrow,descriptors", "model__linear_path": True,
        "pooled_components": 6, "stem__window": 0, "stem__channels": 1,
    },
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_it_hears_what_was_trained_on(run_system, exported, way):
    _, folder = run_system("dcnn_blstm", **SMALL | WAYS[way])
    info = exported(folder, fold=1)
    trimmed, whole = "stem__trim_db" in WAYS[way], "stem__window" in WAYS[way]
    assert (info["stream"]["advance"] > 0) == (not trimmed and not whole)
