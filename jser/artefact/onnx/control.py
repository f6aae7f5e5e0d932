"""Rules for programs inside of a program: calls, loops, branches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper

from jser.artefact.onnx.equation import Equation, Rule
from jser.artefact.onnx.graph import Graph, Value, element_type
from jser.artefact.onnx.shaping import reverse


def _call(graph: Graph, equation: Equation) -> list[Value]:
    names = ("jaxpr", "call_jaxpr", "fun_jaxpr")
    program = next(equation.params[name] for name in names if name in equation.params)
    return equation.inline(graph, program, equation.inputs)


def _inputs(body: Graph, avals: Sequence, word: str) -> tuple[list[Value], list]:
    """Arguments of a body, and what the graph says of them."""
    values, infos = [], []
    for aval in avals:
        name = body.fresh(word)
        dtype = np.dtype(aval.dtype)
        values.append(Value(aval.shape, dtype, aval.shape, name))
        rank: list[int | None] = [None] * len(aval.shape)
        infos.append(helper.make_tensor_value_info(name, element_type(dtype), rank))
    return values, infos


def _outputs(body: Graph, values: Sequence[Value]) -> list[tuple[str, np.dtype]]:
    return [(body.full_name(v), v.dtype) for v in values]


def _typed(equation: Equation, names: Sequence[str]) -> list[Value]:
    """Results under these names."""
    rows = zip(equation.shapes, equation.dtypes, names, strict=True)
    return [Value(shape, dtype, shape, name) for shape, dtype, name in rows]


def _scan(graph: Graph, equation: Equation) -> list[Value]:
    p = equation.params
    consts, carried = p["num_consts"], p["num_carry"]
    program, backwards = p["jaxpr"], bool(p["reverse"])
    avals = program.in_avals
    outer = equation.inputs[:consts]
    begin = [graph.full_name(v) for v in equation.inputs[consts : consts + carried]]
    rows = [graph.full_name(v) for v in equation.inputs[consts + carried :]]
    body = Graph(graph)
    state, infos = _inputs(body, avals[consts : consts + carried], "state")
    if not rows:
        return _counted(graph, equation, body, state, infos, begin)
    row, more = _inputs(body, avals[consts + carried :], "row")
    made = equation.inline(body, program, [*outer, *state, *row])
    inner = body.body("scan", [*infos, *more], _outputs(body, made))
    count = len(made)
    directions = {"scan_input_directions": [int(backwards)] * len(rows)}
    if count > carried:  # an attribute of no values has no type
        directions["scan_output_directions"] = [int(backwards)] * (count - carried)
    names = graph.node(
        "Scan",
        [*begin, *rows],
        max(count, 1),
        body=inner,
        num_scan_inputs=len(rows),
        **directions,
    )
    return _typed(equation, [names] if count == 1 else names)


def _counted(
    graph: Graph,
    equation: Equation,
    body: Graph,
    state: list[Value],
    infos: list[onnx.ValueInfoProto],
    begin: list[str],
) -> list[Value]:
    """A scan over no rows: so many turns of a loop."""
    p = equation.params
    outer = equation.inputs[: p["num_consts"]]
    made = equation.inline(body, p["jaxpr"], [*outer, *state])
    going = body.constant(np.array(True))
    outputs = [(going, np.dtype(bool)), *_outputs(body, made)]
    inner = body.body("loop", [*_turn(body), *infos], outputs)
    inputs = [graph.size(p["length"]), going, *begin]
    names = graph.node("Loop", inputs, max(len(made), 1), body=inner)
    names = [names] if len(made) == 1 else names
    if p["reverse"]:
        stacked = range(p["num_carry"], len(names))
        names = [reverse(graph, n, [0]) if i in stacked else n for i, n in enumerate(names)]
    return _typed(equation, names)


def _turn(body: Graph) -> list[onnx.ValueInfoProto]:
    """What a loop's body is told first: the number of the turn, and that it goes on."""
    return [
        helper.make_tensor_value_info(body.fresh("turn"), onnx.TensorProto.INT64, []),
        helper.make_tensor_value_info(body.fresh("going"), onnx.TensorProto.BOOL, []),
    ]


def _while(graph: Graph, equation: Equation) -> list[Value]:
    p = equation.params
    asked, done = p["cond_nconsts"], p["body_nconsts"]
    of_question, of_body = equation.inputs[:asked], equation.inputs[asked : asked + done]
    start = [graph.full(v) for v in equation.inputs[asked + done :]]
    (going,) = equation.inline(graph, p["cond_jaxpr"], [*of_question, *start])
    body = Graph(graph)
    state, infos = _inputs(body, p["body_jaxpr"].in_avals[done:], "state")
    made = equation.inline(body, p["body_jaxpr"], [*of_body, *state])
    still = equation.inline(body, p["cond_jaxpr"], [*of_question, *made])
    inner = body.body("while", [*_turn(body), *infos], _outputs(body, [*still, *made]))
    inputs = ["", graph.full_name(going), *(graph.name(v) for v in start)]
    names = graph.node("Loop", inputs, len(made), body=inner)
    return _typed(equation, [names] if len(made) == 1 else names)


def _cond(graph: Graph, equation: Equation) -> list[Value]:
    which, *arguments = equation.inputs
    branches = equation.params["branches"]
    names = _branch(graph, equation, graph.cast(graph.name(which), np.int32), arguments, branches)
    return _typed(equation, names)


def _branch(
    graph: Graph, equation: Equation, which: str, arguments: list[Value], branches: Sequence
) -> list[str]:
    """Names of the results of the branch number `which`; behind the last comes the last."""
    if len(branches) == 1:
        made = equation.inline(graph, branches[0], arguments)
        return [graph.full_name(v) for v in made]
    first = graph.node("LessOrEqual", [which, graph.constant(np.int32(0))])
    next_one = graph.node("Sub", [which, graph.constant(np.int32(1))])
    bodies = []
    for some in (branches[:1], branches[1:]):
        body = Graph(graph)
        names = _branch(body, equation, next_one, arguments, some)
        outputs = list(zip(names, equation.dtypes, strict=True))
        bodies.append(body.body("branch", [], outputs))
    then, otherwise = bodies
    count = len(equation.shapes)
    names = graph.node("If", [first], count, then_branch=then, else_branch=otherwise)
    return [names] if count == 1 else names


RULES: dict[str, Rule] = {
    "checkpoint": _call,
    "closed_call": _call,
    "cond": _cond,
    "core_call": _call,
    "custom_jvp_call": _call,
    "custom_vjp_call": _call,
    "custom_vjp_call_jaxpr": _call,
    "jit": _call,
    "pjit": _call,
    "remat2": _call,
    "scan": _scan,
    "while": _while,
}
