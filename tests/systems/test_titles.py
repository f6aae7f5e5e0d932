"""What a report calls a system: from its config alone."""

import pytest

from jser import config as configs
from jser import systems


def title_of(config):
    return systems.get(config.system).title(config)


def title(**changed):
    fields = {
        "stem.net": "alexnet", "stem.taps": "fc7", "stem.picture": "segments", "readout.views": "",
    }  # fmt: skip
    fields |= {name.replace("__", "."): value for name, value in changed.items()}
    return title_of(configs.load("dcnn_blstm:synthetic", fields.items()))


@pytest.mark.parametrize(
    ("net", "taps", "weights", "named"),
    [
        # Only fc7 of the ImageNet AlexNet is the paper's system.
        ("alexnet", "fc7", "imagenet", "A (DCNN-BLSTMwA on AlexNet's fc7), ImageNet stem"),
        ("alexnet", "relu7", "imagenet", "A (DCNN-BLSTMwA on AlexNet's relu7), ImageNet stem"),
        ("alexnet", "fc7", "random", "A-fc (DCNN-BLSTMwA on AlexNet's fc7), random stem"),
        ("alexnet", "fc6", "imagenet", "A-fc (DCNN-BLSTMwA on AlexNet's fc6), ImageNet stem"),
        (
            "alexnet",
            "conv5,fc7",
            "imagenet",
            "A-fc (DCNN-BLSTMwA on AlexNet's conv5, fc7), ImageNet stem",
        ),
        (
            "alexnet",
            "conv1,conv2",
            "imagenet",
            "A-conv (DCNN-BLSTMwA on AlexNet's convolutions), ImageNet stem",
        ),
        (
            "efficientnet_lite0",
            "mb4",
            "random",
            "A-conv (DCNN-BLSTMwA on EfficientNet-Lite0's convolutions), random stem",
        ),
    ],
)
def test_how_near_it_is_to_the_paper(net, taps, weights, named):
    assert title(stem__net=net, stem__taps=taps, stem__weights=weights) == named


def test_a_tuned_stem():
    assert title(stem__train_from="fc6", stem__tuning="two_stage") == (
        "A (DCNN-BLSTMwA on AlexNet's fc7), ImageNet stem tuned from fc6 in two stages"
    )
    assert title(stem__train_from="fc7").endswith("ImageNet stem tuned from fc7")


def test_read_outs():
    """They see the frozen stem, also where another one is tuned."""
    assert title(readout__views="stem,narrow") == (
        "A (DCNN-BLSTMwA on AlexNet's fc7) + read-outs (stem, narrow), ImageNet stem"
    )
    assert title(readout__views="stem", stem__train_from="fc7") == (
        "A (DCNN-BLSTMwA on AlexNet's fc7) + read-outs (stem) of the frozen stem, "
        "ImageNet stem tuned from fc7"
    )


OTHER_SIZES = ", not the paper's sizes"


@pytest.mark.parametrize("name", ["rnn_elm", "dnn_elm"])
@pytest.mark.parametrize("kind", ["kernel", "sigmoid", "none"])
def test_b_and_its_twins_have_the_paper_s_sizes(name, kind):
    assert not title_of(configs.load(name, [("elm.kind", kind)])).endswith(OTHER_SIZES)


@pytest.mark.parametrize(
    ("name", "fields", "marked"),
    [
        ("rnn_elm", {"model.units": "32"}, True),
        ("rnn_elm", {"model.layers": "1", "model.labels": "frames"}, True),
        ("rnn_elm", {"model.units": "128", "elm.kind": "none"}, True),
        ("rnn_elm", {"elm.kind": "sigmoid", "elm.hidden": "121"}, True),
        # Not given in the paper.
        ("rnn_elm", {"model.theta": "0.3", "model.null_statistics": "True"}, False),
        ("rnn_elm", {"elm.widths": "1", "segments.shortest_gap": "7"}, False),
        ("dnn_elm", {"model.dense": "256,256"}, True),
        ("dnn_elm", {"model.context": "23"}, True),
        ("dnn_elm", {"model.theta": "0.3"}, True),
        ("dnn_elm", {"elm.hidden": "100"}, True),
        # Four shares are in the paper, and each has its place in the title.
        ("dnn_elm", {"model.percent": "10"}, False),
    ],
)
def test_other_sizes_than_the_paper_s(name, fields, marked):
    assert title_of(configs.load(name, fields.items())).endswith(OTHER_SIZES) == marked


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "D (CNN and LSTM)"),
        # Whether the output is one of two dense layers is not known, nor how wide any layer is.
        ({"model.dense": "64,64", "model.units": "9", "model.maps": "8,8,8,8"}, "D (CNN and LSTM)"),
        ({"model.dense": ""}, "D (CNN and LSTM, 1 dense layer, not the paper's 2)"),
        ({"model.dense": "8,8,8"}, "D (CNN and LSTM, 4 dense layers, not the paper's 2)"),
        ({"model.maps": "8,8,8"}, "D (CNN and LSTM, 3 convolutions, not the paper's 4)"),
        (
            {"model.maps": "8", "model.dense": ""},
            "D (CNN and LSTM, 1 convolution, not the paper's 4, 1 dense layer, not the paper's 2)",
        ),
    ],
)
def test_layers_of_d(fields, named):
    assert title_of(configs.load("conv_lstm", fields.items())) == named


@pytest.mark.parametrize("name", configs.packaged())
def test_packaged_configs_have_a_name(name):
    config = configs.load(name)
    assert title_of(config).startswith(systems.get(config.system).LETTER)
