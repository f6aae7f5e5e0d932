"""A trained system as one pure function: recordings in, probabilities out.

The weights are an argument, not constants, so that every format keeps them once. What is the same
for all members (the ear) is computed once; members come one behind the other, each with its fold's
projection and read-outs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jser.artefact.readouts import Traced
from jser.frontend import whole
from jser.models.blstm import STREAM
from jser.systems.ears import Ear, Heard
from jser.training import population
from jser.training.projection import Projection
from jser.training.readout import Readout

# Below this a share counts as nothing, see `fusion.shares`.
LEAST_SHARE = 1e-6
# Shares below this are as much to a temperature: the logarithm of next to nothing is rounding.
FLOOR = 1e-3


class Answer(NamedTuple):
    """What an artefact says of B recordings.

    Attributes:
        probabilities: float32 [B, K], calibrated; of several members their mean.
        scores: float32 [B, K], before calibration: shares of the classes.
        logits: float32 [B, P, K], of each member's network; without a network its shares.
        attention: float32 [B, S], where the members looked, their mean; 0 behind the true steps.
        steps: int32 [B], true steps.
        bounds: int32 [B, S, 2], first 10 ms frame of each step and one past its last.
    """

    probabilities: jax.Array
    scores: jax.Array
    logits: jax.Array
    attention: jax.Array
    steps: jax.Array
    bounds: jax.Array


@dataclasses.dataclass(frozen=True)
class Member:
    """One member that answers.

    Attributes:
        fold, seed, bag: which it is.
        model: of the network, with `of_steps` where it makes its steps itself (`OnTunedStem`);
            None: the read-out answers to `view`.
        weights: ``params`` and perhaps other collections of the model's, ``mean`` and ``scale`` of
            its steps; empty without a network.
        readout: answers in the network's place to what it sows as its embedding; None: the network
            answers.
        view: what a read-out without a network sees.
    """

    fold: int
    seed: int
    bag: int
    model: Any
    weights: dict[str, Any]
    readout: Traced | None = None
    view: str = ""


@dataclasses.dataclass(frozen=True)
class Answering:
    """A system that answers.

    Attributes:
        function: (weights, wave float32 [B, n], length int32 [B]) -> `Answer`; silent behind the
            true samples it makes recordings itself.
        stream: the same of one window of streams, with what they carry: (weights, state, wave,
            length) -> (`Answer`, state). A state is a tree of arrays [..., B, H] for each member.
        weights: the first argument of both.
        names: of its members, in the order of `Answer.logits`.
    """

    function: Callable[[Any, jax.Array, jax.Array], Answer]
    stream: Callable[[Any, Any, jax.Array, jax.Array], tuple[Answer, Any]]
    weights: Any
    names: tuple[str, ...]


def build(
    ear: Ear,
    members: Sequence[Member],
    readouts: Sequence[Mapping[str, Readout]],
    sequence: float,
    temperature: float,
) -> Answering:
    """Put a system together.

    Args:
        ear: how it hears.
        members: those that answer, by fold, seed and bag.
        readouts: of each fold, view -> read-out in the sum; empty where none is added.
        sequence: weight of a network's posterior beside the read-outs' 1.
        temperature: of the calibration; 1 leaves probabilities as they are.
    """
    folds = sorted({member.fold for member in members})
    weights = {
        "ear": ear.weights,
        "folds": [_of_fold(ear, k, readouts[k] if readouts else {}) for k in folds],
        "members": [member.weights for member in members],
        "readouts": [member.readout.weights if member.readout else {} for member in members],
        "temperature": np.float32(temperature),
    }
    places = [folds.index(member.fold) for member in members]
    # Members of one ensemble vote; ensembles of several folds and seeds are averaged.
    ensembles: dict[tuple[int, int], list[int]] = {}
    for i, member in enumerate(members):
        ensembles.setdefault((member.fold, member.seed), []).append(i)

    def function(weights: Any, wave: jax.Array, length: jax.Array) -> Answer:
        return run(weights, None, wave, length)[0]

    def run(
        weights: Any, states: Any, wave: jax.Array, length: jax.Array
    ) -> tuple[Answer, list[Any]]:
        wave = whole.silent_behind(wave, length)
        heard = ear.hear(weights["ear"], wave, length)
        of_folds = [_heard_by_fold(heard, fold) for fold in weights["folds"]]
        said = []
        for i, (member, place) in enumerate(zip(members, places, strict=True)):
            own, state = weights["members"][i], None if states is None else states[i]
            frames, pooled, _ = of_folds[place]
            behind = weights["readouts"][i]
            said.append(_of_member(member, own, behind, state, heard, frames, pooled))
        shares = [
            _shares([said[i].posterior for i in own], of_folds[places[own[0]]][2], sequence)
            for own in ensembles.values()
        ]
        scores = jnp.stack(shares).mean(0)
        calm = jnp.log(jnp.maximum(scores, FLOOR)) / weights["temperature"]
        answer = Answer(
            jax.nn.softmax(calm),
            scores,
            jnp.stack([one.logits for one in said], axis=1),
            jnp.stack([one.attention for one in said]).mean(0),
            heard.length.astype(jnp.int32),
            heard.bounds,
        )
        return answer, [one.state for one in said]

    names = tuple(_name(member, members) for member in members)
    return Answering(function, run, weights, names)


def _name(member: Member, members: Sequence[Member]) -> str:
    name = f"fold {member.fold + 1}, seed {member.seed}"
    if any(other.bag for other in members):
        name += f", bag {member.bag + 1}"
    return name


def _of_fold(ear: Ear, k: int, readouts: Mapping[str, Readout]) -> dict[str, Any]:
    """What all members of a fold share."""
    found: dict[str, Any] = {
        "views": {view: _affine(readout) for view, readout in readouts.items()}
    }
    for name, projections in (("frames", ear.frames), ("pooled", ear.pooled)):
        if projections:
            found[name] = _projecting(projections[k])
    return found


def _affine(readout: Readout) -> dict[str, np.ndarray]:
    matrix = readout.scale[:, None] * readout.kernel
    return {
        "matrix": matrix.astype(np.float32),
        "bias": (readout.bias - readout.mean @ matrix).astype(np.float32),
    }


def _projecting(projection: Projection) -> dict[str, np.ndarray]:
    matrix = projection.matrix
    return {"matrix": matrix, "shift": projection.mean @ matrix}


def _matmul(a: jax.Array, b: jax.Array) -> jax.Array:
    # HIGHEST: accelerators otherwise multiply in fewer bits than parity with training allows.
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


def _heard_by_fold(
    heard: Heard, fold: dict[str, Any]
) -> tuple[jax.Array, jax.Array, jax.Array | None]:
    """Steps and pooled statistics, projected, and the sum of the views' scores [B, K]."""
    frames, pooled = heard.frames, heard.pooled
    if "frames" in fold:
        frames = _matmul(frames, fold["frames"]["matrix"]) - fold["frames"]["shift"]
    if "pooled" in fold:
        assert pooled is not None
        pooled = _matmul(pooled, fold["pooled"]["matrix"]) - fold["pooled"]["shift"]
    else:
        # As `population.Features.pooled` is where nothing reads it.
        pooled = jnp.zeros((frames.shape[0], 1), jnp.float32)
    said = [
        _matmul(heard.views[view], readout["matrix"]) + readout["bias"]
        for view, readout in fold["views"].items()
    ]
    return frames, pooled, sum(said[1:], said[0]) if said else None


