"""System D: four convolutions, an LSTM, two dense layers (Qazi and Kaushik 2020)."""

from __future__ import annotations

from typing import Any

import flax.linen as nn

from jser.errors import InputError
from jser.models.conv_lstm import ConvLstm
from jser.protocols import Protocol
from jser.records.corpus import Corpus
from jser.systems import frames, frames_ear, segmented
from jser.systems.contract import Inputs
from jser.systems.ears import Ear
from jser.systems.frames import frozen_parameters, level, step_bounds, trim_db

__all__ = [
    "ARCHITECTURE", "LETTER", "check", "ear", "frozen_parameters", "inputs", "level", "load",
    "step_bounds", "title", "trim_db",
]  # fmt: skip

LETTER = "D"
ARCHITECTURE = "CNN and LSTM"

_CONVOLUTIONS = 4
# The abstract's two dense layers; it does not say whether the output is one of them.
_DENSE = (2, 3)


def check(config: Any) -> None:
    """See `contract.System`."""
    segmented.check(config)
    n = len(config.model.maps)
    for name in ("pool_time", "pool_bands"):
        if len(config.model[name]) != n:
            raise InputError(
                f"model.{name}: {len(config.model[name])} entries for the {n} convolutions of "
                "model.maps; give one for each"
            )
    frames.check(config, LETTER)


def load(config: Any) -> Corpus:
    """See `contract.System`."""
    return frames.load_log_mel(config, config.model.mels)


def inputs(config: Any, corpus: Corpus, protocol: Protocol) -> Inputs:
    """See `contract.System`."""
    del protocol
    chosen = config.model
    model: nn.Module = ConvLstm(n_classes=len(corpus.classes), **chosen.to_dict())
    model = segmented.around(model, config)
    return frames.on_log_mel(config, corpus, chosen.mels, chosen.channels, model)


def ear(config: Any, corpus: Corpus, protocol: Protocol) -> Ear:
    """See `contract.System`."""
    del protocol
    return frames_ear.on_log_mel(config, corpus, config.model.mels, config.model.channels)


def title(config: Any) -> str:
    """See `contract.System`: no more than the numbers of layers is known of the paper."""
    convolutions, dense = len(config.model.maps), 1 + len(config.model.dense)
    other = []
    if convolutions != _CONVOLUTIONS:
        what = f"convolution{'s' * (convolutions != 1)}"
        other.append(f"{convolutions} {what}, not the paper's {_CONVOLUTIONS}")
    if dense not in _DENSE:
        what = f"dense layer{'s' * (dense != 1)}"
        other.append(f"{dense} {what}, not the paper's {_DENSE[0]}")
    return f"{LETTER} ({', '.join([ARCHITECTURE, *other])})"
