"""Of joined corpora nothing is computed anew: each part's own cache has it."""

import dataclasses

import numpy as np
import pytest

from jser.frontend import augment
from jser.frontend.descriptors import DescriptorSpec
from jser.training import descriptor_view, narrow_view, stem_features
from jser.training.stem_features import StepFeatures
from jser.training.stem_spec import StemSpec
from tests.joined_corpora import joined, one, two

SPEED = augment.CopySpec("speed:1.1", (15.0, 25.0), (1.1,))


def never():
    raise AssertionError("the corpus was read again")


@pytest.fixture
def parts():
    return [dataclasses.replace(c, fingerprint=c.name * 12) for c in (one(), two())]


@pytest.fixture
def union(parts):
    """The two, which nobody can read as a whole."""
    made = joined(*parts)
    origins = tuple(dataclasses.replace(o, whole=never) for o in made.origins)
    return dataclasses.replace(made, origins=origins)


def test_descriptors(parts, union, tmp_path, monkeypatch):
    """Row by row those of each corpus, the originals of all before the copies of all."""
    monkeypatch.setattr(descriptor_view.descriptors, "descriptors", lambda sound, spec: sound)
    monkeypatch.setattr(
        descriptor_view.functionals,
        "functionals",
        lambda frames, spec: np.array([[len(x), x[0]] for x in frames]),
    )
    monkeypatch.setattr(
        descriptor_view.augment,
        "waveforms",
        lambda pcm, keys, copy, rate: [-np.ones(2 * len(x)) for x in pcm],
    )
    spec = DescriptorSpec()
    first, second = (
        descriptor_view.compute(part, [SPEED], spec, tmp_path).reshape(2, 3, 2) for part in parts
    )
    found = descriptor_view.compute(union, [SPEED], spec, tmp_path).reshape(2, 4, 2)
    for copy in (0, 1):
        wanted = [first[copy, 0], first[copy, 2], second[copy, 0], second[copy, 2]]
        np.testing.assert_array_equal(found[copy], wanted)
    assert found[:, :, 0].tolist() == [[3, 4, 1, 2], [6, 8, 2, 4]]


def test_narrow_view(parts, union, tmp_path, monkeypatch):
    monkeypatch.setattr(narrow_view, "log_mel_batch", lambda sound, spec: sound)

    def compute(static, spec, weights_dir, what):
        rows = np.array([[len(x)] for x in static], np.float16)
        ones = np.ones(len(static), np.int32)
        return StepFeatures(rows, np.cumsum(ones) - 1, ones, rows)

    monkeypatch.setattr(stem_features, "compute", compute)
    spec = StemSpec(net="alexnet", weights="random", taps=("conv1",))
    for part in parts:
        narrow_view.compute(part, spec, tmp_path, tmp_path)
    found = narrow_view.compute(union, spec, tmp_path, tmp_path)
    assert found[:, 0].tolist() == [3, 4, 1, 2]


def test_rows_of_step_features():
    frames = np.arange(12.0).reshape(6, 2)
    whole = StepFeatures(
        frames, np.array([0, 3, 4], np.int32), np.array([3, 1, 2], np.int32), np.eye(3)
    )
    assert whole.taken(np.arange(3)) is whole
    some = whole.taken(np.array([2, 0]))
    assert some.length.tolist() == [2, 3]
    assert some.offset.tolist() == [0, 2]
    assert some.frames[:, 0].tolist() == [8, 10, 0, 2, 4]
    assert some.pooled.tolist() == [[0, 0, 1], [1, 0, 0]]
    both = stem_features.joined([some, whole])
    assert both.length.tolist() == [2, 3, 3, 1, 2]
    assert both.offset.tolist() == [0, 2, 5, 8, 9]
    np.testing.assert_array_equal(both.frames, np.concatenate([some.frames, frames]))
