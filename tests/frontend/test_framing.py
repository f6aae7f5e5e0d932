"""Blocks and windows against plain slicing."""

import numpy as np
import pytest

from jser.frontend.framing import cut, frame_count, windows


@pytest.mark.parametrize(("start", "width", "hop"), [(0, 400, 160), (7, 320, 160), (3, 33, 80)])
def test_windows_are_slices(start, width, hop):
    x = np.random.default_rng(0).standard_normal((2, 2000)).astype(np.float32)
    found = np.asarray(windows(x, start, width, hop, 8))
    for t in range(8):
        first = start + t * hop
        np.testing.assert_array_equal(found[:, t], x[:, first : first + width])


def test_blocks_hold_what_their_frames_reach():
    waves = [np.arange(1, n + 1, dtype=np.float32) for n in (1000, 3000)]
    lengths = [frame_count(len(x), 400, 160) for x in waves]
    assert lengths == [4, 17]
    blocks = cut(waves, lengths, block=8, hop=160, before=100, after=500)
    assert blocks.shape == (1 + 3, 100 + 7 * 160 + 500)
    row = 0
    for x, t in zip(waves, lengths, strict=True):
        padded = np.concatenate([np.zeros(100), x, np.zeros(5000)])
        for b in range(-(-t // 8)):
            first = b * 8 * 160
            np.testing.assert_array_equal(blocks[row], padded[first : first + blocks.shape[1]])
            row += 1


def test_frame_count():
    assert [frame_count(n, 400, 160) for n in (0, 399, 400, 559, 560)] == [1, 1, 1, 1, 2]
