"""How runs are doing, from what lies in their folders: read only, and without JAX, so at once."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from types import UnionType
from typing import Any

import jser
from jser import lock, run_log
from jser.errors import InputError, one_line
from jser.store import snapshot, urls

# States of a run beside the ways in which a start ends.
RUNNING, KILLED, NEW, NOT_KNOWN = "running", "killed", "new", "not_known"
# On another machine, whose processes and perhaps locks are not seen, a run that wrote something in
# so many seconds is taken for alive.
FRESH_SECONDS = 120.0
_TRAINING = re.compile(r"train \((.+)\)")  # the label of a training's bar
_MEMBER = ("stage", "epoch", "fold", "seed", "bag", "point")


def gather(folders: Sequence[str | Path]) -> tuple[dict[str, Any], list[str]]:
    """The state of runs.

    Args:
        folders: each a run, or a folder of runs, on a disk or on a store.

    Returns:
        What ``jser status --json`` prints (docs/files.md), and a sentence for each folder in which
        there is no run.
    """
    found: list[dict[str, Any]] = []
    refused: list[str] = []
    for folder in folders:
        try:
            if not urls.is_url(folder):
                _gather(Path(folder), None, found, refused)
                continue
            with snapshot.taken(str(folder), lambda name: name in _READ) as taken:
                _gather(taken.folder, taken.is_held, found, refused)
        except InputError as error:
            refused.append(str(error))
    return {"jser": jser.__version__, "time": _iso(time.time()), "runs": found}, refused


# Files from which a run's state is told.
_READ = frozenset(("config.json", "metrics.jsonl", "report.json", run_log.STARTS, run_log.PROGRESS))


def _gather(
    folder: Path,
    is_held: Callable[[Path], bool] | None,
    found: list[dict[str, Any]],
    refused: list[str],
) -> None:
    for run in _runs(folder):
        try:
            found.append(of_run(run, is_held and is_held(run)))
        except InputError as error:
            refused.append(str(error))


def _runs(folder: Path) -> list[Path]:
    """The folder itself, if it is a run, or else those in it that are, or that cannot be read.

    Raises:
        InputError: there is none.
    """
    name = one_line(folder)
    try:
        if not folder.is_dir():
            what = "is no folder" if os.path.lexists(folder) else "there is no such folder"
            raise InputError(f"{name}: {what}; give the --workdir of a `jser train`")
        if _is_run(folder):
            return [folder]
        runs = [path for path in sorted(folder.iterdir()) if path.is_dir() and _may_be_run(path)]
    except OSError as error:
        raise _unreadable(folder, error) from error
    if not runs:
        raise InputError(
            f"{name}: no run there (no config.json, in none of its folders either); give the "
            "--workdir of a `jser train`, or a folder of several"
        )
    return runs


def _is_run(folder: Path) -> bool:
    """A run is one from its first start on, or of earlier versions from its config on."""
    return not {"config.json", run_log.STARTS}.isdisjoint(os.listdir(folder))


def _may_be_run(folder: Path) -> bool:
    try:
        return _is_run(folder)
    except OSError:
        return True  # which `of_run` says


def _unreadable(folder: Path, error: OSError) -> InputError:
    return InputError(
        f"{one_line(folder)}: cannot be read ({error.strerror}); give a folder that you may read"
    )


def of_run(run_dir: Path, leased: bool | None = None) -> dict[str, Any]:
    """The state of one run; fields as in docs/files.md.

    What is damaged is left out, and `notes` says so.

    Args:
        run_dir: of the run, or the copy of one on a store.
        leased: whether a program is at work in it, or its series, on a store; None: on a disk.

    Raises:
        InputError: the folder cannot be read.
    """
    try:
        # The lock first: who has let it go by now has written down his end.
        held = lock.is_held(run_dir) if leased is None else leased
        checkpoint = run_log.newest_checkpoint(run_dir)
        scored = (run_dir / "report.json").exists()
    except OSError as error:
        raise _unreadable(run_dir, error) from error
    notes: list[str] = []
    config = _tree(run_dir / "config.json", notes)
    newest_rows, not_finite = _metrics(run_dir / "metrics.jsonl", notes)
    starts = _starts(run_dir, notes)
    newest = starts[-1] if starts else {}
    progress = _progress(run_dir, newest, notes)
    if leased is None:
        running = _is_running(held, newest, progress)
    else:  # of several machines whoever works has the lease; of a series, in one run at a time
        running = leased and newest.get("ended", "") is None
    if newest and newest["ended"] is None:
        newest["ended"] = {True: RUNNING, False: KILLED, None: NOT_KNOWN}[running]
    begun = bool(checkpoint or newest_rows)
    return {
        "run": urls.shown(run_dir),
        "system": config.get("system", newest.get("system")),
        "corpus": config.get("corpus", newest.get("corpus")),
        "protocol": config.get("protocol"),
        "state": _state(running, scored, begun, newest),
        "running": running,
        **_stage(running, scored, progress, newest_rows, config),
        "progress": progress,
        "figures": _figures(newest_rows, config),
        "checkpoint": checkpoint
        and {
            "stage": checkpoint[0],
            "epoch": checkpoint[1],
            "time": _iso(checkpoint[2]),
            "seconds_ago": max(time.time() - checkpoint[2], 0.0),
        },
        "not_finite": [{name: row[name] for name in _MEMBER if name in row} for row in not_finite],
        "starts": starts,
        "report": urls.shown(run_dir / "report.html") if scored else None,
        "notes": notes,
    }


# --- what a run is at -----------------------------------------------------------------------------


def _is_running(
    held: bool | None, newest: dict[str, Any], progress: dict[str, Any] | None
) -> bool | None:
    """Whether a program is at work in the run; None: it cannot be known from here."""
    if held:
        return True
    if newest.get("ended", "") is not None:  # no start at all, or one that has ended
        return False
    if newest["host"] == socket.gethostname():
        return False if held is False else _is_process(newest["pid"], newest["time"])
    # A network disk may keep locks to each machine, and then a free one says nothing.
    fresh = progress is not None and _seconds_since(progress["updated"]) < FRESH_SECONDS
    return True if fresh else None


def _is_process(pid: int, started: str) -> bool:
    """Whether the program of a start is still there, and not another one under its number."""
    import psutil

    try:
        return bool(time.time() - psutil.Process(pid).create_time() > _seconds_since(started) - 5)
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:
        return True


def _state(running: bool | None, scored: bool, begun: bool, newest: dict[str, Any]) -> str:
    if running:
        return RUNNING
    if scored:
        return run_log.FINISHED
    # An earlier version wrote down no starts.
    return str(newest.get("ended", NOT_KNOWN if begun else NEW))


def _stage(
    running: bool | None,
    scored: bool,
    progress: dict[str, Any] | None,
    newest_rows: list[dict[str, Any]],
    config: dict[str, Any],
) -> dict[str, Any]:
    """`stage`, and of a training its `epoch` and how many it has at most, `epochs`."""
    row = newest_rows[-1] if newest_rows else {"stage": None, "epoch": None}
    label = progress["label"] if progress else None
    training = _TRAINING.fullmatch(label) if label else None
    stage: str | None
    if scored and not running:
        stage = run_log.SCORED
    elif training:
        stage = training[1]
    elif label or running:
        stage = label or "starting"
    else:
        stage = row["stage"]
    epoch = row["epoch"] if row["stage"] == stage else 0 if training else None
    if stage is None or epoch is None or stage == run_log.SCORED:
        return {"stage": stage, "epoch": None, "epochs": None}
    own = config.get("tune") if stage.startswith("stem_") else config
    # How long a refit is, dev has chosen, and is in no config.
    most = own.get("epochs") if isinstance(own, dict) and "refit" not in stage else None
    return {"stage": stage, "epoch": epoch, "epochs": most}


def _figures(rows: list[dict[str, Any]], config: dict[str, Any]) -> dict[str, Any] | None:
    """Means of the newest epoch over the members that trained in it."""
    if not rows:
        return None
    # Of a protocol whose dev is its test, what is written as dev is the test's.
    dev_is_test = "test_selects" in str(config.get("protocol"))
    return {
        "stage": rows[-1]["stage"],
        "epoch": rows[-1]["epoch"],
        "members": len(rows),
        "train_loss": _mean(rows, "train_loss"),
        "dev_uar": None if dev_is_test else _mean(rows, "dev_uar"),
    }


def _mean(rows: list[dict[str, Any]], name: str) -> float | None:
    values = [row[name] for row in rows if isinstance(row.get(name), int | float)]
    return fmean(values) if values else None


# --- files ----------------------------------------------------------------------------------------


def _starts(run_dir: Path, notes: list[str]) -> list[dict[str, Any]]:
    """The run's starts with their ends; `ended` is None of the newest, where it has no end yet."""
    path = run_dir / run_log.STARTS
    starts: list[dict[str, Any]] = []
    for row in _whole(path, _lines(path, notes), ("time", "host", "pid"), notes):
        if "ended" not in row:
            if starts and starts[-1]["ended"] is None:
                starts[-1]["ended"] = KILLED  # one program works in a run at a time
            starts.append(row | {"ended": None, "ended_time": None, "sentence": None})
        elif starts and all(starts[-1][name] == row[name] for name in ("host", "pid")):
            end = {"ended": str(row["ended"]), "ended_time": row["time"]}
            starts[-1] |= end | {"sentence": row.get("sentence")}
    return starts


