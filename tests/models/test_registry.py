"""Names: of models, and of what a report calls the system."""

import pytest

from jser.errors import InputError
from jser.models import registry


@pytest.mark.parametrize(
    ("net", "taps", "weights", "title"),
    [
        # Only fc7 of the ImageNet AlexNet is the paper's system.
        ("alexnet", ("fc7",), "imagenet", "A (DCNN-BLSTMwA on AlexNet's fc7), ImageNet stem"),
        ("alexnet", ("relu7",), "imagenet", "A (DCNN-BLSTMwA on AlexNet's relu7), ImageNet stem"),
        ("alexnet", ("fc7",), "random", "A-fc (DCNN-BLSTMwA on AlexNet's fc7), random stem"),
        ("alexnet", ("fc6",), "imagenet", "A-fc (DCNN-BLSTMwA on AlexNet's fc6), ImageNet stem"),
        (
            "alexnet",
            ("conv5", "fc7"),
            "imagenet",
            "A-fc (DCNN-BLSTMwA on AlexNet's conv5, fc7), ImageNet stem",
        ),
        (
            "alexnet",
            ("conv1", "conv2"),
            "imagenet",
            "A-conv (DCNN-BLSTMwA on AlexNet's convolutions), ImageNet stem",
        ),
        (
            "efficientnet_lite0",
            ("mb4",),
            "random",
            "A-conv (DCNN-BLSTMwA on EfficientNet-Lite0's convolutions), random stem",
        ),
    ],
)
def test_title(net, taps, weights, title):
    assert registry.title("dcnn_blstm", net, taps, weights) == title


def test_title_of_a_tuned_stem():
    about = ("dcnn_blstm", "alexnet", ("fc7",), "imagenet")
    assert registry.title(*about, tuned_from="fc6", two_stage=True) == (
        "A (DCNN-BLSTMwA on AlexNet's fc7), ImageNet stem tuned from fc6 in two stages"
    )
    assert registry.title(*about, tuned_from="fc7").endswith("ImageNet stem tuned from fc7")
    assert registry.title(*about, two_stage=True).endswith("ImageNet stem")


def test_no_such_system():
    with pytest.raises(InputError, match=r"system: 'dcnn_blst' .* did you mean dcnn_blstm"):
        registry.make("dcnn_blst", n_classes=4)
