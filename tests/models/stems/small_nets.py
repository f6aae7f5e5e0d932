"""The nets with few maps, whole in every layer and stride, for quick comparisons."""

import numpy as np

from jser.models.stems import alexnet, efficientnet, resnet, vgg

# Fewer maps, every layer and stride of the whole; and the size of a picture that leaves something
# of it. EfficientNet's sides are divisible by 32, as in training.
FEW = tuple((k, s, e, 4 + n, r) for n, (k, s, e, _, r) in enumerate(efficientnet.STAGES))
SMALL = {
    "alexnet": (alexnet.make((4, 6, 8, 6, 5), 7), (131, 95)),
    "vgg16": (vgg.make((4, 5, 6, 7, 8)), (64, 37)),
    "resnet18": (resnet.make((4, 6, 8, 10)), (75, 49)),
    "efficientnet_lite0": (
        efficientnet.make(5, FEW, 9),
        (96, 64),
    ),
}


def torch_shapes(net):
    return {
        name: shape
        for block in net.blocks
        for layer in block.layers
        for name, shape in layer.torch_shapes().items()
    }


def picture(size, seed=0, count=1):
    return np.random.default_rng(seed).standard_normal((count, *size, 3)).astype(np.float32)
