"""Layers of the stems: what they compute, and which tensors of a PyTorch file they are made of.

Batch normalisation is folded into a scale and a shift a map, its inference mode: statistics stay
those of ImageNet, in fine-tuning too. A batch here is a few dozen overlapping segments of a few
speakers, whose statistics would differ from batch to batch, would tell the pictures of a batch
from each other, and would not be those that a single utterance meets in prediction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jser.models import winograd
from jser.models.pooling import max_pool

# Layer -> leaf -> array, of one block.
BlockParams = Mapping[str, Mapping[str, jax.Array]]


def blank(x: jax.Array, width: jax.Array) -> jax.Array:
    """Zero the columns of x [B, h, w, C] from width [B] on.

    A picture padded to a common width then meets, beyond its end, the very zeros that a
    convolution's own padding would give: padding changes no feature.
    """
    columns = jnp.arange(x.shape[2])[None, :] < width[:, None]
    return jnp.where(columns[:, None, :, None], x, 0)


def true_columns(width: jax.Array, kernel: int, stride: int, padding: tuple[int, int]) -> jax.Array:
    """Columns of a convolution's or pooling's output that stem from `width` true input columns."""
    return jnp.maximum((width + sum(padding) - kernel) // stride + 1, 0)


@dataclass(frozen=True)
class MaxPool:
    """Max-pooling of maps that are nowhere negative: beyond a picture's end 0 counts as nothing."""

    kernel: int
    stride: int
    padding: int = 0

    def __call__(self, x: jax.Array, width: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Maps [B, h, w, C] and true columns [B], pooled."""
        around = (self.padding, self.padding)
        # 0 counts as nothing, so zeros around pad.
        x = jnp.pad(x, ((0, 0), around, around, (0, 0)))
        x = max_pool(x, (self.kernel,) * 2, (self.stride,) * 2)
        width = true_columns(width, self.kernel, self.stride, around)
        return blank(x, width), width


class Layer(Protocol):
    """A layer with parameters."""

    @property
    def name(self) -> str:
        """Key of its parameters in the block's."""

    @property
    def stride(self) -> int:
        """Columns of its input per column of its output."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of its parameters by leaf."""

    def torch_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors of a PyTorch state dict that it is made of, by their names."""

    def from_torch(self, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Its parameters, float32, from a state dict that has these tensors."""

    def __call__(
        self, params: Mapping[str, jax.Array], x: jax.Array, width: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Its output, and the true columns of it."""


@dataclass(frozen=True)
class Conv:
    """A convolution with a bias, or with a folded batch normalisation.

    Attributes:
        name: key of its parameters in the block's.
        inputs, maps: channels.
        kernel, stride: pixels, in both directions.
        padding: zeros before and after, in both directions.
        torch: its name in PyTorch's state dict.
        norm: name of the batch normalisation behind it in the state dict; empty: it has none, and
            a bias instead.
        eps: of the batch normalisation.
        depthwise: every map has its own kernel and sees its own input alone.
    """

    name: str
    inputs: int
    maps: int
    kernel: int
    stride: int
    padding: tuple[int, int]
    torch: str
    norm: str = ""
    eps: float = 1e-5
    depthwise: bool = False

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Kernel HWIO, and a bias, or scale and shift."""
        kernel = (self.kernel, self.kernel, 1 if self.depthwise else self.inputs, self.maps)
        rest = ("scale", "shift") if self.norm else ("bias",)
        return {"kernel": kernel, **dict.fromkeys(rest, (self.maps,))}

    def torch_shapes(self) -> dict[str, tuple[int, ...]]:
        """Kernel OIHW, and a bias or the four vectors of batch normalisation."""
        h, w, i, o = self.shapes()["kernel"]
        kernel: dict[str, tuple[int, ...]] = {f"{self.torch}.weight": (o, i, h, w)}
        if not self.norm:
            return kernel | {f"{self.torch}.bias": (o,)}
        vectors = ("weight", "bias", "running_mean", "running_var")
        return kernel | {f"{self.norm}.{vector}": (o,) for vector in vectors}

    def from_torch(self, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """OIHW becomes HWIO; batch normalisation is folded in float64."""
        kernel = np.ascontiguousarray(state[f"{self.torch}.weight"].transpose(2, 3, 1, 0))
        made = {"kernel": kernel.astype(np.float32)}
        if not self.norm:
            return made | {"bias": state[f"{self.torch}.bias"].astype(np.float32)}
        gamma, beta, mean, variance = (
            state[f"{self.norm}.{vector}"].astype(np.float64)
            for vector in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance + self.eps)
        shift = beta - mean * scale
        return made | {"scale": scale.astype(np.float32), "shift": shift.astype(np.float32)}

    def __call__(
        self, params: Mapping[str, jax.Array], x: jax.Array, width: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Maps [B, h, w, inputs] and true columns [B] -> maps [B, h', w', maps], zero beyond."""
        if self.depthwise:
            x = depthwise(x, params["kernel"], self.stride, self.padding)
        elif winograd.pays(self.kernel, self.stride, self.inputs, x.dtype):
            x = winograd.conv(x, params["kernel"], self.padding)
        else:
            x = jax.lax.conv_general_dilated(
                x,
                params["kernel"],
                (self.stride, self.stride),
                (self.padding, self.padding),
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )
        x = x * params["scale"] + params["shift"] if self.norm else x + params["bias"]
        width = true_columns(width, self.kernel, self.stride, self.padding)
        return blank(x, width), width


def depthwise(x: jax.Array, kernel: jax.Array, stride: int, padding: tuple[int, int]) -> jax.Array:
    """x [B, h, w, C] with a kernel [k, k, 1, C] of its own for every map: a sum of shifted maps.

    Measured on two CPU cores, XLA's convolution of C groups takes 9 to 34 times as long, and its
    gradient 2 to 9 times (tests/benchmarks/stems.py --depthwise).
    """
    size = kernel.shape[0]
    wide = jnp.pad(x, ((0, 0), padding, padding, (0, 0)))
    # Accumulated in float32, as a convolution does, where x is shorter.
    wide = wide.astype(jnp.promote_types(x.dtype, jnp.float32))
    h, w = ((n - size) // stride + 1 for n in wide.shape[1:3])
    out = jnp.zeros((), wide.dtype)
    for i in range(size):
        for j in range(size):
            rows = slice(i, i + stride * (h - 1) + 1, stride)
            columns = slice(j, j + stride * (w - 1) + 1, stride)
            out = out + wide[:, rows, columns] * kernel[i, j, 0]
    return out.astype(x.dtype)


@dataclass(frozen=True)
class Dense:
    """A fully connected layer.

    Attributes:
        name: key of its parameters in the block's.
        inputs: shape of its input, (D,) or maps (h, w, C).
        units: of its output.
        torch: its name in PyTorch's state dict.
    """

    name: str
    inputs: tuple[int, ...]
    units: int
    torch: str
    stride: int = 1

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Kernel [inputs, units] and bias."""
        return {"kernel": (int(np.prod(self.inputs)), self.units), "bias": (self.units,)}

    def torch_shapes(self) -> dict[str, tuple[int, ...]]:
        """Weight [units, inputs] and bias."""
        inputs, units = self.shapes()["kernel"]
        return {f"{self.torch}.weight": (units, inputs), f"{self.torch}.bias": (units,)}

    def from_torch(self, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Transposed; maps that PyTorch flattens as CHW are flattened as HWC here."""
        weight = state[f"{self.torch}.weight"]
        if len(self.inputs) == 3:
            h, w, c = self.inputs
            weight = weight.reshape(self.units, c, h, w).transpose(0, 2, 3, 1)
        kernel = np.ascontiguousarray(weight.reshape(self.units, -1).T)
        bias = state[f"{self.torch}.bias"]
        return {"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32)}

    def __call__(
        self, params: Mapping[str, jax.Array], x: jax.Array, width: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """``[B, *inputs]`` -> [B, units]; `width` passes as it is."""
        return x.reshape(len(x), -1) @ params["kernel"] + params["bias"], width
