"""A run directory: which config it belongs to, and the times of its parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jser import config as configs
from jser.errors import InputError
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
        try:
            there = json.loads(path.read_text())
        except ValueError as error:
            raise InputError(f"{path}: not a config ({error}); choose another --workdir") from error
        ours = json.loads(text)
        if there != ours:
            raise InputError(
                f"{run_dir}: holds a run of another config ({_differences(there, ours)}); choose "
                "another --workdir, or give that config to go on with it"
            )
        return
    made = not run_dir.exists()
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{run_dir}: cannot be made ({error.strerror}); choose another --workdir"
        ) from error
    if any(run_dir.iterdir()):
        raise InputError(
            f"{run_dir}: is not empty and holds no run; choose a new folder for --workdir"
        )
    if write:
        write_text(path, text)
    elif made:
        run_dir.rmdir()


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            out |= _flat(value, f"{prefix}{name}.")
        else:
            out[f"{prefix}{name}"] = value
    return out


def _differences(there: dict[str, Any], ours: dict[str, Any]) -> str:
    a, b = _flat(there), _flat(ours)
    found = [
        f"{name} is {a.get(name)!r} there, {b.get(name)!r} here"
        for name in sorted(a.keys() | b.keys())
        if a.get(name) != b.get(name)
    ]
    return "; ".join(found[:3]) + (f"; {len(found) - 3} more" if len(found) > 3 else "")


def config_of(run_dir: Path) -> Any:
    """The config that a run directory holds.

    Raises:
        InputError: there is no run.
    """
    path = run_dir / "config.json"
    try:
        tree = json.loads(path.read_text())
    except OSError as error:
        raise InputError(
            f"{run_dir}: no run there ({error.strerror}: config.json); give the --workdir of a "
            "`jser train`"
        ) from error
    except ValueError as error:
        raise InputError(f"{path}: not a config ({error}); train again") from error
    try:
        return configs.from_json(tree)
    except InputError as error:
        raise InputError(f"{path}: {error}; train again in another --workdir") from error


def add_times(run_dir: Path, now: dict[str, float]) -> dict[str, float | None]:
    """Seconds of each part of the call that finished the run; scoring again does not lose them."""
    path = run_dir / "seconds.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    if before.get("finished"):
        return before["seconds"]  # this call only scored again
    write_text(path, json.dumps({"finished": True, "seconds": {"build": None, **now}}))
    return {"build": None, **now}
