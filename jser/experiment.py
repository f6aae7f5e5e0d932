"""One cross-validation, from a config and built records to a report."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
import threadpoolctl

from jser import config as configs
from jser import progress, protocols
from jser.errors import InputError
from jser.evaluation import ledger, report
from jser.evaluation.atomic import write_text
from jser.evaluation.predictions import Predictions
from jser.frontend import augment
from jser.frontend.log_mel import LogMelSpec
from jser.models import registry
from jser.protocols import Certificate, Fold, Protocol
from jser.records import corpus as records
from jser.records import places
from jser.records.corpus import Corpus
from jser.training import (
    loop,
    members,
    normalisation,
    population,
    projection,
    readout,
    stem_features,
)
from jser.training.stem_features import StemSpec, StepFeatures

STAGES = ("select", "refit")


@dataclass(frozen=True)
class Prepared:
    """What a training needs, made from a config; the same every time it is made."""

    config: Any
    corpus: Corpus
    protocol: Protocol
    certificate: Certificate
    steps: StepFeatures
    features: population.Features
    tables: population.Members
    program: population.Program
    plan: loop.Plan
    seconds: dict[str, float]


def data_dir(config: Any) -> Path:
    """Where records, caches and the shared ledgers lie."""
    return Path(config.data_dir) if config.data_dir else places.default_data_dir()


def stem_spec(config: Any) -> StemSpec:
    """The stem's part of a config."""
    return StemSpec(**config.stem.to_dict())


