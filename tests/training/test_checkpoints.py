"""Checkpoints of an earlier version: read where nothing is lacking, or refused as what they are."""

from typing import Any

import flax.struct
import jax
import numpy as np
import pytest

from jser.errors import InputError
from jser.training.checkpoints import Checkpoints

WEIGHTS = {"kernel": np.arange(6.0, dtype=np.float32).reshape(2, 3)}
EPOCH = np.array([3, 4], np.int32)


class Earlier(flax.struct.PyTreeNode):
    params: Any
    epoch: Any


class Now(flax.struct.PyTreeNode):
    params: Any
    stats: Any
    epoch: Any


class WithAverage(flax.struct.PyTreeNode):
    params: Any
    stats: Any
    average_stats: Any
    epoch: Any


@pytest.fixture
def folder(tmp_path):
    """A checkpoint that an earlier version wrote."""
    with_old = Checkpoints(tmp_path / "select", 0)
    with_old.save(3, Earlier(WEIGHTS, EPOCH), {"width": 1})
    with_old.close()
    return tmp_path / "select"


def restore(folder, like):
    opened = Checkpoints(folder, 0)
    try:
        return opened.restore(jax.eval_shape(lambda: like))
    finally:
        opened.close()


def test_a_part_that_holds_nothing_may_be_lacking(folder):
    epoch, state, extra = restore(folder, Now(WEIGHTS, {}, EPOCH))
    assert (epoch, extra) == (3, {"width": 1})
    assert isinstance(state, Now)
    assert state.stats == {}
    np.testing.assert_array_equal(state.params["kernel"], WEIGHTS["kernel"])
    np.testing.assert_array_equal(state.epoch, EPOCH)


def test_a_part_that_holds_something_may_not(folder):
    with pytest.raises(InputError, match=r"3: was written by another version .* no 'stats'; train"):
        restore(folder, Now(WEIGHTS, {"mean": EPOCH}, EPOCH))


def test_what_has_changed_inside_a_part_is_no_matter_of_versions(folder):
    with pytest.raises(InputError, match=r"3: the checkpoint cannot be read"):
        restore(folder, Now({"other": EPOCH}, {}, EPOCH))


def test_numbers_of_a_young_part_keep_their_checksum(folder):
    again = Checkpoints(folder, 0)
    again.save(4, Now(WEIGHTS, {"mean": EPOCH}, EPOCH), {})
    again.close()
    epoch, state, _ = restore(folder, Now(WEIGHTS, {"mean": EPOCH}, EPOCH))
    assert epoch == 4
    np.testing.assert_array_equal(state.stats["mean"], EPOCH)


def test_averaged_statistics_were_the_last_ones_before_they_were_averaged(folder):
    stats = {"mean": EPOCH + 1}
    before = Checkpoints(folder, 0)
    before.save(4, Now(WEIGHTS, stats, EPOCH), {})
    before.close()
    _, state, _ = restore(folder, WithAverage(WEIGHTS, stats, stats, EPOCH))
    np.testing.assert_array_equal(state.stats["mean"], EPOCH + 1)
    np.testing.assert_array_equal(state.average_stats["mean"], EPOCH + 1)
    np.testing.assert_array_equal(state.epoch, EPOCH)
