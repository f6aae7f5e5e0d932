"""Rules for primitives that move numbers and compute nothing."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import numpy as np

from jser.artefact.onnx.equation import Equation, Rule, unsupported
from jser.artefact.onnx.graph import Graph, Size, Value, is_static, known

# Numbers of constants that are written out rather than computed when the graph runs.
MOST_NUMBERS = 1 << 18


def _broadcast(graph: Graph, equation: Equation) -> list[Value]:
    (x,) = equation.inputs[:1]
    places = equation.params["broadcast_dimensions"]
    missing = [axis for axis in range(len(equation.shape)) if axis not in places]
    stored = [1] * len(equation.shape)
    for place, size in zip(places, x.stored, strict=True):
        stored[place] = size
    if x.known is not None:
        numbers = x.known.reshape([int(size) for size in stored])
        return [Value(equation.shape, x.dtype, tuple(stored), known=numbers, label=x.label)]
    name = graph.node("Unsqueeze", [x.name, graph.integers(*missing)]) if missing else x.name
    return [Value(equation.shape, x.dtype, tuple(stored), name)]


def _reshape(graph: Graph, equation: Equation) -> list[Value]:
    if equation.params["dimensions"] is not None:
        raise unsupported(equation, "another order of axes")
    x = graph.full_name(equation.inputs[0])
    symbolic = [jax.export.is_symbolic_dim(size) for size in equation.shape]
    if sum(symbolic) == 1 and 0 not in equation.shape:
        sizes = [-1 if s else size for s, size in zip(symbolic, equation.shape, strict=True)]
        return equation.result(graph.node("Reshape", [x, graph.integers(*sizes)]))
    return equation.result(graph.node("Reshape", [x, graph.sizes(equation.shape)]))


def _squeeze(graph: Graph, equation: Equation) -> list[Value]:
    (x,) = equation.inputs
    axes = [axis % len(x.shape) for axis in equation.params["dimensions"]]
    if not axes:
        return [x]
    stored = tuple(size for axis, size in enumerate(x.stored) if axis not in axes)
    name = graph.node("Squeeze", [graph.name(x), graph.integers(*axes)])
    return [Value(equation.shape, x.dtype, stored, name)]


def _transpose(graph: Graph, equation: Equation) -> list[Value]:
    return [graph.transpose(equation.inputs[0], equation.params["permutation"])]


def cut(
    graph: Graph,
    value: Value,
    start: Sequence[Size],
    stop: Sequence[Size],
    step: Sequence[int] | None = None,
) -> str:
    """The name of a value from `start` to before `stop` along each axis."""
    step = step or [1] * len(value.shape)
    axes = [
        axis
        for axis, size in enumerate(value.shape)
        if not (start[axis] == 0 and stop[axis] == size and step[axis] == 1)
    ]
    if not axes:
        return graph.full_name(value)
    bounds = [graph.sizes([edge[axis] for axis in axes]) for edge in (start, stop)]
    others = [graph.integers(*axes), graph.integers(*(step[axis] for axis in axes))]
    return graph.node("Slice", [graph.full_name(value), *bounds, *others])


def _slice(graph: Graph, equation: Equation) -> list[Value]:
    p = equation.params
    edges = p["start_indices"], p["limit_indices"]
    return equation.result(cut(graph, equation.inputs[0], *edges, p["strides"]))


def _reverse(graph: Graph, equation: Equation) -> list[Value]:
    axes = equation.params["dimensions"]
    x = graph.full_name(equation.inputs[0])
    return equation.result(reverse(graph, x, axes))


def reverse(graph: Graph, name: str, axes: Sequence[int]) -> str:
    """The name of an array that runs backwards along some axes."""
    least = np.iinfo(np.int64).min
    edges = [graph.integers(*[edge] * len(axes)) for edge in (-1, least)]
    steps = graph.integers(*[-1] * len(axes))
    return graph.node("Slice", [name, *edges, graph.integers(*axes), steps])


def _pad(graph: Graph, equation: Equation) -> list[Value]:
    x, value = equation.inputs
    config = equation.params["padding_config"]
    if any(not _is_zero(inner) for _, _, inner in config):
        raise unsupported(equation, "padding between elements")
    if all(_is_zero(low) and _is_zero(high) for low, high, _ in config):
        return [x]
    if x.imaginary is not None:
        raise unsupported(equation, "complex numbers")
    around = graph.sizes([low for low, _, _ in config] + [high for _, high, _ in config])
    name = graph.node("Pad", [graph.full_name(x), around, graph.name(value)], mode="constant")
    return equation.result(name)


def _is_zero(size: Size) -> bool:
    return isinstance(size, int | np.integer) and size == 0


def _concatenate(graph: Graph, equation: Equation) -> list[Value]:
    parts = [graph.full_name(v) for v in equation.inputs]
    return equation.result(graph.node("Concat", parts, axis=equation.params["dimension"]))


def _stack(graph: Graph, equation: Equation) -> list[Value]:
    axis = equation.params["axis"]
    where = graph.integers(axis)
    parts = [graph.node("Unsqueeze", [graph.full_name(v), where]) for v in equation.inputs]
    return equation.result(graph.node("Concat", parts, axis=axis))


def _split(graph: Graph, equation: Equation) -> list[Value]:
    (x,) = equation.inputs
    if len(equation.shapes) == 1:
        return [x]
    sizes = graph.sizes(equation.params["sizes"])
    axis = equation.params["axis"]
    made = graph.node("Split", [graph.full_name(x), sizes], len(equation.shapes), axis=axis)
    return [Value(s, x.dtype, s, name) for s, name in zip(equation.shapes, made, strict=True)]


def _iota(graph: Graph, equation: Equation) -> list[Value]:
    axis, shape = equation.params["dimension"], equation.shape
    stored = tuple(size if a == axis else 1 for a, size in enumerate(shape))
    if is_static([shape[axis]]) and shape[axis] <= MOST_NUMBERS:
        numbers = np.arange(shape[axis], dtype=equation.dtype).reshape(stored)
        return [Value(shape, equation.dtype, stored, known=numbers)]
    count = count_up(graph, shape[axis])
    if equation.dtype != np.int64:
        count = graph.cast(count, equation.dtype)
    others = [a for a in range(len(shape)) if a != axis]
    if others:
        count = graph.node("Unsqueeze", [count, graph.integers(*others)])
    return [Value(shape, equation.dtype, stored, count)]


def count_up(graph: Graph, size: Size) -> str:
    """The name of the int64 vector 0, 1, ... of a size."""
    ends = [graph.constant(np.int64(0)), graph.size(size), graph.constant(np.int64(1))]
    return graph.node("Range", ends)


def _size(graph: Graph, equation: Equation) -> list[Value]:
    size = equation.params["dim"]
    if is_static([size]):
        return [known(np.asarray(size, equation.dtype))]
    return equation.result(graph.cast(graph.size(size), equation.dtype))


def starts(graph: Graph, start: str, room: Sequence[Size]) -> str:
    """The name of int64 starts [..., k] of pieces, moved to where a piece lies inside.

    Args:
        graph: the graph.
        start: an integer array [..., k].
        room: the last start of each of the k.
    """
    wide = graph.cast(start, np.int64)
    low = graph.node("Max", [wide, graph.constant(np.int64(0))])
    return graph.node("Min", [low, graph.sizes(room)])


def _pieces(
    graph: Graph, equation: Equation, x: Value, index: Sequence[Value], size: Sequence[Size]
) -> tuple[str, str]:
    """Names of the int64 vectors where a piece of `size` begins and ends."""
    one = graph.integers(0)
    parts = [graph.node("Unsqueeze", [graph.name(i), one]) for i in index]
    start = graph.node("Concat", parts, axis=0)
    room = [whole - part for whole, part in zip(x.shape, size, strict=True)]
    start = starts(graph, start, room)
    return start, graph.node("Add", [start, graph.sizes(size)])


def _dynamic_slice(graph: Graph, equation: Equation) -> list[Value]:
    x, *index = equation.inputs
    start, stop = _pieces(graph, equation, x, index, equation.params["slice_sizes"])
    axes = graph.integers(*range(len(x.shape)))
    return equation.result(graph.node("Slice", [graph.full_name(x), start, stop, axes]))


RULES: dict[str, Rule] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "dim_as_value": _size,
    "dynamic_slice": _dynamic_slice,
    "iota": _iota,
    "pad": _pad,
    "reshape": _reshape,
    "rev": _reverse,
    "slice": _slice,
    "split": _split,
    "squeeze": _squeeze,
    "stack": _stack,
    "transpose": _transpose,
}
