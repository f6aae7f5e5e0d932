"""The rule for `gather`, behind which lies all of JAX's indexing.

A gather cuts pieces out of an array. Axes of the result that say which piece are its batch axes,
those inside of a piece its offset axes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jax.lax import GatherScatterMode

from jser.artefact.onnx.elementwise import where
from jser.artefact.onnx.equation import Equation, Rule
from jser.artefact.onnx.graph import Graph, Shape, Size, Value, is_one, is_static
from jser.artefact.onnx.shaping import count_up, starts


def _gather(graph: Graph, equation: Equation) -> list[Value]:
    operand, indices = (graph.full(v) for v in equation.inputs)
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    mapped = list(numbers.start_index_map)
    room = [operand.shape[axis] - sizes[axis] for axis in mapped]
    checked = _within(indices, room)
    start = graph.name(indices)
    if not checked and equation.params["mode"] != GatherScatterMode.PROMISE_IN_BOUNDS:
        start = starts(graph, start, room)
    else:
        start = graph.cast(start, np.int64)

    if indices.shape == (len(mapped),):
        made = _one_piece(graph, operand, start, numbers, sizes)
    elif len(mapped) == 1 and not numbers.operand_batching_dims and _rest_whole(operand, sizes, mapped):
        made = _along(graph, equation, operand, start, numbers, sizes)
    else:
        made = _anywhere(graph, equation, operand, indices, start, numbers, sizes)
    if equation.params["mode"] == GatherScatterMode.FILL_OR_DROP and not checked:
        made = _filled(graph, equation, indices, room, made)
    return equation.result(made)


def _within(indices: Value, room: Sequence[Size]) -> bool:
    """Whether starts are known to lie inside."""
    if indices.known is None or not is_static(room):
        return False
    return bool(np.all((indices.known >= 0) & (indices.known <= np.array(room, np.int64))))


def _rest_whole(operand: Value, sizes: Shape, mapped: Sequence[int]) -> bool:
    """Whether pieces are as large as the operand but for the axes that have a start."""
    others = set(range(len(operand.shape))) - set(mapped)
    return all(sizes[axis] == operand.shape[axis] for axis in others)


def _one_piece(graph: Graph, operand: Value, start: str, numbers, sizes: Shape) -> str:
    """A single piece: a slice."""
    mapped = list(numbers.start_index_map)
    first = {axis: place for place, axis in enumerate(mapped)}
    zero = graph.integers(0)
    axes = [a for a in range(len(sizes)) if a in first or sizes[a] != operand.shape[a]]
    made = graph.name(operand)
    if axes:
        parts = [
            graph.node("Gather", [start, graph.integers(first[a])], axis=0) if a in first else zero
            for a in axes
        ]
        begin = graph.node("Concat", parts, axis=0)
        end = graph.node("Add", [begin, graph.sizes([sizes[a] for a in axes])])
        made = graph.node("Slice", [made, begin, end, graph.integers(*axes)])
    if numbers.collapsed_slice_dims:
        made = graph.node("Squeeze", [made, graph.integers(*numbers.collapsed_slice_dims)])
    return made


def _along(
    graph: Graph, equation: Equation, operand: Value, start: str, numbers, sizes: Shape
) -> str:
    """Pieces that differ along one axis: an operator of its own."""
    (axis,) = numbers.start_index_map
    last = graph.integers(-1)
    collapsed = axis in numbers.collapsed_slice_dims
    if collapsed or is_one(sizes[axis]):
        # The last axis of the starts, of size 1, is the axis inside of the piece.
        place = graph.node("Squeeze", [start, last]) if collapsed else start
    else:
        place = graph.node("Add", [start, count_up(graph, sizes[axis])])
    made = graph.node("Gather", [graph.name(operand), place], axis=axis)
    # Its axes: the operand's before, the batch, the operand's after.
    offset = list(numbers.offset_dims)
    batch = [a for a in range(len(equation.shape)) if a not in offset]
    after = axis + (0 if collapsed else 1)
    inside = [] if collapsed else [offset[axis]]
    return _ordered(graph, made, [*offset[:axis], *batch, *inside, *offset[after:]])


def _ordered(graph: Graph, name: str, axes: Sequence[int]) -> str:
    """The array whose axes, which are axes `axes` of the result, are put in the result's order."""
    order = [int(place) for place in np.argsort(axes)]
    if order == list(range(len(order))):
        return name
    return graph.node("Transpose", [name], perm=order)


