"""From a config and built records to what a training needs: features, members, the program."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jser import protocols, ranges, systems
from jser.audit import duplicates
from jser.errors import InputError
from jser.protocols import Certificate, Protocol
from jser.records import places
from jser.records.corpus import Corpus
from jser.systems import Inputs, checks
from jser.training import ensemble, lengths, members, normalisation, optimiser, plan, population
from jser.training.platform import on_cpu


@dataclass(frozen=True)
class Ready:
    """What an experiment needs, made from a config; the same every time it is made."""

    config: Any
    corpus: Corpus
    protocol: Protocol
    certificate: Certificate
    inputs: Inputs
    design: members.Design
    tables: population.Members
    seconds: dict[str, float]


@dataclass(frozen=True)
class Prepared(Ready):
    """The same, of a system with a network to train."""

    features: population.Features  # the inputs', or tuned stems'
    program: population.Program


def check(config: Any) -> None:
    """Check all that can be known of a config without its records; done at once.

    Raises:
        InputError: the config is impossible.
    """
    system = systems.get(config.system)
    ranges.check(config)
    normalisation.parse(config.normalisation)
    balance = members.Balance(**config.balance.to_dict())
    if balance.augment and "augment" not in config:
        raise InputError(
            f"balance.augment: {config.system} has no augmented copies; balance classes by "
            "balance.class_weights or balance.oversample"
        )
    bags_of(config)
    if "optimiser" in config:
        optimiser.check(config.optimiser, config.schedule)
        if config.optimiser != "sgd":
            checks.idle(config, ("hyper.momentum",), f"optimiser={config.optimiser}")
    if "metric_loss" in config:
        population.check_metric_loss(config.metric_loss, config.hyper.metric)
        if config.metric_loss == "none":
            checks.idle(config, ("hyper.metric",), "metric_loss=none")
    if "population" in config:
        names = ("lstm", "remat", "stream")
        plan.check_names(**{k: v for k, v in config.population.items() if k in names})
    system.check(config)


def prepare(
    config: Any,
    allow_leak: str | None = None,
    points: Sequence[Any] | None = None,
    folds: Sequence[tuple[int, ...]] | None = None,
) -> Ready:
    """Load, certify, compute or fetch features, and lay out the members.

    Args:
        config: of the experiment.
        allow_leak: why a protocol that leaks may be used.
        points: configs that differ from `config` in traced fields alone (see `jser.grid`): each is
            a point of the population; None: `config` is the only one.
        folds: of each point, in which it is trained; None: in all.

    Returns:
        `Prepared` for a system with a network.

    Raises:
        InputError: the records, the protocol or the config cannot be used.
    """
    started = time.monotonic()
    points = points or (config,)
    for point in points:
        check(point)
    system = systems.get(config.system)
    corpus = system.load(config)
    normalisation.check_speakers(config.normalisation, corpus.speaker)
    protocol = protocols.make(config.protocol, corpus, config.dev_speakers)
    if protocol.test_selects and config.refit:
        raise InputError(
            f"protocol {protocol.name}: dev is the test, and a refit would train on it; add "
            "--config.refit=False"
        )
    certificate = protocols.certificate(corpus, protocol, allow_leak)
    data_dir = places.of_config(config)
    certificate = duplicates.certified(certificate, corpus, protocol, data_dir)
    loaded = time.monotonic()
    inputs = system.inputs(config, corpus, protocol)
    draw = _draws(config, inputs)
    for k in (k for own in folds or () for k in own):
        if k >= len(protocol.folds):
            raise InputError(
                f"by_fold: has a value for fold {k + 1}, and protocol {protocol.name} has "
                f"{len(protocol.folds)} folds; give one value a fold"
            )
    design, tables = _laid_out(config, points, folds, corpus, protocol, inputs)
    seconds = {"load": loaded - started, "features": time.monotonic() - loaded}
    ready = Ready(config, corpus, protocol, certificate, inputs, design, tables, seconds)
    if inputs.model is None or inputs.features is None:
        return ready
    program = population.Program(
        model=inputs.model,
        n_classes=len(corpus.classes),
        batch_size=config.batch_size,
        mixup=config.get("mixup", False),
        n_copies=inputs.n_copies if draw else 0,
        optimiser=config.get("optimiser", "adamw"),
        schedule=config.get("schedule", "cosine"),
        log_posteriors=inputs.log_posteriors,
        disturb=inputs.disturb,
        by_length=inputs.by_length,
        widths=_widths(config, inputs),
        metric_loss=config.get("metric_loss", "none"),
    )
    return Prepared(**vars(ready), features=inputs.features, program=program)


def with_members(
    prepared: Prepared, points: Sequence[Any], folds: Sequence[tuple[int, ...]]
) -> Prepared:
    """The same experiment with other members: points that differ from it in traced fields alone.

    Args:
        prepared: whose corpus, features and program stay.
        points: configs.
        folds: of each point, in which it is trained.

    Raises:
        InputError: a config is impossible.
    """
    for point in points:
        check(point)
    args = prepared.corpus, prepared.protocol, prepared.inputs
    design, tables = _laid_out(prepared.config, points, folds, *args)
    return dataclasses.replace(prepared, design=design, tables=tables)


def _draws(config: Any, inputs: Inputs) -> bool:
    """Whether an epoch hears one version of an utterance, drawn anew."""
    # Copies that balance the classes are named by the train tables, not drawn.
    return bool(inputs.n_copies) and config.augment.draw and not config.balance.augment


def _laid_out(
    config: Any,
    points: Sequence[Any],
    folds: Sequence[tuple[int, ...]] | None,
    corpus: Corpus,
    protocol: Protocol,
    inputs: Inputs,
) -> tuple[members.Design, population.Members]:
    design = members.Design(
        seeds=tuple(config.seeds),
        points=tuple(dict(point.get("hyper", {})) for point in points),
        class_weights=tuple(point.balance.class_weights for point in points),
        n_copies=0 if _draws(config, inputs) else inputs.n_copies,
        balance=members.Balance(**config.balance.to_dict()),
        epochs=config.get("epochs", 0),
        patience=config.get("patience", 0),
        bags=bags_of(config),
        folds=None if folds is None else tuple(folds),
    )
    width = 1 if inputs.features is None else inputs.features.frames.shape[-1]
    # As long as those of a refit, so that it finds its program compiled.
    largest = members.merged(protocol) if config.get("refit") else protocol
    tables = design.members(corpus.label, protocol, width, design.longest(corpus.label, largest))
    if inputs.scaling is not None:
        tables = _with_scaling(tables, inputs, protocol)
    return design, tables


def _widths(config: Any, inputs: Inputs) -> tuple[int, ...]:
    """Widths of batches that are of like lengths, where members train one at a time."""
    one_at_a_time = on_cpu() and config.population.width <= 1
    if not inputs.by_length or not one_at_a_time:
        return ()
    assert inputs.steps is not None
    return lengths.widths(inputs.steps.length)


def bags_of(config: Any) -> ensemble.Bags:
    """The members of an ensemble that a config asks for; as a rule one, of all utterances."""
    chosen = config.get("ensemble")
    return ensemble.Bags(**chosen.to_dict()) if chosen else ensemble.Bags()


def _with_scaling(
    tables: population.Members, inputs: Inputs, protocol: Protocol
) -> population.Members:
    """Mean and scale of a member's fold, for features shared by all folds.

    They are of all the fold's training utterances, and of their copies that the member hears: what
    an ensemble's member hears of them is drawn, and how loud a band is on average is not.
    """
    assert inputs.scaling is not None
    mean, scale = tables.mean.copy(), tables.scale.copy()
    found = {}
    for p in range(len(tables)):
        own = tables.train_index[p][tables.train_index[p] >= 0]
        rows = np.union1d(protocol.folds[tables.fold[p]].train, own).astype(np.int32)
        known = int(tables.fold[p]), rows.tobytes()
        if known not in found:
            found[known] = inputs.scaling(rows, tables.label[p])
        mean[p], scale[p] = found[known]
    return tables.replace(mean=mean, scale=scale)
