"""System A's ear against its inputs: an export compares both ways, and refuses a difference."""

import pytest

from jser import config as configs
from jser.errors import InputError
from jser.systems import dcnn_blstm
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
    "tuned above maps, and read-outs of the frozen stem": {
        "stem__train_from": "conv2", "stem__taps": "conv2", "readout__views": "stem",
    },
    "tuned from the picture on": {
        "stem__train_from": "conv1", "readout__views": "", "components": 0,
    },
    "tuned above maps of segments": {
        "stem__train_from": "conv2", "stem__taps": "conv2", "readout__views": "",
        "stem__picture": "segments", "stem__input_size": 67,
    },
    "tuned from pictures of segments on": {
        "stem__train_from": "conv1", "readout__views": "", "stem__picture": "segments",
        "stem__input_size": 67,
    },
}  # fmt: skip


# In the quick tests one of each: maps of columns, and pictures made in the network.
SLOW = ("tuned from the picture on", "tuned above maps of segments")


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=pytest.mark.slow if way in SLOW else ()) for way in WAYS]
)
def test_it_hears_what_was_trained_on(run_system, exported, way):
    _, folder = run_system("dcnn_blstm", **SMALL | WAYS[way])
    info = exported(folder, fold=1)
    trimmed, whole = "stem__trim_db" in WAYS[way], "stem__window" in WAYS[way]
    tuned = "stem__train_from" in WAYS[way]
    assert (info["stream"]["advance"] > 0) == (not trimmed and not whole and not tuned)


def test_stems_of_two_stages_have_none():
    fields = {"stem.train_from": "conv4_1", "stem.tuning": "two_stage"}
    config = configs.load("dcnn_blstm:synthetic", list(fields.items()))
    with pytest.raises(InputError, match=r"stem.tuning: two_stage: .* has no artefact yet"):
        dcnn_blstm.ear(config, None, None)
