"""System E: PCRN, an LSTM over descriptors beside a CNN over log-Mel (Jiang et al. 2019)."""

from __future__ import annotations

from typing import Any

import numpy as np

from jser.models.pcrn import BRANCHES, Pcrn
from jser.protocols import Protocol
from jser.records.corpus import Corpus
from jser.systems import checks, frames, frames_ear, segmented
from jser.systems.contract import Inputs
from jser.systems.ears import Ear
from jser.systems.frames import frozen_parameters, level, step_bounds, trim_db
from jser.training.stem_features import StepFeatures

__all__ = [
    "ARCHITECTURE", "LETTER", "check", "ear", "frozen_parameters", "inputs", "level", "load",
    "step_bounds", "title", "trim_db",
]  # fmt: skip

LETTER = "E"
ARCHITECTURE = "PCRN"

# Choice of ours: the paper's list of references has the challenge, and the abstract no set.
DESCRIPTORS = "is09"
# What only the other branch reads.
_OF_THE_OTHER = {
    "lstm": tuple(f"model.{name}" for name in ("mels", "channels", "maps", "kernel", "cnn_units")),
    "cnn": tuple(f"model.{name}" for name in ("lstm_units", "lstm_layers", "lstm_frames")),
}


def check(config: Any) -> None:
    """See `contract.System`."""
    segmented.check(config)
    checks.one_of("model.branches", config.model.branches, BRANCHES)
    branches = config.model.branches
    if branches != "both":
        checks.idle(config, _OF_THE_OTHER[branches], f"model.branches={branches}")
    if branches == "lstm" and not config.model.batch_norm:
        # Behind the convolutions and of what is fused: no normalisation is left.
        checks.idle(config, ("model.momentum",), "model.branches=lstm and model.batch_norm=False")
    frames.check(config, LETTER)


def load(config: Any) -> Corpus:
    """See `contract.System`."""
    return frames.load(config)


def inputs(config: Any, corpus: Corpus, protocol: Protocol) -> Inputs:
    """See `contract.System`. Columns are those that the branches read, and no other."""
    del protocol
    steps, descriptors = _steps(config, corpus)
    chosen = config.model.to_dict()
    model = Pcrn(n_classes=len(corpus.classes), descriptors=descriptors, **chosen)
    return frames.inputs(config, corpus, steps, segmented.around(model, config))


def _steps(config: Any, corpus: Corpus) -> tuple[StepFeatures, int]:
    """Columns of all frames, trimmed, and how many of them are descriptors."""
    chosen = config.model
    groups = []
    descriptors = 0
    if chosen.branches != "cnn":
        groups.append(frames.described(config, corpus, DESCRIPTORS))
        descriptors = groups[0].frames.shape[1]
    if chosen.branches != "lstm":
        groups.append(frames.log_mel(config, corpus, chosen.mels, chosen.channels))
    return frames.trimmed(frames.beside(groups), corpus, config.frames.trim_db), descriptors


def ear(config: Any, corpus: Corpus, protocol: Protocol) -> Ear:
    """See `contract.System`."""
    del protocol
    chosen = config.model
    groups = []
    if chosen.branches != "cnn":
        groups.append(frames_ear.described(config, DESCRIPTORS))
    if chosen.branches != "lstm":
        groups.append(frames_ear.log_mel(config, chosen.mels, chosen.channels))

    def deviation() -> np.ndarray:
        return frames.deviation(_steps(config, corpus)[0])

    return frames_ear.make(config, groups, deviation)


def title(config: Any) -> str:
    """See `contract.System`: the parts that an ablation leaves out are named."""
    chosen = config.model
    left = []
    if chosen.branches != "both":
        left.append(f"{chosen.branches.upper()} branch alone")
    if chosen.channels == 1 and chosen.branches != "lstm":
        left.append("static log-Mel alone")
    if not chosen.batch_norm:
        left.append("fused without batch normalisation")
    if chosen.lstm_frames > 1 and chosen.branches != "cnn":
        left.append(f"{chosen.lstm_frames} frames a step of the LSTM")
    return f"{LETTER} ({', '.join([ARCHITECTURE, *left])})"
