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


@pytest.mark.parametrize("name", configs.packaged())
def test_packaged_configs_have_a_name(name):
    config = configs.load(name)
    assert title_of(config).startswith(systems.get(config.system).LETTER)