def _anywhere(
    graph: Graph,
    equation: Equation,
    operand: Value,
    indices: Value,
    start: str,
    numbers,
    sizes: Shape,
) -> str:
    """Any pieces, by the places of all their numbers along the axes that are not taken whole."""
    mapped, collapsed = list(numbers.start_index_map), list(numbers.collapsed_slice_dims)
    together, of_starts = list(numbers.operand_batching_dims), list(numbers.start_indices_batching_dims)
    axes = range(len(operand.shape))
    partly = [a for a in axes if a in mapped or (a not in together and sizes[a] != operand.shape[a])]
    whole = [a for a in axes if a not in together and a not in partly]
    stretched = [a for a in partly if a not in collapsed]
    data = graph.transpose(operand, [*together, *partly, *whole])

    # Starts [batch..., k]: axes that operand and starts go through together come first.
    batch = len(indices.shape) - 1
    rest = [a for a in range(batch) if a not in of_starts]
    order = [*of_starts, *rest, batch]
    if order != list(range(batch + 1)):
        start = graph.node("Transpose", [start], perm=order)
    shape = [indices.shape[a] for a in order[:-1]]
    parts = []
    for a in partly:
        place = graph.constant(np.zeros((1,) * batch, np.int64))
        if a in mapped:
            column = graph.constant(np.int64(mapped.index(a)))
            place = graph.node("Gather", [start, column], axis=-1)
        if stretched:
            added = graph.integers(*range(batch, batch + len(stretched)))
            place = graph.node("Unsqueeze", [place, added])
        if a in stretched and not is_one(sizes[a]):
            behind = len(stretched) - 1 - stretched.index(a)
            inside = count_up(graph, sizes[a])
            if behind:
                inside = graph.node("Unsqueeze", [inside, graph.integers(*range(1, behind + 1))])
            place = graph.node("Add", [place, inside])
        if len(partly) > 1:
            place = graph.node("Expand", [place, graph.sizes([*shape, *(sizes[s] for s in stretched)])])
        parts.append(graph.node("Unsqueeze", [place, graph.integers(-1)]))
    place = graph.node("Concat", parts, axis=-1)
    made = graph.node("GatherND", [graph.name(data), place], batch_dims=len(together))

    offset = dict(zip([a for a in axes if a not in (*collapsed, *together)], numbers.offset_dims, strict=True))
    of_batch = [a for a in range(len(equation.shape)) if a not in numbers.offset_dims]
    found = [of_batch[a] for a in order[:-1]] + [offset[a] for a in (*stretched, *whole)]
    return _ordered(graph, made, found)


def _filled(
    graph: Graph, equation: Equation, indices: Value, room: Sequence[Size], made: str
) -> str:
    """Pieces that do not lie inside replaced by the value for such."""
    value = equation.params["fill_value"]
    if value is None:
        kind = equation.dtype.kind
        value = {"f": np.nan, "b": True}.get(kind)
        if value is None:
            limits = np.iinfo(equation.dtype)
            value = limits.min if kind == "i" else limits.max
    wide = graph.cast(graph.name(indices), np.int64)
    low = graph.node("Less", [wide, graph.constant(np.int64(0))])
    high = graph.node("Greater", [wide, graph.sizes(room)])
    out = graph.cast(graph.node("Or", [low, high]), np.int32)
    out = graph.cast(graph.node("ReduceMax", [out], axes=[-1], keepdims=0), np.bool_)
    if equation.params["dimension_numbers"].offset_dims:
        offset = graph.integers(*equation.params["dimension_numbers"].offset_dims)
        out = graph.node("Unsqueeze", [out, offset])
    fill = graph.constant(np.array(value, equation.dtype))
    return where(graph, out, fill, made, equation.dtype)


RULES: dict[str, Rule] = {"gather": _gather}
