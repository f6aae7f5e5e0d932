"""What systems with convolutions on frames share: segments, and configs that cannot be trained."""

from __future__ import annotations

from typing import Any

import flax.linen as nn

from jser.errors import InputError
from jser.models.cropping import POOLS, Cropped
from jser.systems import checks
from jser.training.platform import on_cpu


def check(config: Any) -> None:
    """Check `config.segments` and `config.model.channels`, and that training can be done in time.

    Raises:
        InputError: there is no such pooling of segments, or number of channels; gaps between
            segments; segments are described where there are none; convolutions would be trained
            inside a scan or a branch on a CPU (about 20 and 15 times slower).
    """
    steps = config.population.steps_per_call
    if steps > 1 and on_cpu():
        raise InputError(
            f"population.steps_per_call: {steps} would train convolutions inside a scan, which is "
            "many times slower on a CPU; leave it at 0"
        )
    if config.frames.by_length and on_cpu():
        raise InputError(
            "frames.by_length: True would train convolutions inside branches, which is many times "
            "slower on a CPU; set it to False"
        )
    if config.model.channels not in (1, 3):
        raise InputError(
            f"model.channels: {config.model.channels} must be 1 (the static log-Mel) or 3 (with "
            "its deltas)"
        )
    frames, shift = config.segments.frames, config.segments.shift
    if 0 < frames < shift:
        raise InputError(
            f"segments.shift: {shift} frames between the starts of segments of {frames} would "
            f"leave frames unheard; give at most {frames}"
        )
    checks.one_of("segments.pool", config.segments.pool, POOLS)
    if frames == 0:
        checks.idle(config, ("segments.shift", "segments.pool"), "segments.frames=0")


def around(model: nn.Module, config: Any) -> nn.Module:
    """The model as it hears `segments.frames` frames at a time; 0: whole utterances."""
    chosen = config.segments
    return Cropped(model, chosen.frames, chosen.shift, chosen.pool) if chosen.frames else model
