"""What `jser.status` has found, in words: a run on a few lines, or several on a line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jser import run_log, status
from jser.errors import one_line

MOST = 6  # starts, and members that stopped being finite; more are in --json
# A training writes its progress every two seconds; after so many something may be amiss.
SILENT_SECONDS = 60.0

_HEAD: tuple[str, ...] = (
    "run", "system", "state", "stage", "done", "left", "dev UAR", "checkpoint", "starts",
)  # fmt: skip

Run = Mapping[str, Any]


def text(found: Mapping[str, Any]) -> str:
    """Of `status.gather`'s first answer; one run has a paragraph, of several each has a line."""
    runs = found["runs"]
    lines = list(_paragraph(runs[0])) if len(runs) == 1 else list(_table(runs))
    # What a damaged file holds may be no words for a terminal.
    return "".join(f"{one_line(line)}\n" for line in lines)


def _paragraph(run: Run) -> Iterator[str]:
    protocol = f", {run['protocol']}" if run["protocol"] else ""
    yield f"{_name(run)}: {_what(run)}{protocol}"
    newest = run["starts"][-1] if run["starts"] else None
    rows = [
        ("state", _state(run, newest)),
        ("stage", _stage(run)),
        ("progress", _progress(run)),
        ("figures", _figures(run)),
        ("checkpoint", _checkpoint(run)),
        *_listed("not finite", [_member(row) for row in run["not_finite"]]),
        *_listed("starts", [_start(start) for start in run["starts"]]),
        ("report", one_line(run["report"]) if run["report"] else ""),
        *(("note", note) for note in run["notes"]),
    ]
    for name, words in rows:
        if words:
            yield f"  {name:<10}  {words}"


