"""One cross-validation, from a config and built records to a report."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import resource
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jser import config as configs
from jser import illustrations, protocols, run_directory, two_stage
from jser.errors import InputError
from jser.evaluation import ledger, page, report
from jser.evaluation.atomic import write_text
from jser.evaluation.predictions import Predictions
from jser.models import registry, stems
from jser.preparation import Prepared, data_dir, prepare
from jser.training import loop, members, population, readout

STAGES = ("select", "refit")


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
    return prepared, final


def _refit_tables(prepared: Prepared, selected: population.State) -> population.Members:
    config = prepared.config
    whole = members.make(
        prepared.corpus.label,
        members.merged(prepared.protocol),
        config.seeds,
        config.hyper.to_dict(),
        n_copies=len(config.augment.copies),
        balance=members.Balance(**config.balance.to_dict()),
        epochs=config.epochs,
        width=prepared.features.frames.shape[-1],
    )
    # A member that failed in the first stage has chosen no epoch: it trains one, and is reported.
    tables = members.refit(whole, np.maximum(selected.best_epoch, 1))
    ours = prepared.tables
    return tables.replace(group=ours.group, mean=ours.mean, scale=ours.scale)


def _refit_program(prepared: Prepared, tables: population.Members) -> population.Program:
    steps = -(-tables.train_index.shape[1] // prepared.program.batch_size)
    return dataclasses.replace(prepared.program, steps_per_epoch=steps)


def _plan(config: Any, program: population.Program, tables: population.Members) -> loop.Plan:
    return loop.choose_plan(
        len(tables),
        program.steps_per_epoch,
        config.population.width,
        config.population.steps_per_call,
    )


# --- the run


def evaluate(run_dir: Path) -> dict[str, Any]:
    """Make the report of a finished run again from its checkpoints.

    Raises:
        InputError: there is no finished run.
    """
    config = run_directory.config_of(run_dir)
    stages = list(STAGES if config.refit else STAGES[:1])
    if two_stage.is_on(config):
        stages += [n for s in stages for n in two_stage.stage_names(s, config.stem.cross_fit)]
    if not (run_dir / "report.json").exists() or any(
        not (run_dir / "checkpoints" / stage).is_dir() for stage in stages
    ):
        raise InputError(
            f"{run_dir}: the run is not finished; go on with it with `jser train` and the same "
            "--config and --workdir"
        )
    leak = json.loads((run_dir / "certificate.json").read_text()).get("leak")
    return run(config, run_dir, allow_leak=leak)


class _CompileClock:
    """Seconds that XLA spent compiling."""

    def __init__(self) -> None:
        self.seconds = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._listen)

    def _listen(self, event: str, duration_secs: float, **_: Any) -> None:
        if event.endswith("backend_compile_duration"):
            self.seconds += duration_secs


def run(config: Any, run_dir: Path, allow_leak: str | None = None) -> dict[str, Any]:
    """Train, score once, write the report; goes on where an earlier call was stopped.

    Returns:
        The report.
    """
    clock = _CompileClock()
    run_directory.claim(run_dir, config, write=False)
    prepared = prepare(config, allow_leak)
    run_directory.claim(run_dir, config)
    certificate = prepared.certificate.to_json()
    write_text(run_dir / "certificate.json", json.dumps(certificate, indent=1))
    started = time.monotonic()
    prepared, state = train(prepared, run_dir)
    trained = time.monotonic()
    scores, baseline = score(prepared, state, run_dir)
    seconds = run_directory.add_times(
        run_dir, {**prepared.seconds, "compile": clock.seconds, "train": trained - started}
    )
    seconds["evaluate"] = time.monotonic() - trained
    made = report.build(
        scores,
        prepared.corpus,
        prepared.protocol,
        prepared.certificate,
        system=registry.title(
            config.system,
            config.stem.net,
            config.stem.taps,
            config.stem.weights,
            tuned_from=config.stem.train_from,
            two_stage=config.stem.tuning == "two_stage",
        ),
        normalisation=config.normalisation,
        level={"recorded": "as recorded", "peak": "each utterance's peak at 0 dB"}[
            config.stem.level
        ],
        parameters=_count(state.best_params) // len(prepared.tables) + _stem_parameters(config),
        seconds=seconds,
        peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        device=_device(),
        baseline=baseline,
        baseline_name="pooled stem features, ridge",
        failed_members=int(state.failed.sum()),
    )
    html = page.render(
        made,
        certificate=certificate,
        config=config.to_dict(),
        metrics=page.read_metrics(run_dir),
        shown=illustrations.collect(prepared, scores.judged),
    )
    report.write(run_dir, made, scores, html)
    return made


def score(
    prepared: Prepared, state: population.State, run_dir: Path
) -> tuple[ledger.Scores, ledger.Scores]:
    """Predict each fold's test utterances with its own members, and have the ledger score them."""
    config, protocol = prepared.config, prepared.protocol
    tables = prepared.tables
    width = max(len(fold.test) for fold in protocol.folds)
    rows = np.full((len(tables), width), -1, np.int32)
    for p, k in enumerate(tables.fold):
        rows[p, : len(protocol.folds[k].test)] = protocol.folds[k].test
    logits, attention = loop.predict(
        prepared.program,
        prepared.features,
        tables,
        state.best_params,
        rows,
        _plan(config, prepared.program, tables),
    )
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    posterior = shifted / shifted.sum(-1, keepdims=True)
    member, place = np.nonzero(rows >= 0)
    predictions = Predictions(
        utterance_index=rows[member, place],
        fold=tables.fold[member],
        seed=tables.seed[member],
        posterior=posterior[member, place].astype(np.float32),
        attention=attention[member, place].astype(np.float32),
    )
    ledgers = data_dir(config) / "ledger"
    hashed = configs.config_hash(config)
    scores = ledger.score(
        predictions, prepared.corpus, protocol, run_dir, ledgers, hashed, _hash(state.best_params)
    )
    linear, fitted_hash = _baseline(prepared)
    baseline = ledger.score(
        linear,
        prepared.corpus,
        protocol,
        run_dir,
        ledgers,
        hashed,
        fitted_hash,
        role="baseline",
    )
    return scores, baseline


