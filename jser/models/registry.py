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
_TITLES = {"dcnn_blstm": ("A", "DCNN-BLSTMwA")}


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


# The paper's features: N x 4096 of the second fully connected layer, before or after its ReLU.
_FEATURES_OF_THE_PAPER = (("fc7",), ("relu7",))


def title(
    name: str,
    net: str,
    taps: Sequence[str],
    weights: str,
    readouts: Sequence[str] = (),
    tuned_from: str = "",
    two_stage: bool = False,
) -> str:
    """What a report calls the system.

    Only fc7 of the ImageNet AlexNet is the paper's A; convolutions make it A-conv, and another
    fully connected layer, or one of random weights, A-fc. Read-outs whose scores are added are not
    the paper's either, and are named.
    """
    letter, architecture = _TITLES[name]
    stem = stems.get(net)
    vectors = [tap for tap in taps if stem.blocks[stem.index(tap)].flat]
    what = ", ".join(taps) if vectors else "convolutions"
    if tuple(taps) not in _FEATURES_OF_THE_PAPER or weights != "imagenet":
        letter += "-fc" if vectors else "-conv"
    source = "ImageNet" if weights == "imagenet" else "random"
    beside = f" + read-outs ({', '.join(readouts)})" if readouts else ""
    if tuned_from and readouts:
        beside += " of the frozen stem"
    tuned = f" tuned from {tuned_from}" if tuned_from else ""
    stages = " in two stages" if tuned_from and two_stage else ""
    system = f"{letter} ({architecture} on {stem.title}'s {what}){beside}"
    return f"{system}, {source} stem{tuned}{stages}"
