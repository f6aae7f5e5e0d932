"""Rules for sums, extremes, orders and running values along axes."""

from __future__ import annotations

import numpy as np
from onnx import helper

from jser.artefact.onnx.equation import Equation, Rule, unsupported
from jser.artefact.onnx.graph import Graph, Value, element_type
from jser.artefact.onnx.shaping import reverse


def _sum(graph: Graph, equation: Equation) -> list[Value]:
    axes = graph.integers(*equation.params["axes"])
    x = graph.full_name(equation.inputs[0])
    return equation.result(graph.node("ReduceSum", [x, axes], keepdims=0))


def _reduction(operator: str) -> Rule:
    def rule(graph: Graph, equation: Equation) -> list[Value]:
        x = graph.full_name(equation.inputs[0])
        axes = [int(axis) for axis in equation.params["axes"]]
        if equation.inputs[0].dtype.kind != "b":
            return equation.result(graph.node(operator, [x], axes=axes, keepdims=0))
        made = graph.node(operator, [graph.cast(x, np.int32)], axes=axes, keepdims=0)
        return equation.result(graph.cast(made, np.bool_))

    return rule


def _arg(operator: str) -> Rule:
    def rule(graph: Graph, equation: Equation) -> list[Value]:
        (axis,) = equation.params["axes"]
        x = graph.full_name(equation.inputs[0])
        if equation.inputs[0].dtype.kind == "b":
            x = graph.cast(x, np.int32)
        # Of equal ones the first, as in JAX.
        place = graph.node(operator, [x], axis=int(axis), keepdims=0, select_last_index=0)
        return equation.result(graph.cast(place, equation.dtype))

    return rule


def _top(
    graph: Graph, equation: Equation, x: str, count: str, axis: int, largest: bool
) -> tuple[str, str]:
    """Names of the first values in order, and of their int64 places; of equal ones the first."""
    both = graph.node("TopK", [x, count], 2, axis=axis, largest=int(largest), sorted=1)
    return both[0], both[1]


def _top_k(graph: Graph, equation: Equation) -> list[Value]:
    axis = equation.params.get("axis", equation.params.get("operand_axis", -1))
    count = graph.sizes((equation.params["k"],))
    x = graph.full_name(equation.inputs[0])
    values, places = _top(graph, equation, x, count, int(axis), True)
    names = values, graph.cast(places, equation.dtypes[1])
    return [
        Value(shape, dtype, shape, name)
        for shape, dtype, name in zip(equation.shapes, equation.dtypes, names, strict=True)
    ]


def _sort(graph: Graph, equation: Equation) -> list[Value]:
    if equation.params["num_keys"] != 1:
        raise unsupported(equation, "several keys")
    axis = int(equation.params["dimension"])
    first, *others = (graph.full_name(v) for v in equation.inputs)
    count = graph.sizes([equation.shape[axis]])
    values, places = _top(graph, equation, first, count, axis, False)
    names = [values, *(graph.node("GatherElements", [o, places], axis=axis) for o in others)]
    return [
        Value(shape, dtype, shape, name)
        for shape, dtype, name in zip(equation.shapes, equation.dtypes, names, strict=True)
    ]


def _cumulative_sum(graph: Graph, equation: Equation) -> list[Value]:
    axis = graph.constant(np.int64(equation.params["axis"]))
    x = graph.full_name(equation.inputs[0])
    reverse = int(equation.params["reverse"])
    return equation.result(graph.node("CumSum", [x, axis], reverse=reverse))


def _running(operator: str) -> Rule:
    """A running extreme, as a loop over the axis: ONNX has no operator for it."""

    def rule(graph: Graph, equation: Equation) -> list[Value]:
        axis, backwards = int(equation.params["axis"]), equation.params["reverse"]
        x = graph.full_name(equation.inputs[0])
        if backwards:
            x = reverse(graph, x, [axis])
        first = graph.node("Gather", [x, graph.constant(np.int64(0))], axis=axis)
        body = Graph(graph)
        before, here = body.fresh("before"), body.fresh("here")
        highest = body.node(operator, [before, here])
        kind = element_type(equation.dtype)
        shape: list[int | None] = [None] * (len(equation.shape) - 1)
        inputs = [helper.make_tensor_value_info(name, kind, shape) for name in (before, here)]
        made = body.body("running", inputs, [(highest, equation.dtype)] * 2)
        axes = {"scan_input_axes": [axis], "scan_output_axes": [axis]}
        found = graph.node("Scan", [first, x], 2, body=made, num_scan_inputs=1, **axes)[1]
        return equation.result(reverse(graph, found, [axis]) if backwards else found)

    return rule


RULES: dict[str, Rule] = {
    "argmax": _arg("ArgMax"),
    "argmin": _arg("ArgMin"),
    "cummax": _running("Max"),
    "cummin": _running("Min"),
    "cumsum": _cumulative_sum,
    "reduce_and": _reduction("ReduceMin"),
    "reduce_max": _reduction("ReduceMax"),
    "reduce_min": _reduction("ReduceMin"),
    "reduce_or": _reduction("ReduceMax"),
    "reduce_prod": _reduction("ReduceProd"),
    "reduce_sum": _sum,
    "sort": _sort,
    "top_k": _top_k,
}
