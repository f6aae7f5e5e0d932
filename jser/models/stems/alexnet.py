"""AlexNet, torchvision's (Krizhevsky 2014, "One weird trick for parallelizing ...").

Five convolutions of 64, 192, 384, 256 and 256 maps, 11x11/4 with padding 2, 5x5 with padding 2 and
3x3 with padding 1, each with ReLU, max-pooling 3/2 after the first, second and fifth, no local
response normalisation; the last maps averaged to 6x6 (they are 6x6 for pictures of 224 and of 227
pixels) and two fully connected layers of 4096. Dropout belongs to training and is not here.

`fc6` and `fc7` are the outputs of the linear layers, before ReLU; `relu6` and `relu7` after it.
Two independent readers of Zhang H. et al. 2021 took fc7 before its ReLU.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jser.models.stems.layers import BlockParams, Conv, Dense, MaxPool
from jser.models.stems.net import Block, Net, conv_block

# (kernel, stride, padding, place in torchvision's `features`, max-pool behind it)
_CONVS = ((11, 4, 2, 0, True), (5, 1, 2, 3, True), (3, 1, 1, 6, False), (3, 1, 1, 8, False),
          (3, 1, 1, 10, True))  # fmt: skip
# Rows and columns that the fully connected layers read.
GRID = 6
# Blocks of the fully connected layers, which read pictures of one size.
FLAT = ("fc6", "relu6", "fc7", "relu7")


def make(maps: tuple[int, ...] = (64, 192, 384, 256, 256), units: int = 4096) -> Net:
    """AlexNet; other numbers of maps and units are for tests."""
    blocks = []
    inputs = 3
    for number, (outputs, layer) in enumerate(zip(maps, _CONVS, strict=True), start=1):
        kernel, stride, padding, place, pooled = layer
        conv = Conv(
            "conv", inputs, outputs, kernel, stride, (padding, padding), f"features.{place}"
        )
        blocks.append(conv_block(f"conv{number}", conv, MaxPool(3, 2) if pooled else None))
        inputs = outputs
    fc6 = Dense("dense", (GRID, GRID, inputs), units, "classifier.1")
    fc7 = Dense("dense", (units,), units, "classifier.4")
    blocks += [_dense("fc6", fc6), _relu("relu6"), _dense("fc7", fc7), _relu("relu7")]
    return Net(
        "alexnet",
        "AlexNet",
        tuple(blocks),
        unused=("classifier.6.weight", "classifier.6.bias"),
    )


def _dense(name: str, dense: Dense) -> Block:
    def run(params: BlockParams, x: jax.Array, width: jax.Array) -> tuple[jax.Array, jax.Array]:
        if x.ndim == 4:
            x = adaptive_mean(x, GRID)
        return dense(params[dense.name], x, width)

    return Block(name, (dense,), run, flat=True)


def _relu(name: str) -> Block:
    def run(params: BlockParams, x: jax.Array, width: jax.Array) -> tuple[jax.Array, jax.Array]:
        del params
        return nn.relu(x), width

    return Block(name, (), run, flat=True)


def adaptive_mean(x: jax.Array, size: int) -> jax.Array:
    """Maps [B, h, w, C] averaged to [B, size, size, C] as PyTorch's AdaptiveAvgPool2d does.

    Cell i averages rows floor(i h / size) to ceil((i + 1) h / size) - 1, so cells may overlap.
    """
    if x.shape[1:3] == (size, size):
        return x
    rows, columns = (_cells(n, size).astype(x.dtype) for n in x.shape[1:3])
    return jnp.einsum("ih,jw,bhwc->bijc", rows, columns, x)


def _cells(n: int, size: int) -> np.ndarray:
    share = np.zeros((size, n), np.float32)
    for i in range(size):
        start, stop = i * n // size, -(-(i + 1) * n // size)
        share[i, start:stop] = 1 / (stop - start)
    return share


NET = make()
