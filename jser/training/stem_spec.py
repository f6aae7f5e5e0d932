"""What decides a frozen stem's features, and the key under which they are kept."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from jser.errors import InputError
from jser.models import stems
from jser.models.stems import weights


@dataclasses.dataclass(frozen=True)
class StemSpec:
    """Everything that decides a frozen stem's features.

    Attributes:
        net: name of the stem, one of `jser.models.stems.NETS`.
        weights: ``imagenet`` or ``random``.
        seed: of the random weights.
        picture: ``utterance``: the whole utterance is one picture, `scale` pixels a Mel band and
            frame, and steps are pooled from windows of its maps; ``segments``: each 64-frame
            segment is resized to `input_size` squared (Zhang et al. 2021, figure 1) and gives one
            step.
        taps: names of the net's blocks whose maps are used. A fully connected one needs
            ``segments``; its vector is the step's features as it is, without `pool`.
        pooled: take a tap after its max-pooling.
        scale: pixels a band and frame (``utterance``).
        input_size: pixels (``segments``); 227 in the paper.
        window: frames pooled into one step (``utterance``); 0 is the whole utterance.
        shift: frames between two steps or segments; 30 or 32 in the literature.
        pool: statistics over time, of ``mean``, ``std``, ``max``; frequency is kept.
        channels: 3 (static, delta, delta-delta) or 1 (static, shown as grey).
        level: ``recorded`` or ``peak`` (the loudest band and frame of an utterance is put to
            0 dB, so that loudness carries nothing).
        range_db: static log-Mel power in dB that becomes 0 and 1 in the picture.
        delta_db: a delta of plus this many dB a frame becomes 1, minus it 0; the second delta
            half of it.
        trim_db: frames before the first and after the last that is within this many dB of the
            loudest are dropped; 0 keeps all.
    """

    net: str = "alexnet"
    weights: str = "imagenet"
    seed: int = 0
    picture: str = "utterance"
    taps: tuple[str, ...] = ("conv1", "conv2")
    pooled: bool = True
    scale: int = 2
    input_size: int = 227
    window: int = 64
    shift: int = 32
    pool: tuple[str, ...] = ("mean", "std", "max")
    channels: int = 3
    level: str = "recorded"
    range_db: tuple[float, float] = (-60.0, 30.0)
    delta_db: float = 6.0
    trim_db: float = 0.0

    def __post_init__(self) -> None:
        choices: list[tuple[str, Any, tuple[Any, ...]]] = [
            ("weights", self.weights, ("imagenet", "random")),
            ("picture", self.picture, ("utterance", "segments")),
            ("channels", self.channels, (1, 3)),
            ("level", self.level, ("recorded", "peak")),
            *(("pool", name, ("mean", "std", "max")) for name in self.pool),
        ]
        for field, value, known in choices:
            if value not in known:
                raise InputError(f"stem.{field}: {value!r} is none of {', '.join(map(str, known))}")
        if not self.taps or not self.pool:
            raise InputError("stem.taps and stem.pool need at least one entry each")
        net = stems.get(self.net)
        for tap in self.taps:
            block = net.blocks[net.index(tap)]
            if block.flat and self.picture != "segments":
                raise InputError(
                    f"stem.taps: {tap} of {net.name} reads pictures of one size; set "
                    "stem.picture=segments, or choose an earlier block"
                )
            if self.picture == "segments":
                net.shape(tap, self.input_size, self.input_size, self.pooled)
        if self.shift < 1 or self.window < 0:
            raise InputError(
                f"stem.shift: {self.shift} and stem.window: {self.window} must be positive"
            )

    def params(self, weights_dir: Path) -> dict[str, Any]:
        """Weights of the blocks up to the last tap.

        Args:
            weights_dir: where `jser weights` keeps those that come in no package.

        Raises:
            InputError: they are not there, or are not what they should be.
        """
        net = stems.get(self.net)
        names = net.needed(self.taps)
        if self.weights == "imagenet":
            return weights.load(net, names, weights_dir)
        return net.random(self.seed, names)

    def key(self, corpus_fingerprint: str, front_end_hash: str, weights_dir: Path) -> str:
        """Content address of the features: corpus, front end, weights and every field.

        Raises:
            InputError: the weights are not there.
        """
        net = stems.get(self.net)
        known = "random"
        if self.weights == "imagenet":
            known = weights.identity(net, net.needed(self.taps), weights_dir)
        text = json.dumps(
            {
                "version": 4,
                "corpus": corpus_fingerprint,
                "front_end": front_end_hash,
                "weights_hash": known,
                **dataclasses.asdict(self),
            },
            sort_keys=True,
        )
        return hashlib.sha256(text.encode()).hexdigest()[:24]
