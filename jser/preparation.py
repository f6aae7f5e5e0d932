"""From a config and built records to what a training needs: features, members, the program."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

from jser import progress, protocols, ranges
from jser.frontend import augment
from jser.frontend.descriptors import DescriptorSpec
from jser.frontend.log_mel import LogMelSpec
from jser.models import registry
from jser.protocols import Certificate, Fold, Protocol
from jser.records import corpus as records
from jser.records import places
from jser.records.corpus import Corpus
from jser.training import (
    descriptor_view,
    fusion,
    members,
    narrow_view,
    normalisation,
    population,
    projection,
    stem_features,
)
from jser.training.stem_features import StepFeatures
from jser.training.stem_spec import StemSpec


@dataclass(frozen=True)
class Prepared:
    """What a training needs, made from a config; the same every time it is made."""

    config: Any
    corpus: Corpus
    protocol: Protocol
    certificate: Certificate
    steps: StepFeatures
    # What read-outs see of whole utterances, name -> [R, D], normalised as the config says.
    views: dict[str, np.ndarray]
    features: population.Features
    tables: population.Members
    program: population.Program
    seconds: dict[str, float]

    @property
    def copies_in_tables(self) -> int:
        """Augmented copies that train tables name; those that an epoch draws are not among them."""
        return 0 if self.program.n_copies else len(self.config.augment.copies)


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
    ranges.check(config)
    normalisation.parse(config.normalisation)
    balance = members.Balance(**config.balance.to_dict())
    spec = stem_spec(config)
    copies = [
        augment.CopySpec(name, tuple(config.augment.snr_db), tuple(config.augment.speeds))
        for name in config.augment.copies
    ]
    fusion.check_views(config.readout.views)
    needs_sound = bool(copies) or bool({"descriptors", "narrow"} & set(config.readout.views))
    variant = "waveform" if needs_sound else "log_mel"
    corpus = records.load(config.corpus, data_dir(config), variant)
    protocol = protocols.make(config.protocol, corpus, config.dev_speakers)
    certificate = protocols.certificate(corpus, protocol, allow_leak)
    loaded = time.monotonic()
    steps = _stem_features(config, corpus, spec, copies)
    n_copies = len(copies)
    # Copies that balance the classes are named by the train tables, not drawn.
    draw = config.augment.draw and not balance.augment
    speaker = np.tile(corpus.speaker, 1 + n_copies)
    frames = normalisation.by_group(steps.frames, steps.length, speaker, config.normalisation)
    ones = np.ones(len(steps.length), np.int32)
    mode = config.normalisation
    # A single vector has no statistics of its own: there `utterance` leaves it as it is.
    mode_of_whole = "train" if mode == "utterance" else mode

    def of_whole(x: np.ndarray) -> np.ndarray:
        return normalisation.by_group(x, ones[: len(x)], speaker[: len(x)], mode_of_whole)

    views = {name: of_whole(x) for name, x in _views(config, corpus, spec, copies).items()}
    views["stem"] = of_whole(steps.pooled)
    groups, pooled = _project(config, frames, views["stem"], steps, protocol)
    source = np.tile(np.arange(len(corpus.label), dtype=np.int32), 1 + n_copies)
    features = population.Features(
        groups, steps.offset, steps.length, pooled, source, int(steps.length.max())
    )
    tables = members.make(
        corpus.label,
        protocol,
        config.seeds,
        config.hyper.to_dict(),
        n_copies=0 if draw else n_copies,
        balance=balance,
        epochs=config.epochs,
        width=groups.shape[-1],
    )
    if not config.components:
        tables = _with_scaling(tables, frames, steps, config.normalisation)
    program = population.Program(
        model=registry.make(config.system, n_classes=len(corpus.classes), **config.model.to_dict()),
        n_classes=len(corpus.classes),
        batch_size=config.batch_size,
        steps_per_epoch=-(-tables.train_index.shape[1] // config.batch_size),
        epochs=config.epochs,
        class_weighted=balance.class_weights,
        mixup=config.mixup,
        n_copies=n_copies if draw else 0,
    )
    seconds = {"load": loaded - started, "features": time.monotonic() - loaded}
    return Prepared(
        config,
        corpus,
        protocol,
        certificate,
        steps,
        views,
        features,
        tables,
        program,
        seconds,
    )


def _views(
    config: Any, corpus: Corpus, spec: StemSpec, copies: Sequence[augment.CopySpec]
) -> dict[str, np.ndarray]:
    """What read-outs see beside the stem's own features: view -> [R, D]."""
    cache = data_dir(config) / "cache"
    views = {}
    if "descriptors" in config.readout.views:
        described = DescriptorSpec(level=spec.level)
        views["descriptors"] = descriptor_view.compute(
            corpus, copies, described, cache / "descriptors"
        )
    if "narrow" in config.readout.views:
        weights = places.weights_dir(data_dir(config))
        views["narrow"] = narrow_view.compute(corpus, spec, weights, cache / "stem")
    return views


