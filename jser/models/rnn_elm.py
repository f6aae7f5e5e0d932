"""System B: a BLSTM whose frame labels are random variables, before an ELM (Lee and Tashev 2015).

High-level feature representation using recurrent neural network for speech emotion recognition,
Interspeech 2015. Here is the network; what its frames say is summed up for each utterance and read
by a kernel ELM (`jser.training.elm`). Not given in the paper: optimiser, learning rate, epochs,
normalisation, how voiced segments are found (`jser.frontend.voiced`), which statistics are taken
(here those of DNN-ELM, the paper before), and how the network alone decides (here by the likelihood
of an emotion's labels).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from jser.models.blstm import BLSTM
from jser.models.dcnn_blstm import dropout
from jser.models.label_lattice import log_likelihood
from jser.models.posterior_statistics import posterior_statistics

LABELS = ("chain", "frames")


class RnnElm(nn.Module):
    """BLSTM layers over frames, and what the frames' labels are taken for.

    Attributes:
        n_classes: K.
        units: H, a direction; 64 in the paper ("128 BLSTM cells (64 forward + 64 backward)").
        layers: 2 in the paper.
        labels: ``chain``: the paper's, each frame carries the utterance's emotion or Null, along
            the chain Null, emotion, Null over voiced segments (`jser.models.label_lattice`);
            ``frames``: its twin without the idea, each frame carries the utterance's emotion and
            no frame is Null: RNN(CE)-ELM in the paper's figure 6, as its name lets us infer.
        per_frame: divide an utterance's logarithms by its number of frames, so that utterances
            count alike however long they are; choice of ours, the paper sums.
        theta: threshold of the statistics.
        null_statistics: take statistics of Null's posterior too; not given in the paper, which
            speaks of the emotions' posteriors.
        unroll: of the BLSTMs' scans.
    """

    log_posteriors: ClassVar[bool] = True

    n_classes: int
    units: int
    layers: int
    labels: str
    per_frame: bool
    theta: float
    null_statistics: bool
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
        """Log-likelihoods of utterances under each emotion; a softmax over them is no loss.

        Sows ``embedding`` [B, 4 C], statistics of the frames' posteriors of C labels: K, or K + 1
        with Null.

        Args:
            x: [B, T, D + 1], zero on padding; the last column is 1 at a frame that starts a voiced
                segment (`jser.frontend.voiced.voiced_segments`), else 0.
            length: int [B].
            pooled: not used.
            hyper: scalar ``dropout``, behind each BLSTM layer (ours; none is known of the paper).
            train: drop units, with the random stream ``dropout``.

        Returns:
            (ln p(emotion's labels | x) [B, K], attention [B, T]: the shares of the frames'
            probability not to be Null; of ``frames`` uniform).

        Raises:
            ValueError: `labels` is neither of the two.
        """
        del pooled
        if self.labels not in LABELS:
            raise ValueError(f"labels {self.labels!r} is none of {', '.join(LABELS)}")
        h, border = x[..., :-1], x[..., -1] > 0.5
        for number in range(self.layers):
            h = BLSTM(self.units, self.unroll, name=f"blstm{number}")(h, length)
            if train:
                h = dropout(h, hyper["dropout"], self.make_rng("dropout"))
        chain = self.labels == "chain"
        y = nn.log_softmax(nn.Dense(self.n_classes + chain, name="output")(h))
        mask = jnp.arange(x.shape[1])[None, :] < length[:, None]
        if chain:
            found = log_likelihood(y, border, length)
            importance = jnp.where(mask, -jnp.expm1(y[..., -1]), 0.0)
        else:
            found = jnp.sum(jnp.where(mask[:, :, None], y, 0.0), axis=1)
            importance = mask.astype(y.dtype)
        if self.per_frame:
            found /= jnp.maximum(length, 1)[:, None]
        seen = y if self.null_statistics else y[..., : self.n_classes]
        self.sow(
            "intermediates", "embedding", posterior_statistics(jnp.exp(seen), mask, self.theta)
        )
        total = jnp.sum(importance, axis=1, keepdims=True)
        return found, importance / jnp.maximum(total, 1e-9)
