"""Ctrl-C that is always heard, SIGTERM that lets work be saved, and an end that is orderly.

A cloud takes a machine back with SIGTERM and a grace of some seconds. Whatever can go on later ends
at its next step with `Preempted`, which the program turns into an exit status of its own; a
training first saves where it stands (`held`).
"""

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
_ending = threading.Event()
_holders = 0


class Preempted(KeyboardInterrupt):
    """SIGTERM: what was finished is kept, and the same command goes on."""


def check() -> None:
    """Raise where an end was asked for: after SIGTERM, or an interrupt that was swallowed.

    Raises:
        KeyboardInterrupt: after Ctrl-C, see `heard`.
        Preempted: after SIGTERM, unless someone holds it back, see `held`.
    """
    if _asked.is_set():
        _asked.clear()
        raise KeyboardInterrupt
    if _ending.is_set() and not _holders:
        _ending.clear()
        raise Preempted


def is_ending() -> bool:
    """Whether SIGTERM has come."""
    return _ending.is_set()


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Leave SIGTERM to the work within, which asks `is_ending`, saves, and raises `Preempted`."""
    global _holders
    _holders += 1
    try:
        yield
    except Preempted:
        _ending.clear()
        raise
    finally:
        _holders -= 1


@contextlib.contextmanager
def preemptible() -> Iterator[None]:
    """Let work that can go on later come to an end in order after SIGTERM: see `check` and `held`.

    A second SIGTERM ends the program at once, as it would without this.
    """
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL or (
        threading.current_thread() is not threading.main_thread()
    ):
        yield  # By another program that sees to signals itself.
        return

    def handler(number: int, frame: FrameType | None) -> None:
        if _ending.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        _ending.set()

    _ending.clear()
    signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def ended_at_once() -> Iterator[None]:
    """Let SIGTERM raise `Preempted` wherever the program is: what is passing is cleaned up."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL or (
        threading.current_thread() is not threading.main_thread()
    ):
        yield  # By another program that sees to signals itself.
        return

    def handler(number: int, frame: FrameType | None) -> None:
        raise Preempted

    signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


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
