"""ResNet-18, torchvision's (He et al. 2016, basic blocks): stem, then two blocks in four layers.

Padding is explicit, as PyTorch's: a 3x3 of stride 2 pads one pixel on either side.
"""

from __future__ import annotations

import flax.linen as nn
import jax

from jser.models.stems.layers import BlockParams, Conv, MaxPool
from jser.models.stems.net import Block, Net, conv_block


def make(maps: tuple[int, ...] = (64, 128, 256, 512)) -> Net:
    """ResNet-18; other numbers of maps a layer are for tests."""
    stem = Conv("conv", 3, maps[0], 7, 2, (3, 3), "conv1", "bn1")
    blocks = [conv_block("stem", stem, MaxPool(3, 2, 1))]
    inputs = maps[0]
    for layer, outputs in enumerate(maps, start=1):
        for number in (0, 1):
            stride = 2 if number == 0 and layer > 1 else 1
            blocks.append(_basic(f"layer{layer}.{number}", inputs, outputs, stride))
            inputs = outputs
    return Net("resnet18", "ResNet-18", tuple(blocks), unused=("fc.weight", "fc.bias"))


def _basic(name: str, inputs: int, maps: int, stride: int) -> Block:
    """Two 3x3 convolutions beside a shortcut, which is projected where the shape changes."""
    first = Conv("conv1", inputs, maps, 3, stride, (1, 1), f"{name}.conv1", f"{name}.bn1")
    second = Conv("conv2", maps, maps, 3, 1, (1, 1), f"{name}.conv2", f"{name}.bn2")
    layers: tuple[Conv, ...] = (first, second)
    if stride > 1 or inputs != maps:
        prefix = f"{name}.downsample"
        layers += (Conv("shortcut", inputs, maps, 1, stride, (0, 0), f"{prefix}.0", f"{prefix}.1"),)

    def run(params: BlockParams, x: jax.Array, width: jax.Array) -> tuple[jax.Array, jax.Array]:
        beside = x
        if len(layers) == 3:
            beside, _ = layers[2](params["shortcut"], x, width)
        x, width = first(params["conv1"], x, width)
        x, width = second(params["conv2"], nn.relu(x), width)
        return nn.relu(x + beside), width

    return Block(name, layers, run, stride)


NET = make()
