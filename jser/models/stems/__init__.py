"""ImageNet stems: AlexNet, VGG16, ResNet-18, EfficientNet-Lite0; blocks with names, and weights."""

from __future__ import annotations

import difflib

from jser.errors import InputError
from jser.models.stems import alexnet, efficientnet, resnet, vgg
from jser.models.stems.net import Block, Net

__all__ = ["NETS", "Block", "Net", "get"]

NETS = {net.name: net for net in (alexnet.NET, vgg.NET, resnet.NET, efficientnet.NET)}


def get(name: str, field: str = "stem.net") -> Net:
    """The net of this name; `field` is where it was given, for the message.

    Raises:
        InputError: there is none.
    """
    if name not in NETS:
        near = difflib.get_close_matches(name, NETS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"choose from {', '.join(NETS)}"
        raise InputError(f"{field}: {name!r} is no net; {hint}")
    return NETS[name]
