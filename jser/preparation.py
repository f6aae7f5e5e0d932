"""From a config and built records to what a training needs: features, members, the program."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jser import protocols, ranges
from jser.audit import duplicates
from jser.errors import InputError
from jser.frontend import augment
from jser.frontend.descriptors import DescriptorSpec
from jser.frontend.log_mel import LogMelSpec
from jser.frontend.masking import OnTheFly
from jser.models import registry
from jser.protocols import Certificate, Protocol
from jser.records import places, selection
from jser.records.corpus import Corpus
from jser.records.selection import Origin
from jser.training import (
    boundary,
    descriptor_view,
    fusion,
    members,
    narrow_view,
    normalisation,
    population,
    projection,
    stem_features,
    tuning,
)
from jser.training.stem_features import StepFeatures
from jser.training.stem_spec import StemSpec
from jser.training.tuning import OnStem, Tuning


@dataclass(frozen=True)
class Prepared:
    """What a training needs, made from a config; the same every time it is made."""

    config: Any
    corpus: Corpus
    protocol: Protocol
    certificate: Certificate
    steps: StepFeatures  # without frames: what is learned from is `features`
    # What read-outs see of whole utterances, name -> [R, D], normalised as the config says.
    views: dict[str, np.ndarray]
    features: population.Features
    tables: population.Members
    program: population.Program
    seconds: dict[str, float]
    on_stem: OnStem | None = None  # where the stem is tuned

    @property
    def copies_in_tables(self) -> int:
        """Augmented copies that train tables name; those that an epoch draws are not among them."""
        return 0 if self.program.n_copies else len(self.config.augment.copies)


def data_dir(config: Any) -> Path:
    """Where records, caches and the shared ledgers lie."""
    return Path(config.data_dir) if config.data_dir else places.default_data_dir()


def stem_spec(config: Any) -> StemSpec:
    """The stem's part of a config."""
    return tuning.parts(config.stem.to_dict())[0]


