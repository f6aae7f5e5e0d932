"""What the benchmarks share: the machine's description, processes with their peak memory, tables.

Nothing heavy is imported here, on purpose: Linux counts the memory of the process that starts a
child towards the child's own peak, so the parent has to stay small.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Finished:
    """A child process that ended well.

    Attributes:
        seconds: wall time from its start to its end.
        peak_mb: its largest resident memory, MiB.
        cpu_seconds: of user and system, all threads.
        stdout: what it printed.
    """

    seconds: float
    peak_mb: float
    cpu_seconds: float
    stdout: str


def run(command: Sequence[str]) -> Finished:
    """Run a command in the repository's root and measure that process alone.

    Raises:
        SystemExit: it failed; shows the end of what it said.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.monotonic()
        child = subprocess.Popen(command, stdout=out, stderr=err, cwd=REPOSITORY)
        # wait4, not RUSAGE_CHILDREN: that is the largest of all children so far.
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if child.returncode:
            raise SystemExit(
                f"{' '.join(command)}: status {child.returncode}\n{err.read()[-3000:]}"
            )
        to_mb = 2**20 if sys.platform == "darwin" else 2**10
        return Finished(
            seconds, usage.ru_maxrss / to_mb, usage.ru_utime + usage.ru_stime, out.read()
        )


def pin(cores: int) -> None:
    """Keep this process, and those it starts, on the first `cores` cores it may use; 0: on all.

    To be called before JAX and numpy are imported, which size their thread pools once.
    """
    if cores:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def as_training(cores: int) -> None:
    """`pin`, with memory kept as by the commands that train, which PyTorch's side has of it too.

    A variable ``MALLOC_ARENA_MAX=16`` in the environment leaves the allocator as it is.
    """
    from jser import allocator

    pin(cores)
    allocator.keep_freed()


@contextlib.contextmanager
def on_cores(cores: int) -> Iterator[None]:
    """Children that are started meanwhile have the first `cores` of this process' cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def machine() -> dict[str, Any]:
    """Processor, cores that may be used, load at the start, and versions."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count())
    return {
        "processor": _processor(),
        "cores": len(allowed),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("jser", "jax", "numpy", "librosa")},
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def alternate(
    functions: Mapping[str, Any], repeats: int, warm: bool = True
) -> dict[str, list[float]]:
    """Seconds of each function, called in turn `repeats` times, the order reversed every time.

    So a machine that slows down, or is shared, slows all of them alike. With `warm`, each is
    called once beforehand, unmeasured: compilation is not what is compared.
    """
    names = list(functions)
    for name in names if warm else ():
        functions[name]()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for repeat in range(repeats):
        for name in names if repeat % 2 == 0 else reversed(names):
            started = time.perf_counter()
            functions[name]()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def median(values: Sequence[float]) -> float:
    """Median, rounded to four digits behind the point."""
    return round(statistics.median(values), 4)


def paired_ratio(slower: Sequence[float], faster: Sequence[float]) -> float:
    """Median over repeats of slower / faster."""
    return median([a / b for a, b in zip(slower, faster, strict=True)])


def emit(line: Mapping[str, Any]) -> None:
    """Print one result as a line of JSON."""
    print(json.dumps(line), flush=True)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a Markdown table, the first column to the left and the others to the right."""
    cells = [list(map(str, head)), *([_shown(value) for value in row] for row in rows)]
    width = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = ["-" * width[0], *("-" * (w - 1) + ":" for w in width[1:])]
    print()
    for row in [cells[0], rule, *cells[1:]]:
        first = row[0].ljust(width[0])
        others = [cell.rjust(w) for cell, w in zip(row[1:], width[1:], strict=True)]
        print(f"| {' | '.join([first, *others])} |")


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return "-" if value is None else str(value)
