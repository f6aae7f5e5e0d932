"""Parameters, counted by hand: network, stem, read-outs, and what a tuned stem has twice."""

import json

import numpy as np
import pytest

from jser import config as configs
from jser import size
from jser.readouts import Readouts
from jser.training.readout import Readout

# AlexNet: maps out x maps in x pixels, and a bias each.
CONV1 = 64 * 3 * 11 * 11 + 64
CONV2 = 192 * 64 * 5 * 5 + 192
CONV3 = 384 * 192 * 3 * 3 + 384
NETWORK = {"a": {"kernel": np.zeros((3, 5)), "bias": np.zeros(5)}}
NOTHING = Readouts((), {})


def parameters(readouts=NOTHING, **changed):
    fields = {
        "stem.net": "alexnet", "stem.taps": "conv1,conv3", "readout.views": "",
    }  # fmt: skip
    fields |= {name.replace("__", "."): value for name, value in changed.items()}
    return size.parameters(configs.load("dcnn_blstm:synthetic", fields.items()), NETWORK, readouts)


def test_network_and_stem():
    """All blocks up to the last tap, the tapped ones or not."""
    assert parameters() == 20 + CONV1 + CONV2 + CONV3
    assert parameters(stem__taps="conv1") == 20 + CONV1


def test_read_outs_of_one_fold():
    """Kernels and intercepts; not mean and scale; not those that are not in the sum."""

    def fold(**widths):
        return {
            view: Readout(np.zeros(d), np.ones(d), np.zeros((d, 4)), np.zeros(4))
            for view, d in widths.items()
        }

    together = (fold(stem=30, descriptors=7),) * 6
    made = Readouts(together, {"stem": (fold(stem=30),) * 6})
    assert parameters(made) == parameters() + 31 * 4 + 8 * 4
    assert parameters(Readouts((), made.alone)) == parameters()


@pytest.mark.parametrize(
    ("fields", "stem"),
    [
        # Tuned end to end, the blocks are the network's own.
        ({"stem__tuning": "end_to_end"}, CONV1),
        ({"stem__tuning": "two_stage"}, CONV1 + CONV2 + CONV3),
        # The frozen ones stay beside the tuned ones.
        ({"readout__views": "narrow"}, CONV1 + CONV2 + CONV3),
        ({"readout__views": "stem", "stem__tuning": "two_stage"}, CONV1 + 2 * (CONV2 + CONV3)),
        ({"model__linear_path": "true"}, CONV1 + CONV2 + CONV3),
        # Descriptors need no stem.
        ({"readout__views": "descriptors"}, CONV1),
    ],
)
def test_a_tuned_stem(fields, stem):
    assert parameters(stem__taps="conv3", stem__train_from="conv2", **fields) == 20 + stem


def test_in_the_report(tiny_run):
    """The tiny run: components 8, 4 units a direction, dense 4, five classes, one view."""
    blstm = 2 * (8 * 16 + 4 * 16 + 16)
    attention, dense, output = 8 + 1, 8 * 4 + 4, 4 * 5 + 5
    with np.load(tiny_run / "run" / "readouts.npz") as kept:
        width = len(kept["0/stem/together/mean"])
    report = json.loads((tiny_run / "run" / "report.json").read_text())
    network = blstm + attention + dense + output
    assert report["parameters"] == network + CONV1 + 5 * (width + 1)
