"""A tuned stem: which blocks learn, from what they start, and what stands behind them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import numpy as np
import threadpoolctl

from jser.errors import InputError
from jser.frontend.masking import OnTheFly
from jser.models import stems
from jser.models.tuned_stem import OnTunedStem, TunedStem
from jser.training import boundary, population, projection
from jser.training.platform import on_cpu
from jser.training.projection import Projection
from jser.training.stem_features import StepFeatures
from jser.training.stem_spec import StemSpec

WAYS = ("end_to_end", "two_stage")
PRECISIONS = ("auto", "float32", "bfloat16")
# Fields of `config.stem` that are these and not `StemSpec`'s.
FIELDS = ("train_from", "tuning", "cross_fit")


@dataclasses.dataclass(frozen=True)
class Tuning:
    """How a stem is tuned.

    Attributes:
        train_from: first block that is; empty: none, the stem is frozen.
        tuning: ``end_to_end``: with the sequence part, as one model; ``two_stage``: first with a
            last layer of its own on steps that carry the utterance's label, then frozen under the
            sequence part (Zhang et al. 2021).
        cross_fit: of ``two_stage``: J groups of training speakers; a training utterance's features
            come from a stem that was tuned without its speaker's group. 0: from the stem that was
            tuned on all of them.
    """

    train_from: str = ""
    tuning: str = "end_to_end"
    cross_fit: int = 0

    def check(self, spec: StemSpec) -> None:
        """Whether the two fit.

        Raises:
            InputError: they do not.
        """
        if self.tuning not in WAYS:
            raise InputError(f"stem.tuning: {self.tuning!r} is none of {', '.join(WAYS)}")
        if self.cross_fit < 0 or self.cross_fit == 1:
            raise InputError(
                f"stem.cross_fit: {self.cross_fit} must be 0 (off) or at least 2 groups of speakers"
            )
        if not self.train_from:
            if self.tuning == "two_stage":
                raise InputError(
                    "stem.tuning: two_stage needs a block to tune from; set stem.train_from, for "
                    "example --config.stem.train_from=conv3"
                )
            return
        net = stems.get(spec.net)
        first = net.index(self.train_from, "stem.train_from")
        places = [net.index(tap) for tap in spec.taps]
        if max(places) < first:
            raise InputError(
                f"stem.train_from: {self.train_from} lies behind the last of stem.taps "
                f"({', '.join(spec.taps)}), so nothing would be tuned; choose an earlier block"
            )
        # The maps before the first tuned block are there, as the next block sees them.
        there = first - 1 if spec.pooled or not net.blocks[max(first - 1, 0)].pool else first
        if min(places) < there:
            raise InputError(
                f"stem.taps: {spec.taps[int(np.argmin(places))]} lies before the tuned blocks, "
                f"whose input alone is kept; set stem.train_from to it, or tap from "
                f"{net.names[max(there, 0)]} on"
            )


def check_normalisation(mode: str) -> None:
    """Whether features may be normalised so behind a stem that learns.

    Raises:
        InputError: the mode needs features that stay as they are.
    """
    if mode not in ("none", "train"):
        raise InputError(
            f"normalisation: {mode} needs features that do not change in training; with "
            "stem.train_from it must be train or none"
        )


def check_steps_per_call(steps: int) -> None:
    """Whether a stem may be tuned with so many steps in one compiled call.

    Raises:
        InputError: not on a CPU, where a kernel's gradient inside a scan is about 20 times slower
            (tests/benchmarks/tuned_step.py).
    """
    if steps > 1 and on_cpu():
        raise InputError(
            f"population.steps_per_call: {steps} would train convolutions inside a scan, which is "
            "many times slower on a CPU; leave it at 0 with stem.train_from"
        )


def parts(stem: dict[str, Any]) -> tuple[StemSpec, Tuning]:
    """The two halves of `config.stem`.

    Raises:
        InputError: a field is impossible, or they do not fit.
    """
    ours = {name: stem[name] for name in FIELDS}
    spec = StemSpec(**{name: value for name, value in stem.items() if name not in FIELDS})
    tuning = Tuning(**ours)
    tuning.check(spec)
    return spec, tuning


def dtype_of(precision: str) -> str:
    """What the tuned blocks compute in: ``auto`` is bfloat16 on GPU and TPU, float32 on CPU.

    Raises:
        InputError: no such precision.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision: {precision!r} is none of {', '.join(PRECISIONS)}")
    if precision != "auto":
        return precision
    return "float32" if on_cpu() else "bfloat16"


