"""What read-outs see of whole utterances: descriptors, narrow-band pictures, their caches."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jser.errors import InputError
from jser.frontend import augment, descriptors, functionals
from jser.frontend.descriptors import DescriptorSpec
from jser.frontend.log_mel import log_mel_batch
from jser.records import corpus as records
from jser.training import descriptor_view, narrow_view, stem_features
from jser.training.stem_spec import StemSpec

NOWHERE = Path("no weights are here")
SPEC = StemSpec(net="alexnet", weights="random", taps=("conv1",), scale=1, pool=("mean", "max"))


@pytest.fixture(scope="module")
def corpus(data):
    return few(records.load("synthetic", data, "waveform"), 3)


def few(corpus, n):
    """The first utterances of a corpus, where a view looks for them."""
    return replace(
        corpus,
        waveform=corpus.waveform[:n],
        pcm_sha256=corpus.pcm_sha256[:n],
        label=corpus.label[:n],
    )


def never(*args):
    raise AssertionError("the cache was there")


def test_descriptors_of_originals_then_of_each_copy(corpus, tmp_path, monkeypatch):
    spec, copy = DescriptorSpec(), augment.CopySpec("speed:0.9")
    made = descriptor_view.compute(corpus, [copy], spec, tmp_path)
    sound = [x.astype(np.float32) / 32768 for x in corpus.waveform]
    slow = [augment.change_speed(x, 0.9, 16000) for x in sound]
    for rows, waves in ((made[:3], sound), (made[3:], slow)):
        wanted = functionals.functionals(descriptors.descriptors(waves, spec), spec)
        np.testing.assert_allclose(rows, wanted, atol=1e-3 * np.abs(wanted).max())
    monkeypatch.setattr(descriptors, "descriptors", never)
    again = descriptor_view.compute(corpus, [copy], spec, tmp_path)
    np.testing.assert_array_equal(made, again)


def test_narrow_pictures_are_the_stems_of_another_front_end(corpus, tmp_path, monkeypatch):
    made = narrow_view.compute(corpus, SPEC, NOWHERE, tmp_path)
    sound = [x.astype(np.float32) / 32768 for x in corpus.waveform]
    static = log_mel_batch(sound, narrow_view.FRONT_END)
    assert static[0].shape[1] == 128
    # Six decibels up in the range are six down in the picture.
    lower = [x - narrow_view.SHIFT_DB * np.log(10) / 10 for x in static]
    wanted = stem_features.compute(lower, SPEC, NOWHERE).pooled
    np.testing.assert_allclose(made.astype(float), wanted.astype(float), atol=5e-3)
    monkeypatch.setattr(stem_features, "compute", never)
    np.testing.assert_array_equal(made, narrow_view.compute(corpus, SPEC, NOWHERE, tmp_path))


def test_narrow_pictures_need_maps():
    spec = StemSpec(net="alexnet", weights="random", taps=("fc7",), picture="segments")
    with pytest.raises(InputError, match=r"'narrow' needs maps, and stem\.taps has fc7"):
        narrow_view.check(spec)
    narrow_view.check(SPEC)


def test_narrow_pictures_have_a_cache_entry_of_their_own():
    ours = narrow_view.narrow(SPEC)
    assert ours.key("corpus", "front end", NOWHERE) != SPEC.key("corpus", "front end", NOWHERE)
    assert ours.range_db == (-54.0, 36.0)
    # The loudest value is 0 dB there anyway.
    assert narrow_view.narrow(replace(SPEC, level="peak")).range_db == SPEC.range_db


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("speed:fast", "'speed:fast' is none of noise, speed, noise_speed, speed:FACTOR"),
        ("noise:0.9", "'noise:0.9' is none of"),
        ("speed:3", r"augment.copies: \(3.0,\) must lie between 0.5 and 2"),
    ],
)
def test_copies_that_are_none(name, sentence):
    with pytest.raises(InputError, match=sentence):
        augment.CopySpec(name)


def test_a_fixed_speed_is_the_same_for_all():
    assert augment.CopySpec("speed:0.9").speeds == (0.9,)
    assert augment.CopySpec("speed:0.9").key() != augment.CopySpec("speed:1.1").key()
