"""Segments of an utterance around any model: one a training step, all of them in evaluation.

Chen et al. 2018 (3-D ACRNN) cut utterances into segments of 3 s, train on segments with their
utterance's label, and answer with the highest posterior that any segment gives to a class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.export import is_symbolic_dim

POOLS = ("max", "mean")
# A posterior has a logarithm even where float32 rounds it to nothing.
LEAST = 1e-30


class Cropped(nn.Module):
    """A model that hears `frames` frames at a time.

    Training: one segment of each utterance, its start drawn anew (ours: the paper trains on fixed
    segments). Evaluation: segments from the first frame on, `shift` apart, the last one ending
    with the utterance; so with 300 frames and a shift of 300 an utterance of 3 to 6 s gives its
    first and its last 300 frames. The authors' code takes these two of any longer one, but cuts
    happiness every 100 frames, which oversamples it. A shorter utterance is one segment.

    Attributes:
        model: called as this one; with as many steps of attention as its x has.
        frames: W; the paper: 300, which are 3 s.
        shift: frames between the starts of segments in evaluation.
        pool: ``max``: the highest posterior of each class (the paper), which do not sum to 1;
            ``mean``: their mean.
    """

    model: nn.Module
    frames: int
    shift: int
    pool: str

    # The answer is the logarithm of posteriors; the loss must not normalise it.
    log_posteriors: ClassVar[bool] = True

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        length: jax.Array,
        pooled: jax.Array,
        hyper: Mapping[str, jax.Array],
        train: bool,
    ) -> tuple[jax.Array, jax.Array]:
        """Log-posteriors [B, K] and attention [B, S] of x [B, S, D] with true lengths int [B].

        Attention in training lies on the segment that was drawn; in evaluation it is the mean of
        the segments'.
        """
        if self.pool not in POOLS:
            raise ValueError(f"pool {self.pool!r} is none of {', '.join(POOLS)}")
        steps = x.shape[1]
        room = jnp.maximum(length - self.frames, 0)
        symbolic = is_symbolic_dim(steps)  # of an export, which hears recordings of any length
        if (not symbolic and steps <= self.frames) or self.is_initializing():
            start = jnp.zeros(length.shape, jnp.int32)
            return self._one(x, length, pooled, hyper, train, start)
        if train:
            drawn = jax.random.uniform(self.make_rng("dropout"), length.shape)
            # The product can round up to room + 1.
            start = jnp.minimum((drawn * (room + 1)).astype(jnp.int32), room)
            return self._one(x, length, pooled, hyper, train, start)

        count = jax.core.max_dim(1, -(-(steps - self.frames) // self.shift) + 1)
        # Segments [n, B]: the last one is pushed back to end with the utterance, and those behind
        # it, which would be the same, do not count.
        place = jnp.arange(count)[:, None] * self.shift
        starts = jnp.minimum(place, room[None, :])
        valid = place < room[None, :] + self.shift
        # A plain function of the parameters, which a loop may call.
        inner, variables = self.model.unbind()
        wanted = self.is_mutable_collection("intermediates")

        def one(start: jax.Array) -> tuple[jax.Array, jax.Array, dict[str, tuple[jax.Array, ...]]]:
            cut, true = crop(x, length, start, self.frames)
            (logits, alpha), made = inner.apply(
                variables, cut, true, pooled, hyper, False, mutable=["intermediates"]
            )
            return self._log(logits), placed(alpha, start, steps), made["intermediates"]

        logp, alpha, made = jax.lax.map(one, starts)
        weight = valid / valid.sum(0)
        if wanted and "embedding" in made:
            embedding = jnp.einsum("nb,nbe->be", weight, made["embedding"][0])
            self.model.sow("intermediates", "embedding", embedding)
        posterior = jnp.exp(logp)
        if self.pool == "max":
            answer = jnp.where(valid[:, :, None], posterior, 0.0).max(0)
        else:
            answer = jnp.einsum("nb,nbk->bk", weight, posterior)
        return jnp.log(jnp.maximum(answer, LEAST)), jnp.einsum("nb,nbs->bs", weight, alpha)

    def _one(
        self,
        x: jax.Array,
        length: jax.Array,
        pooled: jax.Array,
        hyper: Mapping[str, jax.Array],
        train: bool,
        start: jax.Array,
    ) -> tuple[jax.Array, jax.Array]:
        """The model's answer to the segments that start at int [B]."""
        cut, true = crop(x, length, start, min(self.frames, x.shape[1]))
        logits, alpha = self.model(cut, true, pooled, hyper, train)
        return self._log(logits), placed(alpha, start, x.shape[1])

    def _log(self, logits: jax.Array) -> jax.Array:
        done = getattr(self.model, "log_posteriors", False)
        return logits if done else jax.nn.log_softmax(logits)


def crop(
    x: jax.Array, length: jax.Array, start: jax.Array, frames: int
) -> tuple[jax.Array, jax.Array]:
    """Segments [B, W, D] of x [B, S, D] from frames int [B] on, zero-filled, and true lengths."""
    index = start[:, None] + jnp.arange(frames)
    true = jnp.clip(length - start, 0, frames)
    cut = jnp.take_along_axis(x, jnp.minimum(index, x.shape[1] - 1)[:, :, None], axis=1)
    return jnp.where((jnp.arange(frames) < true[:, None])[:, :, None], cut, 0.0), true


def placed(alpha: jax.Array, start: jax.Array, steps: int) -> jax.Array:
    """Weights [B, W] of segments at their places among the utterances' frames: [B, S]."""
    index = jnp.arange(steps) - start[:, None]
    inside = (index >= 0) & (index < alpha.shape[1])
    found = jnp.take_along_axis(alpha, jnp.clip(index, 0, alpha.shape[1] - 1), axis=1)
    return jnp.where(inside, found, 0.0)
