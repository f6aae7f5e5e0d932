"""The paper's two stages: tune the stem on steps with a last layer of its own, then the sequence.

Stage 1 tunes a stem a member (and, cross-fitted, J more a member); stage 2 is the ordinary training
on the features that these stems give. Each training is a population of its own with checkpoints
under its own name; features are computed again from the stems' checkpoints, not stored.
"""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jser import progress
from jser.models import stems
from jser.models.tuned_stem import StepClassifier, TunedStem
from jser.preparation import Prepared
from jser.protocols import Protocol
from jser.training import cross_fit, loop, members, tuning
from jser.training.plan import choose_plan
from jser.training.population import Features, Program, State
from jser.training.stem_features import StepFeatures
from jser.training.tuning import OnStem, Tuning

# Utterances in one call that computes features.
ROWS = 8


def is_on(config: Any) -> bool:
    """Whether a config asks for two stages."""
    stem = config.get("stem")
    return bool(stem and stem.get("train_from")) and stem.tuning == "two_stage"


def stage_names(stage: str, n_groups: int) -> tuple[str, ...]:
    """Names of the trainings of stems before `stage`: the stem of all speakers, then the others."""
    return (f"stem_{stage}", *(f"stem_{stage}_without_{j}" for j in range(1, n_groups + 1)))


def tune(
    prepared: Prepared, run_dir: Path, stage: str, chosen: list[State] | None = None
) -> tuple[Prepared, list[State]]:
    """Stage 1, and what stage 2 needs of it.

    Args:
        prepared: from `preparation.prepare`.
        run_dir: of the run.
        stage: of stage 2, ``select`` or ``refit``.
        chosen: of a refit, the states of the stems of ``select``: each is tuned for as many epochs
            as its dev speakers chose then, on train and dev.

    Returns:
        The same experiment on the tuned stems' features, and their states, 1 + J.

    Raises:
        InputError: a fold has fewer training speakers than groups.
    """
    config, corpus = prepared.config, prepared.corpus
    on_stem = prepared.inputs.on_stem
    assert on_stem is not None
    n_groups = on_stem.tuning.cross_fit
    protocol = prepared.protocol if chosen is None else members.merged(prepared.protocol)
    cross_fit.certify(protocol, corpus.speaker, n_groups)
    features, program = _first(prepared, on_stem)
    design = dataclasses.replace(
        prepared.design,
        points=(dict(config.tune.hyper),),
        class_weights=(config.balance.class_weights,),
        epochs=config.tune.epochs,
        patience=0,
    )
    width = features.frames.shape[-1]
    # One shape for all trainings of stems, the refit's among them: they are compiled once.
    largest = members.merged(prepared.protocol) if config.refit else protocol
    rows = design.longest(corpus.label, largest)
    states = []
    for j, name in enumerate(stage_names(stage, n_groups)):
        part = cross_fit.without(protocol, corpus.speaker, n_groups, j)
        tables = design.members(corpus.label, part, width, rows)
        if chosen is not None:
            tables = members.refit(tables, np.maximum(chosen[j].best_epoch, 1))
        plan = choose_plan(program, features, tables, **config.population)
        every = config.checkpoint.every_seconds
        states.append(loop.fit(program, features, tables, plan, run_dir, name, every))
        loop.check_somebody_lives(states[-1], tables, "tune.hyper")
    return _second(prepared, on_stem, features, protocol, states), states


def _first(prepared: Prepared, on_stem: OnStem) -> tuple[Features, Program]:
    """Features and program of stage 1."""
    config, spec = prepared.config, on_stem.spec
    net = stems.get(spec.net)
    blocks = [net.blocks[net.index(tap)] for tap in spec.taps]
    # As ImageNet's own last layer: it reads a fully connected layer behind its ReLU, as it is.
    rectify = any(block.flat and block.layers for block in blocks)
    features = on_stem.features
    if rectify:
        like = features.constants["scaling"]["mean"]
        plain = {"mean": np.zeros_like(like), "scale": np.ones_like(like)}
        features = features.replace(constants={"scaling": plain})
        on_stem = dataclasses.replace(on_stem, components=0)
    n_classes = len(prepared.corpus.classes)
    return features, Program(
        model=on_stem.model(StepClassifier(n_classes, rectify)),
        n_classes=n_classes,
        batch_size=config.tune.batch_size,
        n_copies=prepared.program.n_copies,
        optimiser=config.tune.optimiser,
        log_posteriors=True,
        disturb=tuning.disturbance(
            spec,
            on_stem.tuning,
            n_mels=prepared.corpus.frames.shape[1],
            width=0,
            masks=config.augment.masking,
            noise=config.augment.noise,
            snr_db=config.augment.snr_db,
        ),
    )


