"""System A: a pretrained CNN stem, BLSTM, attention (Zhang H. et al. 2021); `docs/system_a.md`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from jser import config as configs
from jser.errors import InputError
from jser.frontend import augment
from jser.frontend.descriptors import DescriptorSpec
from jser.frontend.log_mel import LogMelSpec
from jser.frontend.masking import OnTheFly
from jser.models import stems
from jser.models.attention import KINDS
from jser.models.dcnn_blstm import DcnnBlstm
from jser.protocols import Protocol
from jser.records import places, selection
from jser.records.corpus import Corpus
from jser.records.selection import Origin
from jser.systems import checks, ears, stem_ear
from jser.systems.contract import Inputs
from jser.systems.ears import Ear
from jser.training import (
    boundary,
    cross_fit,
    descriptor_view,
    fusion,
    narrow_view,
    normalisation,
    optimiser,
    population,
    projection,
    stem_features,
    step_times,
    tuning,
)
from jser.training.stem_features import StepFeatures
from jser.training.stem_spec import StemSpec
from jser.training.tuning import Tuning

LETTER = "A"
ARCHITECTURE = "DCNN-BLSTMwA"

# The paper's features: N x 4096 of the second fully connected layer, before or after its ReLU.
_FEATURES_OF_THE_PAPER = (("fc7",), ("relu7",))


def check(config: Any) -> None:
    """See `contract.System`."""
    checks.one_of("model.attention", config.model.attention, KINDS)
    spec, tuned = tuning.parts(config.stem.to_dict())
    if tuned.train_from:
        tuning.check_normalisation(config.normalisation)
        tuning.check_steps_per_call(config.population.steps_per_call)
    fusion.check_views(config.readout.views)
    if "narrow" in config.readout.views:
        narrow_view.check(spec)
    checks.one_of("tune.optimiser", config.tune.optimiser, optimiser.NAMES)
    tuning.dtype_of(config.precision)
    checks.idle_of_stem(config)
    for why, fields in _unread(config):
        checks.idle(config, fields, why)


def _unread(config: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Settings under which fields do nothing, and those fields."""
    stem, views = config.stem, config.readout.views
    if stem.picture == "utterance":
        yield "stem.picture=utterance", ("stem.input_size",)
        if stem.window == 0:
            yield "stem.window=0", ("stem.shift",)
    else:
        # The narrow-band picture is of the whole utterance in any case.
        scale = () if "narrow" in views else ("stem.scale",)
        yield "stem.picture=segments", ("stem.window", *scale)
    net = stems.get(stem.net)
    if all(net.blocks[net.index(tap)].flat for tap in stem.taps):
        yield f"stem.taps={','.join(stem.taps)}", ("stem.pool",)
    if not stem.train_from:
        yield "stem.train_from empty", ("precision", "population.remat")
    # What is tuned end to end learns by config.hyper, in two stages by config.tune.
    if not stem.train_from or stem.tuning == "two_stage":
        why = f"stem.tuning={stem.tuning}" if stem.train_from else "stem.train_from empty"
        yield why, ("hyper.stem_rate", "hyper.stem_anchor", "hyper.noise_share")
    if stem.tuning != "two_stage":
        tune = tuple(f"tune.{name}" for name, _ in configs.fields(config.tune))
        yield f"stem.tuning={stem.tuning}", ("stem.cross_fit", *tune)
    elif config.tune.optimiser != "sgd":
        yield f"tune.optimiser={config.tune.optimiser}", ("tune.hyper.momentum",)
    if not config.model.linear_path:
        yield "model.linear_path=False", ("pooled_components",)
    if not config.mixup:
        yield "mixup=False", ("hyper.mixup",)
    if not views:
        yield "readout.views empty", ("readout.sequence",)
    yield from _unread_by_augmentation(config)


