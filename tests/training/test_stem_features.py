"""Stem features: an utterance alone and among others, the picture's scaling, the cache."""

import dataclasses
import errno
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser import computing
from jser.errors import InputError
from jser.models import stems
from jser.models.stems import pictures, weights
from jser.training import stem_features
from jser.training.stem_features import StepFeatures
from jser.training.stem_spec import StemSpec

TINY = StemSpec(weights="random", taps=("conv1",), scale=1, pool=("mean", "std", "max"))
NOWHERE = Path("no weights are here")


def spectrogram(frames, seed):
    rng = np.random.default_rng(seed)
    slow = np.cumsum(rng.standard_normal((frames, 64)), axis=0) / 4
    return (slow - 6 + rng.standard_normal((frames, 64)) / 2).astype(np.float32)


UTTERANCES = [spectrogram(n, i) for i, n in enumerate((70, 40, 128, 65, 129))]


def steps(features, i):
    return features.frames[features.offset[i] : features.offset[i] + features.length[i]]


@pytest.mark.parametrize(
    "spec",
    [
        TINY,
        dataclasses.replace(TINY, window=0, trim_db=20.0, level="peak"),
        dataclasses.replace(
            TINY, taps=("conv1", "conv2"), pooled=False, window=32, shift=16, channels=1
        ),
        dataclasses.replace(TINY, picture="segments", input_size=67, shift=30),
        dataclasses.replace(TINY, picture="segments", input_size=67, taps=("conv3", "fc6")),
        dataclasses.replace(TINY, net="efficientnet_lite0", taps=("mb2", "mb4")),
    ],
    ids=["utterance", "whole, trimmed, peak", "unpooled, grey", "segments", "fc6", "another net"],
)
def test_alone_and_among_others(spec):
    together = stem_features.compute(UTTERANCES, spec, NOWHERE)
    assert together.length.sum() == len(together.frames)
    assert np.isfinite(together.frames).all()
    for i, utterance in enumerate(UTTERANCES[:4]):
        alone = stem_features.compute([utterance], spec, NOWHERE)
        assert alone.length[0] == together.length[i]
        # float16 keeps three digits: a bit there is 1e-3 of the value.
        np.testing.assert_allclose(
            alone.frames.astype(float), steps(together, i).astype(float), rtol=1e-3, atol=1e-5
        )
        np.testing.assert_allclose(
            alone.pooled[0].astype(float), together.pooled[i].astype(float), rtol=1e-3, atol=1e-5
        )


