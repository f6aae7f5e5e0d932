"""One cross-validation, from a config and built records to a report."""

from __future__ import annotations

import dataclasses
import json
import resource
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jser import (
    answering,
    grid,
    illustrations,
    readouts,
    restoring,
    run_directory,
    run_log,
    scoring,
    size,
    systems,
    trainings,
)
from jser import config as configs
from jser.errors import InputError
from jser.evaluation import page, report
from jser.evaluation.atomic import write_text
from jser.preparation import Prepared, check, prepare
from jser.store import data
from jser.training import fusion, hosts
from jser.training.platform import device_name

_LEVEL = {
    "recorded": "as recorded",
    "peak": "each utterance's peak at 0 dB",
    "variance": "each utterance at mean 0 and variance 1",
}


def evaluate(run_dir: Path, sound: bool = True) -> dict[str, Any]:
    """Make the report of a finished run again from its checkpoints; `sound` as in `run`.

    Raises:
        InputError: there is no finished run.
    """
    config = restoring.check_finished(run_dir)
    return run(config, run_dir, allow_leak=run_directory.leak_of(run_dir), sound=sound)


# Of a host that scores nothing.
_NOTHING_BESIDE = readouts.Readouts((), {})


class _CompileClock:
    """Seconds that XLA spent compiling."""

    def __init__(self) -> None:
        self.seconds = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._listen)

    def _listen(self, event: str, duration_secs: float, **_: Any) -> None:
        if event.endswith("backend_compile_duration"):
            self.seconds += duration_secs


def run(
    config: Any, run_dir: Path, allow_leak: str | None = None, sound: bool = True
) -> dict[str, Any]:
    """Train, score once, write the report; goes on where an earlier call was stopped.

    Args:
        config: resolved.
        run_dir: of this run.
        allow_leak: why a protocol that leaks may be trained.
        sound: recordings become part of report.html.

    Returns:
        The report; of several hosts in all but the first nothing.
    """
    run_directory.claim(run_dir, config, write=False)
    groups = grid.groups(config)
    check(groups[0].config)  # what is refused at once is no start
    with run_log.recorded(run_dir, config.system, config.corpus, device_name()):
        return _run(config, groups, run_dir, allow_leak, sound)


def _run(
    config: Any, groups: list[grid.Group], run_dir: Path, allow_leak: str | None, sound: bool
) -> dict[str, Any]:
    clock = _CompileClock()
    system = systems.get(config.system)
    for field in ("grid", "by_fold"):
        if field in config and "epochs" not in config:
            raise InputError(
                f"{field}: {config.system} trains no network; its own fields have several values "
                "already"
            )
    prepared = prepare(groups[0].config, allow_leak, groups[0].points, groups[0].folds)
    grid.check_folds(config, prepared.protocol)
    run_directory.claim(run_dir, config)
    certificate = prepared.certificate.to_json()
    run_directory.check_same_records(run_dir, certificate)
    write_text(run_dir / "certificate.json", json.dumps(certificate, indent=1))
    started = time.monotonic()
    beside = readouts.fit(prepared, run_dir) if hosts.is_first() else _NOTHING_BESIDE
    fitted = time.monotonic()
    network: Any = {}
    failed = 0
    chosen = None
    if not isinstance(prepared, Prepared):
        answered = answering.by_view(prepared)
        trained = time.monotonic()
    else:
        parts, chosen = trainings.train(prepared, config, run_dir, allow_leak)
        trained = time.monotonic()
        answered = answering.together(
            [
                answering.by_network(p.prepared, p.state, trainings.plan_of(p.prepared))
                for p in parts
            ]
        )
        # All members of one ensemble answer for a fold and seed; of a grid, the largest is counted.
        network = max((_answering(p) for p in parts), key=_count)
        failed = sum(int(p.state.failed.sum()) for p in parts)
        prepared = parts[0].prepared
    prepared = dataclasses.replace(prepared, config=config)
    if not hosts.is_first():
        return {}  # The first has the same answers, and alone scores them.
    with data.shared_ledger(scoring.shared_ledger(prepared)):
        results = scoring.score(prepared, beside, answered, run_dir)
    seconds = run_directory.add_times(
        run_dir,
        {
            **prepared.seconds,
            "compile": clock.seconds,
            "readouts": fitted - started,
            "train": trained - fitted,
        },
    )
    seconds["evaluate"] = time.monotonic() - trained
    made = report.build(
        results.system,
        prepared.corpus,
        prepared.protocol,
        prepared.certificate,
        system=system.title(config),
        normalisation=config.normalisation,
        level=_LEVEL[system.level(config)],
        parameters=size.parameters(config, network, beside) + answered.parameters,
        seconds=seconds,
        peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        device=device_name(),
        selection="test" if prepared.protocol.test_selects else "nested",
        refit=prepared.config.refit,
        baseline=results.baseline,
        baseline_name=fusion.VIEWS[results.view],
        parts=results.parts,
        failed_members=failed,
        trim_db=system.trim_db(config),
        grid=None if chosen is None or "grid" not in config else _grid(config, chosen),
        by_fold=None if chosen is None or "by_fold" not in config else _by_fold(config, chosen),
    )
    html = page.render(
        made,
        certificate=certificate,
        config=config.to_dict(),
        metrics=page.read_metrics(run_dir),
        shown=illustrations.collect(prepared, results.system.judged, sound),
    )
    report.write(run_dir, made, results.system, html, results.each_alone())
    return made


def _answering(trained: trainings.Trained) -> Any:
    """Parameters of the members that answer for one fold and seed."""
    size_of = int(trained.prepared.tables.bag.max()) + 1
    return jax.tree.map(lambda leaf: leaf[:size_of], trained.state.best_params)


def _count(tree: Any) -> int:
    return sum(np.size(leaf) for leaf in jax.tree.leaves(tree))


def _grid(config: Any, chosen: trainings.Chosen) -> dict[str, Any]:
    """What the report says of a grid."""
    return {
        "axes": {field: list(values) for field, values in grid.axes(config).items()},
        "points": chosen.points,
        "groups": chosen.groups,
        "chosen": [chosen.by_fold[k] for k in sorted(chosen.by_fold)],
        "dev_uar": [[None if np.isnan(x) else float(x) for x in row] for row in chosen.dev_uar],
    }


def _by_fold(config: Any, chosen: trainings.Chosen) -> dict[str, Any]:
    """What the report says of values that each fold has of its own."""
    dev = [chosen.dev_uar[place, k] for k, place in sorted(chosen.by_fold.items())]
    return {
        "tried": config.get(configs.TRIED),
        "chosen": grid.of_folds(config),
        "dev_uar": [None if np.isnan(x) else float(x) for x in dev],
    }
