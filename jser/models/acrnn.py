"""System F's base learner: 3-D attention-based convolutional recurrent network (Chen et al. 2018).

Chen M., He X., Yang J., Zhang H.: "3-D Convolutional Recurrent Neural Networks With Attention Model
for Speech Emotion Recognition", IEEE Signal Processing Letters 25(10), 1440-1444. Static log-Mel,
delta and delta-delta are the three channels of a picture; Ai et al. 2020 (IEEE Access 8) make
ensembles of it. Segments of 3 s are cut around this module (`jser.models.cropping`).
"""

from __future__ import annotations

from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp

from jser.models.attention import AttentionPooling
from jser.models.batch_norm import BatchNorm
from jser.models.blstm import BLSTM
from jser.models.dcnn_blstm import dropout
from jser.models.masked_conv import Conv, blank, max_pool, picture, spread


class Acrnn(nn.Module):
    """Convolutions, one max-pooling, a linear layer, BLSTM, attention, a dense layer.

    Where sizes and normalisation of the paper and of its authors' published code differ, there is a
    field. Attention is the paper's; that of the code, sigmoid(W h_t + b) . u, is not here.

    Attributes:
        n_classes: K.
        mels: bands of a channel; the paper: 40.
        channels: 3: static, delta, delta-delta; 1: static alone (the paper's 2-D ACRNN).
        first_maps: of the first convolution; the paper: 128.
        later_maps: of the further ones; the paper: 256.
        depth: convolutions; the paper: 6 on IEMOCAP, 5 on EMO-DB.
        kernel: frames and bands; the paper: 5, 3.
        pool: frames and bands, after the first convolution; the paper: 2, 2; authors' code: 2, 4.
        slope: of the leaky ReLU below 0; authors' code: 0.01; the paper does not say; 0: a ReLU.
        linear: units of the linear layer on every step; the paper: 768.
        linear_norm: batch normalisation behind it; authors' code, not in the paper.
        units: of the BLSTM, a direction; the paper: 128.
        hidden: units of the dense layer; the paper: 64.
        hidden_norm: batch normalisation behind it; the paper, not in the authors' code.
        momentum: of batch normalisation's running statistics; not given in the paper.
        attention: see `AttentionPooling`: learned, the paper's; mean, an ablation; self.
    """

    n_classes: int
    mels: int
    channels: int
    first_maps: int
    later_maps: int
    depth: int
    kernel: tuple[int, int]
    pool: tuple[int, int]
    slope: float
    linear: int
    linear_norm: bool
    units: int
    hidden: int
    hidden_norm: bool
    momentum: float
    attention: str = "learned"

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        length: jax.Array,
        pooled: jax.Array,
        hyper: Mapping[str, jax.Array],
        train: bool,
    ) -> tuple[jax.Array, jax.Array]:
        """Logits of segments.

        Args:
            x: [B, S, D], columns static | delta | delta-delta, zero on padding.
            length: int [B].
            pooled: not read.
            hyper: scalar ``dropout``, before the last layer (ours; authors' code drops nothing).
            train: drop units, with the random stream ``dropout``; normalise by the batch.

        Returns:
            (logits [B, K], attention [B, S]).
        """
        del pooled
        frames = x.shape[1]
        z = picture(x, 0, self.mels, self.channels)
        z = Conv(self.first_maps, self.kernel, False, name="conv1")(z)
        z, steps = max_pool(z, length, self.pool)
        # A bias and a rectifier that rises everywhere may come after the maximum, where there is
        # an eighth or a quarter of the places.
        z = z + self.param("conv1_bias", nn.initializers.zeros, (self.first_maps,))
        z = blank(nn.leaky_relu(z, self.slope), steps)
        for number in range(2, self.depth + 1):
            z = Conv(self.later_maps, self.kernel, True, name=f"conv{number}")(z)
            z = blank(nn.leaky_relu(z, self.slope), steps)

        z = z.reshape(*z.shape[:2], -1)
        z = nn.Dense(self.linear, use_bias=not self.linear_norm, name="linear")(z)
        mask = (jnp.arange(z.shape[1])[None, :] < steps[:, None])[:, :, None]
        if self.linear_norm:
            z = BatchNorm(self.momentum, name="linear_norm")(z, mask, train)
        states = BLSTM(self.units, name="blstm")(z, steps)
        # The paper: alpha_t = softmax(W h_t), c = sum_t alpha_t h_t.
        context, alpha = AttentionPooling(self.attention, name="attention")(states, steps)
        z = nn.Dense(self.hidden, use_bias=not self.hidden_norm, name="hidden")(context)
        if self.hidden_norm:
            z = BatchNorm(self.momentum, name="hidden_norm")(z, (steps > 0)[:, None], train)
        z = nn.leaky_relu(z, self.slope)
        self.sow("intermediates", "embedding", z)
        if train:
            z = dropout(z, hyper["dropout"], self.make_rng("dropout"))
        logits = nn.Dense(self.n_classes, name="output")(z)
        return logits, spread(alpha, length, self.pool[0], frames)
