"""The nets once more, as PyTorch defines its layers: numpy, float64, CHW, sums over kernel places.

They read a PyTorch state dict, so a net is compared from the file's tensors on: names, layout and
the folding of batch normalisation included. Nothing of `jser` is used.
"""

import numpy as np


def conv(x, weight, bias=None, stride=1, padding=(0, 0), groups=1):
    """x [C, h, w], weight [O, C / groups, k, k], zeros before and after as `padding` says."""
    before, after = padding
    x = np.pad(x.astype(np.float64), ((0, 0), (before, after), (before, after)))
    out_maps, _, k, _ = weight.shape
    h, w = (x.shape[1] - k) // stride + 1, (x.shape[2] - k) // stride + 1
    out = np.zeros((out_maps, h, w))
    for i in range(k):
        for j in range(k):
            patch = x[:, i : i + stride * h : stride, j : j + stride * w : stride][:, :h, :w]
            if groups == 1:
                out += np.tensordot(weight[:, :, i, j].astype(np.float64), patch, 1)
            else:
                out += weight[:, 0, i, j].astype(np.float64)[:, None, None] * patch
    return out if bias is None else out + bias[:, None, None]


def max_pool(x, k, stride, padding=0):
    x = np.pad(x, ((0, 0), (padding,) * 2, (padding,) * 2), constant_values=-np.inf)
    h, w = (x.shape[1] - k) // stride + 1, (x.shape[2] - k) // stride + 1
    return np.max(
        [
            x[:, i : i + stride * h : stride, j : j + stride * w : stride][:, :h, :w]
            for i in range(k)
            for j in range(k)
        ],
        axis=0,
    )


def adaptive_mean(x, size):
    _, h, w = x.shape
    out = np.zeros((len(x), size, size))
    for i in range(size):
        for j in range(size):
            rows = slice(int(np.floor(i * h / size)), int(np.ceil((i + 1) * h / size)))
            columns = slice(int(np.floor(j * w / size)), int(np.ceil((j + 1) * w / size)))
            out[:, i, j] = x[:, rows, columns].mean((1, 2))
    return out


def batch_norm(x, state, name, eps):
    gamma, beta, mean, variance = (
        state[f"{name}.{leaf}"].astype(np.float64)[:, None, None]
        for leaf in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(variance + eps) * gamma + beta


def relu(x):
    return np.maximum(x, 0)


def same(kernel, stride):
    """What TensorFlow's SAME pads an even side with: before, after."""
    total = kernel - stride
    return total // 2, total - total // 2


def alexnet(state, x):
    """Every block's output by name: (before its pooling, after it); vectors come once."""
    found = {}
    convs = [(0, 4, 2, True), (3, 1, 2, True), (6, 1, 1, False), (8, 1, 1, False), (10, 1, 1, True)]
    for number, (place, stride, padding, pooled) in enumerate(convs, start=1):
        name = f"features.{place}"
        x = relu(
            conv(x, state[f"{name}.weight"], state[f"{name}.bias"], stride, (padding, padding))
        )
        found[f"conv{number}"] = (x, max_pool(x, 3, 2) if pooled else x)
        x = found[f"conv{number}"][1]
    x = adaptive_mean(x, 6).reshape(-1)
    for number, place in ((6, 1), (7, 4)):
        x = state[f"classifier.{place}.weight"] @ x + state[f"classifier.{place}.bias"]
        found[f"fc{number}"] = (x, x)
        x = relu(x)
        found[f"relu{number}"] = (x, x)
    return found


def vgg16(state, x):
    found = {}
    # Places in torchvision's `features`; behind each group comes a pooling.
    groups = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
    for group, places in enumerate(groups, start=1):
        for number, place in enumerate(places, start=1):
            weight, bias = (state[f"features.{place}.{leaf}"] for leaf in ("weight", "bias"))
            x = before = relu(conv(x, weight, bias, 1, (1, 1)))
            if number == len(places):
                x = max_pool(x, 2, 2)
            found[f"conv{group}_{number}"] = (before, x)
    return found


def resnet18(state, x):
    def normed(x, name, norm, stride, padding):
        return batch_norm(
            conv(x, state[f"{name}.weight"], None, stride, (padding, padding)), state, norm, 1e-5
        )

    x = relu(normed(x, "conv1", "bn1", 2, 3))
    found = {"stem": (x, max_pool(x, 3, 2, 1))}
    x = found["stem"][1]
    for layer in (1, 2, 3, 4):
        for number in (0, 1):
            name = f"layer{layer}.{number}"
            stride = 2 if layer > 1 and number == 0 else 1
            y = relu(normed(x, f"{name}.conv1", f"{name}.bn1", stride, 1))
            y = normed(y, f"{name}.conv2", f"{name}.bn2", 1, 1)
            if f"{name}.downsample.0.weight" in state:
                x = normed(x, f"{name}.downsample.0", f"{name}.downsample.1", stride, 0)
            x = relu(x + y)
            found[name] = (x, x)
    return found


def efficientnet_lite0(state, x):
    """Sides must be even wherever a convolution of stride 2 meets them: then SAME is SAME."""

    def normed(x, name, norm, stride=1, groups=1):
        weight = state[f"{name}.weight"]
        if stride == 2:
            assert x.shape[1] % 2 == x.shape[2] % 2 == 0
        y = conv(x, weight, None, stride, same(weight.shape[2], stride), groups)
        return batch_norm(y, state, norm, 1e-3)

    def relu6(x):
        return np.minimum(relu(x), 6)

    x = relu6(normed(x, "_conv_stem", "_bn0", 2))
    found = {"stem": (x, x)}
    # The first block of these has stride 2.
    halving = {1, 3, 5, 11}
    for number in range(16):
        name = f"_blocks.{number}"
        y = x
        if f"{name}._expand_conv.weight" in state:
            y = relu6(normed(y, f"{name}._expand_conv", f"{name}._bn0"))
        stride = 2 if number in halving else 1
        y = relu6(normed(y, f"{name}._depthwise_conv", f"{name}._bn1", stride, len(y)))
        y = normed(y, f"{name}._project_conv", f"{name}._bn2")
        x = x + y if x.shape == y.shape else y
        found[f"mb{number}"] = (x, x)
    x = relu6(normed(x, "_conv_head", "_bn1"))
    found["head"] = (x, x)
    return found


def state_dict(shapes, seed):
    """Random tensors of these shapes that keep activations in range, float32."""
    rng = np.random.default_rng(seed)
    state = {}
    for name, shape in shapes.items():
        if name.endswith("running_var"):
            state[name] = rng.uniform(0.5, 2, shape)
        elif len(shape) == 1:
            state[name] = 0.1 * rng.standard_normal(shape) + (1 if name.endswith("weight") else 0)
        else:
            state[name] = rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        state[name] = np.asarray(state[name], np.float32)
    return state
