"""System D, from records to a report."""

import pytest

from jser import config as configs
from jser import preparation
from jser.errors import InputError

SMALL = {
    "segments__frames": 64, "segments__shift": 64, "model__mels": 8, "model__maps": "3,3,4,4",
    "model__pool_bands": "2,2,2,1", "model__units": 5, "model__dense": 6,
}  # fmt: skip


def test_a_short_run(run_system, exported):
    report, folder = run_system("conv_lstm", **SMALL, epochs=1)
    assert report["system"] == "D (CNN and LSTM)"
    assert report["n_utterances"] == 20
    convolutions = 9 * (1 * 3 + 3 * 3 + 3 * 4 + 4 * 4) + 2 * (3 + 3 + 4 + 4)
    assert report["parameters"] == convolutions + (4 + 5 + 1) * 20 + 6 * 6 + 7 * 5
    assert exported(folder, fold=1)["members"] == ["fold 1, seed 0"]


def test_impossible_settings(data):
    fields = [("data_dir", str(data)), ("dev_speakers", "1"), ("model.pool_time", "2,2")]
    with pytest.raises(InputError, match=r"model.pool_time: 2 entries for the 4 convolutions"):
        preparation.prepare(configs.load("conv_lstm:synthetic", fields))
