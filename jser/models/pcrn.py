"""System E: parallelised convolutional recurrent network (Jiang et al. 2019, PCRN).

Jiang P., Fu H., Tao H., Lei P., Zhao L., IEEE Access 7, 90368-90377. An LSTM reads frame-level
descriptors while a CNN reads log-Mel with its deltas as three channels; what both found is fused,
batch-normalised and classified by a softmax. Only the abstract could be read: widths are choices
of ours, all fields.
"""

from __future__ import annotations

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp

from jser.models.batch_norm import BatchNorm
from jser.models.dcnn_blstm import dropout
from jser.models.lstm import LSTM, last_state
from jser.models.masked_conv import Conv, max_pool, picture, true_steps

BRANCHES = ("both", "lstm", "cnn")


class Pcrn(nn.Module):
    """The two branches, and their fusion.

    Attributes:
        n_classes: K.
        branches: ``both``; ``lstm`` or ``cnn`` alone, the ablations.
        descriptors: first columns of x; choice of ours: 32, as in the INTERSPEECH 2009 challenge.
        mels: bands of a channel, in the columns behind the descriptors.
        channels: 3: static, delta, delta-delta, as in the paper; 1: static alone, an ablation.
        batch_norm: normalise the fused features; the paper: True.
        lstm_units: of a layer; choice of ours.
        lstm_layers: one above the other; choice of ours.
        lstm_frames: frames averaged into one step of the LSTM; the paper: 1, frame by frame.
        maps: of each convolution; choice of ours. Each is followed by batch normalisation,
            max-pooling over 2 frames and 2 bands, and a ReLU.
        kernel: frames and bands; choice of ours.
        cnn_units: of the dense layer behind the convolutions; choice of ours.
        momentum: of batch normalisation's running statistics; choice of ours.
    """

    n_classes: int
    branches: str
    descriptors: int
    mels: int
    channels: int
    batch_norm: bool
    lstm_units: int
    lstm_layers: int
    lstm_frames: int
    maps: tuple[int, ...]
    kernel: tuple[int, int]
    cnn_units: int
    momentum: float

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        length: jax.Array,
        pooled: jax.Array,
        hyper: Mapping[str, jax.Array],
        train: bool,
    ) -> tuple[jax.Array, jax.Array]:
        """Logits of utterances.

        Args:
            x: [B, S, D], columns descriptors | static | delta | delta-delta, zero on padding.
            length: int [B].
            pooled: not read.
            hyper: scalar ``dropout``, of the fused features.
            train: drop units, with the random stream ``dropout``; normalise by the batch.

        Returns:
            (logits [B, K], weights [B, S], the same for all true frames: no attention here).
        """
        del pooled
        if self.branches not in BRANCHES:
            raise ValueError(f"branches {self.branches!r} is none of {', '.join(BRANCHES)}")
        parts = []
        if self.branches != "cnn":
            parts.append(self._lstm(x, length))
        if self.branches != "lstm":
            parts.append(self._cnn(x, length, train))
        z = jnp.concatenate(parts, axis=-1)
        if self.batch_norm:
            z = BatchNorm(self.momentum, name="fused_norm")(z, (length > 0)[:, None], train)
        self.sow("intermediates", "embedding", z)
        if train:
            z = dropout(z, hyper["dropout"], self.make_rng("dropout"))
        logits = nn.Dense(self.n_classes, name="output")(z)
        true = jnp.arange(x.shape[1])[None, :] < length[:, None]
        return logits, true / jnp.maximum(length, 1)[:, None]

    def _lstm(self, x: jax.Array, length: jax.Array) -> jax.Array:
        """Last true state [B, H] of the LSTM over the descriptors."""
        z, steps = mean_pool(x[..., : self.descriptors], length, self.lstm_frames)
        for number in range(1, self.lstm_layers + 1):
            z = LSTM(self.lstm_units, name=f"lstm{number}")(z, steps)
        return last_state(z)

    def _cnn(self, x: jax.Array, length: jax.Array, train: bool) -> jax.Array:
        """Features [B, cnn_units] of the spectrogram."""
        z, steps = picture(x, self.descriptors, self.mels, self.channels), length
        for number, maps in enumerate(self.maps, start=1):
            z = Conv(maps, self.kernel, False, name=f"conv{number}")(z)
            mask = true_steps(steps, z.shape[1])
            z = BatchNorm(self.momentum, name=f"norm{number}")(z, mask, train)
            z, steps = max_pool(z, steps, (2, 2))
            z = nn.relu(z)
        # Mean over true steps and bands; behind the true steps all is zero.
        places = jnp.maximum(steps, 1) * z.shape[2]
        z = z.sum((1, 2)) / places[:, None]
        return nn.relu(nn.Dense(self.cnn_units, name="cnn_dense")(z))


def mean_pool(x: jax.Array, length: jax.Array, frames: int) -> tuple[jax.Array, jax.Array]:
    """Means of the true frames of each `frames` frames: [B, S, D] -> ([B, S', D], int [B])."""
    if frames == 1:
        return x, length
    x = jnp.pad(x, ((0, 0), (0, -x.shape[1] % frames), (0, 0)))
    x = x.reshape(x.shape[0], -1, frames, x.shape[-1])
    first = jnp.arange(x.shape[1])[None, :] * frames
    count = jnp.clip(length[:, None] - first, 1, frames)
    return x.sum(2) / count[:, :, None], -(-length // frames)
