"""A name in a config -> a model."""

from __future__ import annotations

import difflib
from typing import Any

import flax.linen as nn

from jser.errors import InputError
from jser.models.dcnn_blstm import DcnnBlstm

_MODELS: dict[str, type[nn.Module]] = {"dcnn_blstm": DcnnBlstm}
_NAMES = {"dcnn_blstm": ("A", "DCNN-BLSTMwA")}


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


def names(name: str) -> tuple[str, str]:
    """Of a system: its letter, and what its architecture is called."""
    return _NAMES[name]
