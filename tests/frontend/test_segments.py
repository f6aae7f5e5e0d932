"""CNN windows, short utterances, the bounds of speech."""

import jax.numpy as jnp
import numpy as np
import pytest

from jser.frontend import segments


@pytest.mark.parametrize("shift", [30, 32])
@pytest.mark.parametrize("frames", [64, 93, 94, 95, 96, 127, 128, 300])
def test_segments_start_where_they_should(frames, shift):
    x = jnp.arange(frames)[:, None]
    cut = np.asarray(segments.segment(x, shift))[..., 0]
    starts = list(range(0, frames - 63, shift))
    assert segments.n_segments(frames, shift) == len(starts) == len(cut)
    for row, start in zip(cut, starts, strict=True):
        np.testing.assert_array_equal(row, np.arange(start, start + 64))


@pytest.mark.parametrize("frames", [1, 63, 64, 65])
def test_short_utterances_repeat_their_last_frame(frames):
    x = np.arange(frames * 2, dtype=np.float32).reshape(frames, 2)
    filled = segments.fill_short(x)
    assert len(filled) == max(64, frames)
    np.testing.assert_array_equal(filled[:frames], x)
    assert (filled[frames:] == x[-1]).all()
    assert segments.n_segments(len(filled), 30) == 1


def test_speech_bounds_by_hand():
    energy_db = np.array([-60, -60, -34, -10, -60, 0, -36, -35, -60])
    log_mel = np.tile((energy_db / segments.DB)[:, None], (1, 4))
    # The pause in the middle is kept; -35 dB is still within the threshold, -36 at the end not.
    assert segments.speech_bounds(log_mel, 35.001) == (2, 8)
    assert segments.speech_bounds(log_mel, 34.5) == (2, 6)
    assert segments.speech_bounds(log_mel, 5.0) == (5, 6)
    assert segments.speech_bounds(log_mel, 100.0) == (0, 9)
    assert segments.speech_bounds(log_mel + 3, 5.0) == (5, 6)  # relative to the loudest
