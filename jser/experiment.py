"""One cross-validation, from a config and built records to a report."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jser import (
    answering,
    illustrations,
    readouts,
    run_directory,
    scoring,
    size,
    systems,
    two_stage,
)
from jser.errors import InputError
from jser.evaluation import page, report
from jser.evaluation.atomic import write_text
from jser.preparation import Prepared, bags_of, prepare
from jser.training import fusion, loop, members, population
from jser.training.plan import Plan, choose_plan, on_cpu

STAGES = ("select", "refit")
_LEVEL = {
    "recorded": "as recorded",
    "peak": "each utterance's peak at 0 dB",
    "variance": "each utterance at mean 0 and variance 1",
}


# --- the two stages -------------------------------------------------------------------------------


def train(prepared: Prepared, run_dir: Path) -> tuple[Prepared, population.State]:
    """Train (or resume, or merely restore) the stages.

    Returns:
        The experiment, on the features of tuned stems where those come first, and the state whose
        best_params are scored.
    """
    every = prepared.config.checkpoint.every_seconds
    chosen = None
    if two_stage.is_on(prepared.config):
        prepared, chosen = two_stage.tune(prepared, run_dir, STAGES[0])
    selected = loop.fit(
        prepared.program,
        prepared.features,
        prepared.tables,
        _plan(prepared.config, prepared.program, prepared.tables),
        run_dir,
        STAGES[0],
        every,
    )
    if not prepared.config.refit:
        return prepared, selected
    if chosen is not None:
        prepared, _ = two_stage.tune(prepared, run_dir, STAGES[1], chosen)
    tables = _refit_tables(prepared, selected)
    program = _refit_program(prepared, tables)
    final = loop.fit(
        program,
        prepared.features,
        tables,
        _plan(prepared.config, program, tables),
        run_dir,
        STAGES[1],
        every,
    )
    # Who failed before has chosen no epoch, and his refit says nothing of it.
    return prepared, final.replace(failed=final.failed | selected.failed)


def _refit_tables(prepared: Prepared, selected: population.State) -> population.Members:
    config = prepared.config
    whole = members.make(
        prepared.corpus.label,
        members.merged(prepared.protocol),
        config.seeds,
        config.hyper.to_dict(),
        n_copies=prepared.copies_in_tables,
        balance=members.Balance(**config.balance.to_dict()),
        epochs=config.epochs,
        width=prepared.tables.mean.shape[-1],
        bags=bags_of(config),
    )
    # A member that failed in the first stage has chosen no epoch: it trains one, and is reported.
    tables = members.refit(whole, np.maximum(selected.best_epoch, 1))
    ours = prepared.tables
    return tables.replace(group=ours.group, mean=ours.mean, scale=ours.scale)


def _refit_program(prepared: Prepared, tables: population.Members) -> population.Program:
    steps = -(-tables.train_index.shape[1] // prepared.program.batch_size)
    return dataclasses.replace(prepared.program, steps_per_epoch=steps)


def _plan(config: Any, program: population.Program, tables: population.Members) -> Plan:
    return choose_plan(
        len(tables),
        program.steps_per_epoch,
        config.population.width,
        config.population.steps_per_call,
    )


# --- the run


def evaluate(run_dir: Path, sound: bool = True) -> dict[str, Any]:
    """Make the report of a finished run again from its checkpoints; `sound` as in `run`.

    Raises:
        InputError: there is no finished run.
    """
    config = run_directory.config_of(run_dir)
    stages = list(STAGES if config.refit else STAGES[:1]) if config.get("epochs") else []
    if two_stage.is_on(config):
        stages += [n for s in stages for n in two_stage.stage_names(s, config.stem.cross_fit)]
    if not run_directory.is_finished(run_dir) or any(
        not any((run_dir / "checkpoints" / stage).glob("[0-9]*")) for stage in stages
    ):
        raise InputError(
            f"{run_dir}: the run is not finished; go on with it with `jser train` and the same "
            "--config and --workdir"
        )
    return run(config, run_dir, allow_leak=run_directory.leak_of(run_dir), sound=sound)


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
        The report.
    """
    clock = _CompileClock()
    system = systems.get(config.system)
    run_directory.claim(run_dir, config, write=False)
    prepared = prepare(config, allow_leak)
    run_directory.claim(run_dir, config)
    certificate = prepared.certificate.to_json()
    run_directory.check_same_records(run_dir, certificate)
    write_text(run_dir / "certificate.json", json.dumps(certificate, indent=1))
    started = time.monotonic()
    beside = readouts.fit(prepared, run_dir)
    fitted = time.monotonic()
    network: Any = {}
    failed = 0
    if not isinstance(prepared, Prepared):
        answered = answering.by_view(prepared)
        trained = time.monotonic()
    else:
        prepared, state = train(prepared, run_dir)
        trained = time.monotonic()
        plan = _plan(config, prepared.program, prepared.tables)
        answered = answering.by_network(prepared, state, plan)
        # All members of one ensemble answer for a fold and seed.
        size_of = bags_of(config).size
        network = jax.tree.map(lambda leaf: leaf[:size_of], state.best_params)
        failed = int(state.failed.sum())
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
        device=_device(),
        selection="test" if prepared.protocol.test_selects else "nested",
        refit=prepared.config.refit,
        baseline=results.baseline,
        baseline_name=fusion.VIEWS[results.view],
        parts=results.parts,
        failed_members=failed,
        trim_db=system.trim_db(config),
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


def _device() -> str:
    if on_cpu():
        return f"CPU, {len(os.sched_getaffinity(0))} cores"
    devices = jax.devices()
    return f"{len(devices)} x {devices[0].device_kind}"
