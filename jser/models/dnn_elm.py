"""DNN-ELM, what system B is compared with (Han, Yu and Tashev 2014).

Speech emotion recognition using deep neural network and extreme learning machine, Interspeech 2014:
a feed-forward network names the emotion of each segment of 25 frames (265 ms), and statistics of
an utterance's loudest segments go to an ELM (`jser.training.elm`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from jser.models.dcnn_blstm import dropout
from jser.models.posterior_statistics import posterior_statistics


class DnnElm(nn.Module):
    """A feed-forward network over the loudest segments of an utterance.

    Attributes:
        n_classes: K.
        dense: units of the hidden layers, rectified; 256, 256, 256 in both papers.
        context: frames of a segment, odd; 25 in the paper. A segment at an utterance's end repeats
            its first or last frame (choice of ours).
        percent: of an utterance's segments, the loudest, are used, in training and test; 10 in the
            paper, 30 was best in Lee and Tashev 2015.
        energy: column of x that says how loud a frame is; a segment is as loud as its middle frame
            (choice of ours).
        theta: threshold of the statistics; 0.2 in the paper.
    """

    log_posteriors: ClassVar[bool] = True

    n_classes: int
    dense: tuple[int, ...]
    context: int
    percent: int
    energy: int
    theta: float

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        length: jax.Array,
        pooled: jax.Array,
        hyper: Mapping[str, jax.Array],
        train: bool,
    ) -> tuple[jax.Array, jax.Array]:
        """Mean log-posteriors of segments: their cross-entropy is the mean of the segments' own.

        Sows ``embedding`` [B, 4 K], statistics of the segments' posteriors.

        Args:
            x: [B, T, D], zero on padding.
            length: int [B].
            pooled: not used.
            hyper: scalar ``dropout``, behind each hidden layer (ours; none is known of the papers).
            train: drop units, with the random stream ``dropout``.

        Returns:
            (log-posteriors [B, K], attention [B, T]: the same for all segments that are used, at
            their middle frames).
        """
        del pooled
        batch, n_frames, width = x.shape
        true = jnp.arange(n_frames)[None, :] < length[:, None]
        n_most = -(-n_frames * self.percent // 100)
        n_used = -(-length * self.percent // 100)
        # Equally loud frames: the earlier one comes first.
        _, middle = jax.lax.top_k(jnp.where(true, x[..., self.energy], -jnp.inf), n_most)
        mask = jnp.arange(n_most)[None, :] < n_used[:, None]
        side = self.context // 2
        frames = middle[:, :, None] + jnp.arange(-side, side + 1)
        frames = jnp.clip(frames, 0, jnp.maximum(length - 1, 0)[:, None, None])
        z = jnp.take_along_axis(x, frames.reshape(batch, -1, 1), axis=1)
        z = z.reshape(batch, n_most, self.context * width)
        for number, units in enumerate(self.dense):
            z = nn.relu(nn.Dense(units, name=f"dense{number}")(z))
            if train:
                z = dropout(z, hyper["dropout"], self.make_rng("dropout"))
        y = nn.log_softmax(nn.Dense(self.n_classes, name="output")(z))
        share = mask / jnp.maximum(n_used, 1)[:, None]
        self.sow("intermediates", "embedding", posterior_statistics(jnp.exp(y), mask, self.theta))
        row = jnp.arange(batch)[:, None]
        attention = jnp.zeros((batch, n_frames), x.dtype).at[row, middle].add(share)
        return jnp.einsum("bs,bsk->bk", share, y), attention
