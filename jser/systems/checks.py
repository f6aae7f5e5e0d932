"""What adapters check of a config alike."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from jser import config as configs
from jser.errors import InputError


def one_of(field: str, value: str, known: Sequence[str]) -> None:
    """Check that a field holds one of some names.

    Raises:
        InputError: it does not; says which was meant.
    """
    if value not in known:
        near = difflib.get_close_matches(value, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InputError(f"{field}: {value!r} is none of {', '.join(known)}{hint}")


def no_views(config: Any, letter: str) -> None:
    """Check that no read-outs are asked for, of a system that adds none.

    Raises:
        InputError: some are.
    """
    if config.readout.views:
        raise InputError(
            f"readout.views: {letter} adds no read-outs to its answer, and "
            f"{', '.join(config.readout.views)} is asked for; leave it empty"
        )


def idle_of_stem(config: Any) -> None:
    """Check what no stem reads, whatever the system around it.

    Raises:
        InputError: a field that does nothing was changed.
    """
    if config.stem.weights == "imagenet":
        idle(config, ("stem.seed",), "stem.weights=imagenet")
    if config.stem.channels == 1:
        idle(config, ("stem.delta_db",), "stem.channels=1")


def idle(config: Any, fields: Sequence[str], why: str) -> None:
    """Check that fields that do nothing here are left as a packaged config has them.

    Args:
        config: of the experiment.
        fields: dotted; those that the config does not have are passed over.
        why: where they do nothing, for example ``elm.kind=kernel``.

    Raises:
        InputError: one was changed, so it is taken to do something.
    """
    found = dict(configs.fields(config))
    usual = configs.usual(config.system, config.corpus)
    for field in fields:
        if field in found and found[field] not in usual[field]:
            raise InputError(
                f"{field}: {found[field]!r} would change nothing with {why}; leave it at "
                f"{usual[field][0]!r}"
            )
