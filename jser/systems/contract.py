"""What a system is to the rest of the house: how its inputs are made, and what it is called.

A system has a config file, a model, and one adapter here. Loading, protocols, members, training,
scoring and reports are the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import flax.linen as nn
import numpy as np

from jser import protocols
from jser.frontend.masking import OnTheFly
from jser.records.corpus import Corpus
from jser.systems.ears import Ear
from jser.training import population
from jser.training.stem_features import StepFeatures
from jser.training.tuning import OnStem

# Of training rows int [n] of one member, and its labels int [N] (-1: not its own): what is
# subtracted from its steps, and what multiplies them, each [D].
Scaling = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class FittedReadout(Protocol):
    """What answers for a member behind its network, or where there is none.

    Attributes:
        parameters: numbers that its answer needs.
    """

    @property
    def parameters(self) -> int:
        """See the class."""
        ...

    def __call__(self, rows: np.ndarray, /) -> np.ndarray:
        """Shares float32 [V, K] of rows [V, E]."""
        ...


# Of what all utterances are to a member [N, E], its labels int [N] (-1: not its own), its training
# and dev utterances int [n], and its seed.
FitReadout = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int], FittedReadout]


@dataclass(frozen=True)
class Inputs:
    """What a system's members learn from.

    Attributes:
        views: name -> [R, D], what read-outs see of whole utterances, `baseline` among them.
        baseline: view whose ridge read-out is what the system has to beat.
        steps: rows of all utterances and copies on the host, without frames where nobody needs
            them.
        features: the same rows in device layout; None for a system without a network.
        model: of one member, or None.
        scaling: of a member's own training rows; None: the features are scaled already.
        by_length: see `population.Program`.
        n_copies: augmented copies of each utterance among the rows.
        log_posteriors: see `population.Program`.
        disturb: what happens to training inputs on the fly.
        on_stem: where a stem is tuned.
        fit_readout: fitted after training on the embedding that the model shows, or, without a
            network, on the view `baseline`; its answers are the system's.
    """

    views: Mapping[str, np.ndarray]
    baseline: str
    steps: StepFeatures | None = None
    features: population.Features | None = None
    model: nn.Module | None = None
    scaling: Scaling | None = None
    by_length: bool = False
    n_copies: int = 0
    log_posteriors: bool = False
    disturb: OnTheFly | None = None
    on_stem: OnStem | None = None
    fit_readout: FitReadout | None = None


class System(Protocol):
    """An adapter: a module of this room, which has these names.

    Attributes:
        LETTER: the project's, A to G.
        ARCHITECTURE: what the paper calls it.
    """

    LETTER: str
    ARCHITECTURE: str

    def check(self, config: Any) -> None:
        """Check what only this system knows of its config; reads nothing, so it is done at once.

        Raises:
            InputError: the config is impossible.
        """

    def load(self, config: Any) -> Corpus:
        """The corpus, with what the system needs of its records.

        Raises:
            InputError: the corpus is not there.
        """

    def inputs(self, config: Any, corpus: Corpus, protocol: protocols.Protocol) -> Inputs:
        """Features, model and views; what takes long is cached."""

    def ear(self, config: Any, corpus: Corpus, protocol: protocols.Protocol) -> Ear:
        """The same inputs of any recording, for an exported artefact.

        Raises:
            InputError: an artefact cannot hear as the config asks.
        """

    def title(self, config: Any) -> str:
        """What a report calls the configured system: how near it is to its paper."""

    def level(self, config: Any) -> str:
        """``recorded``, ``peak`` or ``variance``: how level is treated."""

    def trim_db(self, config: Any) -> float:
        """Silence trimmed, in dB below an utterance's loudest frame; 0: none."""

    def frozen_parameters(self, config: Any) -> int:
        """Parameters of pretrained parts that are not among a member's own."""

    def step_bounds(self, config: Any, static: np.ndarray) -> np.ndarray:
        """First frame and one past the last of each step of log-Mel [T, M], int32 [S, 2]."""
