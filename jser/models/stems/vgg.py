"""VGG16, torchvision's (Simonyan and Zisserman 2015, configuration D): its 13 convolutions.

3x3 with padding 1 and ReLU; max-pooling 2/2 behind the last of each group, named convG_N. The
fully connected layers are left out: at 224 pixels they read 7x7x512 values, 103 million weights.
"""

from __future__ import annotations

from jser.models.stems.layers import Conv, MaxPool
from jser.models.stems.net import Net, conv_block

# Convolutions of each group.
_GROUPS = (2, 2, 3, 3, 3)


def make(maps: tuple[int, ...] = (64, 128, 256, 512, 512)) -> Net:
    """VGG16; other numbers of maps a group are for tests."""
    blocks = []
    inputs, place = 3, 0
    for group, (count, outputs) in enumerate(zip(_GROUPS, maps, strict=True), start=1):
        for number in range(1, count + 1):
            conv = Conv("conv", inputs, outputs, 3, 1, (1, 1), f"features.{place}")
            pool = MaxPool(2, 2) if number == count else None
            blocks.append(conv_block(f"conv{group}_{number}", conv, pool))
            inputs = outputs
            place += 2  # a convolution and its ReLU
        place += 1  # the pooling
    unused = tuple(f"classifier.{n}.{leaf}" for n in (0, 3, 6) for leaf in ("weight", "bias"))
    return Net("vgg16", "VGG16", tuple(blocks), unused=unused)


NET = make()
