"""System B: RNN-ELM (Lee and Tashev 2015), its twins, and DNN-ELM (Han, Yu and Tashev 2014)."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jser.errors import InputError
from jser.frontend import descriptor_sets, whole
from jser.frontend.voiced import voiced_segments
from jser.models.dnn_elm import DnnElm
from jser.models.rnn_elm import LABELS, RnnElm
from jser.protocols import Protocol
from jser.records.corpus import Corpus
from jser.systems import checks, frames, frames_ear
from jser.systems.contract import FitReadout, FittedReadout, Inputs
from jser.systems.ears import Ear
from jser.systems.frames import frozen_parameters, level, step_bounds, trim_db
from jser.training import elm
from jser.training.stem_features import StepFeatures

__all__ = [
    "ARCHITECTURE", "LETTER", "check", "ear", "frozen_parameters", "inputs", "level", "load",
    "step_bounds", "title", "trim_db",
]  # fmt: skip

LETTER = "B"
ARCHITECTURE = "RNN-ELM"

NETWORKS = ("rnn", "dnn")
KINDS = ("kernel", "sigmoid", "none")
_DESCRIPTORS = "lee_tashev"
# What only the other kind of ELM reads.
_IDLE = {
    "kernel": ("elm.hidden",),
    "sigmoid": ("elm.widths", "elm.ridges"),
    "none": ("elm.hidden", "elm.widths", "elm.ridges", "elm.class_weights"),
}
# Read in the full texts. Lee and Tashev give the recurrent network's layers; of the feed-forward
# one they give layers and context, Han et al. the threshold of the statistics, and the units of
# their machine. The share of loudest segments, of which the paper has four, is in the title anyhow.
_PAPER: dict[str, dict[str, Any]] = {
    "rnn": {"units": 64, "layers": 2},
    "dnn": {"dense": (256, 256, 256), "context": 25, "theta": 0.2},
}
_HIDDEN = 120
# Of the embedding, which the ELM reads, and a loss on it.
_STATISTICS = ("model.theta", "model.null_statistics")


def check(config: Any) -> None:
    """See `contract.System`."""
    checks.one_of("network", config.network, NETWORKS)
    checks.one_of("elm.kind", config.elm.kind, KINDS)
    if ("labels" in config.model) != (config.network == "rnn"):
        raise InputError(
            f"network: {config.network} has another model's fields; take the config "
            f"{config.network}_elm"
        )
    checks.idle(config, _IDLE[config.elm.kind], f"elm.kind={config.elm.kind}")
    if config.elm.kind == "none" and config.metric_loss == "none":
        checks.idle(config, _STATISTICS, "elm.kind=none and metric_loss=none")
    if config.network == "rnn":
        checks.one_of("model.labels", config.model.labels, LABELS)
        if config.model.labels == "frames":  # the lattice alone asks for segments, and for Null
            fields = ("segments.shortest_gap", "segments.shortest_region", "model.null_statistics")
            checks.idle(config, fields, "model.labels=frames")
    elif config.model.context % 2 == 0:
        raise InputError(
            f"model.context: {config.model.context} frames have no middle; give an odd number"
        )
    if config.refit and config.elm.kind != "none":
        raise InputError(
            "refit: the ELM is chosen on dev speakers, and a refitted network has learned from "
            "them; add --config.refit=False"
        )
    frames.check(config, LETTER)


def load(config: Any) -> Corpus:
    """See `contract.System`."""
    return frames.load(config)


def inputs(config: Any, corpus: Corpus, protocol: Protocol) -> Inputs:
    """See `contract.System`. The 32 descriptors; of the rnn a flag, too, where a segment starts."""
    del protocol
    steps = _steps(config, corpus)
    n_classes = len(corpus.classes)
    names = descriptor_sets.names(_DESCRIPTORS)
    chosen = config.model.to_dict()
    model: nn.Module
    flags = 0
    if config.network == "rnn":
        model, flags = RnnElm(n_classes=n_classes, **chosen), 1
        borders = _borders(steps, names.index("f0_hz"), **config.segments.to_dict())
        steps = frames.beside([steps, borders])
    else:
        model = DnnElm(n_classes=n_classes, energy=names.index("energy_db"), **chosen)
    fit = None if config.elm.kind == "none" else _fit(config.elm, n_classes)
    return frames.inputs(config, corpus, steps, model, flags=flags, fit_readout=fit)


def _steps(config: Any, corpus: Corpus) -> StepFeatures:
    steps = frames.described(config, corpus, _DESCRIPTORS)
    return frames.trimmed(steps, corpus, config.frames.trim_db)


def _borders(steps: StepFeatures, f0: int, shortest_gap: int, shortest_region: int) -> StepFeatures:
    """A column [F, 1] that is 1 where a voiced segment starts; `f0` is a column, 0 if unvoiced."""
    rows = np.split(steps.frames[:, f0], steps.offset[1:])
    found = [voiced_segments(row > 0, shortest_gap, shortest_region) for row in rows]
    column = np.concatenate(found).astype(np.float32)[:, None]
    return StepFeatures(column, steps.offset, steps.length, steps.pooled)


def _fit(chosen: Any, n_classes: int) -> FitReadout:
    """The ELM on a member's own train utterances; width and ridge are for its dev speakers."""

    def fit(
        shown: np.ndarray, label: np.ndarray, train: np.ndarray, dev: np.ndarray, seed: int
    ) -> FittedReadout:
        own, weights = label[train], None
        if chosen.class_weights:
            count = np.bincount(own, minlength=n_classes)
            weights = len(own) / (np.count_nonzero(count) * count[own])
        machine: elm.Elm
        if chosen.kind == "kernel":
            machine = elm.fit_kernel(
                shown[train],
                own,
                n_classes,
                weights,
                widths=chosen.widths,
                ridges=chosen.ridges,
                dev=(shown[dev], label[dev]),
            )
        else:
            machine = elm.fit_sigmoid(
                shown[train], own, n_classes, weights, hidden=chosen.hidden, seed=seed
            )
        return elm.Judge(machine)

    return fit