class _Said(NamedTuple):
    """What one member says: logits and posterior [B, K], attention [B, S], what it carries on."""

    logits: jax.Array
    posterior: jax.Array
    attention: jax.Array
    state: Any


def _of_member(
    member: Member,
    own: dict[str, Any],
    readout: dict[str, Any],
    state: Any,
    heard: Heard,
    frames: jax.Array,
    pooled: jax.Array,
) -> _Said:
    """What a member says; `own` and `readout` are its weights."""
    if member.model is None:
        assert member.readout is not None
        shares = member.readout.function(readout, heard.views[member.view])
        return _Said(shares, shares, jnp.ones(frames.shape[:2], jnp.float32), state)
    model, length, there = member.model, heard.length, heard.length
    if heard.columns is not None:
        model, there = model.of_steps(heard.bounds.shape[1]), heard.columns
        length = jnp.stack([there, length], axis=-1)
    x = (frames - own["mean"]) * own["scale"]
    x = jnp.where((jnp.arange(x.shape[1]) < there[:, None])[:, :, None], x, 0.0)
    variables = {name: leaves for name, leaves in own.items() if name not in ("mean", "scale")}
    written = [population.SHOWN, *([] if state is None else [STREAM])]
    (logits, attention), found = model.apply(
        variables | (state or {}), x, length, pooled, {}, False, mutable=written
    )
    posterior = jax.nn.softmax(logits)
    if member.readout is not None:
        embedding = population.embedding_of(found)
        assert embedding is not None, "a read-out behind a network reads its embedding"
        posterior = member.readout.function(readout, embedding)
    carried = None if state is None else {k: v for k, v in found.items() if k == STREAM}
    return _Said(logits, posterior, attention, carried)


def _shares(posterior: Sequence[jax.Array], views: jax.Array | None, sequence: float) -> jax.Array:
    """Shares [B, K] of one ensemble, with the views' scores [B, K] where there are some."""
    voted = _votes(jnp.stack(posterior))
    if views is None:
        return voted
    clipped = jnp.maximum(sequence * voted + views, LEAST_SHARE)
    return clipped / clipped.sum(-1, keepdims=True)


def _votes(posterior: jax.Array) -> jax.Array:
    """`answering.votes` of posteriors [T, B, K]: [B, K]."""
    size, _, classes = posterior.shape
    if size == 1:
        return posterior[0]
    ballots = jax.nn.one_hot(posterior.argmax(-1), classes).sum(0)
    return (ballots + 0.5 * posterior.mean(0)) / (size + 0.5)
