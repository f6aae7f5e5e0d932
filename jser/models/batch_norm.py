"""Batch normalisation in which padding counts for nothing (Ioffe and Szegedy 2015, algorithm 1).

Linen's own takes a mask too, but answers NaN where nothing is counted, and the last steps of a
member with a short train table are batches without a row.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

# Of one value the variance is 0, and the normalised value is 0 whatever it was.
FEWEST = 2


class BatchNorm(nn.Module):
    """Normalise each feature over all true places of a batch.

    Running statistics lie in the collection ``batch_stats`` as ``mean`` and ``var`` (biased, as
    Linen's). A training batch with fewer than two true places is normalised by them and leaves
    them as they were.

    Attributes:
        momentum: share of the running statistics that a step keeps.
        epsilon: added to the variance.
    """

    momentum: float
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        """Normalise x [..., C].

        Args:
            x: features last.
            mask: bool, as many axes as x, the last of them 1; broadcast over x. False: not
                counted, and what comes out there means nothing.
            train: by the batch's statistics, which the running ones then follow.

        Returns:
            Like x.
        """
        width = x.shape[-1]
        gamma = self.param("scale", nn.initializers.ones, (width,))
        beta = self.param("bias", nn.initializers.zeros, (width,))
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (width,))
        running_var = self.variable("batch_stats", "var", jnp.ones, (width,))
        mean, var = running_mean.value, running_var.value
        if train:
            axes = tuple(range(x.ndim - 1))
            count = jnp.sum(jnp.broadcast_to(mask, (*x.shape[:-1], 1)), dtype=jnp.float32)
            n = jnp.maximum(count, 1.0)
            enough = count >= FEWEST
            batch_mean = jnp.sum(jnp.where(mask, x, 0.0), axes) / n
            # Around the mean: a difference of two squares would lose digits.
            batch_var = jnp.sum(jnp.where(mask, jnp.square(x - batch_mean), 0.0), axes) / n
            mean = jnp.where(enough, batch_mean, mean)
            var = jnp.where(enough, batch_var, var)
            if not self.is_initializing():
                keep = jnp.where(enough, self.momentum, 1.0)
                running_mean.value = keep * running_mean.value + (1.0 - keep) * mean
                running_var.value = keep * running_var.value + (1.0 - keep) * var
        factor = gamma * jax.lax.rsqrt(var + self.epsilon)
        return x * factor + (beta - mean * factor)
