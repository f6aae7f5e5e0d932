"""Recordings at mean 0 and variance 1."""

import numpy as np
import pytest

from jser.frontend.level import standardised


def test_by_hand():
    made = standardised(np.array([1, 2, 3], np.int16))
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, [-np.sqrt(1.5), 0, np.sqrt(1.5)], rtol=1e-6)


def test_neither_gain_nor_offset_nor_kind_of_samples_is_left():
    pcm = np.random.default_rng(0).integers(-900, 900, 5000).astype(np.int16)
    made = standardised(pcm)
    np.testing.assert_allclose([made.mean(), made.var()], [0, 1], atol=1e-5)
    np.testing.assert_allclose(standardised(5 * pcm + np.int16(300)), made, atol=1e-6)
    np.testing.assert_array_equal(standardised(pcm.astype(np.float32) / 32768), made)


@pytest.mark.parametrize("value", [0, 0.1, -0.7])
def test_what_never_changes_is_silence(value):
    """The mean of many a float is not itself: what rounding leaves must not be blown up."""
    np.testing.assert_array_equal(standardised(np.full(7919, value, np.float32)), 0)