def _baseline(prepared: Prepared) -> tuple[Predictions, str]:
    """Pooled stem features with a ridge read-out: what a network has to beat."""
    corpus = prepared.corpus
    pooled = prepared.pooled[: len(corpus.label)]
    index, fold_of, posterior = [], [], []
    digest = hashlib.sha256()
    for k, fold in enumerate(prepared.protocol.folds):
        label = protocols.member_labels(corpus.label, fold)
        fitted, _ = readout.select_readout(pooled, label, fold.train, fold.dev, len(corpus.classes))
        scores = fitted(pooled[fold.test])
        digest.update(fitted.kernel.tobytes())
        index.append(fold.test)
        fold_of.append(np.full(len(fold.test), k))
        # Regression scores lie about 0 and 1; clipped and divided they read as shares.
        share = np.clip(scores, 1e-6, None)
        posterior.append(share / share.sum(1, keepdims=True))
    utterances = np.concatenate(index)
    predictions = Predictions(
        utterance_index=utterances,
        fold=np.concatenate(fold_of),
        seed=np.zeros(len(utterances), np.int64),
        posterior=np.concatenate(posterior).astype(np.float32),
    )
    return predictions, digest.hexdigest()


def _stem_parameters(config: Any) -> int:
    """Of the blocks that the taps need, and that are not part of the members' own parameters."""
    net = stems.get(config.stem.net)
    needed = net.needed(config.stem.taps)
    if config.stem.train_from and config.stem.tuning == "end_to_end":
        needed = needed[: net.index(config.stem.train_from)]
    return net.count(needed)


def _count(tree: Any) -> int:
    return int(sum(np.size(leaf) for leaf in jax.tree.leaves(tree)))


def _hash(tree: Any) -> str:
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        digest.update(str(path).encode())
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()


def _device() -> str:
    devices = jax.devices()
    if devices[0].platform == "cpu":
        return f"CPU, {len(os.sched_getaffinity(0))} cores"
    return f"{len(devices)} x {devices[0].device_kind}"
