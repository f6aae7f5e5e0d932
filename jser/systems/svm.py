"""The baseline that everyone knows: a support vector machine over functionals of descriptors.

Nobody's published system, and not one of the seven: what they have to beat.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jser.errors import InputError
from jser.frontend import whole
from jser.frontend.descriptors import DescriptorSpec
from jser.protocols import Protocol
from jser.records import places, selection
from jser.records.corpus import Corpus
from jser.systems import checks, ears
from jser.systems.contract import FitReadout, FittedReadout, Inputs
from jser.systems.ears import Ear, Heard
from jser.training import descriptor_view, fusion, normalisation, svm
from jser.training.readout import Rows
from jser.training.svm import SvmSpec

LETTER = "S"
ARCHITECTURE = "SVM on functionals of descriptors"
JUDGES = ("dev", "speakers")


def check(config: Any) -> None:
    """See `contract.System`."""
    checks.no_views(config, LETTER)
    _spec(config)
    _described(config)
    checks.one_of("svm.judges", config.svm.judges, JUDGES)
    if "rbf" not in config.svm.kernels:
        checks.idle(config, ("svm.gammas",), "svm.kernels=linear")
    if config.svm.judges == "dev":
        checks.idle(config, ("svm.inner_folds",), "svm.judges=dev")
    if normalisation.parse(config.normalisation)[0] in ("none", "utterance"):
        raise InputError(
            f"normalisation: {config.normalisation} is nothing for an SVM, which looks at one "
            "vector an utterance, scaled by training utterances; use train"
        )
    for way in ("oversample", "augment"):
        if config.balance[way]:
            raise InputError(
                f"balance.{way}: an SVM sees each utterance once; use balance.class_weights"
            )


def load(config: Any) -> Corpus:
    """See `contract.System`."""
    return selection.load(
        config.corpus, places.of_config(config), "waveform", config.labels, config.classes
    )


def inputs(config: Any, corpus: Corpus, protocol: Protocol) -> Inputs:
    """See `contract.System`."""
    del protocol
    folder = places.of_config(config) / "cache" / "descriptors"
    functionals = descriptor_view.compute(corpus, (), _described(config), folder)
    view = normalisation.of_whole(functionals, corpus.speaker, config.normalisation, one_unit=False)
    return Inputs({"descriptors": view}, "descriptors", fit_readout=_fit(config, corpus))


def _fit(config: Any, corpus: Corpus) -> FitReadout:
    spec = _spec(config)

    def rows_of(own: np.ndarray, label: np.ndarray) -> Rows:
        rows = fusion.rows_of(own, label, corpus.speaker, len(corpus.classes), 0)
        weight = rows.weight if config.balance.class_weights else np.ones(len(own))
        return dataclasses.replace(rows, one_unit=False, weight=weight)

    def fit(
        x: np.ndarray, label: np.ndarray, train: np.ndarray, dev: np.ndarray, seed: int
    ) -> FittedReadout:
        del seed  # nothing is random
        everyone = np.concatenate([train, dev]) if config.refit else train
        rows = rows_of(everyone, label)
        if config.svm.judges == "dev":
            choice = svm.choose_by_dev(x, rows_of(train, label), dev, label[dev], spec)
        else:
            choice = svm.choose_by_groups(x, rows, spec, len(everyone))
        return svm.fit(x, rows, choice)

    return fit


def _spec(config: Any) -> SvmSpec:
    given = config.svm.to_dict()
    del given["judges"]
    return SvmSpec(**given)


def _described(config: Any) -> DescriptorSpec:
    return DescriptorSpec(level=config.descriptors.level)


def ear(config: Any, corpus: Corpus, protocol: Protocol) -> Ear:
    """See `contract.System`."""
    del corpus, protocol
    ears.check_normalisation(config.normalisation)
    spec = _described(config)

    def hear(weights: Any, wave: jax.Array, length: jax.Array) -> Heard:
        del weights
        view = whole.functionals_of(wave, length, spec)
        one = jnp.ones(wave.shape[0], jnp.int32)
        count = whole.frames_of(length, spec.window, spec.hop)
        bounds = jnp.stack([jnp.zeros_like(count), count], axis=-1)[:, None]
        nothing = jnp.zeros((wave.shape[0], 1, 1), jnp.float32)
        return Heard(nothing, one, None, {"descriptors": view}, bounds.astype(jnp.int32))

    return Ear(hear, {})


def title(config: Any) -> str:
    """See `contract.System`."""
    kernels = " or ".join(config.svm.kernels)
    return f"{LETTER} ({ARCHITECTURE}, {kernels} kernel)"


def level(config: Any) -> str:
    """See `contract.System`."""
    return str(config.descriptors.level)


def trim_db(config: Any) -> float:
    """Functionals find speech by themselves."""
    del config
    return 0.0


def frozen_parameters(config: Any) -> int:
    """See `contract.System`."""
    del config
    return 0


def step_bounds(config: Any, static: np.ndarray) -> np.ndarray:
    """The whole utterance is one step."""
    del config
    return np.array([[0, len(static)]], np.int32)