@pytest.mark.parametrize("pool", ["mean", "std", "max"])
def test_windows_of_maps_do_not_see_padding(pool):
    """Each statistic by hand, with whatever lies behind the true columns."""
    rng = np.random.default_rng(1)
    maps = np.abs(rng.standard_normal((2, 12, 3))).astype(np.float32)
    maps[:, 7:] = 1e6
    made = pictures.pooled_windows(jnp.asarray(maps), jnp.int32(7), np.array([0, 4]), 5, (pool,))
    by_hand = {"mean": np.mean, "max": np.max, "std": np.std}[pool]
    wanted = [by_hand(maps[:, a:b], axis=1).ravel() for a, b in ((0, 5), (4, 7))]
    np.testing.assert_allclose(made, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("picture", ["utterance", "segments"])
def test_float32_features_agree_to_1e_5(picture):
    """Before they are stored in half: one call with padding and neighbours, one without."""
    spec = dataclasses.replace(TINY, picture=picture, input_size=67)
    params = spec.params(NOWHERE)
    long = np.stack([np.pad(x, ((0, 192 - len(x)), (0, 0)), "edge") for x in UTTERANCES[:4]])
    length = np.array([len(x) for x in UTTERANCES[:4]])
    length = np.maximum(length, 64)
    if picture == "utterance":
        run = jax.jit(lambda x, n: stem_features.utterance_features(params, x, n, spec))
        together, whole = run(long, length)
        narrow, narrow_whole = run(long[:1, :128], length[:1])
        n = stem_features.steps_of(70, spec)
        np.testing.assert_allclose(narrow[0, :n], together[0, :n], atol=1e-5)
        np.testing.assert_allclose(narrow_whole[0], whole[0], atol=1e-5)
    else:
        cut = np.stack([pictures.picture(x[:64], 64, spec) for x in long])
        run = jax.jit(lambda x: stem_features.segment_features(params, x, spec))
        np.testing.assert_allclose(run(cut[:1])[0], run(cut)[0], atol=1e-5)


def test_picture_by_hand():
    static = np.zeros((64, 64), np.float32)
    static[:, 0] = np.log(10) * 3  # 30 dB, the top
    static[:, 1] = np.log(10) * -6  # -60 dB, the bottom
    image = pictures.picture(jnp.asarray(static), 64, TINY)
    net = stems.get("alexnet")
    image = np.asarray(image) * net.std + net.mean
    np.testing.assert_allclose(image[0, :3, 0], [1, 0, 60 / 90], atol=1e-6)
    np.testing.assert_allclose(image[..., 1:], 0.5, atol=1e-6)  # deltas of a constant
    grey = pictures.picture(jnp.asarray(static), 64, dataclasses.replace(TINY, channels=1))
    grey = np.asarray(grey) * net.std + net.mean
    np.testing.assert_allclose(grey[..., 2], grey[..., 0], atol=1e-6)


def test_level_and_silence():
    loud = stem_features.prepare(UTTERANCES[0] + 2, dataclasses.replace(TINY, level="peak"))
    soft = stem_features.prepare(UTTERANCES[0], dataclasses.replace(TINY, level="peak"))
    np.testing.assert_allclose(loud, soft, atol=1e-5)
    assert soft.max() == 0
    quiet = np.full((200, 64), -13.0, np.float32)
    quiet[50:130] = 0
    assert len(stem_features.prepare(quiet, dataclasses.replace(TINY, trim_db=35.0))) == 80
    assert len(stem_features.prepare(quiet, TINY)) == 200
    assert len(stem_features.prepare(quiet[:10], TINY)) == 64


@pytest.mark.parametrize(("frames", "count"), [(64, 1), (95, 2), (96, 2), (97, 3), (128, 3)])
def test_number_of_steps(frames, count):
    assert stem_features.steps_of(frames, TINY) == count  # window 64, shift 32, the tail counts
    whole = dataclasses.replace(TINY, window=0)
    assert stem_features.steps_of(frames, whole) == 1
    by_segment = dataclasses.replace(TINY, picture="segments")
    assert stem_features.steps_of(frames, by_segment) == max(1, (frames - 64) // 32 + 1)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"weights": "imagnet"}, "stem.weights: 'imagnet' is none of imagenet, random"),
        ({"picture": "word"}, "stem.picture"),
        ({"net": "vgg19"}, "stem.net: 'vgg19' is no net; did you mean vgg16"),
        ({"taps": ("conv1", "conv6")}, "stem.taps: 'conv6' is no block of alexnet; choose from"),
        ({"taps": ("fc7",)}, "stem.taps: fc7 of alexnet reads .* set stem.picture=segments"),
        (
            {"taps": ("conv5",), "picture": "segments", "input_size": 40},
            "conv5 of alexnet has no map left of a picture of 40x40",
        ),
        ({"pool": ("mode",)}, "stem.pool: 'mode' is none of mean, std, max"),
        ({"channels": 2}, "stem.channels"),
        ({"level": "low"}, "stem.level"),
        ({"taps": ()}, "need at least one entry each"),
        ({"shift": 0}, "stem.shift: 0"),
    ],
)
def test_impossible_stems(change, sentence):
    with pytest.raises(InputError, match=sentence):
        StemSpec(**change)


# --- rows ---------------------------------------------------------------------------------------


def test_joined_rows_lie_one_behind_the_other():
    parts = [made(), made()]
    parts[1].frames[:] += 100
    kept = [part.frames.copy() for part in parts]
    whole = stem_features.joined(parts)
    assert parts == []
    assert whole.length.tolist() == [4, 2, 4, 2]
    assert whole.pooled.shape == (4, 2)
    np.testing.assert_array_equal(whole.frames, np.concatenate(kept))
    np.testing.assert_array_equal(whole.frames[whole.places(np.array([3, 1]))][::2, 0], [108, 8])


def test_without_frames_the_places_stay():
    whole = made()
    alone = whole.without_frames()
    assert alone.frames.shape == (0, 2)
    assert alone.frames.base is None  # or it would keep them alive
    np.testing.assert_array_equal(alone.places(np.array([1])), whole.places(np.array([1])))


# --- the cache ------------------------------------------------------------------------------------


def made():
    return StepFeatures(
        np.arange(12, dtype=np.float16).reshape(6, 2),
        np.array([0, 4]),
        np.array([4, 2]),
        np.ones((2, 2), np.float16),
    )


def never():
    raise AssertionError("the cache was there")


def test_cache_is_hit(tmp_path):
    first, was_there = stem_features.cached(tmp_path / "c", "key", made)
    assert not was_there
    again, was_there = stem_features.cached(tmp_path / "c", "key", never)
    assert was_there
    for name in ("frames", "offset", "length", "pooled"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["key.npz"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: b"PK not a zip" + data[12:],
        lambda data: data[:150] + bytes([data[150] ^ 255]) + data[151:],
        lambda data: data.replace(b"frames", b"others"),
    ],
    ids=["empty", "half", "no zip", "a byte changed", "another member"],
)
def test_damaged_cache_is_made_anew(tmp_path, damage):
    stem_features.cached(tmp_path, "key", made)
    path = tmp_path / "key.npz"
    path.write_bytes(damage(path.read_bytes()))
    found, was_there = stem_features.cached(tmp_path, "key", made)
    assert not was_there
    np.testing.assert_array_equal(found.frames, made().frames)
    assert stem_features.cached(tmp_path, "key", never)[1]


