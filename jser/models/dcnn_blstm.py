"""System A: stem features -> BLSTM -> attention -> dense head (Zhang H. et al. 2021).

Front. Physiol. 12:643202, figure 1: segment features of a CNN are stacked to an utterance matrix,
a BLSTM reads it, attention pools it, a DNN names the emotion. The stem lies before this module
(`jser.training.stem_features`); with convolutions alone the system is called A-conv, a named
deviation from the paper, whose features are fc7's.
"""

from __future__ import annotations

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp

from jser.models.attention import AttentionPooling
from jser.models.blstm import BLSTM


def dropout(x: jax.Array, rate: jax.Array | float, key: jax.Array) -> jax.Array:
    """Inverted dropout with a rate that may be traced (Linen's refuses one)."""
    keep = jax.random.bernoulli(key, 1.0 - rate, x.shape)
    return jnp.where(keep, x / jnp.maximum(1.0 - rate, 1e-6), 0.0)


class DcnnBlstm(nn.Module):
    """BLSTM with attention over stem features, and a linear path beside it.

    What is chosen is chosen in the config (`config.model`), so nothing of it has a default here.

    Attributes:
        n_classes: K.
        units: H, a direction; 128 in two readings of the paper.
        attention: kind of `AttentionPooling`.
        dense: units of the hidden dense layers; widths are not given in the paper.
        linear_path: add a linear map of the stem features pooled over the whole utterance to the
            logits. Not in the paper: on frozen early convolutions a linear read-out is strong, and
            the sequence part then learns what it lacks.
        unroll: of the BLSTM's scan.
    """

    n_classes: int
    units: int
    attention: str
    dense: tuple[int, ...]
    linear_path: bool
    unroll: int = 1

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        length: jax.Array,
        pooled: jax.Array,
        hyper: Mapping[str, jax.Array],
        train: bool,
    ) -> tuple[jax.Array, jax.Array]:
        """Logits of stem feature sequences.

        Args:
            x: [B, S, D], zero on padding.
            length: int [B].
            pooled: [B, U], statistics over each whole utterance.
            hyper: scalars ``dropout`` (dense layers), ``input_dropout`` (stem features).
            train: drop units, with the random stream ``dropout``.

        Returns:
            (logits [B, K], attention [B, S]).
        """

        def drop(value: jax.Array, rate: str) -> jax.Array:
            return dropout(value, hyper[rate], self.make_rng("dropout")) if train else value

        hidden = BLSTM(self.units, self.unroll, name="blstm")(drop(x, "input_dropout"), length)
        context, alpha = AttentionPooling(self.attention, name="attention")(hidden, length)
        z = drop(context, "dropout")
        for number, units in enumerate(self.dense):
            z = drop(nn.relu(nn.Dense(units, name=f"dense{number}")(z)), "dropout")
        logits = nn.Dense(self.n_classes, name="output")(z)
        if self.linear_path:
            logits += nn.Dense(
                self.n_classes, use_bias=False, kernel_init=nn.initializers.zeros, name="linear"
            )(drop(pooled, "input_dropout"))
        return logits, alpha
