"""One step of a program, as the rules read it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jser.artefact.onnx.graph import Graph, Shape, Value


@dataclasses.dataclass(frozen=True)
class Equation:
    """A primitive of JAX applied to values.

    Attributes:
        primitive: its name.
        inputs: its arguments.
        params: its settings.
        shapes, dtypes: of its results.
        inline: (graph, program, arguments) -> results; converts a program inside of this one.
    """

    primitive: str
    inputs: list[Value]
    params: Mapping[str, Any]
    shapes: list[Shape]
    dtypes: list[np.dtype]
    inline: Callable[[Graph, Any, Sequence[Value]], list[Value]]

    @property
    def shape(self) -> Shape:
        """Of the first result."""
        return self.shapes[0]

    @property
    def dtype(self) -> np.dtype:
        """Of the first result."""
        return self.dtypes[0]

    def result(self, name: str) -> list[Value]:
        """The only result, under a name in the graph, repeated along all axes."""
        return [Value(self.shape, self.dtype, self.shape, name)]


# (graph, equation) -> its results.
Rule = Callable[[Graph, Equation], list[Value]]


class NotConvertible(Exception):
    """A program has something that ONNX cannot say, or that none of the rules says in it.

    The converter has rules for what the systems here are made of, and names what is new to it
    instead of writing a file that answers otherwise.
    """


def unsupported(equation: Equation, what: str) -> NotConvertible:
    """The error that an equation cannot be converted, to be raised."""
    return NotConvertible(f"{equation.primitive} with {what}")
