"""A function of JAX as an ONNX file, which onnxruntime runs without Python.

The function is traced with symbolic sizes, and each primitive of its jaxpr becomes a few ONNX
operators by a rule: `elementwise`, `shaping`, `indexing`, `products`, `reductions`, `control`.
"""

from jser.artefact.onnx.converting import convert
from jser.artefact.onnx.equation import NotConvertible

__all__ = ["NotConvertible", "convert"]