def test_full_disk(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(InputError, match=r"MiB cannot be written \(No space left.*--data_dir"):
        stem_features.cached(tmp_path, "key", made)
    assert not list(tmp_path.iterdir())


def test_key_changes_with_every_field():
    other = {
        "net": "vgg16",
        "weights": "imagenet",
        "seed": 1,
        "picture": "segments",
        "taps": ("conv2",),
        "pooled": False,
        "scale": 2,
        "input_size": 67,
        "window": 32,
        "shift": 16,
        "pool": ("mean",),
        "channels": 1,
        "level": "peak",
        "range_db": (-50.0, 30.0),
        "delta_db": 3.0,
        "trim_db": 35.0,
    }
    assert set(other) == {field.name for field in dataclasses.fields(StemSpec)}

    def key(spec, corpus="corpus", front_end="front end"):
        return spec.key(corpus, front_end, NOWHERE)

    keys = {key(TINY), key(TINY, "another"), key(TINY, front_end="another")}
    for name, value in other.items():
        # The block has this name in VGG16.
        taps = {"taps": ("conv1_1",)} if name == "net" else {}
        keys.add(key(dataclasses.replace(TINY, **{name: value}, **taps)))
    assert len(keys) == 3 + len(other)
    assert key(TINY) in keys


def test_key_changes_with_the_weights(tmp_path):
    """Packaged ones have a known hash; converted ones say theirs in the file's head."""
    net = stems.get("resnet18")
    spec = StemSpec(net="resnet18", taps=("stem",))
    keys = {StemSpec().key("corpus", "front end", tmp_path)}
    for seed in (0, 1):
        weights.write_converted(
            net, net.random(seed), f"made {seed}", weights.converted_path(net, tmp_path)
        )
        keys.add(spec.key("corpus", "front end", tmp_path))
    assert len(keys) == 3
    with pytest.raises(InputError, match=r"resnet18\.safetensors for stem of resnet18"):
        spec.key("corpus", "front end", NOWHERE)


def test_a_vector_passes_as_it_is():
    """fc6 has 4096 values a segment, of the utterance their mean; maps have each statistic."""
    spec = dataclasses.replace(TINY, picture="segments", input_size=67, taps=("fc6", "conv5"))
    made = stem_features.compute(UTTERANCES[2:3], spec, NOWHERE)
    assert made.frames.shape == (3, 4096 + 3 * 256)  # conv5 is 1 x 1 x 256 of 67 pixels
    steps = made.frames.astype(float)
    np.testing.assert_allclose(made.pooled[0, :4096], steps[:, :4096].mean(0), rtol=2e-3, atol=1e-3)
    np.testing.assert_array_equal(made.pooled[0, -256:], made.frames[:, -256:].max(0))


def test_negative_maps_have_their_own_maximum():
    """EfficientNet's projections are linear: a maximum may lie below 0."""
    maps = jnp.full((1, 4, 1), -2.0).at[:, 1].set(-1.0)
    made = pictures.pooled_windows(maps, jnp.int32(3), np.array([0, 3]), 3, ("max",))
    np.testing.assert_array_equal(made, [[-1], [0]])  # the second window lies behind the end


@pytest.mark.parametrize(("count", "tiles"), [(599, False), (600, True)])
def test_tiles_where_many_utterances_have_one_width(count, tiles):
    """Two compiled widths: below three hundred utterances each, compiling would take longer."""
    prepared = [np.zeros((60 + 10 * (i % 2), 4), np.float32) for i in range(count)]
    seen = []

    def function(batch, true):
        seen.append(computing.now().tiles)
        return (true,)

    stem_features.each_utterance(prepared, function, lambda index, length: None)
    assert set(seen) == {tiles}
    assert computing.now().tiles


def test_the_last_column_is_made_alike_whatever_the_length():
    """128 frames, which fill a compiled width, and one frame fewer, as padded utterances are."""
    spec = dataclasses.replace(TINY, scale=2, window=16, shift=16, pool=("max",))
    rng = np.random.default_rng(0)
    long = rng.normal(-4, 3, (128, 64)).astype(np.float32)
    params = spec.params(NOWHERE)
    for static in (long, long[:127]):
        n = len(static)
        wide = np.pad(static, ((0, 192 - n), (0, 0)), "edge")[None]
        steps, _ = stem_features.utterance_features(params, wide, np.array([n]), spec)
        made = stem_features.compute([static], spec, NOWHERE)
        expected = np.asarray(steps[0, : len(made.frames)])
        np.testing.assert_allclose(made.frames.astype(float), expected, rtol=2e-3, atol=2e-3)