def _unread_by_augmentation(config: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The same of what augments."""
    parts = ("hyper", "tune.hyper")
    if not config.augment.masking:
        masks = ("time_mask", "frequency_mask")
        yield "augment.masking=False", tuple(f"{part}.{name}" for part in parts for name in masks)
    if not config.augment.noise:
        yield "augment.noise=False", tuple(f"{part}.noise_share" for part in parts)
    copies = ",".join(config.augment.copies)
    why = f"augment.copies={copies}" if copies else "augment.copies empty"
    if not any(name in ("speed", "noise_speed") for name in config.augment.copies):
        yield why, ("augment.speeds",)
    if "noise" not in copies and not config.augment.noise:
        yield f"{why} and augment.noise=False", ("augment.snr_db",)


def load(config: Any) -> Corpus:
    """See `contract.System`."""
    needs_sound = bool(_copies(config)) or bool(
        {"descriptors", "narrow"} & set(config.readout.views)
    )
    variant = "waveform" if needs_sound else "log_mel"
    return selection.load(
        config.corpus, places.of_config(config), variant, config.labels, config.classes
    )


def inputs(config: Any, corpus: Corpus, protocol: Protocol) -> Inputs:
    """See `contract.System`."""
    spec, tuned = tuning.parts(config.stem.to_dict())
    if tuned.tuning == "two_stage" and tuned.cross_fit:
        for fold in protocol.folds:  # before anything takes long
            cross_fit.group_of(fold, corpus.speaker, tuned.cross_fit)
    copies = _copies(config)
    steps, frames = _normalised(config, corpus, spec, copies)
    maps = _maps(config, corpus, spec, tuned, copies) if tuned.train_from else None
    n_copies = len(copies)

    seen = {**_views(config, corpus, spec, copies), "stem": steps.pooled}
    views = {
        name: normalisation.of_whole(
            x, corpus.speaker, config.normalisation, name not in fusion.MIXED_UNITS
        )
        for name, x in seen.items()
    }
    # Nothing can stand between the maps and a stem that learns: components come behind it.
    components = 0 if tuned.train_from else config.components
    standardise = config.normalisation != "none"
    # Fitted on train alone, without dev: the first stage must not have seen the dev speakers.
    train = [fold.train for fold in protocol.folds]
    # Without components all folds share the steps, which the members scale.
    groups = frames[None]
    if components:
        own = [steps.places(rows) for rows in train]
        groups = projection.by_fold(frames, own, components, standardise, "components")
    # Nothing but a linear path reads whole utterances.
    pooled = np.zeros((1, len(steps.pooled), 1), np.float32)
    if config.model.linear_path:
        pooled = projection.by_fold(
            views["stem"], train, config.pooled_components, standardise, "components of the whole"
        )
    source = np.tile(np.arange(len(corpus.label), dtype=np.int32), 1 + n_copies)
    features = population.Features(
        groups, steps.offset, steps.length, pooled, source, int(steps.length.max())
    )
    model: Any = DcnnBlstm(n_classes=len(corpus.classes), **config.model.to_dict())
    on_stem = None
    if maps is not None:
        fitted = tuning.fit_folds(
            frames,
            [steps.places(rows) for rows in train],
            config.components,
            standardise,
        )
        on_stem = tuning.lay_out(
            spec,
            tuned,
            maps,
            steps,
            features,
            fitted,
            config.components,
            precision=config.precision,
            weights_dir=places.weights_dir(places.of_config(config)),
            n_mels=corpus.frames.shape[1],
        )
        if tuned.tuning == "end_to_end":
            features, model = on_stem.features, on_stem.model(model)
    scaling = None
    if not components and on_stem is None and standardise:

        def scaling(rows: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            del label
            return normalisation.moments(frames, steps.places(rows))

    return Inputs(
        views,
        "stem",
        steps,
        features,
        model,
        scaling=scaling,
        n_copies=n_copies,
        disturb=_disturbance(config, spec, tuned, corpus, features),
        on_stem=on_stem,
    )


def title(config: Any) -> str:
    """See `contract.System`.

    Only fc7 of the ImageNet AlexNet is the paper's A; convolutions make it A-conv, and another
    fully connected layer, or one of random weights, A-fc. Read-outs whose scores are added are not
    the paper's either, and are named.
    """
    letter = LETTER
    net = stems.get(config.stem.net)
    taps = tuple(config.stem.taps)
    vectors = [tap for tap in taps if net.blocks[net.index(tap)].flat]
    what = ", ".join(taps) if vectors else "convolutions"
    imagenet = config.stem.weights == "imagenet"
    if taps not in _FEATURES_OF_THE_PAPER or not imagenet:
        letter += "-fc" if vectors else "-conv"
    views = config.readout.views
    beside = f" + read-outs ({', '.join(views)})" if views else ""
    tuned = ""
    if config.stem.train_from:
        tuned = f" tuned from {config.stem.train_from}"
        if config.stem.tuning == "two_stage":
            tuned += " in two stages"
        if views:
            beside += " of the frozen stem"
    source = "ImageNet" if imagenet else "random"
    return f"{letter} ({ARCHITECTURE} on {net.title}'s {what}){beside}, {source} stem{tuned}"


def level(config: Any) -> str:
    """See `contract.System`."""
    return str(config.stem.level)


def trim_db(config: Any) -> float:
    """See `contract.System`."""
    return float(config.stem.trim_db)


def frozen_parameters(config: Any) -> int:
    """Of the blocks that the taps need, but for those that are the network's own."""
    net = stems.get(config.stem.net)
    needed = net.needed(config.stem.taps)
    if not config.stem.train_from:
        return net.count(needed)
    first = net.index(config.stem.train_from)
    # Where something reads the frozen stem's features too, the tuned blocks are there twice.
    read = config.model.linear_path or {"stem", "narrow"} & set(config.readout.views)
    times = int(bool(read)) + int(config.stem.tuning == "two_stage")
    return net.count(needed[:first]) + times * net.count(needed[first:])


def step_bounds(config: Any, static: np.ndarray) -> np.ndarray:
    """See `contract.System`."""
    return step_times.step_bounds(static, tuning.parts(config.stem.to_dict())[0])


def _normalised(
    config: Any, corpus: Corpus, spec: StemSpec, copies: Sequence[augment.CopySpec]
) -> tuple[StepFeatures, np.ndarray]:
    """Stem features of all rows, without their steps, and the steps [F, D], normalised."""
    steps = _stem_features(config, corpus, spec, copies)
    speaker = np.tile(corpus.speaker, 1 + len(copies))
    frames = normalisation.by_group(
        steps.frames, steps.length, speaker, config.normalisation, len(corpus.label)
    )
    return steps.without_frames(), frames


def ear(config: Any, corpus: Corpus, protocol: Protocol) -> Ear:
    """See `contract.System`."""
    spec, tuned = tuning.parts(config.stem.to_dict())
    if tuned.train_from and tuned.tuning == "two_stage":
        raise InputError(
            "stem.tuning: two_stage: a stem of each member's own below its network has no artefact "
            "yet; export a run with stem.tuning=end_to_end, or with stem.train_from empty"
        )
    ears.check_normalisation(config.normalisation)
    steps, frames = _normalised(config, corpus, spec, _copies(config))
    train = [fold.train for fold in protocol.folds]
    standardise = config.normalisation != "none"
    of_steps: list[projection.Projection] = []
    if config.components and not tuned.train_from:  # they are the model's own behind a tuned stem
        own = [steps.places(rows) for rows in train]
        fitted = projection.fit_folds(frames, own, config.components, standardise, "components")
        of_steps = fitted
    of_whole: list[projection.Projection] = []
    if config.model.linear_path:
        pooled = normalisation.of_whole(steps.pooled, corpus.speaker, config.normalisation)
        of_whole = projection.fit_folds(
            pooled, train, config.pooled_components, standardise, "components of the whole"
        )
    return stem_ear.make(
        spec,
        config.readout.views,
        places.weights_dir(places.of_config(config)),
        config.normalisation,
        of_steps,
        of_whole,
        tuned.train_from,
    )


def _copies(config: Any) -> list[augment.CopySpec]:
    return [
        augment.CopySpec(name, tuple(config.augment.snr_db), tuple(config.augment.speeds))
        for name in config.augment.copies
    ]


def _views(
    config: Any, corpus: Corpus, spec: StemSpec, copies: Sequence[augment.CopySpec]
) -> dict[str, np.ndarray]:
    """What read-outs see beside the stem's own features: view -> [R, D]."""
    cache = places.of_config(config) / "cache"
    views = {}
    if "descriptors" in config.readout.views:
        described = DescriptorSpec(level=spec.level)
        views["descriptors"] = descriptor_view.compute(
            corpus, copies, described, cache / "descriptors"
        )
    if "narrow" in config.readout.views:
        weights = places.weights_dir(places.of_config(config))
        views["narrow"] = narrow_view.compute(corpus, spec, weights, cache / "stem")
    return views


def _stem_features(
    config: Any, corpus: Corpus, spec: StemSpec, copies: Sequence[augment.CopySpec]
) -> StepFeatures:
    """Stem features of the originals and of every augmented copy, one behind the other."""
    weights = places.weights_dir(places.of_config(config))

    def key(origin: Origin) -> str:
        return spec.key(origin.fingerprint, origin.front_end_hash, weights)

    def compute(static: list[np.ndarray], what: str) -> StepFeatures:
        return stem_features.compute(static, spec, weights, f"stem features{what}")

    return _with_copies(config, corpus, copies, key, compute)


def _maps(
    config: Any,
    corpus: Corpus,
    spec: StemSpec,
    tuned: Tuning,
    copies: Sequence[augment.CopySpec],
) -> StepFeatures:
    """What the tuned blocks read, of the same rows."""
    weights = places.weights_dir(places.of_config(config))
    maps_spec = boundary.spec_of_maps(spec, tuned.train_from)

    def key(origin: Origin) -> str:
        known = maps_spec.key(origin.fingerprint, origin.front_end_hash, weights)
        return f"{known}-before-{tuned.train_from}"

    def compute(static: list[np.ndarray], what: str) -> StepFeatures:
        return boundary.compute(
            static, spec, tuned.train_from, weights, f"maps before {tuned.train_from}{what}"
        )

    return _with_copies(config, corpus, copies, key, compute)


def _with_copies(
    config: Any,
    corpus: Corpus,
    copies: Sequence[augment.CopySpec],
    key: Callable[[Origin], str],
    compute: Callable[[list[np.ndarray], str], StepFeatures],
) -> StepFeatures:
    """Features of the originals and of every copy, from the cache of each built corpus."""
    folder = places.of_config(config) / "cache" / "stem"
    behind = selection.origins(corpus)

    def of_origin(origin: Origin, copy: augment.CopySpec | None) -> StepFeatures:
        of_which = f" of {origin.name}" if len(behind) > 1 else ""

        def make() -> StepFeatures:
            whole = origin.whole()
            if copy is None:
                return compute(whole.statics(), of_which)
            assert whole.waveform is not None
            changed = augment.copies(whole.waveform, list(whole.pcm_sha256), copy, LogMelSpec())
            return compute(changed, f"{of_which} ({copy.name})")

        name = key(origin) + (f"-{copy.key()}" if copy else "")
        return stem_features.cached(folder, name, make)[0].taken(origin.rows)

    return stem_features.joined(
        [of_origin(origin, copy) for copy in (None, *copies) for origin in behind]
    )


def _disturbance(
    config: Any, spec: StemSpec, tuned: Tuning, corpus: Corpus, features: population.Features
) -> OnTheFly | None:
    return tuning.disturbance(
        spec,
        tuned,
        n_mels=corpus.frames.shape[1],
        width=features.frames.shape[-1],
        masks=config.augment.masking,
        noise=config.augment.noise,
        snr_db=config.augment.snr_db,
    )
