"""From a function to a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import onnx
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal
from onnx import helper

from jser.artefact.onnx import control, elementwise, indexing, products, reductions, shaping
from jser.artefact.onnx.equation import Equation, NotConvertible, Rule
from jser.artefact.onnx.graph import Graph, Size, Value, element_type, is_static, known

# ONNX 1.12 of June 2022, which onnxruntime reads from 1.12 on.
OPSET = 17
IR_VERSION = 8
# Bytes of a result that is computed now although its inputs are smaller.
MOST_BYTES = 1 << 20
RULES: dict[str, Rule] = {
    **control.RULES,
    **elementwise.RULES,
    **indexing.RULES,
    **products.RULES,
    **reductions.RULES,
    **shaping.RULES,
}

# Programs are looked into; and of known numbers the rules of these make known ones by themselves.
_NOT_AHEAD = {*control.RULES, "broadcast_in_dim", "convert_element_type"}

# Complex numbers are two arrays, of which these alone know.
_COMPLEX = {"complex", "convert_element_type", "fft", "imag", "jit", "pad", "pjit", "real"}


def convert(
    function: Callable[..., Any],
    weights: Any,
    inputs: Mapping[str, jax.ShapeDtypeStruct],
    path: Path | str,
    *,
    outputs: Sequence[str] = (),
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a function as an ONNX file.

    Args:
        function: (weights, *inputs) -> arrays, pure, of real results.
        weights: a pytree of arrays, which the file holds under their names in the tree.
        inputs: names, shapes and types of the other arguments. Shapes may be symbolic
            (`jax.export.symbolic_shape`); every symbol is some input's size as it stands.
        path: the file.
        outputs: names of the results, in the order of their leaves; none: the results are a dict,
            whose keys are the names.
        metadata: texts to go with it.

    Raises:
        NotConvertible: the function has a primitive that there is no rule for; named.
        ValueError: not so many results as names; or a symbol that is no input's size.
    """
    onnx.save(model_of(function, weights, inputs, outputs, metadata or {}), str(path))


def model_of(
    function: Callable[..., Any],
    weights: Any,
    inputs: Mapping[str, jax.ShapeDtypeStruct],
    outputs: Sequence[str],
    metadata: Mapping[str, str],
) -> onnx.ModelProto:
    """What `convert` writes."""
    program, shapes = jax.make_jaxpr(function, return_shape=True)(weights, *inputs.values())
    outputs = outputs or [_path(place) for place, _ in jax.tree_util.tree_leaves_with_path(shapes)]
    if len(program.out_avals) != len(outputs):
        raise ValueError(f"{len(program.out_avals)} results and {len(outputs)} names")
    graph = Graph()
    for name in (*inputs, *outputs):
        graph.claim(name)
    leaves = jax.tree_util.tree_leaves_with_path(weights)
    arguments = []
    for (place, leaf), aval in zip(leaves, program.in_avals, strict=False):
        arguments.append(known(np.asarray(leaf, aval.dtype), _path(place)))
    described = []
    for (name, spec), aval in zip(inputs.items(), program.in_avals[len(leaves) :], strict=True):
        described.append(_described(name, aval.shape, aval.dtype))
        arguments.append(Value(aval.shape, np.dtype(aval.dtype), aval.shape, name))
        _bind_sizes(graph, name, spec.shape)
    made = inline(graph, program, arguments)
    results = []
    for name, value, aval in zip(outputs, made, program.out_avals, strict=True):
        last = helper.make_node("Identity", [graph.full_name(value)], [name], name=name)
        graph.nodes.append(last)
        results.append(_described(name, aval.shape, aval.dtype))
    graph.prune(outputs)
    model = helper.make_model(
        helper.make_graph(graph.nodes, "jser", described, results, graph.tensors()),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="jser",
    )
    helper.set_model_props(model, dict(metadata))
    return model


def _path(place: Any) -> str:
    """The name of a leaf by its place in a tree, ``members/0/dense/kernel``."""
    return jax.tree_util.keystr(place, simple=True, separator="/")


def _described(name: str, shape: Sequence[Size], dtype: Any) -> onnx.ValueInfoProto:
    """An input or output as the file describes it."""
    sizes = [size if is_static([size]) else str(size) for size in shape]
    return helper.make_tensor_value_info(name, element_type(dtype), sizes)


def _bind_sizes(graph: Graph, name: str, shape: Sequence[Size]) -> None:
    """Let symbols be the sizes of an input that has them as they stand."""
    for axis, size in enumerate(shape):
        if jax.export.is_symbolic_dim(size) and str(size).isidentifier():
            whole = graph.node("Shape", [name])
            place = graph.constant(np.int64(axis))
            graph.bind_size(graph.node("Gather", [whole, place], axis=0), str(size))


def inline(graph: Graph, program: ClosedJaxpr | Jaxpr, arguments: Sequence[Value]) -> list[Value]:
    """Convert a program into a graph; returns its results."""
    jaxpr = program.jaxpr if isinstance(program, ClosedJaxpr) else program
    consts = program.consts if isinstance(program, ClosedJaxpr) else []
    values: dict[Any, Value] = {}
    values.update(zip(jaxpr.constvars, map(known, consts), strict=True))
    values.update(zip(jaxpr.invars, arguments, strict=True))

    def read(atom: Any) -> Value:
        if isinstance(atom, Literal):
            aval: Any = atom.aval
            return known(np.asarray(atom.val, aval.dtype))
        return values[atom]

    for eqn in jaxpr.eqns:
        found = _apply(graph, eqn, [read(atom) for atom in eqn.invars])
        values.update(zip(eqn.outvars, found, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _apply(graph: Graph, eqn: Any, inputs: list[Value]) -> list[Value]:
    """The results of one equation.

    Raises:
        NotConvertible: there is no rule for its primitive.
    """
    name = eqn.primitive.name
    if name not in RULES:
        raise NotConvertible(f"the primitive {name}")
    strange = any(np.dtype(v.aval.dtype).kind == "c" for v in (*eqn.invars, *eqn.outvars))
    if strange and name not in _COMPLEX:
        raise NotConvertible(f"{name} of complex numbers")
    if name not in _NOT_AHEAD and (now := _computed(eqn, inputs)):
        return now
    equation = Equation(
        primitive=name,
        inputs=inputs,
        params=eqn.params,
        shapes=[var.aval.shape for var in eqn.outvars],
        dtypes=[np.dtype(var.aval.dtype) for var in eqn.outvars],
        inline=inline,
    )
    return RULES[name](graph, equation)


def _computed(eqn: Any, inputs: list[Value]) -> list[Value]:
    """The results, where the inputs are known and the results are not much larger."""
    avals = [var.aval for var in eqn.outvars]
    if not inputs or any(v.known is None or not is_static(v.shape) for v in inputs):
        return []
    if not all(is_static(aval.shape) and aval.dtype.kind != "c" for aval in avals):
        return []
    if any(jax.export.is_symbolic_dim(leaf) for leaf in jax.tree.leaves(dict(eqn.params))):
        return []
    given = sum(v.known.nbytes for v in inputs if v.known is not None)
    whole = [math.prod(x.shape) * x.dtype.itemsize for x in (*avals, *inputs)]
    if max(whole) > max(given, MOST_BYTES):
        return []
    numbers = [np.broadcast_to(v.known, v.shape) for v in inputs if v.known is not None]
    made = eqn.primitive.bind(*numbers, **eqn.params)
    return [known(np.asarray(x)) for x in (made if eqn.primitive.multiple_results else [made])]
