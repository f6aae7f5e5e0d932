"""A name in a config -> a model."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import flax.linen as nn

from jser.errors import InputError
from jser.models import stems
from jser.models.dcnn_blstm import DcnnBlstm

_MODELS: dict[str, type[nn.Module]] = {"dcnn_blstm": DcnnBlstm}


def make(name: str, **settings: Any) -> nn.Module:
    """The model of a system.

    Raises:
        InputError: there is no such system.
    """
    if name not in _MODELS:
        near = difflib.get_close_matches(name, _MODELS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"systems are {', '.join(_MODELS)}"
        raise InputError(f"system: {name!r} is not implemented; {hint}")
    if settings.get("attention") not in (None, "learned", "self", "mean"):
        raise InputError(
            f"model.attention: {settings['attention']!r} is none of learned, self, mean"
        )
    return _MODELS[name](**settings)


# Taps with which the features are the paper's: N x 4096 of the second fully connected layer.
_OF_THE_PAPER = (("fc7",), ("relu7",))


def title(name: str, net: str, taps: Sequence[str], weights: str) -> str:
    """What a report calls the system.

    Only fc7 of an ImageNet AlexNet is the paper's system A; anything else has a name of its own.
    """
    assert name == "dcnn_blstm"
    stem = stems.get(net)
    flat = any(stem.blocks[stem.index(tap)].flat for tap in taps)
    what = f"{stem.title}'s {', '.join(taps)}" if flat else f"{stem.title}'s convolutions"
    short = "A-fc" if flat else "A-conv"
    if net == "alexnet" and tuple(taps) in _OF_THE_PAPER and weights == "imagenet":
        short = "A"
    picture = "ImageNet" if weights == "imagenet" else "random"
    return f"{short} (DCNN-BLSTMwA on {what}), {picture} stem"
