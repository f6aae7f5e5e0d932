"""An ONNX graph in the making: nodes, constants, and arithmetic on sizes known when it runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import numpy as np
import onnx
from onnx import helper, numpy_helper

from jser.artefact.onnx import sizes

# A size: an int, or an expression in sizes of the inputs (`jax.export.symbolic_shape`).
Size = Any
Shape = tuple[Size, ...]


@dataclasses.dataclass(frozen=True)
class Value:
    """An array of the program.

    Attributes:
        shape: as JAX has it.
        dtype: likewise.
        stored: as the graph has it: 1 along axes over which it is yet to be repeated. Most
            operators repeat by themselves, so copies are made only for those that do not.
        name: in the graph; empty for a number that is not there yet.
        known: its numbers, of the shape `stored`, where they do not depend on the inputs.
        label: name for `known` in the graph; empty: any.
        imaginary: of a complex array, whose real part the other fields are.
    """

    shape: Shape
    dtype: np.dtype
    stored: Shape
    name: str = ""
    known: np.ndarray | None = None
    label: str = ""
    imaginary: Value | None = None


def known(array: Any, label: str = "") -> Value:
    """A value of numbers that do not depend on the inputs."""
    array = np.asarray(array)
    return Value(array.shape, array.dtype, array.shape, known=array, label=label)


def is_one(size: Size) -> bool:
    """Whether a size is 1 whatever the inputs."""
    return isinstance(size, int | np.integer) and size == 1


def is_static(shape: Iterable[Size]) -> bool:
    """Whether a shape is the same whatever the inputs."""
    return not any(jax.export.is_symbolic_dim(size) for size in shape)


def element_type(dtype: Any) -> int:
    """ONNX's number of a numpy type."""
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


class Graph:
    """Nodes of a graph, or of a loop's body inside of it.

    Constants and sizes lie in the outermost graph, where bodies see them.

    Attributes:
        nodes: in an order in which they can run.
    """

    def __init__(self, parent: Graph | None = None):
        self.nodes: list[onnx.NodeProto] = []
        self._root: Graph = parent._root if parent else self
        if parent is None:
            self._count = 0
            self._taken: set[str] = set()
            self._tensors: dict[str, onnx.TensorProto] = {}
            self._constants: dict[tuple[Any, ...], str] = {}
            self._sizes: dict[str, str] = {}

    def claim(self, name: str) -> str:
        """Let nothing else have this name."""
        self._root._taken.add(name)
        return name

    def fresh(self, word: str) -> str:
        """A name that nothing has."""
        root = self._root
        while True:
            root._count += 1
            if (name := f"{word}_{root._count}") not in root._taken:
                return self.claim(name)

    def node(self, operator: str, inputs: Sequence[str], count: int = 1, **attributes: Any) -> Any:
        """Add a node; returns its output's name, or the names of `count` outputs."""
        names = [self.fresh(operator.lower()) for _ in range(count)]
        # Older onnxruntimes join nodes under names made of theirs, so each needs one of its own.
        node = helper.make_node(operator, list(inputs), names, name=names[0], **attributes)
        self.nodes.append(node)
        return names[0] if count == 1 else names

    def constant(self, array: Any, label: str = "") -> str:
        """The name of a constant; equal ones of one label are one."""
        root, array = self._root, np.asarray(array)
        key = (label, array.dtype.str, array.shape, array.tobytes())
        if key not in root._constants:
            free = label and label not in root._taken
            name = self.claim(label) if free else self.fresh(label or "constant")
            root._tensors[name] = numpy_helper.from_array(np.array(array, order="C"), name)
            root._constants[key] = name
        return root._constants[key]

    def integers(self, *numbers: int) -> str:
        """The name of a constant int64 vector, as operators want axes and shapes."""
        return self.constant(np.array(numbers, np.int64))

    def bind_size(self, name: str, text: str) -> None:
        """Let size `text` be the int64 scalar of this name."""
        self._root._sizes[text] = name

    def named_size(self, text: str) -> str:
        """The name of an input's size as an int64 scalar.

        Raises:
            ValueError: no input has it as a size.
        """
        if text not in self._root._sizes:
            raise ValueError(f"no input has {text} as a size")
        return self._root._sizes[text]

    def size(self, size: Size) -> str:
        """The name of a size as an int64 scalar."""
        if not jax.export.is_symbolic_dim(size):
            return self.constant(np.int64(size))
        root, text = self._root, str(size)
        if text not in root._sizes:
            root._sizes[text] = sizes.compute(root, text)
        return root._sizes[text]

    def sizes(self, shape: Sequence[Size]) -> str:
        """The name of a shape as an int64 vector."""
        if is_static(shape):
            return self.integers(*shape)
        root, key = self._root, f"[{', '.join(map(str, shape))}]"
        if key not in root._sizes:
            axis = self.integers(0)
            parts = [root.node("Unsqueeze", [root.size(size), axis]) for size in shape]
            root._sizes[key] = root.node("Concat", parts, axis=0)
        return root._sizes[key]

    def name(self, value: Value) -> str:
        """The name under which the graph has a value, as `stored`."""
        if value.known is not None:
            return self.constant(value.known, value.label)
        return value.name

    def full(self, value: Value) -> Value:
        """A value that is repeated along all its axes."""
        if value.stored == value.shape:
            return value
        if value.known is not None and is_static(value.shape):
            return known(np.broadcast_to(value.known, value.shape))
        name = self.node("Expand", [self.name(value), self.sizes(value.shape)])
        return dataclasses.replace(value, stored=value.shape, name=name, known=None)

    def full_name(self, value: Value) -> str:
        """The name of a value that is repeated along all its axes."""
        return self.name(self.full(value))

    def cast(self, name: str, dtype: Any) -> str:
        """The name of an array in another type."""
        return self.node("Cast", [name], to=element_type(dtype))

    def transpose(self, value: Value, order: Sequence[int]) -> Value:
        """The axes of a value in another order."""
        order = [int(axis) for axis in order]
        if order == list(range(len(order))):
            return value
        shape, stored = (tuple(s[axis] for axis in order) for s in (value.shape, value.stored))
        if value.known is not None:
            numbers = value.known.transpose(order)
            return Value(shape, value.dtype, stored, known=numbers, label=value.label)
        name = self.node("Transpose", [value.name], perm=order)
        return Value(shape, value.dtype, stored, name)

    def body(
        self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[tuple[str, Any]]
    ) -> onnx.GraphProto:
        """This graph as the body of a loop or a branch; `outputs` are names and types."""
        made = []
        for output, dtype in outputs:
            # What a body gives must be made in it.
            inside = self.node("Identity", [output])
            made.append(helper.make_tensor_value_info(inside, element_type(dtype), None))
        self.prune([info.name for info in made])
        return helper.make_graph(self.nodes, name, inputs, made)

    def prune(self, outputs: Iterable[str]) -> None:
        """Leave out nodes that nothing needs."""
        needed, kept = set(outputs), []
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(_read(node))
        self.nodes = kept[::-1]

    def tensors(self) -> list[onnx.TensorProto]:
        """The constants that nodes read."""
        used = {name for node in self.nodes for name in _read(node)}
        return [tensor for name, tensor in self._root._tensors.items() if name in used]


def _read(node: onnx.NodeProto) -> set[str]:
    """Names that a node and the bodies inside of it read."""
    names = set(node.input)
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            names.update(name for inner in attribute.g.node for name in _read(inner))
    return names
