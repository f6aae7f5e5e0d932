"""System C: an RNN over the levels of a CNN (Zhu X. et al. 2017), of pictures and of speech.

Pictures are what the paper is about. On speech the same net looks at the log-Mel picture of the
whole utterance: a transplant, for which no published figure exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jser import datasets
from jser.errors import InputError
from jser.models import stems
from jser.models.cnn_rnn import RNNS, CnnRnn, ScaledLevels
from jser.protocols import Protocol
from jser.records import pictures, places, selection
from jser.records.pictures import Pictures
from jser.systems import checks, ears, stem_ear
from jser.systems.contract import Inputs
from jser.systems.ears import Ear
from jser.training import level_features, normalisation, population
from jser.training.stem_spec import StemSpec

LETTER = "C"
ARCHITECTURE = "CNN-RNN"

# Of the log-Mel picture; a picture that is one already has none of it.
_OF_SPEECH = tuple(
    f"stem.{name}" for name in ("scale", "channels", "level", "range_db", "delta_db", "trim_db")
)
_NAMES = {"bigru": "Bi-GRU", "gru": "GRU", "concatenation": "concatenation"}


def check(config: Any) -> None:
    """See `contract.System`."""
    checks.no_views(config, LETTER)
    spec = _spec(config)
    level_features.check(spec)
    _levels(config, spec)
    checks.one_of("model.rnn", config.model.rnn, RNNS)
    if config.normalisation == "utterance":
        raise InputError(
            "normalisation: a level of an utterance is one step, which by itself has no deviation; "
            "use train, or none"
        )
    parts = {part.strip() for part in config.corpus.split("+")}
    if parts & set(datasets.PICTURES) and (len(parts) > 1 or config.classes):
        raise InputError(
            f"corpus: {config.corpus}: of pictures one corpus is taken, with all its classes; name "
            "one, and leave config.classes empty"
        )
    checks.idle_of_stem(config)
    if _of_pictures(config):
        checks.idle(config, _OF_SPEECH, f"the pictures of {config.corpus}")
    else:
        checks.idle(config, ("stem.input_size",), "speech, which is not resized")
    if config.model.rnn == "concatenation":
        checks.idle(config, ("model.units",), "model.rnn=concatenation")


def load(config: Any) -> Any:
    """The corpus, `Pictures` or a `Corpus` of recordings; see `contract.System`."""
    root = places.of_config(config)
    if _of_pictures(config):
        return pictures.load(config.corpus, root)
    return selection.load(config.corpus, root, "log_mel", config.labels, config.classes)


def inputs(config: Any, corpus: Any, protocol: Protocol) -> Inputs:
    """See `contract.System`."""
    spec = _spec(config)
    root = places.of_config(config)
    weights, cache = places.weights_dir(root), root / "cache" / "levels"
    if isinstance(corpus, Pictures):
        steps = level_features.of_pictures(corpus, spec, weights, cache)
    else:
        steps = level_features.of_speech(corpus, spec, weights, cache)
    true = level_features.widths(spec)
    whole = normalisation.of_whole(steps.pooled, corpus.speaker, config.normalisation)
    n_levels = len(true)
    if config.normalisation.startswith("speaker"):
        # A row's levels without padding lie behind one another in what was pooled.
        steps = level_features.from_whole(whole, true)
    chosen = config.model.to_dict()
    model: Any = CnnRnn(
        n_classes=len(corpus.classes),
        widths=true,
        **{**chosen, "levels": _levels(config, spec)},
    )
    constants = {}
    if config.normalisation != "none":
        # Fitted on train alone, without dev. Levels have figures of their own, so these are part of
        # the model: a member's own scaling is one for all steps.
        fitted = [level_features.moments(steps, fold.train, true) for fold in protocol.folds]
        mean, scale = (np.stack(part) for part in zip(*fitted, strict=True))
        constants = {"scaling": {"mean": mean, "scale": scale}}
        model = ScaledLevels(model)
    features = population.features_of(
        steps.frames[None], steps.offset, steps.length, n_levels, constants=constants
    )
    return Inputs({"levels": whole}, "levels", steps.without_frames(), features, model)


def ear(config: Any, corpus: Any, protocol: Protocol) -> Ear:
    """See `contract.System`; of speech alone."""
    del protocol
    if isinstance(corpus, Pictures):
        raise InputError(
            f"corpus: {config.corpus} is of pictures, and an artefact hears; export a run on speech"
        )
    ears.check_normalisation(config.normalisation)
    weights_dir = places.weights_dir(places.of_config(config))
    return stem_ear.of_levels(_spec(config), weights_dir)


def title(config: Any) -> str:
    """See `contract.System`.

    The paper trains its CNN; here it is frozen, which the name says, and so does it of speech.
    """
    spec = _spec(config)
    order = config.model.levels or spec.taps
    seen = "" if _of_pictures(config) else " of speech"
    losses = "" if config.metric_loss == "none" else f", {config.metric_loss} loss"
    source = "ImageNet" if spec.weights == "imagenet" else "random"
    return (
        f"{LETTER}-frozen ({ARCHITECTURE}{seen}: {_NAMES[config.model.rnn]} over "
        f"{', '.join(order)} of {stems.get(spec.net).title}{losses}), {source} stem"
    )


def level(config: Any) -> str:
    """See `contract.System`."""
    return str(config.stem.level)


def trim_db(config: Any) -> float:
    """See `contract.System`."""
    return 0.0 if _of_pictures(config) else float(config.stem.trim_db)


def frozen_parameters(config: Any) -> int:
    """Of the blocks that the taps need."""
    net = stems.get(config.stem.net)
    return net.count(net.needed(config.stem.taps))


def step_bounds(config: Any, static: np.ndarray) -> np.ndarray:
    """Each level looks at the whole utterance."""
    return np.tile(np.array([0, len(static)], np.int32), (len(config.stem.taps), 1))


def _spec(config: Any) -> StemSpec:
    return StemSpec(picture="utterance", window=0, **config.stem.to_dict())


def _of_pictures(config: Any) -> bool:
    return config.corpus in datasets.PICTURES


def _levels(config: Any, spec: StemSpec) -> tuple[int, ...]:
    """Places of the levels that the RNN reads; () for all.

    Raises:
        InputError: one is no tap.
    """
    names: Sequence[str] = config.model.levels
    for name in names:
        if name not in spec.taps:
            raise InputError(
                f"model.levels: {name!r} is not among stem.taps, {', '.join(spec.taps)}"
            )
    return tuple(spec.taps.index(name) for name in names)