def prepare(config: Any, allow_leak: str | None = None) -> Prepared:
    """Load, certify, compute or fetch features, and lay out the members.

    Raises:
        InputError: the records, the protocol or the config cannot be used.
    """
    started = time.monotonic()
    normalisation.parse(config.normalisation)
    balance = members.Balance(**config.balance.to_dict())
    spec = stem_spec(config)
    if not config.seeds:
        raise InputError("seeds: () is empty; give at least one, for example --config.seeds=0")
    variant = "waveform" if config.augment.copies else "log_mel"
    corpus = records.load(config.corpus, data_dir(config), variant)
    protocol = protocols.make(config.protocol, corpus, config.dev_speakers)
    certificate = protocols.certificate(corpus, protocol, allow_leak)
    loaded = time.monotonic()
    steps = _stem_features(config, corpus, spec)
    n_copies = len(config.augment.copies)
    speaker = np.tile(corpus.speaker, 1 + n_copies)
    frames = normalisation.by_group(steps.frames, steps.length, speaker, config.normalisation)
    groups, pooled = _project(config, frames, steps, speaker, protocol)
    source = np.tile(np.arange(len(corpus.label), dtype=np.int32), 1 + n_copies)
    features = population.Features(
        groups, steps.offset, steps.length, pooled, source, int(steps.length.max())
    )
    tables = members.make(
        corpus.label,
        protocol,
        config.seeds,
        config.hyper.to_dict(),
        n_copies=n_copies,
        balance=balance,
        epochs=config.epochs,
        width=groups.shape[-1],
    )
    if not config.components:
        tables = _with_scaling(tables, frames, steps, config.normalisation)
    # The refit's longer table decides the steps, so that both stages share one schedule.
    longest = tables.train_index.shape[1]
    steps_per_epoch = -(-longest // config.batch_size)
    program = population.Program(
        model=registry.make(config.system, n_classes=len(corpus.classes), **config.model.to_dict()),
        n_classes=len(corpus.classes),
        batch_size=config.batch_size,
        steps_per_epoch=steps_per_epoch,
        epochs=config.epochs,
        class_weighted=balance.class_weights,
        mixup=config.mixup,
    )
    plan = loop.choose_plan(
        len(tables), steps_per_epoch, config.population.width, config.population.steps_per_call
    )
    seconds = {"load": loaded - started, "features": time.monotonic() - loaded}
    return Prepared(
        config,
        corpus,
        protocol,
        certificate,
        steps,
        features,
        tables,
        program,
        plan,
        seconds,
    )


def _stem_features(config: Any, corpus: Corpus, spec: StemSpec) -> StepFeatures:
    """Stem features of the originals and of every augmented copy, one behind the other."""
    folder = data_dir(config) / "cache" / "stem"
    static = np.split(corpus.frames, corpus.offset[1:])
    key = spec.key(corpus.fingerprint, corpus.front_end_hash)
    found = [
        stem_features.cached(
            folder, key, lambda: stem_features.compute(static, spec, "stem features")
        )[0]
    ]
    for name in config.augment.copies:
        copy = augment.CopySpec(name, tuple(config.augment.snr_db), tuple(config.augment.speeds))

        def make(copy: augment.CopySpec = copy) -> StepFeatures:
            assert corpus.waveform is not None
            changed = augment.copies(corpus.waveform, list(corpus.pcm_sha256), copy, LogMelSpec())
            return stem_features.compute(changed, spec, f"stem features ({copy.name})")

        found.append(stem_features.cached(folder, f"{key}-{copy.key()}", make)[0])
    if len(found) == 1:
        return found[0]
    lengths = np.concatenate([f.length for f in found])
    return StepFeatures(
        np.concatenate([f.frames for f in found]),
        (np.cumsum(lengths) - lengths).astype(np.int32),
        lengths,
        np.concatenate([f.pooled for f in found]),
    )


def _steps_of_rows(steps: StepFeatures, rows: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [np.arange(steps.offset[r], steps.offset[r] + steps.length[r]) for r in rows]
    )


def _project(
    config: Any, frames: np.ndarray, steps: StepFeatures, speaker: np.ndarray, protocol: Protocol
) -> tuple[np.ndarray, np.ndarray]:
    """Principal components by fold: of the steps [G, F, d] and of whole utterances [G, R, u].

    Without components the steps are shared by all folds, G = 1, and the members scale them.
    """
    standardise = config.normalisation != "none"
    frames = frames.astype(np.float32, copy=False) if config.components else frames
    ones = np.ones(len(steps.length), np.int32)
    mode = config.normalisation
    # A single vector has no statistics of its own: there `utterance` leaves it as it is.
    whole = normalisation.by_group(
        steps.pooled, ones, speaker, "train" if mode == "utterance" else mode
    )

    def of_fold(fold: Fold) -> tuple[np.ndarray | None, np.ndarray]:
        # Train alone, without dev: the first stage must not have seen the dev speakers.
        steps_of_fold = None
        if config.components:
            rows = _steps_of_rows(steps, fold.train)
            steps_of_fold = projection.fit(frames, rows, config.components, standardise)(frames)
        fitted = projection.fit(whole, fold.train, config.pooled_components, standardise)
        return steps_of_fold, fitted(whole)

    # A fold a core, one BLAS thread each: twice as fast as BLAS' own threads, four times when the
    # machine is busy with other work besides.
    with (
        threadpoolctl.threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(os.cpu_count()) as pool,
        progress.bar(len(protocol.folds), "components", "fold") as tick,
    ):
        done = []
        for result in pool.map(of_fold, protocol.folds):
            done.append(result)
            tick(1)
    by_fold = _alike([steps_of_fold for steps_of_fold, _ in done if steps_of_fold is not None])
    return (by_fold if config.components else frames[None]), _alike([p for _, p in done])


def _alike(sets: list[np.ndarray]) -> np.ndarray:
    """Stack the folds' components; a small fold has fewer directions, and decides for all."""
    least = min((x.shape[1] for x in sets), default=0)
    return np.stack([x[:, :least] for x in sets]) if sets else np.zeros((0, 0, 0), np.float32)


def _with_scaling(
    tables: population.Members, frames: np.ndarray, steps: StepFeatures, mode: str
) -> population.Members:
    """Mean and scale of each member's own training rows, for features shared by all folds."""
    if mode == "none":
        return tables
    mean, scale = tables.mean.copy(), tables.scale.copy()
    for p in range(len(tables)):
        rows = np.unique(tables.train_index[p][tables.train_index[p] >= 0])
        x = frames[_steps_of_rows(steps, rows)].astype(np.float32)
        deviation = x.std(0)
        mean[p], scale[p] = x.mean(0), 1 / (deviation + 0.01 * deviation.mean() + 1e-12)
    return tables.replace(mean=mean, scale=scale)


# --- the two stages -------------------------------------------------------------------------------


def train(prepared: Prepared, run_dir: Path) -> population.State:
    """Train (or resume, or merely restore) the stages; the state whose best_params are scored."""
    every = prepared.config.checkpoint.every_seconds
    selected = loop.fit(
        prepared.program,
        prepared.features,
        prepared.tables,
        prepared.plan,
        run_dir,
        STAGES[0],
        every,
    )
    if not prepared.config.refit:
        return selected
    tables = _refit_tables(prepared, selected)
    return loop.fit(
        _refit_program(prepared, tables),
        prepared.features,
        tables,
        prepared.plan,
        run_dir,
        STAGES[1],
        every,
    )


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
    return tables.replace(mean=prepared.tables.mean, scale=prepared.tables.scale)


def _refit_program(prepared: Prepared, tables: population.Members) -> population.Program:
    steps = -(-tables.train_index.shape[1] // prepared.program.batch_size)
    return dataclasses.replace(prepared.program, steps_per_epoch=steps)


# --- the run directory ----------------------------------------------------------------------------


def claim(run_dir: Path, config: Any) -> None:
    """Put the config into a run directory, or check that it holds the same one.

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
    write_text(path, text)


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
    return configs.from_json(tree)


def evaluate(run_dir: Path) -> dict[str, Any]:
    """Make the report of a finished run again from its checkpoints.

    Raises:
        InputError: there is no finished run.
    """
    config = config_of(run_dir)
    stages = STAGES if config.refit else STAGES[:1]
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
    claim(run_dir, config)
    prepared = prepare(config, allow_leak)
    certificate = prepared.certificate.to_json()
    write_text(run_dir / "certificate.json", json.dumps(certificate, indent=1))
    started = time.monotonic()
    state = train(prepared, run_dir)
    trained = time.monotonic()
    scores, baseline = score(prepared, state, run_dir)
    seconds = _times(run_dir, prepared, clock.seconds, trained - started)
    seconds["evaluate"] = time.monotonic() - trained
    made = report.build(
        scores,
        prepared.corpus,
        prepared.protocol,
        prepared.certificate,
        system=registry.title(config.system, config.stem.weights),
        normalisation=config.normalisation,
        level={"recorded": "as recorded", "peak": "each utterance's peak at 0 dB"}[
            config.stem.level
        ],
        parameters=_count(state.best_params) // len(prepared.tables)
        + _count(stem_spec(config).params()),
        seconds=seconds,
        peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        device=_device(),
        baseline=baseline,
        baseline_name="pooled stem features, ridge",
    )
    report.write(run_dir, made, scores)
    return made


def _times(
    run_dir: Path, prepared: Prepared, compiling: float, training: float
) -> dict[str, float | None]:
    """Seconds of each part, added up over the calls that a run took; kept in the run."""
    path = run_dir / "seconds.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    now = {**prepared.seconds, "compile": compiling, "train": training}
    if before.get("finished"):
        return before["seconds"]  # this call only scored again
    seconds = {name: before.get("seconds", {}).get(name, 0.0) + now[name] for name in now}
    write_text(path, json.dumps({"finished": True, "seconds": {"build": None, **seconds}}))
    return {"build": None, **seconds}


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
    logits, _ = loop.predict(
        prepared.program, prepared.features, tables, state.best_params, rows, prepared.plan
    )
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    posterior = shifted / shifted.sum(-1, keepdims=True)
    member, place = np.nonzero(rows >= 0)
    predictions = Predictions(
        utterance_index=rows[member, place],
        fold=tables.fold[member],
        seed=tables.seed[member],
        posterior=posterior[member, place].astype(np.float32),
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
    pooled = prepared.steps.pooled[: len(corpus.label)].astype(np.float32)
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
        return f"CPU, {os.cpu_count()} cores"
    return f"{len(devices)} x {devices[0].device_kind}"
