"""Progress bars on a terminal, sparse plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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

Tick = Callable[..., None]

# A log file wants a line now and then, not a bar redrawn ten times a second.
PLAIN_SECONDS = 10.0


_silent = False


def be_silent() -> None:
    """Show nothing from now on: of several hosts one speaks."""
    global _silent
    _silent = True


def say(text: str) -> None:
    """Print a line on stderr, where bars and their plain lines stand."""
    if _silent:
        return
    print(text, file=sys.stderr, flush=True)


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
    shown = _terminal_bar if sys.stderr.isatty() else _plain_lines
    shown = _nothing if _silent else shown
    with shown(total, what, unit) as show:

        def tick(n: int = 1, **fields: object) -> None:
            interrupt.check()
            show(n, **fields)

        yield tick


@contextmanager
def _nothing(total: int, what: str, unit: str) -> Iterator[Tick]:
    yield lambda n=1, **fields: None


def _suffix(fields: dict[str, object]) -> str:
    return "  ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in fields.items()
    )


@contextmanager
def _terminal_bar(total: int, what: str, unit: str) -> Iterator[Tick]:
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
    started = time.monotonic()
    shown: dict[str, object] = {}
    done = 0
    with progress:
        task = progress.add_task(what, total=total, rate="", info="")

        def tick(n: int = 1, **fields: object) -> None:
            nonlocal done
            done += n
            shown.update(fields)
            rate = done / max(time.monotonic() - started, 1e-9)
            progress.update(task, advance=n, rate=f"{rate:,.1f} {unit}s/s", info=_suffix(shown))

        yield tick


@contextmanager
def _plain_lines(total: int, what: str, unit: str) -> Iterator[Tick]:
    started = time.monotonic()
    last = started
    first: tuple[float, int] | None = None
    done = 0
    shown: dict[str, object] = {}

    def tick(n: int = 1, **fields: object) -> None:
        nonlocal done, last, first
        done += n
        shown.update(fields)
        now = time.monotonic()
        if first is None:
            first = (now, done)
        if now - last >= PLAIN_SECONDS or done >= total:
            last = now
            # The first unit waits for a compiler; what comes after it tells how long it will take.
            since, before = first if done > first[1] else (started, 0)
            rate = (done - before) / max(now - since, 1e-9)
            left = f"{(total - done) / rate:.0f} s left" if done > first[1] else "compiled"
            if done >= total:
                left = f"{now - started:.0f} s"
            print(
                f"{what}: {done}/{total}  {rate:,.1f} {unit}s/s  {left}  {_suffix(shown)}".rstrip(),
                file=sys.stderr,
                flush=True,
            )

    yield tick
