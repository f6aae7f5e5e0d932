"""Levels of a net: by hand, alone and among others, of pictures and of speech, and their cache."""

import dataclasses
import errno
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jser.datasets.fi import fake
from jser.errors import InputError
from jser.models import stems
from jser.models.stems import pictures as drawing
from jser.records import corpus as records
from jser.records import pictures, selection
from jser.records.builder import build
from jser.training import level_features, stem_features
from jser.training.stem_spec import StemSpec

NOWHERE = Path("no weights are here")
SPEC = StemSpec(
    weights="random", taps=("conv1", "conv2", "conv3"), scale=1, input_size=67, pool=("mean", "std")
)
MAPS = (64, 192, 384)


def spectrogram(frames, seed):
    rng = np.random.default_rng(seed)
    slow = np.cumsum(rng.standard_normal((frames, 64)), axis=0) / 4
    return (slow - 6 + rng.standard_normal((frames, 64)) / 2).astype(np.float32)


UTTERANCES = [spectrogram(n, i) for i, n in enumerate((70, 40, 128, 129))]


@pytest.fixture(scope="session")
def fi(once):
    folder = once("fi_for_levels", lambda f: fake.make(f, per_class=2))
    data = once("fi_for_levels_data", lambda f: build("fi", folder, f))
    return pictures.load("fi", data)


def levels_of(features, row):
    assert features.length[row] == len(MAPS)
    return features.frames[features.offset[row] :][: len(MAPS)].astype(float)


@pytest.mark.parametrize("name", ["mean", "std", "max"])
def test_statistics_by_hand(name):
    """Over both axes of the true columns, whatever lies behind them."""
    maps = np.random.default_rng(1).standard_normal((2, 3, 8, 5)).astype(np.float32)
    spoilt = maps.copy()
    spoilt[0, :, 6:] = np.inf
    made = level_features.pooled(jnp.asarray(spoilt), jnp.array([6, 8]), (name,))
    by_hand = {"mean": np.mean, "max": np.max, "std": np.std}[name]
    wanted = [by_hand(maps[0, :, :6], axis=(0, 1)), by_hand(maps[1], axis=(0, 1))]
    np.testing.assert_allclose(made, wanted, rtol=1e-4, atol=1e-5)


def test_pictures_are_the_nets_own_maps(fi):
    made = level_features.compute_pictures(fi, SPEC, NOWHERE)
    assert made.frames.shape == (len(fi) * 3, 2 * 384)
    assert made.pooled.shape == (len(fi), 2 * sum(MAPS))
    assert level_features.widths(SPEC) == tuple(2 * n for n in MAPS)
    net = stems.get("alexnet")
    row = 11
    # Pillow resizes as well; its 8 bits and rounding are what sets the two apart.
    small = Image.fromarray(fi.images(np.array([row]))[0]).resize(
        (67, 67), Image.Resampling.BILINEAR
    )
    image = (np.asarray(small, np.float32) / 255 - net.mean) / net.std
    taps = net.apply(SPEC.params(NOWHERE), jnp.asarray(image[None], jnp.float32), taps=SPEC.taps)
    found = levels_of(made, row)
    flat = []
    for level, ((maps, _), n) in enumerate(zip(taps, MAPS, strict=True)):
        maps = np.asarray(maps[0], float)
        wanted = np.concatenate([maps.mean((0, 1)), maps.std((0, 1))])
        np.testing.assert_allclose(found[level, : 2 * n], wanted, rtol=0.03, atol=0.01)
        assert (found[level, 2 * n :] == 0).all()
        flat.append(found[level, : 2 * n])
    np.testing.assert_array_equal(made.pooled[row], np.concatenate(flat))


@pytest.mark.parametrize(
    "spec",
    [SPEC, dataclasses.replace(SPEC, pooled=False, channels=1, level="peak", trim_db=20.0)],
    ids=["as is", "unpooled, grey, peak, trimmed"],
)
def test_an_utterance_alone_and_among_others(spec):
    together = level_features.compute_speech(UTTERANCES, spec, NOWHERE)
    for i, utterance in enumerate(UTTERANCES):
        alone = level_features.compute_speech([utterance], spec, NOWHERE)
        # float16 keeps three digits: a bit there is 1e-3 of the value.
        np.testing.assert_allclose(
            levels_of(alone, 0), levels_of(together, i), rtol=1e-3, atol=1e-5
        )


def test_speech_is_the_nets_own_maps():
    """One utterance of 128 frames, without any padding, through the net by hand."""
    made = level_features.compute_speech(UTTERANCES, SPEC, NOWHERE)
    image = drawing.picture(jnp.asarray(UTTERANCES[2]), 128, SPEC)
    image = jnp.swapaxes(image, 0, 1)[None]  # bands are rows; at scale 1 a frame is a column
    taps = stems.get("alexnet").apply(SPEC.params(NOWHERE), image, taps=SPEC.taps)
    for level, ((maps, _), n) in enumerate(zip(taps, MAPS, strict=True)):
        maps = np.asarray(maps[0], float)
        wanted = np.concatenate([maps.mean((0, 1)), maps.std((0, 1))])
        np.testing.assert_allclose(levels_of(made, 2)[level, : 2 * n], wanted, rtol=2e-3, atol=2e-4)