def _second(
    prepared: Prepared,
    on_stem: OnStem,
    features: Features,
    protocol: Protocol,
    states: list[State],
) -> Prepared:
    """Stage 2 on the stems' features: a set of them a fold and seed, for all points of a grid."""
    config, steps, tables = prepared.config, prepared.inputs.steps, prepared.tables
    n_stems = len(tables) // len(prepared.design.points)
    assert steps is not None
    speaker = prepared.corpus.speaker
    stem_of = [cross_fit.stem_of(fold, speaker, len(states) - 1) for fold in protocol.folds]
    groups, mean, scale = [], [], []
    with progress.bar(n_stems, "features of tuned stems", "member") as tick:
        for p, k in enumerate(tables.fold[:n_stems]):
            params = [jax.tree.map(lambda a: a[p], s.best_params["stem"]) for s in states]  # noqa: B023
            train = protocol.folds[k].train
            frames = _step_features(on_stem, features, steps, params, stem_of[k], train)
            (fitted,) = tuning.fit_folds(
                frames,
                [steps.places(train)],
                config.components,
                config.normalisation != "none",
            )
            if config.components:
                frames = fitted(frames)
            groups.append(frames)
            mean.append(fitted.mean)
            scale.append(fitted.scale)
            tick(1)
    least = min(x.shape[1] for x in groups)
    made = Features(
        np.stack([x[:, :least] for x in groups]),
        steps.offset,
        steps.length,
        features.pooled[np.minimum(tables.fold[:n_stems], len(features.pooled) - 1)],
        features.source,
        int(steps.length.max()),
    )
    own = np.arange(len(tables), dtype=np.int32) % n_stems  # points come first in the tables
    zeros = np.zeros((n_stems, least), np.float32)
    behind = (zeros, zeros + 1) if config.components else (np.stack(mean), np.stack(scale))
    disturb = tuning.disturbance(
        on_stem.spec,
        Tuning(),
        n_mels=prepared.corpus.frames.shape[1],
        width=least,
        masks=config.augment.masking,
        noise=False,
        snr_db=config.augment.snr_db,
    )
    return dataclasses.replace(
        prepared,
        features=made,
        tables=tables.replace(group=own, mean=behind[0][own], scale=behind[1][own]),
        program=dataclasses.replace(prepared.program, disturb=disturb),
    )


def _step_features(
    on_stem: OnStem,
    features: Features,
    steps: StepFeatures,
    params: list[Any],
    stem_of: np.ndarray,
    train: np.ndarray,
) -> np.ndarray:
    """Steps [F, D], float16, of all rows of one member; each row from the stem that is its own.

    Args:
        on_stem: the tuned stem's module.
        features: what it reads.
        steps: places of the rows' steps.
        params: of the stems, 1 + J.
        stem_of: int [N], which of them an utterance's rows need.
        train: its training utterances: copies of others are never used, and stay zero.
    """
    apply = _compiled(on_stem.module)
    source = np.asarray(features.source)
    rows = np.arange(len(source))
    used = (rows < len(stem_of)) | np.isin(source, train)
    out: np.ndarray | None = None
    for number, weights in enumerate(params):
        mine = rows[used & (stem_of[source] == number)]
        on_device = jax.device_put(weights)
        for i in range(0, len(mine), ROWS):
            chosen = mine[i : i + ROWS]
            made = np.asarray(apply(on_device, *_gathered(features, chosen)), np.float16)
            if out is None:
                out = np.zeros((int(steps.length.sum()), made.shape[-1]), np.float16)
            for b, r in enumerate(chosen):
                out[steps.offset[r] : steps.offset[r] + steps.length[r]] = made[
                    b, : steps.length[r]
                ]
    assert out is not None, "a corpus has at least one utterance"
    return out


@functools.lru_cache(maxsize=4)
def _compiled(module: TunedStem) -> Any:
    return jax.jit(lambda params, x, length: module.apply({"params": params}, x, length))


def _gathered(features: Features, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the stem reads of at most `ROWS` rows: [ROWS, F, D] and [ROWS, 2]."""
    x = np.zeros((ROWS, features.max_steps, features.frames.shape[-1]), np.float32)
    length = np.zeros((ROWS, 2), np.int32)
    assert features.made is not None
    for b, r in enumerate(rows):
        start, n = features.offset[r], features.length[r]
        x[b, :n] = features.frames[0, start : start + n]
        length[b] = n, features.made[r]
    return x, length
