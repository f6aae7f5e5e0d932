"""What adapters check of a config alike."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

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
