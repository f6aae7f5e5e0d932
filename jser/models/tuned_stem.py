"""The upper blocks of a stem as part of a member's model, and what stands on them.

Lower maps are computed once (`jser.training.boundary`); a member's model starts there. Weights of
the tuned blocks are parameters like others, named ``stem``; where they start is not this module's
business but data of the training (`population.Features.initial`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jser import computing
from jser.frontend import segments
from jser.models import stems
from jser.models.dcnn_blstm import dropout
from jser.models.stems import pictures
from jser.models.stems.pictures import PictureSpec


class TunedStem(nn.Module):
    """Blocks of a net from `train_from` to the last tap, over sequences of the maps before them.

    What a frame of x is depends on the picture:

    - ``utterance``: a column of the maps before `train_from`, D = h * C;
    - ``segments``: all maps of one segment, D = h * w * C, or its vector;
    - of either, where `train_from` is the first block: a frame of static log-Mel on the scale of
      `pictures.grey`, D = M; deltas and the picture are made here.

    Attributes:
        spec: of pictures, taps and pooling.
        train_from: first tuned block.
        shape: of a frame: (h, C), (h, w, C), (D,) of a vector, (M,) of log-Mel.
        n_steps: S, of the longest row.
        dtype: of the blocks' computations; parameters stay float32, products are added up in
            float32, and so are the pooled statistics.
    """

    spec: PictureSpec
    train_from: str
    shape: tuple[int, ...]
    n_steps: int
    dtype: str = "float32"

    @nn.compact
    def __call__(self, x: jax.Array, length: jax.Array) -> jax.Array:
        """Steps [B, S, D'], zero on padding, of x [B, F, D]; length int [B, 2]: frames, steps."""
        spec, net = self.spec, stems.get(self.spec.net)
        first = net.index(self.train_from, "stem.train_from")
        before = net.before(self.train_from)
        later = tuple(tap for tap in spec.taps if net.index(tap) >= first)
        params = {
            name: self.param(name, _zeros, shapes)
            for name, shapes in net.shapes(net.needed(spec.taps)[first:]).items()
            if shapes
        }
        params |= {name: {} for name in net.needed(spec.taps)[first:] if name not in params}
        maps, width = self._maps(x, length)
        params, maps = jax.tree.map(lambda a: a.astype(self.dtype), (params, maps))
        found = net.apply(
            params,
            maps,
            width,
            taps=later,
            start=self.train_from,
            pooled=spec.pooled,
            remat=computing.now().remat,
        )
        by_tap = dict(zip(later, found, strict=True))
        if before is not None and before in spec.taps:
            full = jnp.full(maps.shape[0], maps.shape[2] if maps.ndim == 4 else 1)
            by_tap[before] = (maps, full if width is None else width)
        taps = [(by_tap[tap][0].astype(jnp.float32), by_tap[tap][1]) for tap in spec.taps]
        if spec.picture == "segments":
            steps = pictures.segment_steps(taps, spec).reshape(x.shape[0], self.n_steps, -1)
        else:
            steps = pictures.window_steps(taps, net, spec, self.n_steps)
        return jnp.where(_true(length, self.n_steps)[:, :, None], steps, 0.0)

    def _maps(self, x: jax.Array, length: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        """Input of the first tuned block, and its true columns where rows differ in them."""
        spec = self.spec
        b = x.shape[0]  # a symbol in an export, which has no len
        if stems.get(spec.net).before(self.train_from) is None:
            frames = jnp.maximum(length[:, 0], 1)
            # Behind its end a row goes on with its last frame, for deltas and for resizing, and so
            # does the longest one.
            place = jnp.minimum(jnp.arange(x.shape[1] + 1), frames[:, None] - 1)
            x = jnp.take_along_axis(x, place[:, :, None], axis=1)
            static = pictures.static_of(x, spec)
            images = jax.vmap(lambda s, n: pictures.picture(s, n, spec))(static, frames)
            if spec.picture == "utterance":
                return pictures.enlarged(images, spec), length[:, 0] * spec.scale
            start = jnp.arange(self.n_steps)[:, None] * spec.shift
            index = jnp.minimum(start + np.arange(segments.SEGMENT_FRAMES), x.shape[1] - 1)
            cut = images[:, index].reshape(-1, *index.shape[1:], *images.shape[2:])
            return pictures.squares(cut, spec), None
        if spec.picture == "segments":
            return x.reshape(b * self.n_steps, *self.shape), None
        return jnp.swapaxes(x.reshape(b, x.shape[1], *self.shape), 1, 2), length[:, 0]


def _zeros(key: jax.Array, shapes: Mapping[str, Mapping[str, tuple[int, ...]]]) -> Any:
    """Places for weights that come from elsewhere."""
    del key
    return {
        layer: {leaf: jnp.zeros(shape) for leaf, shape in leaves.items()}
        for layer, leaves in shapes.items()
    }


def _true(length: jax.Array, n_steps: int) -> jax.Array:
    return jnp.arange(n_steps)[None, :] < length[:, 1:]


class OnTunedStem(nn.Module):
    """A tuned stem, a scaling that stays as the frozen stem's features gave it, and a head.

    The scaling is a collection of its own, ``scaling``: ``mean`` [D'] and ``matrix`` [D', d]
    (principal components), or ``scale`` [D'] where `components` is 0. Nobody trains it: with the
    stem's first weights the head sees exactly what it sees on a frozen stem.

    Attributes:
        stem: the tuned blocks.
        head: as a model on frozen features.
        components: d.
    """

    stem: TunedStem
    head: nn.Module
    components: int

    def of_steps(self, n: Any) -> OnTunedStem:
        """The same of rows of so many steps; in an export their number is a symbol."""
        return self.clone(stem=self.stem.clone(n_steps=n))

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        length: jax.Array,
        pooled: jax.Array,
        hyper: Mapping[str, jax.Array],
        train: bool,
    ) -> tuple[jax.Array, jax.Array]:
        """(logits [B, K], attention [B, S]) of x [B, F, D] and length [B, 2], see `TunedStem`."""
        steps = self.stem(x, length)
        width = steps.shape[-1]
        mean = self.variable("scaling", "mean", jnp.zeros, (width,)).value
        if self.components:
            shape = (width, self.components)
            steps = (steps - mean) @ self.variable("scaling", "matrix", jnp.zeros, shape).value
        else:
            scale = self.variable("scaling", "scale", jnp.ones, (width,)).value
            steps = (steps - mean) * scale
        steps = jnp.where(_true(length, steps.shape[1])[:, :, None], steps, 0.0)
        return self.head(steps, length[:, 1], pooled, hyper, train)


class StepClassifier(nn.Module):
    """A last layer on every step: how a stem is tuned on segments with their utterance's label.

    An utterance's answer is the mean of its steps' log-posteriors, so its cross-entropy is the
    mean of theirs. See `objectives.cross_entropy`.

    Attributes:
        n_classes: K.
        rectify: put a ReLU before the layer, where the tap is a linear layer before its own.
    """

    n_classes: int
    rectify: bool = False

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        length: jax.Array,
        pooled: jax.Array,
        hyper: Mapping[str, jax.Array],
        train: bool,
    ) -> tuple[jax.Array, jax.Array]:
        """(log-posteriors [B, K], weights [B, S]) of steps x [B, S, D] with lengths [B]."""
        del pooled
        if self.rectify:
            x = nn.relu(x)
        if train:
            x = dropout(x, hyper["dropout"], self.make_rng("dropout"))
        posterior = jax.nn.log_softmax(nn.Dense(self.n_classes, name="output")(x))
        mask = jnp.arange(x.shape[1])[None, :] < length[:, None]
        alpha = mask / jnp.maximum(length, 1)[:, None]
        return jnp.einsum("bs,bsk->bk", alpha, posterior), alpha
