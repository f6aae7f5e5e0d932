"""System E, from records to a report."""

import pytest

from jser import config as configs
from jser import preparation, systems
from jser.errors import InputError

SMALL = {
    "segments__frames": 64, "segments__shift": 64, "model__mels": 8, "model__maps": "3,4",
    "model__lstm_units": 5, "model__lstm_frames": 4, "model__cnn_units": 6,
}  # fmt: skip


def test_a_short_run(run_system, exported):
    report, folder = run_system("pcrn", **SMALL, epochs=1)
    assert report["system"] == "E (PCRN, 4 frames a step of the LSTM)"
    assert report["n_utterances"] == 20
    lstm, cnn = (32 + 5 + 1) * 20, 9 * (3 * 3 + 3 * 4) + 2 * (3 + 4) + 5 * 6
    assert report["parameters"] == lstm + cnn + 2 * (5 + 6) + (5 + 6 + 1) * 5
    assert exported(folder, fold=1)["members"] == ["fold 1, seed 0"]


def load(data, **changed):
    fields = {"data_dir": str(data), "seeds": "0", "dev_speakers": "1"} | changed
    return configs.load("pcrn:synthetic", [(k.replace("__", "."), v) for k, v in fields.items()])


@pytest.mark.parametrize(
    ("branches", "channels", "width"),
    [("both", "3", 32 + 3 * 8), ("lstm", "3", 32), ("cnn", "3", 3 * 8), ("cnn", "1", 8)],
)
def test_columns_are_those_that_the_branches_read(data, branches, channels, width):
    mels = {} if branches == "lstm" else {"model__mels": "8"}
    config = load(data, model__branches=branches, model__channels=channels, **mels)
    ready = preparation.prepare(config)
    assert ready.inputs.features.frames.shape[-1] == width


def test_titles_name_what_is_left_out():
    def title(**changed):
        fields = [(k.replace("__", "."), v) for k, v in changed.items()]
        return systems.get("pcrn").title(configs.load("pcrn:emodb", fields))

    assert title() == "E (PCRN)"
    assert title(model__branches="lstm") == "E (PCRN, LSTM branch alone)"
    assert title(model__channels="1", model__batch_norm="False") == (
        "E (PCRN, static log-Mel alone, fused without batch normalisation)"
    )


def test_impossible_settings(data):
    with pytest.raises(InputError, match=r"model.branches: 'rnn' is none of both, lstm, cnn"):
        preparation.prepare(load(data, model__branches="rnn"))