@dataclasses.dataclass(frozen=True)
class OnStem:
    """A population's features and model on a tuned stem.

    Attributes:
        spec, tuning: the stem.
        module: its tuned blocks.
        features: rows of what they read, their first weights, and the scaling behind them.
        components: d of the scaling; 0: no projection.
    """

    spec: StemSpec
    tuning: Tuning
    module: TunedStem
    features: population.Features
    components: int

    def model(self, head: nn.Module) -> OnTunedStem:
        """A head on the tuned stem."""
        return OnTunedStem(self.module, head, self.components)


def lay_out(
    spec: StemSpec,
    tuning: Tuning,
    maps: StepFeatures,
    steps: StepFeatures,
    frozen: population.Features,
    fitted: Sequence[Projection],
    components: int,
    *,
    precision: str,
    weights_dir: Path,
    n_mels: int,
) -> OnStem:
    """A population on a tuned stem.

    Args:
        spec, tuning: the stem.
        maps: rows of what the tuned blocks read.
        steps: the same rows of the frozen stem: as many steps.
        frozen: the features on the frozen stem, for what is the same.
        fitted: one a fold, of the frozen features.
        components: d, or 0: mean and scale alone.
        precision: of `PRECISIONS`.
        weights_dir: where weights lie.
        n_mels: M.

    Raises:
        InputError: the weights are not there.
    """
    shape = boundary.frame_shape(spec, tuning.train_from, n_mels)
    module = TunedStem(spec, tuning.train_from, shape, int(steps.length.max()), dtype_of(precision))
    _, initial = stems.get(spec.net).split(spec.params(weights_dir), tuning.train_from)
    scaling = scaling_of(fitted, components)
    features = population.Features(
        maps.frames[None],
        maps.offset,
        maps.length,
        frozen.pooled,
        frozen.source,
        int(maps.length.max()),
        made=steps.length,
        initial={"stem": {name: leaves for name, leaves in initial.items() if leaves}},
        constants={"scaling": scaling},
    )
    found = scaling["matrix"].shape[-1] if components else 0
    return OnStem(spec, tuning, module, features, found)


def scaling_of(fitted: Sequence[Projection], components: int) -> dict[str, np.ndarray]:
    """Constants of `OnTunedStem`, one a group, of projections fitted on frozen features.

    Args:
        fitted: one a fold.
        components: d, or 0: scale alone.
    """
    mean = np.stack([p.mean for p in fitted]).astype(np.float32)
    if not components:
        return {"mean": mean, "scale": np.stack([p.scale for p in fitted]).astype(np.float32)}
    least = min(p.basis.shape[1] for p in fitted)
    matrix = np.stack([p.scale[:, None] * p.basis[:, :least] for p in fitted])
    return {"mean": mean, "matrix": matrix.astype(np.float32)}


def disturbance(
    spec: StemSpec,
    tuning: Tuning,
    *,
    n_mels: int,
    width: int,
    masks: bool,
    noise: bool,
    snr_db: tuple[float, float],
) -> OnTheFly | None:
    """Augmentation on the fly of a config.

    Args:
        spec, tuning: the stem.
        n_mels: M.
        width: D of the population's frames where the stem is frozen.
        masks: stripes of time and frequency.
        noise: in the Mel power domain.
        snr_db: its range.

    Raises:
        InputError: noise, and the stem does not read spectrograms in the training step.
    """
    pictures_first = bool(tuning.train_from) and boundary.border(spec, tuning.train_from) is None
    if noise and not pictures_first:
        first = stems.get(spec.net).names[0]
        raise InputError(
            "augment.noise: true adds noise to spectrograms in the training step, where this stem "
            f"reads maps computed before; set stem.train_from={first}, or use augment.copies=noise"
        )
    if not masks and not noise:
        return None
    bands = width
    if tuning.train_from:
        bands = boundary.frame_shape(spec, tuning.train_from, n_mels)[0]
    range_db = spec.range_db if pictures_first else (0.0, 1.0)
    return OnTheFly(bands, masks, (snr_db[0], snr_db[1]) if noise else None, range_db)


def fit_folds(
    frames: np.ndarray, rows: Sequence[np.ndarray], components: int, standardise: bool
) -> list[Projection]:
    """A projection a fold, on the steps `rows` of its training utterances.

    Without `components` mean and scale alone are used, and of all rows.
    """
    # One BLAS thread: two wait for each other by spinning on a busy machine.
    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        return [
            projection.fit(frames, mine, components, standardise)
            if components
            else projection.standard(frames, mine, standardise)
            for mine in rows
        ]