def _table(runs: Sequence[Run]) -> Iterator[str]:
    """Columns as wide as they need to be."""
    rows = [_HEAD, *(_row(run) for run in runs)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row, run in zip(rows, (None, *runs), strict=True):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        remarks = "" if run is None else _remarks(run)
        yield f"{line.rstrip()}{'  ' if remarks else ''}{remarks}"


def _row(run: Run) -> tuple[str, ...]:
    progress = run["progress"] if run["state"] != run_log.FINISHED else None
    figures, checkpoint = run["figures"], run["checkpoint"]
    done = f"{progress['done']}/{progress['total']}" if progress else ""
    seconds = _left(run)
    uar = figures["dev_uar"] if figures else None
    return (
        _name(run),
        _what(run),
        run["state"].replace("_", " "),
        _stage(run),
        done,
        "" if seconds is None else span(seconds),
        "" if uar is None else f"{100 * uar:.1f} %",
        f"{span(checkpoint['seconds_ago'])} ago" if checkpoint else "",
        str(len(run["starts"])),
    )


def _remarks(run: Run) -> str:
    n = len(run["not_finite"])
    stopped = [f"{n} not finite"] if n else []
    return "; ".join([*stopped, *run["notes"]])


# --- words ----------------------------------------------------------------------------------------


def _name(run: Run) -> str:
    return one_line(run["run"])


def _what(run: Run) -> str:
    return f"{run['system'] or 'unknown system'} on {run['corpus'] or 'unknown corpus'}"


_ALONE = {
    status.NEW: "nothing was begun",
    status.NOT_KNOWN: "not running; by an earlier version, which wrote down no starts",
}


def _state(run: Run, newest: Mapping[str, Any] | None) -> str:
    state = str(run["state"])
    if newest is None:
        return _ALONE.get(state, state)
    where = f"on {newest['host']} (process {newest['pid']})"
    if state == status.RUNNING:
        # One that has only just come has not said yet who it is.
        return f"running {where}" if newest["ended"] == status.RUNNING else "running"
    if state == status.KILLED:
        return f"killed, or its machine went down, {where}; the same command goes on"
    if state == status.NOT_KNOWN:
        return f"not known from here: was started {where}, and has not ended in an orderly way"
    if state == run_log.FAILED:
        return f"failed: {newest['sentence']}"
    return state if state == run_log.FINISHED else f"{state}; the same command goes on"


def _stage(run: Run) -> str:
    if run["epoch"] is None:
        return str(run["stage"] or "")
    of = f" of {run['epochs']}" if run["epochs"] is not None else ""
    return f"{run['stage']}, epoch {run['epoch']}{of}"


def _progress(run: Run) -> str:
    progress = run["progress"]
    if progress is None or run["state"] == run_log.FINISHED:
        return ""
    said = f"{progress['done']:,} of {progress['total']:,} {progress['unit']}s since this start"
    if progress["rate"]:
        said += f", {progress['rate']:,.1f} a second"
    seconds = _left(run)
    if seconds is not None:
        said += f", {span(seconds)} left"
    if run["state"] != status.RUNNING or progress["seconds_ago"] > SILENT_SECONDS:
        said += f" (written {span(progress['seconds_ago'])} ago)"
    return said


def _left(run: Run) -> float | None:
    """Seconds of the work that is shown; only where somebody is at it."""
    progress = run["progress"]
    if run["state"] != status.RUNNING or not progress or not progress["seconds_left"]:
        return None
    return max(float(progress["seconds_left"]) - float(progress["seconds_ago"]), 0.0)


def _figures(run: Run) -> str:
    figures = run["figures"]
    if figures is None:
        return ""
    parts = []
    if figures["train_loss"] is not None:
        parts.append(f"train loss {figures['train_loss']:.4g}")
    if figures["dev_uar"] is not None:
        parts.append(f"dev UAR {100 * figures['dev_uar']:.1f} %")
    n = figures["members"]
    of = f"{figures['stage']}, epoch {figures['epoch']}, mean of {n} member{'s' * (n != 1)}"
    return f"{', '.join(parts)} ({of})" if parts else ""


def _checkpoint(run: Run) -> str:
    checkpoint = run["checkpoint"]
    if checkpoint is None:
        return ""
    ago = span(checkpoint["seconds_ago"])
    return f"{checkpoint['stage']}, epoch {checkpoint['epoch']}, {ago} ago"


def _member(row: Mapping[str, Any]) -> str:
    own = ", ".join(f"{name} {row[name]}" for name in ("fold", "seed") if name in row)
    bag = f", member {row['bag']} of its ensemble" if row.get("bag") else ""
    point = f", point {row['point']} of the grid" if "point" in row else ""
    return f"{own}{bag}{point}: its loss stopped in {row['stage']}, epoch {row['epoch']}"


def _start(start: Mapping[str, Any]) -> str:
    origin = start.get("from")
    if not isinstance(origin, dict):
        where = ""
    elif origin.get("epoch") is None:
        where = f", from {origin.get('stage')}"
    else:
        where = f", from {origin.get('stage')}, epoch {origin['epoch']}"
    at = start["time"].replace("T", " ").replace("+00:00", " UTC")
    ended = start["ended"].replace("_", " ")
    sentence = f": {start['sentence']}" if start["sentence"] else ""
    return (
        f"{at}, {start['host']}, {start.get('device', 'unknown device')}{where}: {ended}{sentence}"
    )


def _listed(name: str, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The last few under one name, after their number."""
    shown = lines[-MOST:]
    if lines:
        more = f", the last {len(shown)} of them" if len(shown) < len(lines) else ""
        yield name, f"{len(lines)}{more}"
    for line in shown:
        yield "", f"  {line}"


def span(seconds: float) -> str:
    """A time in its two largest units: ``42 s``, ``3 min 20 s``, ``2 h 5 min``, ``4 d 3 h``."""
    whole = round(seconds)
    for size, unit, below, less in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"),
                                    (60, "min", 1, "s")):  # fmt: skip
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {unit}" + (f" {rest} {less}" if rest else "")
    return f"{whole} s"
