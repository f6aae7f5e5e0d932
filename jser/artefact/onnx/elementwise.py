"""Rules for primitives that go number by number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import numpy as np

from jser.artefact.onnx.equation import Equation, Rule, unsupported
from jser.artefact.onnx.graph import Graph, Shape, Value, is_one, known


def _stored(shape: Shape, inputs: Sequence[Value]) -> Shape:
    """What of a result's shape is there already: axes along which an input is not repeated."""
    found = []
    for axis, size in enumerate(shape):
        # Of fewer axes are scalars alone.
        sizes = [v.stored[axis] for v in inputs if len(v.stored) == len(shape)]
        found.append(1 if all(is_one(s) for s in sizes) else size)
    return tuple(found)


def result(equation: Equation, name: str, inputs: Sequence[Value] | None = None) -> list[Value]:
    """The result of an operator that repeats its inputs by itself."""
    stored = _stored(equation.shape, equation.inputs if inputs is None else inputs)
    return [Value(equation.shape, equation.dtype, stored, name)]


def _operator(operator: str, boolean: str = "", integer: str = "") -> Rule:
    """A primitive that is one operator, perhaps another one for other types of its inputs."""

    def rule(graph: Graph, equation: Equation) -> list[Value]:
        kind = equation.inputs[0].dtype.kind
        chosen = boolean if kind == "b" else integer if kind in "iu" and integer else operator
        if not chosen:
            raise unsupported(equation, f"numbers of type {equation.inputs[0].dtype}")
        names = [graph.name(v) for v in equation.inputs]
        return result(equation, graph.node(chosen, names))

    return rule


def _formula(formula: Callable[[Graph, Equation, list[str]], str]) -> Rule:
    """A primitive that is several operators."""

    def rule(graph: Graph, equation: Equation) -> list[Value]:
        names = [graph.name(v) for v in equation.inputs]
        return result(equation, formula(graph, equation, names))

    return rule


def _scalar(graph: Graph, equation: Equation, number: float) -> str:
    return graph.constant(np.array(number, equation.inputs[0].dtype))


def _not_equal(graph: Graph, equation: Equation, names: list[str]) -> str:
    return graph.node("Not", [graph.node("Equal", names)])


def _square(graph: Graph, equation: Equation, names: list[str]) -> str:
    return graph.node("Mul", [names[0], names[0]])


def _rsqrt(graph: Graph, equation: Equation, names: list[str]) -> str:
    return graph.node("Reciprocal", [graph.node("Sqrt", names)])


def _integer_pow(graph: Graph, equation: Equation, names: list[str]) -> str:
    power = equation.params["y"]
    made = names[0]
    for _ in range(abs(power) - 1):
        made = graph.node("Mul", [made, names[0]])
    if power == 0:
        raise unsupported(equation, "the power 0")
    return graph.node("Reciprocal", [made]) if power < 0 else made


def _cbrt(graph: Graph, equation: Equation, names: list[str]) -> str:
    third = _scalar(graph, equation, 1 / 3)
    root = graph.node("Pow", [graph.node("Abs", names), third])
    return graph.node("Mul", [graph.node("Sign", names), root])


def _exp2(graph: Graph, equation: Equation, names: list[str]) -> str:
    return graph.node("Pow", [_scalar(graph, equation, 2), names[0]])


def _expm1(graph: Graph, equation: Equation, names: list[str]) -> str:
    """exp(x) - 1 as 2 tanh(x / 2) / (1 - tanh(x / 2)) near 0, where a difference loses digits."""
    half = graph.node("Tanh", [graph.node("Mul", [names[0], _scalar(graph, equation, 0.5)])])
    one = _scalar(graph, equation, 1)
    ratio = graph.node("Div", [half, graph.node("Sub", [one, half])])
    small = graph.node("Mul", [ratio, _scalar(graph, equation, 2)])
    large = graph.node("Sub", [graph.node("Exp", names), one])
    near = graph.node("Less", [graph.node("Abs", names), one])
    return graph.node("Where", [near, small, large])


def _log1p(graph: Graph, equation: Equation, names: list[str]) -> str:
    """log(1 + x) as x log(u) / (u - 1) with u = 1 + x, which takes back u's rounding (Kahan)."""
    one = _scalar(graph, equation, 1)
    u = graph.node("Add", [names[0], one])
    same = graph.node("Equal", [u, one])
    away = graph.node("Where", [same, one, graph.node("Sub", [u, one])])
    made = graph.node("Div", [graph.node("Mul", [names[0], graph.node("Log", [u])]), away])
    infinite = graph.node("IsInf", [u])
    return graph.node("Where", [same, names[0], graph.node("Where", [infinite, u, made])])


