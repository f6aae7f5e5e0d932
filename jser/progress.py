"""Progress bars on a terminal, sparse plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from jser import interrupt
from jser.store import urls

Tick = Callable[..., None]

# A log file wants a line now and then, not a bar redrawn ten times a second.
PLAIN_SECONDS = 10.0


_silent = False


def be_silent() -> None:
    """Show nothing from now on: of several hosts one speaks."""
    global _silent
    _silent = True


@dataclass
class Work:
    """Some work that is under way.

    Attributes:
        what: label, for example ``build emodb``.
        unit: name of one unit, singular.
        total: units in all.
        done: of them.
        fields: what was last said of it, for example the loss.
    """

    what: str
    unit: str
    total: int
    done: int = 0
    fields: dict[str, object] = field(default_factory=dict)
    _started: float = field(default_factory=time.monotonic)
    _first: tuple[float, int] | None = None

    def advance(self, n: int, fields: dict[str, object]) -> None:
        """`n` units more are done."""
        self.done += n
        self.fields.update(fields)
        if self._first is None:
            self._first = (time.monotonic(), self.done)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._started

    @property
    def rate(self) -> float:
        """Units a second."""
        # The first unit waits for a compiler; what comes after it tells how long it will take.
        since, before = (self._first or (0.0, 0)) if self._is_paced() else (self._started, 0)
        return (self.done - before) / max(time.monotonic() - since, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """At this rate; None before there is one to go by."""
        if self.done >= self.total:
            return 0.0
        return (self.total - self.done) / self.rate if self._is_paced() else None

    def _is_paced(self) -> bool:
        return self._first is not None and self.done > self._first[1]


Listener = Callable[[Work], None]
_listeners: list[Listener] = []


@contextmanager
def told_to(listener: Listener) -> Iterator[None]:
    """Let `listener` know of all work that a bar is shown of: when it begins, and at each tick.

    Of several the innermost alone is told.
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def _tell(work: Work) -> None:
    if _listeners:
        _listeners[-1](work)


def say(text: str) -> None:
    """Print a line on stderr, where bars and their plain lines stand."""
    if _silent:
        return
    print(urls.shown(text), file=sys.stderr, flush=True)


@contextmanager
def maybe(total: int, what: str | None, unit: str = "step") -> Iterator[Tick]:
    """`bar`, or without a label nothing: of a worker whose output nobody sees."""
    if what is None:
        yield lambda n=1, **fields: None
        return
    with bar(total, what, unit) as tick:
        yield tick


@contextmanager
def bar(total: int, what: str, unit: str = "step") -> Iterator[Tick]:
    """Show the progress of `total` units of work on stderr.

    Args:
        total: number of units in all.
        what: label at the left, for example ``build emodb``.
        unit: name of one unit, singular, used for the rate.

    Yields:
        ``tick(n=1, **fields)``: advances by `n`; `fields` (for example ``loss=0.31``) are shown
        behind the bar and keep their last value.
    """
    work = Work(what, unit, total)
    shown = _terminal_bar if sys.stderr.isatty() else _plain_lines
    shown = _nothing if _silent else shown
    with shown(work) as show:
        _tell(work)

        def tick(n: int = 1, **fields: object) -> None:
            interrupt.check()
            work.advance(n, fields)
            show(n)
            _tell(work)

        yield tick


@contextmanager
def _nothing(work: Work) -> Iterator[Tick]:
    yield lambda n=1, **fields: None


def _suffix(fields: dict[str, object]) -> str:
    return "  ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in fields.items()
    )


@contextmanager
def _terminal_bar(work: Work) -> Iterator[Callable[[int], None]]:
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("[dim]{task.fields[info]}"),
        console=Console(stderr=True),
        transient=False,
    )
    with progress:
        task = progress.add_task(work.what, total=work.total, rate="", info="")

        def show(n: int) -> None:
            rate = f"{work.rate:,.1f} {work.unit}s/s"
            progress.update(task, advance=n, rate=rate, info=_suffix(work.fields))

        yield show


@contextmanager
def _plain_lines(work: Work) -> Iterator[Callable[[int], None]]:
    last = time.monotonic()

    def show(n: int) -> None:
        nonlocal last
        del n
        now = time.monotonic()
        if now - last < PLAIN_SECONDS and work.done < work.total:
            return
        last = now
        seconds = work.seconds_left
        left = "compiled" if seconds is None else f"{seconds:.0f} s left"
        if work.done >= work.total:
            left = f"{work.seconds:.0f} s"
        print(
            f"{work.what}: {work.done}/{work.total}  {work.rate:,.1f} {work.unit}s/s  {left}  "
            f"{_suffix(work.fields)}".rstrip(),
            file=sys.stderr,
            flush=True,
        )

    yield show
