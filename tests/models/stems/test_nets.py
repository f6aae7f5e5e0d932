"""Each net against an independent forward pass; padding; starting in the middle; refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser.errors import InputError
from jser.models import stems
from jser.models.stems import alexnet, efficientnet, matching
from tests.models.stems import reference
from tests.models.stems.small_nets import SMALL, picture, torch_shapes


@pytest.fixture(scope="module", params=list(SMALL))
def small(request):
    """(name, net, PyTorch state dict, parameters, size of a picture)."""
    net, size = SMALL[request.param]
    state = reference.state_dict(torch_shapes(net), 1)
    return request.param, net, state, matching.from_torch(net, state, "made.pth"), size


def run(net, params, x, width=None, **settings):
    """`apply`, compiled: op by op it takes far longer."""
    return jax.jit(lambda p, x, n: net.apply(p, x, n, **settings))(params, x, width)


def test_every_block_against_an_independent_forward_pass(small):
    name, net, state, params, size = small
    image = picture(size)
    expected = getattr(reference, name)(state, image[0].transpose(2, 0, 1))
    assert tuple(expected) == net.names
    for pooled in (False, True):
        taps = run(net, params, image, taps=net.names, pooled=pooled)
        for tap, (maps, width) in zip(net.names, taps, strict=True):
            want = expected[tap][pooled]
            want = want.transpose(1, 2, 0) if want.ndim == 3 else want
            assert maps.shape[1:] == want.shape == net.shape(tap, *size, pooled)
            if want.ndim == 3:
                assert width[0] == want.shape[1]
            np.testing.assert_allclose(maps[0], want, atol=2e-5 * np.abs(want).max(), err_msg=tap)


def test_stride_is_a_columns_pixels(small):
    """So many pixels more give one column more."""
    _, net, _, _, _ = small
    for block in net.blocks:
        for pooled in (False, True) if block.pool else (True,):
            if not block.flat:
                stride = net.stride(block.name, pooled)
                few, many = (
                    net.shape(block.name, 96, n, pooled)[1] for n in (128, 128 + 7 * stride)
                )
                assert many - few == 7, block.name


# Odd and even widths before every stride.
WIDTHS = (97, 110, 124)


def test_padding_a_picture_changes_no_feature(small):
    _, net, _, params, _ = small
    rng = np.random.default_rng(5)
    padded = rng.standard_normal((len(WIDTHS), 64, 160, 3)).astype(np.float32)
    maps_only = tuple(b.name for b in net.blocks if not b.flat)
    for pooled in (False, True) if any(b.pool for b in net.blocks) else (True,):
        settings = {"taps": maps_only, "pooled": pooled}
        beside = run(net, params, padded, jnp.array(WIDTHS), **settings)
        for row, width in list(enumerate(WIDTHS))[:: 1 if pooled else 2]:
            alone = run(net, params, padded[row : row + 1, :, :width], **settings)
            for tap, (maps, n), (other, m) in zip(maps_only, alone, beside, strict=True):
                assert n[0] == m[row] == maps.shape[2], tap
                np.testing.assert_allclose(other[row, :, : n[0]], maps[0], atol=1e-5, err_msg=tap)
                assert (np.asarray(other)[row, :, n[0] :] == 0).all(), tap


def test_from_the_middle_on(small):
    """Maps of a boundary, and what comes after them: the same as in one go."""
    _, net, _, params, size = small
    image = picture(size)
    last = net.names[-1]
    ((whole, _),) = run(net, params, image, taps=(last,))
    for train_from in (net.names[len(net.names) // 2], last):
        frozen, tuned = net.split(params, train_from)
        assert (*frozen, *tuned) == net.names
        ((maps, _),) = run(net, frozen, image, taps=(net.before(train_from),))
        ((end, _),) = run(net, tuned, maps, taps=(last,), start=train_from)
        np.testing.assert_allclose(end, whole, atol=1e-5 * np.abs(whole).max())
    frozen, tuned = net.split(params, net.names[0])
    assert not frozen
    assert tuple(tuned) == net.names


def test_gradients_reach_every_tuned_parameter(small):
    _, net, _, params, size = small
    train_from = net.names[2 * len(net.names) // 3]
    frozen, tuned = net.split(params, train_from)
    ((maps, _),) = run(net, frozen, picture(size, count=2), taps=(net.before(train_from),))

    def loss(tuned):
        ((end, _),) = net.apply(tuned, maps, taps=(net.names[-1],), start=train_from)
        return jnp.square(end).mean()

    leaves = jax.tree_util.tree_leaves_with_path(jax.jit(jax.grad(loss))(tuned))
    assert len(leaves) == sum(len(x) for b in net.shapes(tuned).values() for x in b.values())
    for path, gradient in leaves:
        assert np.abs(gradient).max() > 0, path


def test_bfloat16_stays_bfloat16(small):
    """No constant of a net turns what an accelerator trains in into float32."""
    _, net, _, params, size = small
    short = jax.tree.map(lambda x: jnp.asarray(x, jnp.bfloat16), (params, picture(size)))
    taps = jax.eval_shape(lambda p, x: net.apply(p, x, taps=net.names), *short)
    assert {maps.dtype for maps, _ in taps} == {jnp.dtype(jnp.bfloat16)}


@pytest.mark.parametrize("name", stems.NETS)
def test_random_weights(name):
    net = stems.NETS[name]
    first = net.names[:2]
    made = net.random(3, first)
    assert jax.tree.map(np.shape, made) == net.shapes(first)
    again = net.random(3, net.names[1:2])
    for a, b in zip(jax.tree.leaves(made[first[1]]), jax.tree.leaves(again[first[1]]), strict=True):
        np.testing.assert_array_equal(a, b)
    kernel, other = (
        next(iter(p[first[0]].values()))["kernel"] for p in (made, net.random(4, first))
    )
    assert np.std(kernel) == pytest.approx(np.sqrt(2 / np.prod(kernel.shape[:-1])), rel=0.05)
    assert not np.array_equal(kernel, other)


@pytest.mark.parametrize(
    ("name", "parameters", "block", "stride"),
    [
        # torchvision's counts less the last layer of the classifier (1000 classes) and, of VGG16,
        # the two fully connected layers before it; batch normalisation has two values a map.
        ("alexnet", 61_100_840 - 4_097_000, "conv5", 32),
        ("vgg16", 138_357_544 - 123_642_856, "conv3_3", 8),
        ("resnet18", 11_689_512 - 513_000, "layer2.1", 8),
        ("efficientnet_lite0", 4_652_008 - 1_281_000, "mb10", 16),
    ],
)
def test_whole_nets(name, parameters, block, stride):
    net = stems.get(name)
    assert net.count() == parameters
    assert net.stride(block) == stride
    assert net.needed((net.names[1], net.names[0])) == net.names[:2]
    assert net.before(net.names[0]) is None


@pytest.mark.parametrize("size", [67, 224, 227])
def test_adaptive_mean(size):
    net = alexnet.NET
    rows, columns, maps = net.shape("conv5", size, size)
    assert (rows, columns, maps) == ((6, 6, 256) if size > 200 else (1, 1, 256))
    x = picture((11, 4))
    np.testing.assert_allclose(
        alexnet.adaptive_mean(x, 6)[0],
        reference.adaptive_mean(x[0].transpose(2, 0, 1), 6).transpose(1, 2, 0),
        atol=1e-6,
    )


def test_same_padding_of_even_sides_is_tensorflows():
    """And of odd ones it is not: there the kernel would move with the width."""
    x = np.random.default_rng(0).standard_normal((1, 12, 13, 2)).astype(np.float32)
    for kernel in (3, 5):
        weight = np.random.default_rng(kernel).standard_normal((kernel, kernel, 2, 3))
        args = (weight.astype(np.float32), (2, 2))
        numbers = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}
        ours = [efficientnet.same(kernel, 2)] * 2
        even, odd = x[:, :, :12], x
        np.testing.assert_allclose(
            jax.lax.conv_general_dilated(even, *args, ours, **numbers),
            jax.lax.conv_general_dilated(even, *args, "SAME", **numbers),
            atol=1e-5,
        )
        made = jax.lax.conv_general_dilated(odd, *args, ours, **numbers)
        theirs = jax.lax.conv_general_dilated(odd, *args, "SAME", **numbers)
        assert made.shape == theirs.shape
        assert np.abs(made - theirs).max() > 0.1


@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        (
            lambda net, p, x: net.apply(p, x, taps=("conv6",)),
            "'conv6' is no block of alexnet; choose",
        ),
        (
            lambda net, p, x: net.apply(p, x, taps=("conv1",), start="conv2"),
            "conv1 lies before conv2",
        ),
        (
            lambda net, p, x: net.apply(p, x, jnp.array([90]), taps=("fc6",)),
            "fc6 of alexnet reads pictures of one size",
        ),
        (
            lambda net, p, x: net.apply(p, x[:, :40, :40], taps=("conv5",)),
            "conv5 of alexnet has no map left of a picture of 40x40 pixels",
        ),
        (lambda net, p, x: net.split(p, "conv0"), "stem.train_from: 'conv0' is no block"),
        (lambda net, p, x: stems.get("alexnett"), "no net; did you mean alexnet"),
    ],
)
def test_what_is_refused(use, sentence):
    net, size = SMALL["alexnet"]
    with pytest.raises(InputError, match=sentence):
        use(net, net.random(0), picture(size))


# --- against PyTorch, where it is installed -------------------------------------------------------


def torch_forward(torch, name, state, x):
    """The last block, by PyTorch's own layers."""
    f = torch.nn.functional
    t = {key: torch.tensor(value) for key, value in state.items()}
    x = torch.tensor(x).permute(0, 3, 1, 2)

    def normed(x, conv, norm, stride=1, padding=0, groups=1, eps=1e-5):
        x = f.conv2d(x, t[f"{conv}.weight"], None, stride, padding, groups=groups)
        mean, variance, weight, bias = (
            t[f"{norm}.{leaf}"] for leaf in ("running_mean", "running_var", "weight", "bias")
        )
        return f.batch_norm(x, mean, variance, weight, bias, eps=eps)

    if name in ("alexnet", "vgg16"):
        layers = {
            "alexnet": [
                (0, 4, 2),
                "M32",
                (3, 1, 2),
                "M32",
                (6, 1, 1),
                (8, 1, 1),
                (10, 1, 1),
                "M32",
            ],
            "vgg16": [
                *((0, 1, 1), (2, 1, 1), "M22", (5, 1, 1), (7, 1, 1), "M22"),
                *((10, 1, 1), (12, 1, 1), (14, 1, 1), "M22", (17, 1, 1), (19, 1, 1), (21, 1, 1)),
                *("M22", (24, 1, 1), (26, 1, 1), (28, 1, 1), "M22"),
            ],
        }[name]
        for layer in layers:
            if isinstance(layer, str):
                x = f.max_pool2d(x, int(layer[1]), int(layer[2]))
                continue
            place, stride, padding = layer
            weight, bias = (t[f"features.{place}.{leaf}"] for leaf in ("weight", "bias"))
            x = f.relu(f.conv2d(x, weight, bias, stride, padding))
        if name == "vgg16":
            return x
        x = torch.flatten(torch.nn.AdaptiveAvgPool2d((6, 6))(x), 1)
        for place in (1, 4):
            x = f.relu(f.linear(x, t[f"classifier.{place}.weight"], t[f"classifier.{place}.bias"]))
        return x
    if name == "resnet18":
        x = f.max_pool2d(f.relu(normed(x, "conv1", "bn1", 2, 3)), 3, 2, 1)
        for block in (f"layer{a}.{b}" for a in (1, 2, 3, 4) for b in (0, 1)):
            stride = 1 if block.startswith("layer1") or block.endswith("1") else 2
            y = f.relu(normed(x, f"{block}.conv1", f"{block}.bn1", stride, 1))
            y = normed(y, f"{block}.conv2", f"{block}.bn2", 1, 1)
            if f"{block}.downsample.0.weight" in t:
                x = normed(x, f"{block}.downsample.0", f"{block}.downsample.1", stride)
            x = f.relu(x + y)
        return x

    def same(x, kernel, stride):
        """TensorFlow's rule, for any side."""
        sides = []
        for n in (x.shape[3], x.shape[2]):
            total = max((-(-n // stride) - 1) * stride + kernel - n, 0)
            sides += [total // 2, total - total // 2]
        return f.pad(x, sides)

    x = f.relu6(normed(same(x, 3, 2), "_conv_stem", "_bn0", 2, eps=1e-3))
    for number in range(16):
        block = f"_blocks.{number}"
        y = x
        if f"{block}._expand_conv.weight" in t:
            y = f.relu6(normed(y, f"{block}._expand_conv", f"{block}._bn0", eps=1e-3))
        kernel = t[f"{block}._depthwise_conv.weight"].shape[2]
        stride = 2 if number in (1, 3, 5, 11) else 1
        y = same(y, kernel, stride)
        groups = y.shape[1]
        y = normed(y, f"{block}._depthwise_conv", f"{block}._bn1", stride, 0, groups, 1e-3)
        y = normed(f.relu6(y), f"{block}._project_conv", f"{block}._bn2", eps=1e-3)
        x = x + y if x.shape == y.shape else y
    return f.relu6(normed(x, "_conv_head", "_bn1", eps=1e-3))


@pytest.mark.parametrize("name", stems.NETS)
def test_whole_nets_against_pytorch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    net = stems.get(name)
    state = reference.state_dict(torch_shapes(net), 2)
    image = picture((224, 224), 1)
    want = torch_forward(torch, name, state, image).numpy()
    want = want.transpose(0, 2, 3, 1) if want.ndim == 4 else want
    params = matching.from_torch(net, state, "made.pth")
    ((maps, _),) = jax.jit(lambda p, x: net.apply(p, x, taps=(net.names[-1],)))(params, image)
    assert maps.shape == want.shape
    np.testing.assert_allclose(maps, want, atol=1e-4 * np.abs(want).max())
