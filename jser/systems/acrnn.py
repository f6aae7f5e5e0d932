"""System F: ensembles of 3-D ACRNN (Ai X. et al. 2020), and the network alone (Chen et al. 2018).

The ensemble is an axis of the population (`config.ensemble`, `jser.training.ensemble`); here is the
network that votes in it.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn

from jser.models.acrnn import Acrnn
from jser.models.attention import KINDS
from jser.protocols import Protocol
from jser.records.corpus import Corpus
from jser.systems import checks, frames, frames_ear, segmented
from jser.systems.contract import Inputs
from jser.systems.ears import Ear
from jser.systems.frames import frozen_parameters, level, step_bounds, trim_db

__all__ = [
    "ARCHITECTURE", "LETTER", "check", "ear", "frozen_parameters", "inputs", "level", "load",
    "step_bounds", "title", "trim_db",
]  # fmt: skip

LETTER = "F"
ARCHITECTURE = "3-D ACRNN"

# Chen et al.; a field of the model that is not here is not given there, or is `depth`.
_PAPER = {
    "mels": 40, "first_maps": 128, "later_maps": 256, "kernel": (5, 3), "pool": (2, 2),
    "linear": 768, "linear_norm": False, "units": 128, "hidden": 64, "hidden_norm": True,
}  # fmt: skip
_DEPTHS = (5, 6)  # EMO-DB, IEMOCAP
_SEGMENT = 300
_POOLS = {"learned": "", "self": " with self-attention", "mean": " without attention"}
_VOTES = {"bagging": "Bagging", "redagging": "Redagging", "augagging": "Augagging"}


def check(config: Any) -> None:
    """See `contract.System`."""
    segmented.check(config)
    checks.one_of("model.attention", config.model.attention, KINDS)
    if config.model.depth == 1:
        checks.idle(config, ("model.later_maps",), "model.depth=1")
    if not (config.model.linear_norm or config.model.hidden_norm):
        norms = "model.linear_norm=False and model.hidden_norm=False"
        checks.idle(config, ("model.momentum",), norms)
    frames.check(config, LETTER)


def load(config: Any) -> Corpus:
    """See `contract.System`."""
    return frames.load_log_mel(config, config.model.mels)


def inputs(config: Any, corpus: Corpus, protocol: Protocol) -> Inputs:
    """See `contract.System`."""
    del protocol
    chosen = config.model
    model: nn.Module = Acrnn(n_classes=len(corpus.classes), **chosen.to_dict())
    model = segmented.around(model, config)
    return frames.on_log_mel(config, corpus, chosen.mels, chosen.channels, model)


def ear(config: Any, corpus: Corpus, protocol: Protocol) -> Ear:
    """See `contract.System`."""
    del protocol
    return frames_ear.on_log_mel(config, corpus, config.model.mels, config.model.channels)


def title(config: Any) -> str:
    """See `contract.System`: the ensemble, the network, and whether its sizes are the paper's."""
    chosen = config.model
    network = f"{chosen.channels if chosen.channels == 3 else 2}-D ACRNN{_POOLS[chosen.attention]}"
    paper = chosen.depth in _DEPTHS and config.segments.frames == _SEGMENT
    paper = paper and all(chosen[name] == _PAPER[name] for name in _PAPER)
    sizes = "" if paper else ", not the paper's sizes"
    method, size = config.ensemble.method, config.ensemble.size
    if method == "none":
        return f"{LETTER}'s base ({network}){sizes}"
    return f"{LETTER} ({_VOTES.get(method, method)} of {size} {network}){sizes}"
