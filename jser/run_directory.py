"""A run directory: which config it belongs to, and the times of its parts."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jser import config as configs
from jser import lock, run_log
from jser.errors import InputError, check_folder
from jser.evaluation import settings
from jser.evaluation.atomic import write_text


def claim(run_dir: Path, config: Any, write: bool = True) -> None:
    """Put the config into a run directory, or check that it holds the same one.

    Args:
        run_dir: made where there is none.
        config: of the run.
        write: False only checks, so that a config which is refused later leaves no claim behind.

    Raises:
        InputError: the directory belongs to another config, or cannot be written.
    """
    path = run_dir / "config.json"
    text = configs.to_json(config)
    if path.exists():
        there = _read(path, "choose another --workdir")
        there = json.loads(json.dumps(configs.younger(there))) | there
        ours = json.loads(text)
        if isinstance(there.get("population"), dict):
            # How the work is cut: what an earlier version could not say, it had no choice in.
            there["population"] = {**ours.get("population", {}), **there["population"]}
        if there != ours:
            raise InputError(
                f"{run_dir}: holds a run of another config ({_differences(there, ours)}); choose "
                "another --workdir, or give that config to go on with it"
            )
        return
    made = not run_dir.exists()
    _make(run_dir)
    # A start that was cut off before its config was written holds no folder.
    if any(path.name not in run_log.FILES for path in run_dir.iterdir()):
        raise InputError(
            f"{run_dir}: is not empty and holds no run; choose a new folder for --workdir"
        )
    if write:
        write_text(path, text)
    elif made:
        run_dir.rmdir()


def make(run_dir: Path) -> None:
    """Make a folder for runs where there is none.

    Raises:
        InputError: it cannot be made.
    """
    check_folder(run_dir, "--workdir")
    _make(run_dir)


def _make(run_dir: Path) -> None:
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        there = next((p for p in run_dir.parents if p.exists() and not p.is_dir()), run_dir)
        raise InputError(
            f"{there}: is no folder, and a run needs one of its own; choose another --workdir"
        ) from error
    except OSError as error:
        raise InputError(
            f"{run_dir}: cannot be made ({error.strerror}); choose another --workdir"
        ) from error


def _differences(there: dict[str, Any], ours: dict[str, Any]) -> str:
    found = [
        f"{name} is {a!r} there, {b!r} here" for name, a, b in settings.differences(there, ours)
    ]
    return "; ".join(found[:3]) + (f"; {len(found) - 3} more" if len(found) > 3 else "")


def _read(path: Path, remedy: str) -> dict[str, Any]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    except ValueError as error:
        raise InputError(f"{path}: not a config ({error}); {remedy}") from error
    if not isinstance(tree, dict):
        raise InputError(f"{path}: not a config, but a {type(tree).__name__}; {remedy}")
    return tree


def config_of(run_dir: Path) -> Any:
    """The config that a run directory holds.

    Raises:
        InputError: there is no run.
    """
    path = run_dir / "config.json"
    if not path.exists():
        raise InputError(
            f"{run_dir}: no run there (it has no config.json); give the --workdir of a `jser train`"
        )
    tree = _read(path, "train again in another --workdir")
    try:
        return configs.from_json(tree)
    except InputError as error:
        raise InputError(f"{path}: {error}; train again in another --workdir") from error


def is_finished(run_dir: Path) -> bool:
    """The run is scored and its report written; report.json is the last file to be written."""
    return (run_dir / "report.json").exists()


def leak_of(run_dir: Path) -> str | None:
    """The reason for which a run was allowed to leak, from its certificate.

    Raises:
        InputError: there is no certificate.
    """
    path = run_dir / "certificate.json"
    try:
        leak = json.loads(path.read_text(encoding="utf-8"))["leak"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: no readable certificate; the same `jser train` command writes it again"
        ) from error
    return leak


def check_same_records(run_dir: Path, certificate: dict[str, Any]) -> None:
    """Refuse to go on with a run whose records or folds have changed since it was begun.

    Raises:
        InputError: see above.
    """
    try:
        before = json.loads((run_dir / "certificate.json").read_text(encoding="utf-8"))
        changed = [f for f in ("fingerprint", "folds_hash") if before[f] != certificate[f]]
    except (OSError, ValueError, KeyError, TypeError):
        return  # A new run, or nothing to compare with.
    if changed:
        what = "other records" if "fingerprint" in changed else "other folds"
        raise InputError(
            f"{run_dir}: was begun on {what} of {certificate['corpus']} ({changed[0]} "
            f"{str(before[changed[0]])[:12]}, now {certificate[changed[0]][:12]}); build the "
            "earlier ones again, or choose another --workdir"
        )


@contextlib.contextmanager
def only_here(run_dir: Path) -> Iterator[None]:
    """Hold a run directory against a second program; the system lets go when this one is killed.

    The directory is made where there is none, and removed again where nothing was put into it.

    Raises:
        InputError: another program works there, or it cannot be made.
    """
    check_folder(run_dir, "--workdir")
    made = not run_dir.exists()
    _make(run_dir)
    try:
        directory = os.open(run_dir, os.O_RDONLY)
    except OSError as error:
        raise InputError(
            f"{run_dir}: cannot be opened ({error.strerror}); choose another --workdir"
        ) from error
    try:
        _lock(directory, run_dir)
        yield
    finally:
        os.close(directory)
        if made:
            with contextlib.suppress(OSError):  # not empty
                run_dir.rmdir()


def _lock(directory: int, run_dir: Path) -> None:
    if lock.take(directory) is False:
        raise InputError(
            f"{run_dir}: another jser is at work in this run; wait for it, or choose another "
            "--workdir"
        )


def add_times(run_dir: Path, now: dict[str, float]) -> dict[str, float | None]:
    """Seconds of each part of the call that finished the run; scoring again does not lose them."""
    path = run_dir / "seconds.json"
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        if before["finished"] and isinstance(before["seconds"], dict):
            return before["seconds"]  # this call only scored again
    except (OSError, ValueError, KeyError, TypeError):
        pass  # None yet, or damaged: nothing but these times is lost.
    write_text(path, json.dumps({"finished": True, "seconds": {"build": None, **now}}))
    return {"build": None, **now}
