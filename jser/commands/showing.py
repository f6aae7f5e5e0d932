"""What commands share: run directories held against others, and how results are shown."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from jser.store import urls

# Imports of the heavy rooms wait until a command needs them: `jser --help` answers at once.


@contextlib.contextmanager
def place(workdir: str, option: str = "--workdir", must_exist: bool = False) -> Iterator[Path]:
    """A run directory held against others: the folder, or what mirrors the URL."""
    from jser import run_directory
    from jser.store import pushing

    if urls.is_url(workdir):
        with pushing.opened(workdir, option, must_exist) as run_dir:
            yield run_dir
        return
    with run_directory.only_here(Path(workdir)):
        yield Path(workdir)


@contextlib.contextmanager
def own_place(workdir: str) -> Iterator[Path]:
    """The run directory; of several hosts for all but the first, who writes, a passing one."""
    from jser import progress
    from jser.training import hosts

    if hosts.is_first():
        with place(workdir) as run_dir:
            yield run_dir
        return
    progress.be_silent()
    with tempfile.TemporaryDirectory(prefix="jser-") as passing:
        yield Path(passing) / "run"


@contextlib.contextmanager
def to_read(run: str) -> Iterator[Path]:
    """A run directory without a hold on it; of one on a store a copy of what is compared."""
    from jser.store import snapshot

    if not urls.is_url(run):
        yield Path(run)
        return
    needed = ("config.json", "report.json", "predictions.csv", "parts.csv")
    with snapshot.taken(run, lambda name: name in needed) as copy:
        yield copy.folder


def show(report: dict, run_dir: Path) -> None:
    """A run's report, and where it lies."""
    from jser.evaluation.report import render

    print_(render(report))
    print(f"report: {files(run_dir, [f'report.{kind}' for kind in ('html', 'json', 'txt')])}")


def files(folder: Path, names: Iterable[str]) -> str:
    """Files of a folder in words."""
    return ", ".join(urls.shown(folder / name) for name in names)


def print_(what: Any) -> None:
    """Tables with colour on a terminal, and as plain text of 100 columns elsewhere."""
    from rich.console import Console

    from jser.evaluation.tables import to_text

    if sys.stdout.isatty():
        Console().print(what)
    else:
        print(to_text(what))


def width() -> int:
    """Columns of what is printed."""
    return os.get_terminal_size().columns if sys.stdout.isatty() else 100
