"""Sizes that depend on the inputs' sizes, as nodes.

JAX writes such a size as a text in the language of `jax.export.symbolic_shape`, which is Python's
but for the sign of a power: ``160*floordiv(n - 400, 160) + 160``, ``max(0, t - 64)``, ``b^2``.
"""

from __future__ import annotations

import ast
from typing import Protocol

_OPERATORS = {ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul"}


class Nodes(Protocol):
    """What is needed of a graph."""

    def node(self, operator: str, inputs: list[str], count: int = 1, **attributes: int) -> str:
        """Add a node; returns its output's name."""

    def size(self, size: int) -> str:
        """The name of an int64 scalar."""

    def named_size(self, text: str) -> str:
        """The name of an input's size."""


def compute(graph: Nodes, text: str) -> str:
    """The name of the int64 scalar that a size's text describes.

    Raises:
        ValueError: it has a part that is not understood.
    """
    return _compute(graph, ast.parse(text.replace("^", "**"), mode="eval").body)


def _compute(graph: Nodes, part: ast.expr) -> str:
    match part:
        case ast.Constant(value=int(number)):
            return graph.size(number)
        case ast.Name(id=name):
            return graph.named_size(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return graph.node("Neg", [_compute(graph, operand)])
        case ast.BinOp(op=ast.Pow(), left=left, right=ast.Constant(value=int(power))):
            return graph.node("Pow", [_compute(graph, left), graph.size(power)])
        case ast.BinOp(op=operator, left=left, right=right) if type(operator) in _OPERATORS:
            both = [_compute(graph, left), _compute(graph, right)]
            return graph.node(_OPERATORS[type(operator)], both)
        case ast.Call(func=ast.Name(id=function), args=[left, right]):
            a, b = _compute(graph, left), _compute(graph, right)
            match function:
                case "max" | "min":
                    return graph.node(function.capitalize(), [a, b])
                case "mod":
                    return graph.node("Mod", [a, b])
                case "floordiv":
                    # ONNX divides towards zero, and its remainder has the divisor's sign.
                    return graph.node("Div", [graph.node("Sub", [a, graph.node("Mod", [a, b])]), b])
    raise ValueError(f"the size {ast.unparse(part)} is not understood")
