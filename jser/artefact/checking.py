"""Whether what ``artefact.json`` says can be gone by: hands and other programs change it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from jser.frontend.decoding import HIGHEST_RATE, LOWEST_RATE
from jser.frontend.likeness import MARGINS


def _number(value: Any, low: float = -math.inf, high: float = math.inf) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
        and low <= value <= high
    )


def _whole(value: Any, low: int = 0, high: float = 2**40) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _texts(value: Any, least: int = 0) -> bool:
    return (
        isinstance(value, list)
        and len(value) >= least
        and all(isinstance(one, str) for one in value)
    )


def _classes(value: Any) -> bool:
    return (
        _texts(value, 2)
        and len(set(value)) == len(value)
        and all(one.isprintable() and one for one in value)
    )


def _seconds(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(_number(one, 0.01, 1e6) for one in value)
        and value[0] <= value[1]
    )


def _like(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and set(value) <= set(MARGINS)
        and all(
            isinstance(of, list) and len(of) == 2 and all(_number(one) for one in of)
            for of in value.values()
        )
    )


def _shapes(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(shape, list) and all(_whole(size, 1, 1e6) for size in shape)
        for shape in value.values()
    )


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


def _text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


# Path of an entry -> whether a value of it can be used.
_ENTRIES: dict[str, Callable[[Any], bool]] = {
    "jser": _is(str),
    "system": _is(str),
    "classes": _classes,
    "sample_rate": lambda value: _whole(value, LOWEST_RATE, HIGHEST_RATE),
    "hop_seconds": lambda value: _number(value, 1e-4, 1),
    "members": lambda value: _texts(value, 1),
    "normalisation": _is(str),
    "level": _is(str),
    "temperature": lambda value: _number(value, 1e-6, 1e6),
    "parameters": _whole,
    "trained_on": _is(dict),
    "trained_on.corpus": _is(str),
    "trained_on.corpora": lambda value: _texts(value, 1),
    "trained_on.licences": _is(dict),
    "trained_on.synthetic": _is(bool),
    "trained_on.speakers": _texts,
    "trained_on.n_utterances": _whole,
    "trained_on.class_counts": _is(dict),
    "trained_on.pcm_sha256": _texts,
    "trained_on.seconds": _seconds,
    "trained_on.like": _like,
    "protocol": _is(dict),
    "protocol.name": _is(str),
    "protocol.refit": _is(bool),
    "protocol.leak": _text_or_none,
    "protocol.selection": _is(str),
    "result": _is(dict),
    "result.uar": _is(dict),
    "result.wa": _is(dict),
    "result.macro_f1": _is(dict),
    "result.marks": _texts,
    "calibration": _is(dict),
    "calibration.test_error": _number,
    "stream": _is(dict),
    "stream.window": lambda value: _whole(value, 1, 2**24),
    "stream.hop": lambda value: _whole(value, 1, 2**24),
    "stream.state": _shapes,
}


def fault(info: Mapping[str, Any]) -> str:
    """The first entry that is missing or cannot be used, and why; '' for none.

    Args:
        info: of an artefact of a format that this version reads.
    """
    for path, usable in _ENTRIES.items():
        place: Any = info
        for name in path.split("."):
            if not isinstance(place, Mapping) or name not in place:
                return f"lacks {path}"
            place = place[name]
        if not usable(place):
            shown = repr(place)
            return f"{path} is {shown if len(shown) <= 40 else shown[:37] + '...'}"
    counts = info["trained_on"]["class_counts"]
    for name in info["classes"]:
        if not _whole(counts.get(name)):
            return f"trained_on.class_counts has no number of {name!r}"
    if info["stream"]["hop"] > info["stream"]["window"]:
        return "stream.hop is more than stream.window"
    return ""
