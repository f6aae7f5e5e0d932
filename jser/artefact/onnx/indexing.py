"""The rules for `gather`, behind which lies all of JAX's indexing, and for what is added at places.

A gather cuts pieces out of an array. Axes of the result that say which piece are its batch axes,
those inside of a piece its offset axes. Axes of the array are *mapped* (a piece has a start along
them), *together* (the pieces of one place of the starts lie at the same place of the array), or
neither: there all pieces start at 0, and are mostly as long as the array.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from jax.lax import GatherDimensionNumbers, GatherScatterMode

from jser.artefact.onnx.elementwise import where
from jser.artefact.onnx.equation import Equation, Rule, unsupported
from jser.artefact.onnx.graph import Graph, Shape, Size, Value, is_one, is_static
from jser.artefact.onnx.shaping import count_up, starts


@dataclasses.dataclass(frozen=True)
class _Pieces:
    """What is cut out of what.

    Attributes:
        operand: the array.
        start: name of the int64 starts [batch..., mapped].
        batch: their shape without the last axis.
        numbers: which axis is which.
        sizes: of a piece, along all axes of the array.
        rank: axes of the result.
    """

    operand: Value
    start: str
    batch: Shape
    numbers: GatherDimensionNumbers
    sizes: Shape
    rank: int

    @property
    def mapped(self) -> list[int]:
        return list(self.numbers.start_index_map)

    @property
    def together(self) -> list[int]:
        return list(self.numbers.operand_batching_dims)

    @property
    def collapsed(self) -> list[int]:
        return list(self.numbers.collapsed_slice_dims)

    @property
    def partly(self) -> list[int]:
        """Axes that pieces do not have as a whole."""
        shape = self.operand.shape
        others = [a for a in range(len(shape)) if a not in self.together]
        return [a for a in others if a in self.mapped or self.sizes[a] != shape[a]]

    @property
    def offset(self) -> dict[int, int]:
        """Axes of the result by the axes of the array."""
        gone = {*self.collapsed, *self.together}
        kept = [a for a in range(len(self.sizes)) if a not in gone]
        return dict(zip(kept, self.numbers.offset_dims, strict=True))

    @property
    def of_batch(self) -> list[int]:
        """Axes of the result that say which piece."""
        return [a for a in range(self.rank) if a not in self.numbers.offset_dims]


def _gather(graph: Graph, equation: Equation) -> list[Value]:
    operand, indices = (graph.full(v) for v in equation.inputs)
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    mode = equation.params["mode"]
    room = [operand.shape[axis] - sizes[axis] for axis in numbers.start_index_map]
    inside = mode == GatherScatterMode.PROMISE_IN_BOUNDS or _within(indices, room)
    start = graph.name(indices)
    start = graph.cast(start, np.int64) if inside else starts(graph, start, room)
    pieces = _Pieces(operand, start, indices.shape[:-1], numbers, sizes, len(equation.shape))
    if not pieces.batch:
        made = _one(graph, pieces)
    elif not pieces.together and pieces.partly == pieces.mapped and len(pieces.mapped) == 1:
        made = _along(graph, pieces)
    else:
        made = _anywhere(graph, pieces)
    if mode == GatherScatterMode.FILL_OR_DROP and not inside:
        made = _filled(graph, equation, indices, room, made)
    return equation.result(made)


def _within(indices: Value, room: Sequence[Size]) -> bool:
    """Whether starts are known to lie inside."""
    if indices.known is None or not is_static(room):
        return False
    return bool(np.all((indices.known >= 0) & (indices.known <= np.array(room, np.int64))))


def _one(graph: Graph, pieces: _Pieces) -> str:
    """A single piece: a slice."""
    made, axes = graph.name(pieces.operand), pieces.partly
    if axes:
        parts = [graph.integers(0)] * len(axes)
        for number, axis in enumerate(axes):
            if axis in pieces.mapped:
                place = graph.integers(pieces.mapped.index(axis))
                parts[number] = graph.node("Gather", [pieces.start, place], axis=0)
        begin = graph.node("Concat", parts, axis=0)
        end = graph.node("Add", [begin, graph.sizes([pieces.sizes[a] for a in axes])])
        made = graph.node("Slice", [made, begin, end, graph.integers(*axes)])
    if pieces.collapsed:
        made = graph.node("Squeeze", [made, graph.integers(*pieces.collapsed)])
    return made


def _along(graph: Graph, pieces: _Pieces) -> str:
    """Pieces that differ along one axis, for which there is an operator."""
    (axis,) = pieces.mapped
    if axis in pieces.collapsed:
        place = graph.node("Squeeze", [pieces.start, graph.integers(-1)])
    elif is_one(pieces.sizes[axis]):
        place = pieces.start
    else:
        place = graph.node("Add", [pieces.start, count_up(graph, pieces.sizes[axis])])
    made = graph.node("Gather", [graph.name(pieces.operand), place], axis=axis)
    # In the place of the axis are the batch and, if it is kept, the axis inside of a piece.
    offset = pieces.offset
    before = [offset[a] for a in range(axis)]
    after = [offset[a] for a in range(axis, len(pieces.sizes)) if a in offset]
    return _ordered(graph, made, [*before, *pieces.of_batch, *after])


def _anywhere(graph: Graph, pieces: _Pieces) -> str:
    """Any pieces, by the places of all their numbers along the axes that are not taken whole."""
    together, partly = pieces.together, pieces.partly
    whole = [a for a in range(len(pieces.sizes)) if a not in (*together, *partly)]
    stretched = [a for a in partly if a not in pieces.collapsed]
    data = graph.transpose(pieces.operand, [*together, *partly, *whole])

    # Axes that array and starts go through together come first.
    batch = len(pieces.batch)
    first = list(pieces.numbers.start_indices_batching_dims)
    order = first + [a for a in range(batch) if a not in first]
    start = _permuted(graph, pieces.start, [*order, batch])
    shape = [pieces.batch[a] for a in order] + [pieces.sizes[a] for a in stretched]
    parts = []
    for axis in partly:
        place = _places(graph, pieces, axis, start, stretched)
        if len(partly) > 1:
            place = graph.node("Expand", [place, graph.sizes(shape)])
        parts.append(graph.node("Unsqueeze", [place, graph.integers(-1)]))
    place = graph.node("Concat", parts, axis=-1)
    made = graph.node("GatherND", [graph.name(data), place], batch_dims=len(together))
    offset = [pieces.offset[a] for a in (*stretched, *whole)]
    return _ordered(graph, made, [pieces.of_batch[a] for a in order] + offset)


def _places(graph: Graph, pieces: _Pieces, axis: int, start: str, stretched: Sequence[int]) -> str:
    """The name of the places along an axis, [batch..., stretched...], 1 where they are the same."""
    batch = len(pieces.batch)
    if axis in pieces.mapped:
        column = graph.constant(np.int64(pieces.mapped.index(axis)))
        place = graph.node("Gather", [start, column], axis=-1)
    else:
        place = graph.constant(np.zeros((1,) * batch, np.int64))
    if stretched:
        added = graph.integers(*range(batch, batch + len(stretched)))
        place = graph.node("Unsqueeze", [place, added])
    if axis not in stretched or is_one(pieces.sizes[axis]):
        return place
    inside = count_up(graph, pieces.sizes[axis])
    behind = len(stretched) - 1 - stretched.index(axis)
    if behind:
        inside = graph.node("Unsqueeze", [inside, graph.integers(*range(1, behind + 1))])
    return graph.node("Add", [place, inside])


def _permuted(graph: Graph, name: str, order: Sequence[int]) -> str:
    if list(order) == list(range(len(order))):
        return name
    return graph.node("Transpose", [name], perm=[int(a) for a in order])


def _ordered(graph: Graph, name: str, axes: Sequence[int]) -> str:
    """An array whose axes are the result's axes `axes`, in the result's order."""
    return _permuted(graph, name, [int(a) for a in np.argsort(axes)])


def _filled(
    graph: Graph, equation: Equation, indices: Value, room: Sequence[Size], made: str
) -> str:
    """Pieces that do not lie inside replaced by the value for such."""
    value = equation.params["fill_value"]
    if value is None:
        value = _strange(equation.dtype)
    wide = graph.cast(graph.name(indices), np.int64)
    low = graph.node("Less", [wide, graph.constant(np.int64(0))])
    high = graph.node("Greater", [wide, graph.sizes(room)])
    out = graph.cast(graph.node("Or", [low, high]), np.int32)
    out = graph.cast(graph.node("ReduceMax", [out], axes=[-1], keepdims=0), np.bool_)
    if offset := equation.params["dimension_numbers"].offset_dims:
        out = graph.node("Unsqueeze", [out, graph.integers(*offset)])
    fill = graph.constant(np.array(value, equation.dtype))
    return where(graph, out, fill, made, equation.dtype)


def _strange(dtype: np.dtype) -> float | int | bool:
    """What JAX gives for a place that an array does not have."""
    if dtype.kind == "f":
        return float("nan")
    if dtype.kind == "b":
        return True
    limits = np.iinfo(dtype)
    return int(limits.min if dtype.kind == "i" else limits.max)


def _scatter_add(graph: Graph, equation: Equation) -> list[Value]:
    """Single numbers added at places that are said along all axes: `x.at[i, j].add(y)`."""
    numbers = equation.params["dimension_numbers"]
    x, indices, updates = equation.inputs
    axes = list(numbers.scatter_dims_to_operand_dims)
    if numbers.update_window_dims or axes != list(range(len(x.shape))):
        raise unsupported(equation, "pieces that are larger than one number")
    if equation.params["mode"] != GatherScatterMode.PROMISE_IN_BOUNDS:
        # What lies outside is dropped: it is added as nothing to the first place.
        wide = graph.cast(graph.full_name(indices), np.int64)
        low = graph.node("Less", [wide, graph.constant(np.int64(0))])
        high = graph.node("GreaterOrEqual", [wide, graph.sizes(x.shape)])
        out = graph.cast(graph.node("Or", [low, high]), np.int32)
        out = graph.cast(graph.node("ReduceMax", [out], axes=[-1], keepdims=0), np.bool_)
        nothing = graph.constant(np.zeros((), equation.dtype))
        added = where(graph, out, nothing, graph.full_name(updates), equation.dtype)
        behind = graph.node("Unsqueeze", [out, graph.integers(-1)])
        places = where(graph, behind, graph.constant(np.int64(0)), wide, np.dtype(np.int64))
    else:
        places, added = graph.cast(graph.full_name(indices), np.int64), graph.full_name(updates)
    made = graph.node("ScatterND", [graph.full_name(x), places, added], reduction="add")
    return equation.result(made)


RULES: dict[str, Rule] = {"gather": _gather, "scatter-add": _scatter_add}
