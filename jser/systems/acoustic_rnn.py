"""System G: chosen acoustic descriptors and a recurrent network (Byun and Lee 2021)."""

from __future__ import annotations

from typing import Any

import numpy as np

from jser.models.acoustic_rnn import AcousticRnn
from jser.protocols import Protocol
from jser.records.corpus import Corpus
from jser.systems import checks, frames, frames_ear
from jser.systems.contract import Inputs
from jser.systems.ears import Ear
from jser.systems.frames import frozen_parameters, level, step_bounds, trim_db
from jser.training import descriptor_selection
from jser.training.descriptor_selection import SelectionSpec
from jser.training.stem_features import StepFeatures

__all__ = [
    "ARCHITECTURE", "LETTER", "check", "ear", "frozen_parameters", "inputs", "level", "load",
    "step_bounds", "title", "trim_db",
]  # fmt: skip

LETTER = "G"
ARCHITECTURE = "LSTM on chosen descriptors"

DESCRIPTORS = "byun_lee"


def check(config: Any) -> None:
    """See `contract.System`."""
    _selection(config)
    if not config.selection.choose:
        fields = ("selection.test", "selection.level", "selection.correlation")
        checks.idle(config, fields, "selection.choose=False")
    frames.check(config, LETTER)


def load(config: Any) -> Corpus:
    """See `contract.System`."""
    return frames.load(config)


def inputs(config: Any, corpus: Corpus, protocol: Protocol) -> Inputs:
    """See `contract.System`. Each member's columns are chosen by its own training utterances."""
    del protocol
    spec = _selection(config)
    steps = _steps(config, corpus)

    def chosen(steps: StepFeatures, rows: np.ndarray, label: np.ndarray) -> np.ndarray:
        mean, deviation = np.split(steps.pooled[rows], 2, axis=1)
        return descriptor_selection.select(mean, deviation, label[rows], spec).keep

    model = AcousticRnn(n_classes=len(corpus.classes), **config.model.to_dict())
    select = chosen if config.selection.choose else None
    return frames.inputs(config, corpus, steps, model, chosen=select)


def _steps(config: Any, corpus: Corpus) -> StepFeatures:
    steps = frames.described(config, corpus, DESCRIPTORS)
    return frames.trimmed(steps, corpus, config.frames.trim_db)


def ear(config: Any, corpus: Corpus, protocol: Protocol) -> Ear:
    """See `contract.System`. Columns that a member has not chosen have the scale 0."""
    del protocol

    def deviation() -> np.ndarray:
        return frames.deviation(_steps(config, corpus))

    groups = [frames_ear.described(config, DESCRIPTORS)]
    return frames_ear.make(config, groups, deviation, recurrent=True)


def _selection(config: Any) -> SelectionSpec:
    given = config.selection.to_dict()
    del given["choose"]
    return SelectionSpec(**given)


def title(config: Any) -> str:
    """See `contract.System`."""
    which = "" if config.selection.choose else ", all descriptors"
    return f"{LETTER} ({ARCHITECTURE}{which})"
