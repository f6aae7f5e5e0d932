"""EfficientNet-Lite0 (Tan and Le 2019; the Lite variant of 2020: no squeeze-excitation, ReLU6).

Blocks: stem, 16 inverted bottlenecks mb0 to mb15, head (a 1x1 convolution to 1280 maps). The maps
of mb0 to mb15 end with a linear projection, so they may be negative. Input: (x - 127) / 128 of
0..255.

**Padding.** TensorFlow's "SAME" with stride 2 pads an even side on the left with (k - 2) // 2
zeros and an odd side with (k - 1) // 2, so where a kernel lies would depend on a picture's true
width. Here every side is padded as "SAME" pads an even one: k // 2 of stride 1, (k - 2) // 2 of
stride 2 on the left, and on the right what gives ceil(side / stride) columns. For pictures of
224 pixels, on which the net was trained, all sides are even and the two are the same.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jser.models.stems.layers import BlockParams, Conv
from jser.models.stems.net import Block, Net

EPS = 1e-3
# (kernel, stride of the first, expansion, maps, repeats)
STAGES = (
    (3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4), (3, 1, 6, 320, 1),
)  # fmt: skip


def relu6(x: jax.Array) -> jax.Array:
    """min(max(x, 0), 6)."""
    return jnp.clip(x, 0, 6)


def same(kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after: those of "SAME" for an even side, ceil(n / stride) outputs for any.

    The second number is larger than "SAME" needs for an even side; the surplus is never reached.
    """
    before = (kernel - stride) // 2
    return before, kernel - 1 - before


def make(stem: int = 32, stages: tuple[tuple[int, ...], ...] = STAGES, head: int = 1280) -> Net:
    """EfficientNet-Lite0; other numbers are for tests."""
    blocks = [_single("stem", Conv("conv", 3, stem, 3, 2, same(3, 2), "_conv_stem", "_bn0", EPS))]
    inputs, number = stem, 0
    for kernel, first, expansion, maps, repeats in stages:
        for repeat in range(repeats):
            stride = first if repeat == 0 else 1
            blocks.append(_bottleneck(number, inputs, maps, kernel, stride, expansion))
            inputs = maps
            number += 1
    blocks.append(
        _single("head", Conv("conv", inputs, head, 1, 1, (0, 0), "_conv_head", "_bn1", EPS))
    )
    return Net(
        "efficientnet_lite0",
        "EfficientNet-Lite0",
        tuple(blocks),
        mean=(127 / 255,) * 3,
        std=(128 / 255,) * 3,
        unused=("_fc.weight", "_fc.bias"),
    )


def _single(name: str, conv: Conv) -> Block:
    def run(params: BlockParams, x: jax.Array, width: jax.Array) -> tuple[jax.Array, jax.Array]:
        x, width = conv(params[conv.name], x, width)
        return relu6(x), width

    return Block(name, (conv,), run, conv.stride)


def _bottleneck(
    number: int, inputs: int, maps: int, kernel: int, stride: int, expansion: int
) -> Block:
    """Expand 1x1, depthwise, project 1x1 without activation; a shortcut where shapes agree."""
    torch = f"_blocks.{number}"
    inner = inputs * expansion
    padding = same(kernel, stride)
    layers: tuple[Conv, ...] = (
        Conv("depthwise", inner, inner, kernel, stride, padding, f"{torch}._depthwise_conv",
             f"{torch}._bn1", EPS, depthwise=True),
        Conv("project", inner, maps, 1, 1, (0, 0), f"{torch}._project_conv", f"{torch}._bn2", EPS),
    )  # fmt: skip
    if expansion > 1:
        expand = Conv(
            "expand", inputs, inner, 1, 1, (0, 0), f"{torch}._expand_conv", f"{torch}._bn0", EPS
        )
        layers = (expand, *layers)

    def run(params: BlockParams, x: jax.Array, width: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = x
        for layer in layers:
            y, width = layer(params[layer.name], y, width)
            y = y if layer.name == "project" else relu6(y)
        return (y + x if stride == 1 and inputs == maps else y), width

    return Block(f"mb{number}", layers, run, stride)


NET = make()