def _metrics(path: Path, notes: list[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Of metrics.jsonl the figures of the newest epoch, and the members that stopped being finite.

    A long run has a hundred thousand lines, of which these are few.
    """
    lines = _lines(path, notes)
    events = [line for line in lines if b'"event"' in line]
    newest: list[dict[str, Any]] = []
    for line in reversed(lines):
        if b'"event"' in line:
            continue
        rows = _whole(path, [line], ("stage", "epoch"), notes)
        if rows and newest and any(rows[0][n] != newest[-1][n] for n in ("stage", "epoch")):
            break
        newest += rows
    stopped = _whole(path, events, ("stage", "epoch"), notes)
    return newest[::-1], [row for row in stopped if row.get("event") == "not_finite"]


def _progress(run_dir: Path, newest: dict[str, Any], notes: list[str]) -> dict[str, Any] | None:
    """progress.json, if it is the newest start's."""
    shown = ("label", "unit", "done", "total", "rate", "seconds_left", "figures", "updated")
    tree = _tree(run_dir / run_log.PROGRESS, notes, (*shown, "host", "pid"))
    if not tree or not newest:
        return None
    if any(tree[name] != newest[name] for name in ("host", "pid")):
        return None
    if _when(tree["updated"]) < _when(newest["time"]):
        return None
    ago = _seconds_since(tree["updated"])
    return {name: tree[name] for name in shown} | {"seconds_ago": ago}


def _tree(path: Path, notes: list[str], needed: Sequence[str] = ()) -> dict[str, Any]:
    """A file's JSON object; an empty one where there is none, or where it is damaged."""
    text = _bytes(path, notes)
    found = [] if text is None else _whole(path, [text], needed, notes)
    return found[0] if found else {}


def _lines(path: Path, notes: list[str]) -> list[bytes]:
    """The lines of a file; what follows the last one's end is still on its way, or cut."""
    return (_bytes(path, notes) or b"").split(b"\n")[:-1]


def _bytes(path: Path, notes: list[str]) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        notes.append(f"{path.name}: cannot be read ({error.strerror})")
        return None


def _whole(
    path: Path, texts: Sequence[bytes], needed: Sequence[str], notes: list[str]
) -> list[dict[str, Any]]:
    """The JSON objects that are whole and have what is needed of them."""
    found = []
    for text in texts:
        try:
            row = json.loads(text, parse_constant=lambda _: None)
            if not isinstance(row, dict) or not all(_FITS[n](row[n]) for n in needed):
                raise TypeError
            found.append(row)
        except (ValueError, TypeError, KeyError):
            damaged = f"{path.name}: what is damaged in it is left out"
            notes += [damaged] if damaged not in notes else []
    return found


# --- times ----------------------------------------------------------------------------------------


def _when(text: str) -> datetime:
    when = datetime.fromisoformat(text)
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _seconds_since(text: str) -> float:
    return max(time.time() - _when(text).timestamp(), 0.0)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _is(kind: type | UnionType) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


# What a field's value has to be; a time that is none raises ValueError.
_FITS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("stage", "host", "label", "unit"), _is(str)),
    **dict.fromkeys(("epoch", "pid", "done", "total"), _is(int)),
    **dict.fromkeys(("rate", "seconds_left"), _is(int | float | None)),
    **dict.fromkeys(("time", "updated"), lambda value: bool(_when(value))),
    "figures": _is(dict),
}