def ear(config: Any, corpus: Corpus, protocol: Protocol) -> Ear:
    """See `contract.System`."""
    del protocol
    rnn = config.network == "rnn"
    f0 = descriptor_sets.names(_DESCRIPTORS).index("f0_hz")
    chosen = config.segments.to_dict() if rnn else {}

    def borders(x: jax.Array, count: jax.Array) -> jax.Array:
        voiced = (x[..., f0] > 0) & (jnp.arange(x.shape[1]) < count[:, None])
        return whole.voiced_segments(voiced, **chosen)[..., None]

    def deviation() -> np.ndarray:
        return frames.deviation(_steps(config, corpus))

    groups = [frames_ear.described(config, _DESCRIPTORS)]
    return frames_ear.make(config, groups, deviation, recurrent=rnn, flags=borders if rnn else None)


def title(config: Any) -> str:
    """See `contract.System`. The twins have the names that the papers give them."""
    paper = _PAPER[config.network]
    its_own = all(config.model[name] == value for name, value in paper.items())
    if config.elm.kind == "sigmoid":
        its_own = its_own and config.elm.hidden == _HIDDEN
    return _name(config) + ("" if its_own else ", not the paper's sizes")


def _name(config: Any) -> str:
    kind = config.elm.kind
    if config.network == "dnn":
        machine = {"kernel": "DNN-KELM", "sigmoid": "DNN-ELM", "none": "DNN alone"}[kind]
        return f"{LETTER}-DNN ({machine}, loudest {config.model.percent} %)"
    network, letter = (
        ("RNN(CE)", f"{LETTER}-CE") if config.model.labels == "frames" else ("RNN", LETTER)
    )
    if kind == "none":
        return f"{letter}-only ({network} alone)"
    if kind == "sigmoid":
        return f"{letter}-sigmoid ({network}-ELM of sigmoid units)"
    return f"{letter} ({network}-ELM)"
