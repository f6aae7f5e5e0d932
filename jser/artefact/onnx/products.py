"""Rules for matrix products, convolutions and Fourier transforms."""

from __future__ import annotations

import dataclasses
import string

import numpy as np
from jax import lax

from jser.artefact.onnx.equation import Equation, NotConvertible, Rule, unsupported
from jser.artefact.onnx.graph import Graph, Value, is_static


def _dot_general(graph: Graph, equation: Equation) -> list[Value]:
    left, right = (graph.full(v) for v in equation.inputs)
    (left_sum, right_sum), (left_batch, right_batch) = equation.params["dimension_numbers"]
    left_free = [a for a in range(len(left.shape)) if a not in (*left_sum, *left_batch)]
    right_free = [a for a in range(len(right.shape)) if a not in (*right_sum, *right_batch)]
    plain = len(left_sum) == 1 and len(right_free) == 1
    if plain and (not left_batch or len(left_free) == 1):
        a = graph.transpose(left, [*left_batch, *left_free, *left_sum])
        b = graph.transpose(right, [*right_batch, *right_sum, *right_free])
        return equation.result(graph.node("MatMul", [graph.name(a), graph.name(b)]))
    letters = iter(string.ascii_lowercase)
    left_names = [next(letters) for _ in left.shape]
    right_names = [next(letters) for _ in right.shape]
    for a, b in zip((*left_sum, *left_batch), (*right_sum, *right_batch), strict=True):
        right_names[b] = left_names[a]
    out = [left_names[a] for a in (*left_batch, *left_free)] + [right_names[a] for a in right_free]
    formula = f"{''.join(left_names)},{''.join(right_names)}->{''.join(out)}"
    names = [graph.name(left), graph.name(right)]
    return equation.result(graph.node("Einsum", names, equation=formula))


def _convolution(graph: Graph, equation: Equation) -> list[Value]:
    p = equation.params
    if any(d != 1 for d in p["lhs_dilation"]) or p["batch_group_count"] != 1:
        raise unsupported(equation, "a dilated input or groups of the batch")
    padding = [edge for side in zip(*p["padding"], strict=True) for edge in side]
    if not is_static(padding):
        raise unsupported(equation, "padding that depends on an input's size")
    layout = p["dimension_numbers"]
    x, kernel = (graph.full(v) for v in equation.inputs)
    x = graph.transpose(x, layout.lhs_spec)
    kernel = graph.transpose(kernel, layout.rhs_spec)
    made = graph.node(
        "Conv",
        [graph.name(x), graph.name(kernel)],
        pads=[int(edge) for edge in padding],
        strides=[int(s) for s in p["window_strides"]],
        dilations=[int(d) for d in p["rhs_dilation"]],
        group=int(p["feature_group_count"]),
    )
    shape = tuple(equation.shape[axis] for axis in layout.out_spec)
    out = Value(shape, equation.dtype, shape, made)
    return [graph.transpose(out, [int(a) for a in np.argsort(layout.out_spec)])]


def _waves(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and negative sines of 2 pi k t / n, for k and t from 0 to n // 2, float64 [k, t]."""
    # Whole turns are taken out while the numbers are integers.
    angles = 2 * np.pi / n * (np.outer(np.arange(n // 2 + 1), np.arange(n // 2 + 1)) % n)
    return np.cos(angles), -np.sin(angles)


def _fft(graph: Graph, equation: Equation) -> list[Value]:
    """Transforms of real numbers, as products with matrices.

    ONNX has an operator, but onnxruntime's loses digits where the length is no power of two. A
    cosine is the same at t and n - t, and a sine its negative, so half a matrix is enough.
    """
    kind, lengths = equation.params["fft_type"], equation.params["fft_lengths"]
    if len(lengths) != 1 or kind not in (lax.FftType.RFFT, lax.FftType.IRFFT):
        raise unsupported(equation, f"a transform {kind} over {len(lengths)} axes")
    (n,) = lengths
    (x,) = equation.inputs
    if kind == lax.FftType.RFFT:
        return _forward(graph, equation, x, n)
    return equation.result(_backward(graph, *_parts(x), n))


def _forward(graph: Graph, equation: Equation, x: Value, n: int) -> list[Value]:
    rank, pairs = len(x.shape), (n - 1) // 2
    name, last, back = graph.full_name(x), graph.integers(rank - 1), graph.integers(-1)
    edges = [graph.integers(0), graph.integers(n // 2 + 1)]
    first = graph.node("Slice", [name, *edges, last])
    # The numbers at n - 1, n - 2, ... stand beside those at 1, 2, ...
    edges = [graph.integers(n - 1), graph.integers(n - 1 - pairs)]
    mirrored = graph.node("Slice", [name, *edges, last, back])
    around = [0] * (rank - 1)
    around = [*around, 1, *around, n // 2 - pairs]
    mirrored = graph.node("Pad", [mirrored, graph.integers(*around)])
    parts = []
    for operator, wave in zip(("Add", "Sub"), _waves(n), strict=True):
        both = graph.node(operator, [first, mirrored])
        matrix = graph.constant(wave.T.astype(np.float32))
        parts.append(graph.node("MatMul", [both, matrix]))
    shape = equation.shape
    imaginary = Value(shape, np.dtype(np.float32), shape, parts[1])
    return [Value(shape, equation.dtype, shape, parts[0], imaginary=imaginary)]


def _backward(graph: Graph, real: Value, imaginary: Value, n: int) -> str:
    # A frequency stands for its negative twin too, but for the first and, of even n, the last.
    share = np.full(n // 2 + 1, 2 / n)
    share[0] = 1 / n
    if n % 2 == 0:
        share[-1] = 1 / n
    cosine, sine = (graph.constant((share[:, None] * w).astype(np.float32)) for w in _waves(n))
    front = mirrored = graph.node("MatMul", [graph.full_name(real), cosine])
    if imaginary.known is None or imaginary.known.any():
        odd = graph.node("MatMul", [graph.full_name(imaginary), sine])
        front = graph.node("Add", [mirrored, odd])
        mirrored = graph.node("Sub", [mirrored, odd])
    edges = [graph.integers((n - 1) // 2), graph.integers(0)]
    last = graph.integers(len(real.shape) - 1)
    behind = graph.node("Slice", [mirrored, *edges, last, graph.integers(-1)])
    return graph.node("Concat", [front, behind], axis=-1)


def _parts(x: Value) -> tuple[Value, Value]:
    """Real and imaginary part of a complex value."""
    if x.imaginary is None:
        raise NotConvertible("a complex constant")
    return dataclasses.replace(x, dtype=np.dtype(np.float32), imaginary=None), x.imaginary


def _complex(graph: Graph, equation: Equation) -> list[Value]:
    real, imaginary = (graph.full(v) for v in equation.inputs)
    return [dataclasses.replace(real, dtype=equation.dtype, imaginary=imaginary)]


RULES: dict[str, Rule] = {
    "complex": _complex,
    "conv_general_dilated": _convolution,
    "dot_general": _dot_general,
    "fft": _fft,
    "imag": lambda graph, equation: [_parts(equation.inputs[0])[1]],
    "real": lambda graph, equation: [_parts(equation.inputs[0])[0]],
}
