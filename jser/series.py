"""A series of runs: each in a folder of its own, and what is finished is not run again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jser import experiment, preparation, progress, run_directory
from jser.errors import InputError
from jser.records import places, selection


@dataclass(frozen=True)
class Run:
    """One run of a series.

    Attributes:
        name: of its folder; no other run of the series has it.
        config: resolved.
        title: for the line that says what is at work; '' is the name.
    """

    name: str
    config: Any
    title: str = ""


def run(
    runs: Sequence[Run], workdir: Path, allow_leak: str | None = None, sound: bool = True
) -> dict[str, dict[str, Any]]:
    """Train, or go on with, each run in `workdir`/NAME.

    A config that is impossible, and a folder that another has, are found before the first run is
    trained. A run whose report is
    there and is of the records that are built now is not trained or scored again; one that was
    interrupted goes on; a line on stderr says which is at work. The caller holds `workdir`
    (`run_directory.only_here`).

    Args:
        runs: in the order in which they are trained.
        workdir: gets a run directory a run.
        allow_leak: see `experiment.run`.
        sound: see `experiment.run`.

    Returns:
        Name of each run, in order -> its report.

    Raises:
        InputError: two runs have one name, `workdir` is a run itself, a config is impossible, a
            folder holds a run of another config, or what `experiment.run` refuses.
    """
    twice = [name for name, n in Counter(one.name for one in runs).items() if n > 1]
    if twice:
        raise InputError(
            f"{workdir}: two runs would be named {twice[0]}; leave one out, or rename its "
            "config file"
        )
    if (workdir / "config.json").exists():
        raise InputError(f"{workdir}: holds a run itself; choose another --workdir for the series")
    for one in runs:
        try:
            preparation.check(one.config)
        except InputError as error:
            raise InputError(f"{one.name}: {error}") from error
        if (workdir / one.name).exists():
            run_directory.claim(workdir / one.name, one.config, write=False)
    reports = {}
    for k, one in enumerate(runs, start=1):
        folder = workdir / one.name
        report = _finished(one, folder)
        where = folder if report is None else f"{folder}, finished before"
        progress.say(f"run {k} of {len(runs)}: {one.title or one.name} ({where})")
        if report is None:
            with run_directory.only_here(folder):
                report = experiment.run(one.config, folder, allow_leak, sound)
        reports[one.name] = report
    return reports


def _finished(one: Run, folder: Path) -> dict[str, Any] | None:
    """The report of a run that is done, and of the records that are there."""
    if not run_directory.is_finished(folder):
        return None
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        behind = (report["joined"] or {}).get("corpora", [])
        known = {part["name"]: part["fingerprint"] for part in behind}
        known = known or {report["corpus"]: report["fingerprint"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None  # made again from the checkpoints
    data_dir = places.of_config(one.config)
    same = all(selection.fingerprint_of(name, data_dir) == was for name, was in known.items())
    return report if same else None
