"""System G: LSTM over chosen acoustic descriptors (Byun and Lee 2021).

Appl. Sci. 11(4):1890: F0, MFCC, spectral and harmonic features of a recording are chosen by
statistical analysis and read by a recurrent network. Only the abstract could be read. That the
network is an LSTM stands in the same group's next papers; layers, widths and where units are
dropped are choices of ours. The choice of features lies before this module
(`jser.training.descriptor_selection`): a column that a fold does not look at comes in as zero, and
its weights neither act nor learn.
"""

from __future__ import annotations

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp

from jser.models.dcnn_blstm import dropout
from jser.models.lstm import LSTM, last_state


class AcousticRnn(nn.Module):
    """LSTM layers over frames, the last state, dense layers.

    Attributes:
        n_classes: K.
        lstm: units H of each LSTM layer, one after the other.
        dense: units of the hidden dense layers.
    """

    n_classes: int
    lstm: tuple[int, ...]
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
        """Logits of sequences of descriptors.

        Args:
            x: [B, S, D], zero on padding.
            length: int [B].
            pooled: not read.
            hyper: scalar ``dropout``: of what each LSTM layer and each dense layer gives.
            train: drop units, with the random stream ``dropout``.

        Returns:
            (logits [B, K], weights [B, S]: every true frame the same, since there is no attention).
        """
        del pooled

        def drop(value: jax.Array) -> jax.Array:
            return dropout(value, hyper["dropout"], self.make_rng("dropout")) if train else value

        for number, units in enumerate(self.lstm[:-1]):
            x = drop(LSTM(units, name=f"lstm{number}")(x, length))
        hidden = LSTM(self.lstm[-1], name=f"lstm{len(self.lstm) - 1}")(x, length)
        z = drop(last_state(hidden))
        for number, units in enumerate(self.dense):
            z = drop(nn.relu(nn.Dense(units, name=f"dense{number}")(z)))
        self.sow("intermediates", "embedding", z)
        logits = nn.Dense(self.n_classes, name="output")(z)
        mask = jnp.arange(x.shape[1])[None, :] < length[:, None]
        return logits, mask / jnp.maximum(length, 1)[:, None].astype(x.dtype)