def _stem_features(
    config: Any, corpus: Corpus, spec: StemSpec, copies: Sequence[augment.CopySpec]
) -> StepFeatures:
    """Stem features of the originals and of every augmented copy, one behind the other."""
    folder = data_dir(config) / "cache" / "stem"
    weights = places.weights_dir(data_dir(config))
    static = np.split(corpus.frames, corpus.offset[1:])
    key = spec.key(corpus.fingerprint, corpus.front_end_hash, weights)
    found = [
        stem_features.cached(folder, key, lambda: stem_features.compute(static, spec, weights))[0]
    ]
    for copy in copies:

        def make(copy: augment.CopySpec = copy) -> StepFeatures:
            assert corpus.waveform is not None
            changed = augment.copies(corpus.waveform, list(corpus.pcm_sha256), copy, LogMelSpec())
            return stem_features.compute(changed, spec, weights, f"stem features ({copy.name})")

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
    config: Any, frames: np.ndarray, whole: np.ndarray, steps: StepFeatures, protocol: Protocol
) -> tuple[np.ndarray, np.ndarray]:
    """Principal components by fold: of the steps [G, F, d] and of whole utterances [G, R, u].

    Without components the steps are shared by all folds, G = 1, and the members scale them.
    Without a linear path nothing reads whole utterances: u = 1 and G = 1.
    """
    standardise = config.normalisation != "none"
    frames = frames.astype(np.float32, copy=False) if config.components else frames

    linear_path = config.model.linear_path

    def of_fold(fold: Fold) -> tuple[np.ndarray | None, np.ndarray | None]:
        # Train alone, without dev: the first stage must not have seen the dev speakers.
        steps_of_fold = None
        if config.components:
            rows = _steps_of_rows(steps, fold.train)
            steps_of_fold = projection.fit(frames, rows, config.components, standardise)(frames)
        if not linear_path:
            return steps_of_fold, None
        fitted = projection.fit(whole, fold.train, config.pooled_components, standardise)
        return steps_of_fold, fitted(whole)

    # A fold a core, one BLAS thread each: BLAS' own threads wait for each other by spinning, and
    # on a machine busy with other work one fit took 2.7 s with two threads and 0.8 s with one.
    with (
        threadpoolctl.threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
        progress.bar(len(protocol.folds), "components", "fold") as tick,
    ):
        done = []
        for result in pool.map(of_fold, protocol.folds):
            done.append(result)
            tick(1)
    by_fold = _alike([steps_of_fold for steps_of_fold, _ in done if steps_of_fold is not None])
    nothing = np.zeros((1, len(whole), 1), np.float32)
    pooled = _alike([p for _, p in done if p is not None]) if linear_path else nothing
    return (by_fold if config.components else frames[None]), pooled


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