def _round(graph: Graph, equation: Equation, names: list[str]) -> str:
    if equation.params["rounding_method"] == jax.lax.RoundingMethod.TO_NEAREST_EVEN:
        return graph.node("Round", names)
    half = graph.node("Add", [graph.node("Abs", names), _scalar(graph, equation, 0.5)])
    return graph.node("Mul", [graph.node("Sign", names), graph.node("Floor", [half])])


def _rem(graph: Graph, equation: Equation, names: list[str]) -> str:
    # The remainder has the dividend's sign, as in C.
    return graph.node("Mod", names, fmod=1)


def _is_finite(graph: Graph, equation: Equation, names: list[str]) -> str:
    strange = graph.node("Or", [graph.node("IsNaN", names), graph.node("IsInf", names)])
    return graph.node("Not", [strange])


def _clamp(graph: Graph, equation: Equation, names: list[str]) -> str:
    low, x, high = names
    return graph.node("Min", [graph.node("Max", [x, low]), high])


def where(graph: Graph, condition: str, yes: str, no: str, dtype: np.dtype) -> str:
    """Choose number by number; what runs ONNX need not choose between booleans."""
    if dtype.kind != "b":
        return graph.node("Where", [condition, yes, no])
    first = graph.node("And", [condition, yes])
    return graph.node("Or", [first, graph.node("And", [graph.node("Not", [condition]), no])])


def _select_n(graph: Graph, equation: Equation, names: list[str]) -> str:
    which, first, *others = names
    if equation.inputs[0].dtype.kind == "b":
        return where(graph, which, others[0], first, equation.dtype)
    made = first
    for number, other in enumerate(others, start=1):
        here = graph.node("GreaterOrEqual", [which, _scalar(graph, equation, number)])
        made = where(graph, here, other, made, equation.dtype)
    return made


def _convert(graph: Graph, equation: Equation) -> list[Value]:
    (x,) = equation.inputs
    if equation.dtype.kind == "c":
        if x.dtype.kind == "c":
            return [x]
        real = graph.cast(graph.name(x), np.float32)
        zero = known(np.zeros((1,) * len(x.shape), np.float32))
        zero = Value(x.shape, zero.dtype, zero.stored, known=zero.known)
        return [Value(x.shape, equation.dtype, x.stored, real, imaginary=zero)]
    if x.dtype == equation.dtype:
        return [x]
    if x.known is not None:
        numbers = x.known.astype(equation.dtype)
        return [Value(x.shape, equation.dtype, x.stored, known=numbers)]
    return result(equation, graph.cast(graph.name(x), equation.dtype))


def _same(graph: Graph, equation: Equation) -> list[Value]:
    return list(equation.inputs)


RULES: dict[str, Rule] = {
    "abs": _operator("Abs"),
    "add": _operator("Add"),
    "and": _operator("", boolean="And"),
    "cbrt": _formula(_cbrt),
    "ceil": _operator("Ceil"),
    "clamp": _formula(_clamp),
    "convert_element_type": _convert,
    "copy": _same,
    "copy_p": _same,
    "cos": _operator("Cos"),
    "div": _operator("Div"),
    "eq": _operator("Equal", boolean="Equal"),
    "exp": _operator("Exp"),
    "exp2": _formula(_exp2),
    "expm1": _formula(_expm1),
    "erf": _operator("Erf"),
    "floor": _operator("Floor"),
    "ge": _operator("GreaterOrEqual"),
    "gt": _operator("Greater"),
    "integer_pow": _formula(_integer_pow),
    "is_finite": _formula(_is_finite),
    "le": _operator("LessOrEqual"),
    "log": _operator("Log"),
    "log1p": _formula(_log1p),
    "logistic": _operator("Sigmoid"),
    "lt": _operator("Less"),
    "max": _operator("Max", boolean="Or"),
    "min": _operator("Min", boolean="And"),
    "mul": _operator("Mul", boolean="And"),
    "ne": _formula(_not_equal),
    "neg": _operator("Neg"),
    "not": _operator("", boolean="Not"),
    "optimization_barrier": _same,
    "or": _operator("", boolean="Or"),
    "pow": _operator("Pow"),
    "rem": _formula(_rem),
    "round": _formula(_round),
    "rsqrt": _formula(_rsqrt),
    "select_n": _formula(_select_n),
    "sign": _operator("Sign"),
    "sin": _operator("Sin"),
    "sqrt": _operator("Sqrt"),
    "square": _formula(_square),
    "stop_gradient": _same,
    "sub": _operator("Sub"),
    "tan": _operator("Tan"),
    "tanh": _operator("Tanh"),
    "xor": _operator("", boolean="Xor"),
}
