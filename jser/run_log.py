"""What a run writes of itself while it works: its starts, how each ended, and how far it is.

`jser.status` reads it. None of it is needed to go on, and so a disk on which it cannot be written
stops no training.
"""

from __future__ import annotations

import contextlib
import json
import math
import numbers
import os
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jser
from jser import interrupt, progress
from jser.errors import InputError

STARTS, PROGRESS = "starts.jsonl", "progress.json"
# Of one name, as one program works in a run at a time: a kill leaves no heap of them.
_ON_ITS_WAY = ".progress.json.tmp"
# What a folder may hold that no run has claimed yet.
FILES = frozenset((STARTS, PROGRESS, _ON_ITS_WAY))

EVERY_SECONDS = 2.0
# How an end is called.
FINISHED, INTERRUPTED, PREEMPTED, FAILED = "finished", "interrupted", "preempted", "failed"
# `from` of a start that found the report there already.
SCORED = "scored"


@contextlib.contextmanager
def recorded(run_dir: Path, system: str, corpus: str, device: str) -> Iterator[None]:
    """Write down a start and its end, and meanwhile how far the work is.

    What is refused before the run has its config leaves no trace, as it claims no folder.

    Args:
        run_dir: of the run, held by this program (`run_directory.only_here`).
        system: its name in the config.
        corpus: likewise.
        device: in words.
    """
    made = not run_dir.exists()
    is_new = not any((run_dir / name).exists() for name in FILES)
    start = {
        **_here(),
        "jser": jser.__version__,
        "device": device,
        "system": system,
        "corpus": corpus,
        "from": _goes_on_from(run_dir),
    }
    with contextlib.suppress(OSError):
        run_dir.mkdir(parents=True, exist_ok=True)
        _append(run_dir / STARTS, start)
    try:
        with progress.told_to(_Progress(run_dir)):
            yield
    except BaseException as error:
        if is_new and isinstance(error, InputError) and not (run_dir / "config.json").exists():
            _remove(run_dir, made)
        else:
            _end(run_dir, *_ending(error))
        raise
    _end(run_dir, FINISHED)


def newest_checkpoint(run_dir: Path) -> tuple[str, int, float] | None:
    """Stage, epoch and time (seconds since 1970) of the checkpoint that was written last.

    Raises:
        OSError: the folder cannot be read.
    """
    found = []
    for path in run_dir.glob("checkpoints/*/*"):
        if path.name.isdecimal():  # else Orbax is still writing it
            with contextlib.suppress(FileNotFoundError):  # removed this moment, for a newer one
                found.append((path.stat().st_mtime, int(path.name), path.parent.name))
    if not found:
        return None
    at, epoch, stage = max(found)
    return stage, epoch, at


class _Progress:
    """Writes progress.json, now and then; a listener of `progress.told_to`."""

    def __init__(self, run_dir: Path):
        self._run_dir = run_dir
        self._last = -math.inf

    def __call__(self, work: progress.Work) -> None:
        now = time.monotonic()
        if now - self._last < EVERY_SECONDS and 0 < work.done < work.total:
            return
        self._last = now
        tree = {
            "label": work.what,
            "unit": work.unit,
            "done": work.done,
            "total": work.total,
            "rate": _number(work.rate),
            "seconds_left": _number(work.seconds_left),
            "figures": {name: _number(value) for name, value in work.fields.items()},
            "updated": _now(),
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }
        with contextlib.suppress(OSError):
            _replace(self._run_dir, json.dumps(tree))


def _replace(run_dir: Path, text: str) -> None:
    """Put `text` into progress.json, whole or not at all.

    It is not forced onto the disk, which may take a second: a newer one comes soon.
    """
    temporary = run_dir / _ON_ITS_WAY
    try:
        temporary.write_text(text + "\n", encoding="utf-8")
        os.replace(temporary, run_dir / PROGRESS)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _append(path: Path, tree: dict[str, Any]) -> None:
    """One line more, after one that may be cut."""
    with path.open("ab+") as file:
        cut = False
        if file.tell():
            file.seek(-1, os.SEEK_END)
            cut = file.read(1) != b"\n"
        file.write(b"\n" * cut + json.dumps(tree).encode() + b"\n")


def _end(run_dir: Path, ended: str, sentence: str | None = None) -> None:
    said = {"sentence": sentence} if sentence else {}
    with contextlib.suppress(OSError):
        _append(run_dir / STARTS, {**_here(), "ended": ended, **said})


def _ending(error: BaseException) -> tuple[str, str | None]:
    """How a start ended that raised `error`, and a sentence where it is not plain."""
    preempted = getattr(interrupt, "Preempted", None)
    if preempted is not None and isinstance(error, preempted):
        return PREEMPTED, None
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, None
    if isinstance(error, InputError):
        return FAILED, str(error)
    first = str(error).partition("\n")[0][:300]
    return FAILED, f"{type(error).__name__}: {first}" if first else type(error).__name__


def _remove(run_dir: Path, made: bool) -> None:
    with contextlib.suppress(OSError):
        for name in FILES:
            (run_dir / name).unlink(missing_ok=True)
        if made:
            run_dir.rmdir()


def _goes_on_from(run_dir: Path) -> dict[str, Any] | None:
    """Where a start finds its run: a checkpoint's stage and epoch, the scored end, or nothing."""
    with contextlib.suppress(OSError):
        if (run_dir / "report.json").exists():
            return {"stage": SCORED, "epoch": None}
        if newest := newest_checkpoint(run_dir):
            return {"stage": newest[0], "epoch": newest[1]}
    return None


def _here() -> dict[str, Any]:
    return {"time": _now(), "host": socket.gethostname(), "pid": os.getpid()}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _number(value: object) -> float | str | None:
    """As JSON has it: numbers that are finite, and words."""
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    return None if value is None else str(value)