def prepare(config: Any, allow_leak: str | None = None) -> Prepared:
    """Load, certify, compute or fetch features, and lay out the members.

    Raises:
        InputError: the records, the protocol or the config cannot be used.
    """
    started = time.monotonic()
    ranges.check(config)
    normalisation.parse(config.normalisation)
    balance = members.Balance(**config.balance.to_dict())
    spec, tuned = tuning.parts(config.stem.to_dict())
    if tuned.train_from:
        tuning.check_normalisation(config.normalisation)
        tuning.check_steps_per_call(config.population.steps_per_call)
    copies = [
        augment.CopySpec(name, tuple(config.augment.snr_db), tuple(config.augment.speeds))
        for name in config.augment.copies
    ]
    fusion.check_views(config.readout.views)
    if "narrow" in config.readout.views:
        narrow_view.check(spec)
    needs_sound = bool(copies) or bool({"descriptors", "narrow"} & set(config.readout.views))
    variant = "waveform" if needs_sound else "log_mel"
    corpus = selection.load(config.corpus, data_dir(config), variant, config.labels, config.classes)
    normalisation.check_speakers(config.normalisation, corpus.speaker)
    protocol = protocols.make(config.protocol, corpus, config.dev_speakers)
    if protocol.test_selects and config.refit:
        raise InputError(
            f"protocol {protocol.name}: dev is the test, and a refit would train on it; add "
            "--config.refit=False"
        )
    certificate = protocols.certificate(corpus, protocol, allow_leak)
    certificate = duplicates.certified(certificate, corpus, protocol, data_dir(config))
    loaded = time.monotonic()
    steps = _stem_features(config, corpus, spec, copies)
    maps = _maps(config, corpus, spec, tuned, copies) if tuned.train_from else None
    n_copies = len(copies)
    # Copies that balance the classes are named by the train tables, not drawn.
    draw = config.augment.draw and not balance.augment
    speaker = np.tile(corpus.speaker, 1 + n_copies)
    frames = normalisation.by_group(
        steps.frames, steps.length, speaker, config.normalisation, len(corpus.label)
    )
    steps = steps.without_frames()
    ones = np.ones(len(steps.length), np.int32)
    mode = config.normalisation
    # A single vector has no statistics of its own: there `utterance` leaves it as it is.
    mode_of_whole = "train" if mode == "utterance" else mode

    def of_whole(x: np.ndarray) -> np.ndarray:
        return normalisation.by_group(
            x, ones[: len(x)], speaker[: len(x)], mode_of_whole, len(corpus.label)
        )

    views = {name: of_whole(x) for name, x in _views(config, corpus, spec, copies).items()}
    views["stem"] = of_whole(steps.pooled)
    # Nothing can stand between the maps and a stem that learns: components come behind it.
    components = 0 if tuned.train_from else config.components
    standardise = mode != "none"
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
    model = registry.make(config.system, n_classes=len(corpus.classes), **config.model.to_dict())
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
            weights_dir=places.weights_dir(data_dir(config)),
            n_mels=corpus.frames.shape[1],
        )
        if tuned.tuning == "end_to_end":
            features, model = on_stem.features, on_stem.model(model)
    tables = members.make(
        corpus.label,
        protocol,
        config.seeds,
        config.hyper.to_dict(),
        n_copies=0 if draw else n_copies,
        balance=balance,
        epochs=config.epochs,
        width=features.frames.shape[-1],
    )
    if not components and on_stem is None:
        tables = _with_scaling(tables, frames, steps, config.normalisation)
    program = population.Program(
        model=model,
        n_classes=len(corpus.classes),
        batch_size=config.batch_size,
        steps_per_epoch=-(-tables.train_index.shape[1] // config.batch_size),
        epochs=config.epochs,
        class_weighted=balance.class_weights,
        mixup=config.mixup,
        n_copies=n_copies if draw else 0,
        disturb=_disturbance(config, spec, tuned, corpus, features),
    )
    seconds = {"load": loaded - started, "features": time.monotonic() - loaded}
    return Prepared(
        config,
        corpus,
        protocol,
        certificate,
        steps,
        views,
        features,
        tables,
        program,
        seconds,
        on_stem,
    )


def _views(
    config: Any, corpus: Corpus, spec: StemSpec, copies: Sequence[augment.CopySpec]
) -> dict[str, np.ndarray]:
    """What read-outs see beside the stem's own features: view -> [R, D]."""
    cache = data_dir(config) / "cache"
    views = {}
    if "descriptors" in config.readout.views:
        described = DescriptorSpec(level=spec.level)
        views["descriptors"] = descriptor_view.compute(
            corpus, copies, described, cache / "descriptors"
        )
    if "narrow" in config.readout.views:
        weights = places.weights_dir(data_dir(config))
        views["narrow"] = narrow_view.compute(corpus, spec, weights, cache / "stem")
    return views


def _stem_features(
    config: Any, corpus: Corpus, spec: StemSpec, copies: Sequence[augment.CopySpec]
) -> StepFeatures:
    """Stem features of the originals and of every augmented copy, one behind the other."""
    weights = places.weights_dir(data_dir(config))

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
    weights = places.weights_dir(data_dir(config))
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
    folder = data_dir(config) / "cache" / "stem"
    behind = selection.origins(corpus)

    def of_origin(origin: Origin, copy: augment.CopySpec | None) -> StepFeatures:
        of_which = f" of {origin.name}" if len(behind) > 1 else ""

        def make() -> StepFeatures:
            whole = origin.whole()
            if copy is None:
                return compute(np.split(whole.frames, whole.offset[1:]), of_which)
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


def _with_scaling(
    tables: population.Members, frames: np.ndarray, steps: StepFeatures, mode: str
) -> population.Members:
    """Mean and scale of each member's own training rows, for features shared by all folds."""
    if mode == "none":
        return tables
    mean, scale = tables.mean.copy(), tables.scale.copy()
    for p in range(len(tables)):
        rows = np.unique(tables.train_index[p][tables.train_index[p] >= 0])
        mean[p], scale[p] = normalisation.moments(frames, steps.places(rows))
    return tables.replace(mean=mean, scale=scale)
