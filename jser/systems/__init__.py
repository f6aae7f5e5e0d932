"""The published systems: an adapter each, found by the name that a config has in `system`."""

from __future__ import annotations

import difflib
import importlib
from typing import cast

from jser.errors import InputError
from jser.systems.contract import Inputs, System

__all__ = ["NAMES", "Inputs", "System", "get"]

NAMES = (
    "acoustic_rnn",
    "acrnn",
    "cnn_rnn",
    "conv_lstm",
    "dcnn_blstm",
    "pcrn",
    "rnn_elm",
    "svm",
)  # fmt: skip


def get(name: str) -> System:
    """The adapter of a system.

    Raises:
        InputError: there is no such system.
    """
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"systems are {', '.join(NAMES)}"
        raise InputError(f"system: {name!r} is not implemented; {hint}")
    return cast(System, importlib.import_module(f"jser.systems.{name}"))
