"""Ctrl-C that is always heard, and an end that is orderly while a compiler's threads are about."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

_asked = threading.Event()


def check() -> None:
    """Raise KeyboardInterrupt where an interrupt was asked for and swallowed; see `heard`."""
    if _asked.is_set():
        _asked.clear()
        raise KeyboardInterrupt


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Remember an interrupt, so that `check`, which every step of progress calls, raises it again.

    Python raises KeyboardInterrupt wherever the main thread happens to be. In a callback of the
    garbage collector, as JAX has one, it is printed and forgotten (one interrupt of five while
    programs are compiled), and a training would go on for hours.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or (
        threading.current_thread() is not threading.main_thread()
    ):
        yield  # Started in the background, or by another program that sees to signals itself.
        return
    hook_before = sys.unraisablehook

    def handler(number: int, frame: FrameType | None) -> None:
        _asked.set()
        raise KeyboardInterrupt

    def hook(unraisable: Any) -> None:
        if unraisable.exc_type is not KeyboardInterrupt:
            hook_before(unraisable)

    _asked.clear()
    handler_before = signal.signal(signal.SIGINT, handler)
    sys.unraisablehook = hook
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler_before)
        sys.unraisablehook = hook_before


def leave(status: int) -> None:
    """End the program at once.

    After a failure XLA's threads may still compute; taking the interpreter down under them ends in
    a segmentation fault, and in another exit status.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)
