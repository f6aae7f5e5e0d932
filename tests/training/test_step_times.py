"""Where steps lie: by hand, and by asking the stem which steps hear a changed frame."""

from pathlib import Path

import numpy as np
import pytest

from jser.training import stem_features
from jser.training.stem_spec import StemSpec
from jser.training.step_times import step_bounds

QUIET, LOUD = -12.0, 0.0


def sound(quiet_before, loud, quiet_after, bands=64):
    frames = [QUIET] * quiet_before + [LOUD] * loud + [QUIET] * quiet_after
    return np.repeat(np.asarray(frames, np.float32)[:, None], bands, axis=1)


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (40, [[0, 40]]),  # filled up to 64 frames; what is made up is not shown
        (64, [[0, 64]]),
        (65, [[0, 64], [32, 65]]),
        (128, [[0, 64], [32, 96], [64, 128]]),
        (130, [[0, 64], [32, 96], [64, 128], [96, 130]]),
    ],
)
def test_windows_of_an_utterance_by_hand(length, expected):
    spec = StemSpec(weights="random")
    assert step_bounds(sound(0, length, 0), spec).tolist() == expected


def test_segments_by_hand():
    """Segments are whole: what does not fill one more is left out (S = (T - 64) // shift + 1)."""
    spec = StemSpec(weights="random", picture="segments")
    assert step_bounds(sound(0, 130, 0), spec).tolist() == [[0, 64], [32, 96], [64, 128]]
    assert step_bounds(sound(0, 20, 0), spec).tolist() == [[0, 20]]


def test_trimmed_silence_shifts_the_steps():
    """Times are of the recording as it is, not of what is left after trimming."""
    spec = StemSpec(weights="random", trim_db=35.0)
    bounds = step_bounds(sound(100, 100, 50), spec)
    assert bounds.tolist() == [[100, 164], [132, 196], [164, 200]]
    assert step_bounds(sound(100, 30, 50), spec).tolist() == [[100, 130]]
    whole = StemSpec(weights="random", trim_db=35.0, window=0)
    assert step_bounds(sound(100, 100, 50), whole).tolist() == [[100, 200]]


def test_a_shift_longer_than_the_window():
    spec = StemSpec(weights="random", window=10, shift=50)
    bounds = step_bounds(sound(0, 100, 0), spec)
    assert bounds.tolist() == [[0, 10], [50, 60], [100, 100]]


@pytest.mark.parametrize("trim_db", [0.0, 35.0])
def test_steps_that_hear_a_frame_are_those_that_hold_it(trim_db):
    """The stem itself as oracle: change a frame, see which segments' features change."""
    spec = StemSpec(
        weights="random", picture="segments", taps=("conv1",), input_size=63, channels=1,
        pool=("mean",), trim_db=trim_db,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    static = sound(70, 160, 60) + rng.uniform(0, 0.5, (290, 64)).astype(np.float32)
    bounds = step_bounds(static, spec)
    before = stem_features.compute([static], spec, Path("nowhere")).frames.astype(np.float32)
    assert len(before) == len(bounds)
    for frame in (75, 110, 140, 225):
        changed = static.copy()
        changed[frame] -= 3.0  # stays within the speech that is kept
        after = stem_features.compute([changed], spec, Path("nowhere")).frames.astype(np.float32)
        heard = np.abs(after - before).max(1) > 1e-3
        holds = (bounds[:, 0] <= frame) & (frame < bounds[:, 1])
        assert heard.tolist() == holds.tolist(), frame


def test_windows_of_maps_hear_their_frames():
    """In a whole picture convolutions reach a little further; far away nothing changes."""
    spec = StemSpec(
        weights="random", taps=("conv1",), scale=1, channels=1, pool=("mean",), trim_db=35.0
    )  # fmt: skip
    rng = np.random.default_rng(1)
    static = sound(70, 200, 60) + rng.uniform(0, 0.5, (330, 64)).astype(np.float32)
    bounds = step_bounds(static, spec)
    before = stem_features.compute([static], spec, Path("nowhere")).frames.astype(np.float32)
    assert len(before) == len(bounds)
    for frame in (100, 150, 220):
        changed = static.copy()
        changed[frame] -= 3.0
        after = stem_features.compute([changed], spec, Path("nowhere")).frames.astype(np.float32)
        heard = np.abs(after - before).max(1) > 1e-3
        reach = 16  # pixels of the first convolution and its pooling, to each side
        middle = (bounds[:, 0] + 8 <= frame) & (frame < bounds[:, 1] - 8)
        near = (bounds[:, 0] - reach <= frame) & (frame < bounds[:, 1] + reach)
        assert heard[middle].all()
        assert not heard[~near].any()
