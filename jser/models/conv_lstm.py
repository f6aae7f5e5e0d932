"""System D: four convolutions, an LSTM, two dense layers (Qazi and Kaushik 2020).

"A Hybrid Technique using CNN+LSTM for Speech Emotion Recognition", IJEAT,
doi:10.35940/ijeat.E1027.069520. Only the abstract could be read, which gives the layers' kinds and
numbers and says that the input is a spectrogram. All else here is a choice of ours and a field.
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


class ConvLstm(nn.Module):
    """Convolutional blocks, an LSTM over what they leave of time, a hidden and an output layer.

    A block is convolution, batch normalisation, max-pooling and ELU (which rises everywhere, so
    that it may come after the maximum). Dropout comes behind the last block alone: a normalisation
    that hears dropped values learns their larger variance, and is wrong where nothing is dropped
    (Li X. et al. 2019, Understanding the disharmony between dropout and batch normalization by
    variance shift, CVPR).

    Attributes:
        n_classes: K.
        mels: bands of a channel; choice of ours.
        channels: 1: static; 3: with delta and delta-delta; choice of ours.
        maps: of each convolution, four in the paper; their widths are a choice of ours.
        kernel: frames and bands; choice of ours.
        pool_time: frames pooled into one after each convolution; choice of ours. What is left of
            3 s should be 8 steps or more, or the LSTM has nothing to do.
        pool_bands: bands pooled into one; choice of ours.
        units: of the LSTM; choice of ours.
        dense: units of the dense layers before the output; one, so that there are two with it:
            our reading of the paper's two. Widths are a choice of ours.
        momentum: of batch normalisation's running statistics; choice of ours.
    """

    n_classes: int
    mels: int
    channels: int
    maps: tuple[int, ...]
    kernel: tuple[int, int]
    pool_time: tuple[int, ...]
    pool_bands: tuple[int, ...]
    units: int
    dense: tuple[int, ...]
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
            x: [B, S, D], columns static (| delta | delta-delta), zero on padding.
            length: int [B].
            pooled: not read.
            hyper: scalars ``conv_dropout`` (behind the blocks), ``dropout`` (dense layers).
            train: drop units, with the random stream ``dropout``; normalise by the batch.

        Returns:
            (logits [B, K], weights [B, S], the same for all true frames: no attention here).
        """
        del pooled

        def drop(value: jax.Array, rate: str) -> jax.Array:
            return dropout(value, hyper[rate], self.make_rng("dropout")) if train else value

        z, steps = picture(x, 0, self.mels, self.channels), length
        windows = zip(self.pool_time, self.pool_bands, strict=True)
        for number, (maps, window) in enumerate(zip(self.maps, windows, strict=True), start=1):
            z = Conv(maps, self.kernel, False, name=f"conv{number}")(z)
            mask = true_steps(steps, z.shape[1])
            z = BatchNorm(self.momentum, name=f"norm{number}")(z, mask, train)
            z, steps = max_pool(z, steps, window)
            z = nn.elu(z)
        z = drop(z, "conv_dropout")
        z = last_state(LSTM(self.units, name="lstm")(z.reshape(*z.shape[:2], -1), steps))
        for number, units in enumerate(self.dense, start=1):
            z = nn.relu(nn.Dense(units, name=f"dense{number}")(drop(z, "dropout")))
        self.sow("intermediates", "embedding", z)
        logits = nn.Dense(self.n_classes, name="output")(drop(z, "dropout"))
        true = jnp.arange(x.shape[1])[None, :] < length[:, None]
        return logits, true / jnp.maximum(length, 1)[:, None]
