"""Frame labels as random variables: the chains Null, emotion, Null over voiced segments.

Source: Lee and Tashev 2015, High-level feature representation using recurrent neural network for
speech emotion recognition, Interspeech; which paths are allowed at borders and ends is read off its
figure 4. An utterance's label says that an emotion is heard in it, not where. So each frame's label
is the utterance's emotion E or Null, and what can be learned from is the probability of the emotion
whatever frames carry it: the sum over all allowed label paths.

S voiced segments give the states Null, E_1, Null, E_2, ..., E_S, Null: numbered from 1, the emotion
of segment s is state 2s, and the Null behind it is the one before the next segment. A path starts
in the first Null or in E_1, stays or goes on by one state from frame to frame, and ends in E_S or
in the last Null; no emotion is left out. During segment s only the states 2s - 1, 2s and 2s + 1
are allowed. So three states a frame are enough, called before, emotion and after: where a new
segment starts, the shared Null changes its name from after to before.

Printed as eq. (4) is a sum of the paths' logarithms, which would weight all paths alike. The text
speaks of the forward-backward algorithm, so it is taken here for the logarithm of the sum.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

# Log-probability of what cannot be. Finite: differences of it are numbers.
NEVER = -1e30

_Alpha = tuple[jax.Array, jax.Array, jax.Array]


def log_likelihood(log_posterior: jax.Array, border: jax.Array, length: jax.Array) -> jax.Array:
    """ln sum over the allowed paths of prod_t y_t(s_t), for each emotion.

    Its gradient by `log_posterior` is gamma_t, the posterior probability of each label at each
    frame (`occupancy`), so by the logits under a softmax it is gamma_t - y_t: automatic
    differentiation of the forward pass is the backward pass.

    Args:
        log_posterior: [B, T, K + 1], ln y_t of the K emotions, then of Null; -inf is allowed.
        border: [B, T], not 0 at a frame that starts a new segment; frame 0 starts the first one
            in any case.
        length: int [B]; frames behind it count for nothing.

    Returns:
        [B, K]; -inf, with a gradient of 0, where no path is allowed (as where two segments that
        follow each other have one frame each); 0 where `length` is 0.
    """
    alive = (jnp.arange(log_posterior.shape[1])[None, :] < length[:, None]).T
    y = jnp.moveaxis(jnp.maximum(log_posterior, NEVER), 1, 0)
    emotion, null = y[..., :-1], y[..., -1:]  # [T, B, K] and [T, B, 1]
    never = jnp.full_like(emotion[0], NEVER)
    first = (jnp.broadcast_to(null[0], never.shape), emotion[0], never)

    def step(
        carry: tuple[_Alpha, jax.Array], frame: list[jax.Array]
    ) -> tuple[tuple[_Alpha, jax.Array], None]:
        (before, inside, after), total = carry
        e, n, new, go = frame
        leave = jnp.logaddexp(inside, after)
        alpha = (
            jnp.where(new, leave, before) + n,
            jnp.where(new, after, jnp.logaddexp(before, inside)) + e,
            jnp.where(new, NEVER, leave) + n,
        )
        # What all three have in common is added up apart: they stay near 0, and thousands of
        # frames cost no precision.
        common = jax.lax.stop_gradient(jnp.maximum(jnp.maximum(*alpha[:2]), alpha[2]))
        before, inside, after = (
            jnp.where(go, a - common, old)
            for a, old in zip(alpha, (before, inside, after), strict=True)
        )
        return ((before, inside, after), total + jnp.where(go, common, 0.0)), None

    frames = (emotion, null, (border.T != 0)[..., None], alive[..., None])
    start = (first, jnp.zeros_like(never))
    ((_, inside, after), total), _ = jax.lax.scan(step, start, [x[1:] for x in frames])
    found = total + jnp.logaddexp(inside, after)
    found = jnp.where(found > NEVER / 2, found, -jnp.inf)
    return jnp.where(length[:, None] > 0, found, 0.0)


def occupancy(log_posterior: jax.Array, border: jax.Array, length: jax.Array) -> jax.Array:
    """gamma: how probable each label is at each frame, given the utterance's emotion.

    Args:
        log_posterior: [B, T, K + 1].
        border: [B, T].
        length: int [B].

    Returns:
        [B, K, T, 2]: under each emotion, that frame t carries it, and that it is Null; 0 on
        padding.
    """

    found, pull = jax.vjp(lambda y: log_likelihood(y, border, length), log_posterior)

    def of_emotion(k: jax.Array) -> jax.Array:
        (gradient,) = pull(jnp.zeros_like(found).at[:, k].set(1.0))
        return jnp.stack([gradient[..., k], gradient[..., -1]], axis=-1)

    return jnp.moveaxis(jax.lax.map(of_emotion, jnp.arange(found.shape[1])), 0, 1)
