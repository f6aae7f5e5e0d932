"""System C: a recurrent net over the levels of a CNN (Zhu et al. 2017).

Zhu, Li, Zhang, Rao, Xu, Huang and Xu, "Dependency exploitation: a unified CNN-RNN approach for
visual emotion recognition", IJCAI 2017, 3595-3601. Layers of a CNN, from the first to the last, see
colour, texture, parts and objects; one vector of each is read as a sequence by a bidirectional RNN,
so that the level stands where time stands elsewhere. There are two losses: here a softmax's, of
what the RNN makes of it, and one that draws the same features together within a class.

Of the paper the abstract and a digest could be read. Choices of ours: the second loss, of which a
margin is known, is a contrastive one; the CNN is frozen and lies before this module
(`jser.training.level_features`); a level's vector is global statistics of its maps through a dense
layer (a 1x1 convolution before a global mean, which a branch of a trained CNN may have, is part of
that layer: the mean of linear maps is the linear map of the mean); the RNN is a GRU; all widths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jser.models.dcnn_blstm import dropout

# bigru: a bidirectional RNN is the paper's (abstract), that its cells are gated is ours. gru: from
# the first level to the last alone. concatenation: no RNN.
RNNS = ("bigru", "gru", "concatenation")


class CnnRnn(nn.Module):
    """Levels -> a dense layer each -> GRU over the levels in both directions -> softmax.

    What is chosen is chosen in the config (`config.model`), so nothing of it has a default here.
    The features that the RNN makes, [B, E] at length 1, are sown as ``embedding``: the contrastive
    loss compares them. E is 2 `units`, `units` or levels x `level_units`, by `rnn`.

    Attributes:
        n_classes: K.
        widths: true features of each of the L levels; behind them a level is padding.
        levels: which are read and in which order, 0 the first of the CNN; (): all, low to high.
        level_units: d, of a level's vector.
        rnn: one of `RNNS`; the last two are ablations.
        units: of the GRU, a direction.
        dense: units of hidden layers between the features and the last layer; () for none.
    """

    n_classes: int
    widths: tuple[int, ...]
    levels: tuple[int, ...]
    level_units: int
    rnn: str
    units: int
    dense: tuple[int, ...]

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        length: jax.Array,
        pooled: jax.Array,
        hyper: Mapping[str, jax.Array],
        train: bool,
    ) -> tuple[jax.Array, jax.Array]:
        """Logits of levels.

        Args:
            x: [B, L, D], a step a level, zero from the level's own width on.
            length: int [B]: L, or 0 where the row does not count.
            pooled: not looked at.
            hyper: scalars ``dropout`` (levels' vectors and dense layers), ``input_dropout``.
            train: drop units, with the random stream ``dropout``.

        Returns:
            (logits [B, K], weights [B, L]: the same for every level that is read).
        """
        del pooled
        levels = self.levels or tuple(range(len(self.widths)))
        if x.shape[1] != len(self.widths) or not set(levels) <= set(range(x.shape[1])):
            raise ValueError(f"levels {levels} of {x.shape[1]}, with widths {self.widths}")

        def drop(value: jax.Array, rate: str) -> jax.Array:
            return dropout(value, hyper[rate], self.make_rng("dropout")) if train else value

        x = drop(x, "input_dropout")
        vectors = [
            nn.relu(nn.Dense(self.level_units, name=f"level{k}")(x[:, k, : self.widths[k]]))
            for k in levels
        ]
        found = self._read([drop(vector, "dropout") for vector in vectors])
        norm = jnp.sqrt(jnp.maximum(jnp.sum(jnp.square(found), axis=-1, keepdims=True), 1e-12))
        self.sow("intermediates", "embedding", found / norm)
        z = drop(found, "dropout")
        for number, units in enumerate(self.dense):
            z = drop(nn.relu(nn.Dense(units, name=f"dense{number}")(z)), "dropout")
        logits = nn.Dense(self.n_classes, name="output")(z)
        read = jnp.asarray(np.isin(np.arange(x.shape[1]), levels) / len(levels), jnp.float32)
        return logits, jnp.where(length[:, None] > 0, read, 0.0)

    def _read(self, vectors: Sequence[jax.Array]) -> jax.Array:
        """Features [B, E] of levels' vectors [B, d], in the order in which they are read."""
        if self.rnn == "concatenation":
            return jnp.concatenate(vectors, axis=-1)
        if self.rnn not in RNNS:
            raise ValueError(f"rnn {self.rnn!r} is none of {', '.join(RNNS)}")
        found = [self._last(vectors, "forward")]
        if self.rnn == "bigru":
            found.append(self._last(vectors[::-1], "backward"))
        return jnp.concatenate(found, axis=-1)

    def _last(self, vectors: Sequence[jax.Array], name: str) -> jax.Array:
        """The state [B, H] of a GRU behind the last vector.

        A plain loop: there are five levels or so.
        """
        # Not orthogonal, which is Linen's default: its batched QR under vmap hangs on few cores.
        cell = nn.GRUCell(
            self.units, recurrent_kernel_init=nn.initializers.lecun_normal(), name=name
        )
        state = jnp.zeros((vectors[0].shape[0], self.units), vectors[0].dtype)
        for vector in vectors:
            state, _ = cell(state, vector)
        return state


class ScaledLevels(nn.Module):
    """Levels at mean 0 and deviation 1 over a fold's training rows, each by itself, and a head.

    A collection of its own, ``scaling``, holds ``mean`` and ``scale`` [L, D]; nobody trains it.

    Attributes:
        head: reads the scaled levels.
    """

    head: nn.Module

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        length: jax.Array,
        pooled: jax.Array,
        hyper: Mapping[str, jax.Array],
        train: bool,
    ) -> tuple[jax.Array, jax.Array]:
        """What the head gives; arguments as `CnnRnn`'s."""
        shape = x.shape[1:]
        mean = self.variable("scaling", "mean", jnp.zeros, shape).value
        scale = self.variable("scaling", "scale", jnp.ones, shape).value
        x = jnp.where(length[:, None, None] > 0, (x - mean) * scale, 0.0)
        answer: tuple[jax.Array, jax.Array] = self.head(x, length, pooled, hyper, train)
        return answer
