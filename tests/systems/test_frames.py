"""Log-Mel columns of systems on frames, and their level."""

import dataclasses
import functools

import numpy as np
import pytest

from jser import config as configs
from jser.frontend.log_mel import LogMelSpec
from jser.records import corpus as records
from jser.systems import frames
from tests.frontend.test_log_mel import reference


@pytest.fixture(scope="module")
def corpus(data):
    return records.load("synthetic", data, "waveform")


def config(folder, level):
    fields = {"data_dir": str(folder), "frames.level": level}
    return configs.load("acrnn:synthetic", fields.items())


def test_variance_is_taken_of_the_waveform(corpus, tmp_path):
    """Against the definition in float64: scaled before the pre-emphasis and the floor."""
    made = frames.log_mel(config(tmp_path, "variance"), corpus, 40, 1)
    spec = LogMelSpec(n_mels=40)
    for i in (0, 7):
        x = corpus.waveform[i].astype(np.float64)
        theirs = reference((x - x.mean()) / x.std(), spec)
        ours = made.frames[made.offset[i] :][: made.length[i]]
        np.testing.assert_allclose(ours, theirs, atol=2e-4)
    again = frames.log_mel(config(tmp_path, "variance"), corpus, 40, 1)
    np.testing.assert_array_equal(again.frames, made.frames)
    as_recorded = frames.log_mel(config(tmp_path, "recorded"), corpus, 40, 1)
    assert np.abs(as_recorded.frames - made.frames).max() > 1, "the cache keeps them apart"


@pytest.mark.parametrize("read", [
    functools.partial(frames.log_mel, n_mels=64, channels=1),
    functools.partial(frames.described, name="is09"),
], ids=["as many bands as the records", "descriptors"])  # fmt: skip
def test_nothing_of_the_level_is_left(read, corpus, tmp_path):
    quiet = [x // 4 for x in corpus.waveform]
    one = dataclasses.replace(corpus, waveform=quiet, fingerprint="a" * 64)
    two = dataclasses.replace(corpus, waveform=[3 * x for x in quiet], fingerprint="b" * 64)
    made = [read(config(tmp_path, "variance"), c).frames for c in (one, two)]
    np.testing.assert_allclose(made[0], made[1], rtol=1e-4, atol=2e-3)
    assert np.ptp(made[0], axis=0).min() > 0
