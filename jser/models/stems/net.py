"""What every stem is: a sequence of named blocks, and one way through them.

Pictures of one call may have different true widths; they are padded on the right to a common one.
Whatever a block computes on true columns is what it computes on the picture alone (tested to
1e-5), because every map is zero from its true width on, which are the very zeros that a
convolution's own padding has. Padding on the left never depends on the width.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jser.errors import InputError
from jser.models.stems.layers import BlockParams, Layer, MaxPool, blank

Params = Mapping[str, BlockParams]

# Block's parameters, maps [B, h, w, C] and true columns int [B] -> maps and true columns.
Run = Callable[[BlockParams, jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


@dataclass(frozen=True)
class Block:
    """One step of a stem, the unit that is tapped, cached before, or tuned from.

    Attributes:
        name: as it stands in `stem.taps`.
        layers: with parameters; a block may have none.
        run: from the block before, to this block's maps before `pool`.
        stride: columns of its input per column of its maps, before `pool`.
        pool: max-pooling that follows. It belongs to this block: the next one starts behind it.
        flat: gives a vector [B, D] and no maps.
    """

    name: str
    layers: tuple[Layer, ...]
    run: Run
    stride: int = 1
    pool: MaxPool | None = None
    flat: bool = False


@dataclass(frozen=True)
class Net:
    """A stem.

    Attributes:
        name: as it stands in `stem.net`.
        title: as a report writes it.
        blocks: in order.
        mean, std: of RGB in 0..1, which its input is normalised with.
        unused: tensors of its PyTorch file that a stem has no use for: the classifier's last layer.
    """

    name: str
    title: str
    blocks: tuple[Block, ...]
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    unused: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the blocks, in order."""
        return tuple(block.name for block in self.blocks)

    def index(self, name: str, field: str = "stem.taps") -> int:
        """Place of a block.

        Raises:
            InputError: there is none of this name; the message names the choices.
        """
        if name not in self.names:
            raise InputError(
                f"{field}: {name!r} is no block of {self.name}; choose from {', '.join(self.names)}"
            )
        return self.names.index(name)

    def needed(self, taps: Iterable[str]) -> tuple[str, ...]:
        """Blocks from the first to the last that is tapped."""
        return self.names[: 1 + max(self.index(tap) for tap in taps)]

    def before(self, name: str, field: str = "stem.train_from") -> str | None:
        """The block whose maps are the input of block `name`; None: the picture is."""
        place = self.index(name, field)
        return self.names[place - 1] if place else None

    def split(self, params: Params, train_from: str) -> tuple[Params, Params]:
        """(frozen, tuned): the parameters before block `train_from`, and those from it on."""
        first = self.index(train_from, "stem.train_from")
        frozen = self.names[:first]
        return (
            {name: leaves for name, leaves in params.items() if name in frozen},
            {name: leaves for name, leaves in params.items() if name not in frozen},
        )

    def apply(
        self,
        params: Params,
        x: jax.Array,
        width: jax.Array | None = None,
        *,
        taps: tuple[str, ...],
        start: str | None = None,
        pooled: bool = True,
        remat: bool = False,
    ) -> list[tuple[jax.Array, jax.Array]]:
        """Maps of the tapped blocks.

        Args:
            params: of the blocks from `start` to the last tap; others are not looked at.
            x: [B, h, w, 3], normalised with `mean` and `std`; with `start`, what the block before
                it gave to a tap with `pooled`.
            width: int [B], true columns of each picture of x; None means all.
            taps: names of blocks.
            start: first block to run; None: the first of all. Maps before it can so be computed
                once, and only what comes after them be tuned.
            pooled: take a tap after the max-pooling that follows it, where one does.
            remat: for a gradient keep what goes into a block alone, and compute the block again.

        Returns:
            One (maps [B, h', w', C'], true columns int [B]) a tap, in the order of `taps`; a flat
            block gives [B, D] instead of maps. Maps are zero from the true columns on.

        Raises:
            InputError: no such block; a tap before `start`; a picture too small for a block; or a
                flat block and pictures of several widths.
        """
        first = 0 if start is None else self.index(start, "stem.train_from")
        last = max(self.index(tap) for tap in taps)
        if early := [tap for tap in taps if self.index(tap) < first]:
            raise InputError(f"stem.taps: {early[0]} lies before {start}, where the maps start")
        size = "x".join(map(str, x.shape[1:-1])) or "none"
        several = width is not None
        if width is None:
            width = jnp.full(x.shape[0], x.shape[2] if x.ndim == 4 else 1)
        if x.ndim == 4:
            x = blank(x, width)
        found = {}
        for place, block in enumerate(self.blocks[first : last + 1], first):
            if block.flat and several:
                raise InputError(
                    f"stem.taps: {block.name} of {self.name} reads pictures of one size, "
                    "not padded ones; set stem.picture=segments, or choose an earlier block"
                )
            run = jax.checkpoint(block.run) if remat else block.run
            x, width = run(params[block.name], x, width)
            if not pooled:
                found[block.name] = x, width
            if block.pool and (pooled or place < last):
                x, width = block.pool(x, width)
            if 0 in x.shape:
                raise InputError(
                    f"stem.taps: {block.name} of {self.name} has no map left of a picture of {size}"
                    " pixels; raise stem.input_size or stem.scale, or choose an earlier block"
                )
            if pooled:
                found[block.name] = x, width
        return [found[tap] for tap in taps]

    def stride(self, tap: str, pooled: bool = True) -> int:
        """Pixels of the picture per column of a tap's maps."""
        stride = 1
        last = self.index(tap)
        for place, block in enumerate(self.blocks[: last + 1]):
            stride *= block.stride
            if block.pool and (pooled or place < last):
                stride *= block.pool.stride
        return stride

    def shape(self, tap: str, rows: int, columns: int, pooled: bool = True) -> tuple[int, ...]:
        """(h, w, C) of a tap's maps for a picture of rows x columns pixels; (D,) of a flat tap."""
        params = {
            block: {
                layer: {leaf: jax.ShapeDtypeStruct(s, np.float32) for leaf, s in leaves.items()}
                for layer, leaves in layers.items()
            }
            for block, layers in self.shapes(self.needed((tap,))).items()
        }
        picture = jax.ShapeDtypeStruct((1, rows, columns, 3), np.float32)
        ((maps, _),) = jax.eval_shape(
            lambda p, x: self.apply(p, x, taps=(tap,), pooled=pooled), params, picture
        )
        return tuple(maps.shape[1:])

    def shapes(
        self, names: Iterable[str] | None = None
    ) -> dict[str, dict[str, dict[str, tuple[int, ...]]]]:
        """Shapes of the parameters: block -> layer -> leaf -> shape; of all blocks, or `names`."""
        names = self.names if names is None else tuple(names)
        return {
            block.name: {layer.name: layer.shapes() for layer in block.layers}
            for block in self.blocks
            if block.name in names
        }

    def count(self, names: Iterable[str] | None = None) -> int:
        """Number of parameters of all blocks, or of `names`."""
        return sum(
            int(np.prod(shape))
            for layers in self.shapes(names).values()
            for leaves in layers.values()
            for shape in leaves.values()
        )

    def random(self, seed: int, names: Iterable[str] | None = None) -> dict[str, Any]:
        """Untrained weights (He initialisation), for the ablation against ImageNet.

        A block's weights depend on the seed and its name alone, not on which others are made.
        Scales are 1, shifts and biases 0.
        """
        made: dict[str, Any] = {}
        for block, layers in self.shapes(names).items():
            rng = np.random.default_rng([seed, zlib.crc32(block.encode())])
            made[block] = {
                layer: {leaf: _random(rng, leaf, shape) for leaf, shape in leaves.items()}
                for layer, leaves in layers.items()
            }
        return made


def _random(rng: np.random.Generator, leaf: str, shape: tuple[int, ...]) -> np.ndarray:
    if leaf != "kernel":
        return np.full(shape, float(leaf == "scale"), np.float32)
    deviation = np.float32(np.sqrt(2.0 / np.prod(shape[:-1])))
    return rng.standard_normal(shape, np.float32) * deviation


def conv_block(name: str, conv: Layer, pool: MaxPool | None = None) -> Block:
    """A convolution, its ReLU, and perhaps max-pooling."""

    def run(params: BlockParams, x: jax.Array, width: jax.Array) -> tuple[jax.Array, jax.Array]:
        x, width = conv(params[conv.name], x, width)
        return nn.relu(x), width

    return Block(name, (conv,), run, conv.stride, pool)
