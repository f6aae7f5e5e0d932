"""The formats of an artefact: StableHLO of whole recordings and of the windows of a stream."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
import numpy as np

from jser import computing
from jser.artefact.answer import Answering
from jser.errors import InputError
from jser.frontend.log_mel import LogMelSpec
from jser.frontend.segments import SEGMENT_FRAMES
from jser.systems import ears

PLATFORMS = ("cpu", "cuda", "tpu")
# Winograd's tiles are for one kind of device, and compile four times as long.
_COMPUTING = computing.Computing(tiles=False)
_INSTALL = "pip install onnx onnxruntime"
# A stream's answers come about so often.
HOP_SECONDS = 0.5


@dataclasses.dataclass(frozen=True)
class Streaming:
    """The windows of a stream.

    Attributes:
        window: samples of one.
        hop: samples from one to the next.
        advance: steps from one to the next; 0: nothing is carried.
    """

    window: int
    hop: int
    advance: int


def streaming(carries: int, seconds: float) -> Streaming:
    """Windows of about so many seconds, whose steps lie where the next window's do.

    Args:
        carries: see `ears.Ear`.
        seconds: of a window.
    """
    spec, step = LogMelSpec(), carries or 1
    a_second = spec.sample_rate / spec.hop
    advance = max(1, round(HOP_SECONDS * a_second / step))
    steps = round((seconds * a_second - SEGMENT_FRAMES) / step)
    # A window less a hop has the steps after which the next window's state is known.
    frames = SEGMENT_FRAMES + max(steps, 2 * advance - 1) * step
    window = spec.window + (frames - 1) * spec.hop
    return Streaming(window, advance * step * spec.hop, advance if carries else 0)


def flat(tree: Any) -> dict[str, np.ndarray]:
    """Leaves of a tree of dicts and lists by their paths, ``members/0/params/output/kernel``."""
    found = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        name = "/".join(str(getattr(key, "key", getattr(key, "idx", key))) for key in path)
        found[name] = np.ascontiguousarray(leaf)
    return found


def by_name(
    answering: Answering, by: computing.Computing = _COMPUTING
) -> Callable[..., dict[str, jax.Array]]:
    """The function of (weights by name, wave, length) -> answers by name, computed so."""
    order, tree = list(flat(answering.weights)), jax.tree.structure(answering.weights)

    def function(
        weights: Mapping[str, jax.Array], wave: jax.Array, length: jax.Array
    ) -> dict[str, jax.Array]:
        given = jax.tree.unflatten(tree, [weights[name] for name in order])
        with computing.by(by):
            return answering.function(given, wave, length)._asdict()

    return function


def stablehlo(answering: Answering) -> bytes:
    """`by_name` for any batch and length, serialised."""
    batch, samples = jax.export.symbolic_shape(
        "b, n", constraints=[f"n >= {ears.FEWEST_SAMPLES}", "b >= 1"]
    )
    return _serialised(by_name(answering), _shapes(answering.weights), batch, samples)


def check_onnx() -> None:
    """Refuse before long work what could not be written at its end.

    Raises:
        InputError: onnx or onnxruntime is not installed.
    """
    missing = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"--onnx: needs {' and '.join(missing)}; pip install onnx onnxruntime")


def write_onnx(answering: Answering, path: Path, metadata: Mapping[str, str]) -> None:
    """`by_name` for any batch and length as an ONNX file, with its weights in it.

    Args:
        answering: the system.
        path: of the file.
        metadata: words that go into it.

    Raises:
        InputError: onnx is not installed, or the system has something that ONNX cannot say.
    """
    try:
        from jser.artefact.onnx import NotConvertible, convert
    except ModuleNotFoundError as error:
        raise InputError(f"--onnx: needs {error.name}; {_INSTALL}") from error
    batch, samples = jax.export.symbolic_shape(
        "batch, samples", constraints=[f"samples >= {ears.FEWEST_SAMPLES}", "batch >= 1"]
    )
    inputs = {
        "wave": jax.ShapeDtypeStruct((batch, samples), jnp.float32),
        "length": jax.ShapeDtypeStruct((batch,), jnp.int32),
    }
    function = by_name(answering, dataclasses.replace(_COMPUTING, bits=False))
    try:
        convert(function, flat(answering.weights), inputs, path, metadata=dict(metadata))
    except NotConvertible as error:
        raise InputError(
            f"--onnx: the system cannot be written as ONNX, which has no rule for {error}; export "
            "without it, and please report it with the run's config.json"
        ) from error


def onnx_artefact(path: Path) -> Callable[[Sequence[np.ndarray]], dict[str, np.ndarray]]:
    """What answers as an ``Artefact`` does, by onnxruntime.

    Raises:
        InputError: onnxruntime is not installed.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise InputError(f"--onnx: needs {error.name}; {_INSTALL}") from error
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def answer(recordings: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        length = np.array([len(x) for x in recordings], np.int32)
        wave = np.zeros((len(recordings), max(ears.FEWEST_SAMPLES, int(length.max()))), np.float32)
        for row, x in zip(wave, recordings, strict=True):
            row[: len(x)] = x
        return dict(zip(names, session.run(names, {"wave": wave, "length": length}), strict=True))

    return answer


def stream_stablehlo(answering: Answering, windows: Streaming) -> tuple[bytes, dict[str, Any]]:
    """The function of (weights by name, state by name, wave [b, window], length) -> answers and the
    state before the next window, which stand under ``state/``; and the shapes of a state for b = 1.

    A stream starts with a state of zeros.
    """
    order, tree = list(flat(answering.weights)), jax.tree.structure(answering.weights)
    choice = dataclasses.replace(_COMPUTING, advance=windows.advance)

    def run(weights: Any, states: Any, wave: jax.Array, length: jax.Array) -> Any:
        with computing.by(choice):
            return answering.stream(weights, states, wave, length)

    # What is carried, a model says when it is asked for the first time.
    nothing: Any = [{} for _ in answering.names] if windows.advance else None
    one = jax.ShapeDtypeStruct((1, windows.window), jnp.float32)
    length = jax.ShapeDtypeStruct((1,), jnp.int32)
    _, state = jax.eval_shape(lambda w, x, n: run(w, nothing, x, n), answering.weights, one, length)
    state_tree = jax.tree.structure(state)
    state_shapes = {name: list(leaf.shape) for name, leaf in _paths(state).items()}
    state_order = list(state_shapes)

    def function(
        weights: Mapping[str, jax.Array],
        state: Mapping[str, jax.Array],
        wave: jax.Array,
        length: jax.Array,
    ) -> dict[str, jax.Array]:
        given = jax.tree.unflatten(tree, [weights[name] for name in order])
        before = jax.tree.unflatten(state_tree, [state[name] for name in state_order])
        answer, after = run(given, before, wave, length)
        carried = {f"state/{name}": leaf for name, leaf in _paths(after).items()}
        return answer._asdict() | carried

    shapes = {
        name: jax.ShapeDtypeStruct(tuple(shape), jnp.float32)
        for name, shape in state_shapes.items()
    }
    made = _serialised(function, _shapes(answering.weights), 1, windows.window, shapes)
    return made, state_shapes


def _paths(tree: Any) -> dict[str, Any]:
    """`flat` of leaves that need not be arrays."""
    return {
        "/".join(str(getattr(key, "key", getattr(key, "idx", key))) for key in path): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _shapes(weights: Any) -> dict[str, jax.ShapeDtypeStruct]:
    return {
        name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in flat(weights).items()
    }


def _serialised(function: Any, weights: Any, batch: Any, samples: Any, *state: Any) -> bytes:
    arguments = (
        weights,
        *state,
        jax.ShapeDtypeStruct((batch, samples), jnp.float32),
        jax.ShapeDtypeStruct((batch,), jnp.int32),
    )
    exported = jax.export.export(jax.jit(function), platforms=PLATFORMS)(*arguments)
    return bytes(exported.serialize())
