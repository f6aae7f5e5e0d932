"""Frames of descriptors of whole corpora: rows, statistics, caches, and joined corpora."""

import dataclasses

import numpy as np
import pytest

from jser.frontend import augment, descriptor_sets
from jser.frontend.descriptors import DescriptorSpec
from jser.frontend.log_mel import LogMelSpec, log_mel_batch
from jser.records import corpus as records
from jser.training import descriptor_frames
from tests.joined_corpora import joined, one, two

SPEC = DescriptorSpec()
SLOW = augment.CopySpec("speed:0.9")


@pytest.fixture(scope="module")
def corpus(data):
    whole = records.load("synthetic", data, "waveform")
    return dataclasses.replace(
        whole, waveform=whole.waveform[:3], pcm_sha256=whole.pcm_sha256[:3], label=whole.label[:3]
    )


def never(*args):
    raise AssertionError("the cache was there")


def test_originals_then_each_copy_on_the_clock_of_the_log_mel(corpus, tmp_path, monkeypatch):
    made = descriptor_frames.compute(corpus, [SLOW], "is09", SPEC, tmp_path)
    sound = [x.astype(np.float32) / 32768 for x in corpus.waveform]
    sound += [augment.change_speed(x, 0.9, 16000) for x in sound]
    assert made.frames.dtype == made.pooled.dtype == np.float32
    assert made.pooled.shape == (6, 64)
    assert made.length.tolist() == [len(x) for x in log_mel_batch(sound, LogMelSpec())]
    wanted = descriptor_sets.frames(sound, "is09", SPEC)
    for row, x in enumerate(wanted):
        mine = made.frames[made.offset[row] :][: made.length[row]]
        np.testing.assert_allclose(mine, x, rtol=1e-3, atol=1e-3 * np.abs(x).max())
        np.testing.assert_allclose(made.pooled[row, :32], mine.mean(0), rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(made.pooled[row, 32:], mine.std(0), rtol=1e-3, atol=1e-3)
    monkeypatch.setattr(descriptor_sets, "frames", never)
    again = descriptor_frames.compute(corpus, [SLOW], "is09", SPEC, tmp_path)
    for a, b in zip(vars(made).values(), vars(again).values(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(AssertionError, match="the cache was there"):
        descriptor_frames.compute(corpus, [], "lee_tashev", SPEC, tmp_path)


def test_the_slow_copy_is_longer(corpus, tmp_path):
    made = descriptor_frames.compute(corpus, [SLOW], "lee_tashev", SPEC, tmp_path)
    ratio = made.length[3:] / made.length[:3]
    assert np.abs(ratio - 1 / 0.9).max() < 0.02


def test_of_joined_corpora_nothing_is_computed_anew(tmp_path, monkeypatch):
    """Row by row those of each corpus, the originals of all before the copies of all."""
    monkeypatch.setattr(descriptor_sets, "names", lambda name: ["samples", "first"])
    monkeypatch.setattr(
        descriptor_sets,
        "frames",
        lambda sound, name, spec: [np.array([[len(x), x[0]]] * len(x)) for x in sound],
    )
    monkeypatch.setattr(
        augment, "waveforms", lambda pcm, keys, copy, rate: [-np.ones(2 * len(x)) for x in pcm]
    )
    parts = [dataclasses.replace(c, fingerprint=c.name * 12) for c in (one(), two())]
    for part in parts:
        descriptor_frames.compute(part, [SLOW], "is09", SPEC, tmp_path)
    union = joined(*parts)
    origins = tuple(dataclasses.replace(o, whole=never) for o in union.origins)
    union = dataclasses.replace(union, origins=origins)
    made = descriptor_frames.compute(union, [SLOW], "is09", SPEC, tmp_path)
    assert made.length.tolist() == [3, 4, 1, 2, 6, 8, 2, 4]
    assert made.offset.tolist() == [0, 3, 7, 8, 10, 16, 24, 26]
    assert made.frames[:, 0].tolist() == np.repeat(made.length, made.length).tolist()
    assert (made.frames[10:, 1] == -1).all()
    assert made.pooled[:, 0].tolist() == made.length.tolist()