def test_float32_levels_agree_to_1e_5():
    """Before they are stored in half: one call with padding and neighbours, one without."""
    params = SPEC.params(NOWHERE)
    frames = np.array([max(64, len(x)) for x in UTTERANCES])
    filled = [stem_features.prepare(x, SPEC) for x in UTTERANCES]
    wide = np.stack([np.pad(x, ((0, 192 - len(x)), (0, 0)), "edge") for x in filled])
    run = jax.jit(lambda x, n: level_features.of_spectrograms(params, x, n, SPEC))
    together, _ = run(wide, frames)
    narrow, _ = run(wide[:1, :128], frames[:1])
    np.testing.assert_allclose(narrow[0], together[0], atol=1e-5)


def test_cached_by_content(fi, tmp_path, monkeypatch):
    made = level_features.of_pictures(fi, SPEC, NOWHERE, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(level_features, "compute_pictures", None)
        again = level_features.of_pictures(fi, SPEC, NOWHERE, tmp_path)
    for field in dataclasses.fields(made):
        np.testing.assert_array_equal(getattr(made, field.name), getattr(again, field.name))
    own = level_features.key(SPEC, fi.fingerprint, fi.front_end_hash, NOWHERE)
    keys = {own, SPEC.key(fi.fingerprint, fi.front_end_hash, NOWHERE)}
    keys.add(level_features.key(SPEC, "other", fi.front_end_hash, NOWHERE))
    for changed in ({"pool": ("mean",)}, {"input_size": 99}, {"seed": 1}, {"pooled": False}):
        other = dataclasses.replace(SPEC, **changed)
        keys.add(level_features.key(other, fi.fingerprint, fi.front_end_hash, NOWHERE))
    assert len(keys) == 7
    assert [path.name for path in tmp_path.iterdir()] == [f"{own}.npz"]


def test_a_full_disk_is_said(fi, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(InputError, match="No space left"):
        level_features.of_pictures(fi, SPEC, NOWHERE, tmp_path)


def test_of_a_corpus_and_of_a_part_of_it(data, tmp_path):
    """A selection finds the levels of its built corpus, and takes its own rows."""
    whole = records.load("synthetic", data, "waveform")
    made = level_features.of_speech(whole, SPEC, NOWHERE, tmp_path)
    assert len(made.length) == len(whole.label)
    part = selection.load("synthetic", data, "waveform", classes=whole.classes[1:3])
    taken = level_features.of_speech(part, SPEC, NOWHERE, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    places = [list(whole.utterance_id).index(name) for name in part.utterance_id]
    assert len(places) < len(whole.label)
    np.testing.assert_array_equal(taken.frames, made.frames[made.places(np.array(places))])


def test_moments_by_level():
    made = level_features.compute_speech(UTTERANCES, SPEC, NOWHERE)
    rows = np.array([0, 2, 3])
    true = level_features.widths(SPEC)
    mean, scale = level_features.moments(made, rows, true)
    for level, width in enumerate(true):
        mine = np.stack([levels_of(made, r)[level] for r in rows])
        deviation = mine[:, :width].std(0)
        np.testing.assert_allclose(mean[level], mine.mean(0), rtol=1e-3, atol=1e-4)
        floor = 0.01 * deviation.mean()
        np.testing.assert_allclose(scale[level, :width], 1 / (deviation + floor), rtol=2e-3)
        assert (scale[level, width:] == 0).all()
    spoilt = dataclasses.replace(made, frames=made.frames.copy())
    spoilt.frames[3:6] = np.nan  # of row 1, which does not train
    np.testing.assert_array_equal(level_features.moments(spoilt, rows, true), (mean, scale))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"picture": "segments"}, "stem.picture: segments have no levels"),
        ({"taps": ("conv3", "conv1")}, "write conv1,conv3"),
        ({"taps": ("conv1", "conv1")}, "write conv1$"),
    ],
)
def test_what_is_no_level(changed, said):
    with pytest.raises(InputError, match=said):
        level_features.check(dataclasses.replace(SPEC, **changed))
    with pytest.raises(InputError, match="reads pictures of one size"):
        dataclasses.replace(SPEC, taps=("conv5", "fc7"))


def test_another_net():
    spec = dataclasses.replace(SPEC, net="resnet18", taps=("stem", "layer1.1", "layer2.1"))
    assert level_features.widths(spec) == (128, 128, 256)
    made = level_features.compute_speech(UTTERANCES[:1], spec, NOWHERE)
    assert made.frames.shape == (3, 256)
    assert np.isfinite(made.frames).all()
