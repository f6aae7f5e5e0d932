"""What a report calls a configured system: how near it is to its paper, and what is beside it."""

from __future__ import annotations

from typing import Any

from jser.models import registry, stems

# The paper's features: N x 4096 of the second fully connected layer, before or after its ReLU.
_FEATURES_OF_THE_PAPER = (("fc7",), ("relu7",))


def title(config: Any) -> str:
    """The name of the system that a config describes.

    Only fc7 of the ImageNet AlexNet is the paper's A; convolutions make it A-conv, and another
    fully connected layer, or one of random weights, A-fc. Read-outs whose scores are added are not
    the paper's either, and are named.
    """
    letter, architecture = registry.names(config.system)
    net = stems.get(config.stem.net)
    taps = tuple(config.stem.taps)
    vectors = [tap for tap in taps if net.blocks[net.index(tap)].flat]
    what = ", ".join(taps) if vectors else "convolutions"
    imagenet = config.stem.weights == "imagenet"
    if taps not in _FEATURES_OF_THE_PAPER or not imagenet:
        letter += "-fc" if vectors else "-conv"
    views = config.readout.views
    beside = f" + read-outs ({', '.join(views)})" if views else ""
    tuned = ""
    if config.stem.train_from:
        tuned = f" tuned from {config.stem.train_from}"
        if config.stem.tuning == "two_stage":
            tuned += " in two stages"
        if views:
            beside += " of the frozen stem"
    source = "ImageNet" if imagenet else "random"
    return f"{letter} ({architecture} on {net.title}'s {what}){beside}, {source} stem{tuned}"
