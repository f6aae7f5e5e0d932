"""Recordings of any length cut into blocks of one shape, and blocks into overlapping windows.

A block carries as many samples before and after its frames as the windows reach, so a frame's
numbers do not depend on where the cuts fall, and one compiled program serves every length.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np


def frame_count(n_samples: int, window: int, hop: int) -> int:
    """Number of whole windows in `n_samples`: at least one; short audio is zero-filled."""
    return max(1, 1 + (n_samples - window) // hop)


def windows(samples: jax.Array, start: int, width: int, hop: int, count: int) -> jax.Array:
    """Overlapping windows of blocks of samples.

    Args:
        samples: [B, n]; behind its end lies silence.
        start: index of the first window's first sample.
        width: samples in a window.
        hop: samples from one window to the next.
        count: number of windows T.

    Returns:
        [B, T, width].
    """
    # A window is a few whole hops and a part of one: slices and a concatenation, which XLA turns
    # into copies, where a gather would look up every sample.
    pieces = []
    for offset in range(0, width, hop):
        part = min(hop, width - offset)
        first = start + offset
        end = first + count * hop
        missing = jax.core.max_dim(0, end - samples.shape[1])
        hops = jnp.pad(samples, ((0, 0), (0, missing)))[:, first:end]
        pieces.append(hops.reshape(-1, count, hop)[:, :, :part])
    return jnp.concatenate(pieces, axis=-1)


def cut(
    waveforms: Sequence[np.ndarray],
    lengths: Sequence[int],
    *,
    block: int,
    hop: int,
    before: int,
    after: int,
) -> np.ndarray:
    """Cut recordings into blocks that hold `block` frames and what their windows reach.

    Args:
        waveforms: float32 [samples_i].
        lengths: frames T_i of each recording; it gets ``ceil(T_i / block)`` blocks.
        block: frames in a block.
        hop: samples from one frame to the next.
        before: samples in front of a block's first frame; zero before the recording begins.
        after: samples from the beginning of a block's last frame to the block's end.

    Returns:
        float32 [blocks, before + (block - 1) * hop + after], zero behind a recording's end.
    """
    reach = before + (block - 1) * hop + after
    n_blocks = [-(-t // block) for t in lengths]
    blocks = np.zeros((sum(n_blocks), reach), np.float32)
    row = 0
    for x, n in zip(waveforms, n_blocks, strict=True):
        padded = np.zeros((n - 1) * block * hop + reach, np.float32)
        padded[before : before + len(x)] = x[: len(padded) - before]
        view = np.lib.stride_tricks.sliding_window_view(padded, reach)
        blocks[row : row + n] = view[:: block * hop]
        row += n
    return blocks
