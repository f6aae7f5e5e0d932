"""Voiced segments on contours that can be counted by eye."""

import numpy as np
import pytest

from jser.frontend.voiced import runs, voiced_regions, voiced_segments


def contour(text):
    """'..##..' -> bool; a space is nothing."""
    return np.array([c == "#" for c in text.replace(" ", "")])


def test_runs():
    np.testing.assert_array_equal(runs(contour("##..#.###")), [[0, 2], [4, 5], [6, 9]])
    assert runs(contour("....")).shape == (0, 2)


def test_short_gaps_are_closed_before_short_regions_are_dropped():
    voiced = contour("..## ..## .......#.. ..####")
    # Two runs of two with a gap of two make a region of six; the single frame is dropped.
    np.testing.assert_array_equal(voiced_regions(voiced, 3, 4), [[2, 8], [20, 24]])
    # A gap of exactly `shortest_gap` is a pause, a region of exactly `shortest_region` stays.
    np.testing.assert_array_equal(voiced_regions(voiced, 2, 2), [[2, 4], [6, 8], [20, 24]])


def test_borders_lie_in_the_middle_of_pauses():
    border = voiced_segments(contour("..#### ....#### .....###."), 3, 3)
    np.testing.assert_array_equal(np.flatnonzero(border), [8, 16])
    assert border.dtype == np.int8


def test_a_pause_around_a_dropped_region_is_one_pause():
    border = voiced_segments(contour("#### ....#..... ####"), 3, 3)
    np.testing.assert_array_equal(np.flatnonzero(border), [9])


@pytest.mark.parametrize("text", [".", "#", "..........", "..####....", "##########"])
def test_one_region_or_none_is_one_segment(text):
    border = voiced_segments(contour(text), 3, 3)
    assert len(border) == len(text)
    assert not border.any()


def test_segments_have_room_for_a_path():
    """Whatever the contour, no segment is shorter than the shortest region."""
    rng = np.random.default_rng(0)
    counts = set()
    for _ in range(200):
        voiced = np.repeat(rng.random(40) < 0.5, rng.integers(1, 8, 40))
        border = voiced_segments(voiced, 4, 5)
        starts = np.concatenate([[0], np.flatnonzero(border), [len(voiced)]])
        assert np.diff(starts).min() >= 5
        counts.add(len(starts) - 1)
    assert max(counts) > 5


def test_regions_of_one_frame_are_refused():
    with pytest.raises(ValueError, match="two frames"):
        voiced_segments(contour("#.#"), 1, 1)
