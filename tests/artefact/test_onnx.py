"""Functions as ONNX files give in onnxruntime what they give in JAX, whatever the inputs' sizes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jser.computing import Computing, by
from jser.frontend import descriptors, functionals, log_mel, whole
from jser.models import stems
from jser.models.acrnn import Acrnn
from jser.models.attention import AttentionPooling
from jser.models.blstm import BLSTM
from jser.models.conv_lstm import ConvLstm
from jser.models.cropping import Cropped
from jser.models.stems import pictures
from jser.models.stems.net import Net
from tests.artefact.made import Picture, spoken

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
from jser.artefact.onnx import NotConvertible, convert  # noqa: E402

ATOL = 1e-4
# Batch and length, twice.
SIZES = ((1, 70), (3, 131))


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def converted(tmp_path, function, inputs, weights=None):
    """(arguments) -> results, of the function as a file.

    `inputs` are shapes and types by name, with the symbols b, t (at least 64) and n (10480).
    """
    least = "b >= 1", "t >= 64", "n >= 10480"
    sizes = jax.export.symbolic_shape("b, t, n", constraints=least)
    symbols = dict(zip("btn", sizes, strict=True))
    specs = {
        name: jax.ShapeDtypeStruct([symbols.get(size, size) for size in shape], dtype)
        for name, (shape, dtype) in inputs.items()
    }
    path = tmp_path / "function.onnx"

    def named(weights, *values):
        leaves = jax.tree.leaves(function(weights, *values))
        return {f"out{number:02d}": leaf for number, leaf in enumerate(leaves)}

    convert(named, weights, specs, path)
    onnx.checker.check_model(path)
    run = session(path)
    return lambda *values: run.run(None, dict(zip(inputs, values, strict=True)))


def same(found, expected, atol=ATOL, relative=0.0):
    for one, other in zip(found, jax.tree.leaves(expected), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=relative, atol=atol)


def check(tmp_path, function, inputs, arguments, *, weights=None, relative=0.0):
    """Compare both ways on several lists of arguments."""
    run, compiled = converted(tmp_path, function, inputs, weights), jax.jit(function)
    for values in arguments:
        same(run(*values), compiled(weights, *values), relative=relative)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def integers(*shape, low=-9, high=9, seed=0):
    return np.random.default_rng(seed).integers(low, high, shape).astype(np.int32)


def lengths(b, t):
    return np.array([t, t - 7, 1][:b], np.int32)


def take(mode):
    return lambda x, i: jnp.take(x, i[0, :5], axis=1, mode=mode)


def turns(x, i):
    def step(_, carry):
        total, count = carry
        return total * 0.9 + x.sum(1), count + i.sum()

    return lax.fori_loop(0, 5, step, (jnp.zeros(x.shape[0]), jnp.int32(0)))


def until(x, i):
    start = jnp.abs(x).sum() + 1, jnp.int32(0)
    return lax.while_loop(lambda c: c[0] > 0.1, lambda c: (c[0] / 3, c[1] + i.min()), start)


def backwards(x, i):
    def step(carry, row):
        carry = 0.5 * carry + row[0] * x[0, 0]
        return carry, (carry.sum(), row[1])

    return lax.scan(step, jnp.zeros(x.shape[0]), (x.T, i.T), reverse=True)


def pieces(x, i):
    return jax.vmap(lambda row, first: lax.dynamic_slice(row, (first,), (60,)))(x, i[:, 0])


def product(formula, *shapes):
    """A product of parts of x that have these shapes, b and t among their sizes."""

    def function(x, i):
        sizes = {"b": x.shape[0], "t": x.shape[1]}
        parts = []
        for number, shape in enumerate(shapes):
            numbers = jnp.cos(x[:, :, None] + jnp.arange(12) * (number + 1))  # [b, t, 12]
            start = tuple({"b": 0, "t": 1}.get(size, 2) for size in shape)
            kept = numbers[tuple(slice(None) if a in start else 0 for a in range(3))]
            kept = kept.transpose(np.argsort(np.argsort(start)))
            cut = (slice(None) if size in sizes else slice(size) for size in shape)
            parts.append(kept[tuple(cut)])
        return jnp.einsum(formula, *parts)

    return function


# Functions of x float32 [b, t] and i int32 [b, t].
PRIMITIVES = {
    "floor division": lambda x, i: (i // 4, i // -4, lax.div(i, jnp.full_like(i, 4)), x // 0.3),
    "remainder": lambda x, i: (i % 4, i % -4, lax.rem(i, jnp.full_like(i, 4)), x % 0.3),
    "half to even": lambda x, i: (jnp.round(i / 2), lax.round(i / 2)),
    "to integers": lambda x, i: ((x * 3).astype(jnp.int32), i.astype(bool), (x > 0).astype(int)),
    "ties": lambda x, i: (jnp.argmax(i, 1), jnp.argmin(i, 1), lax.top_k(i, 5)),
    "order": lambda x, i: (jnp.sort(x, 1), jnp.argsort(i, 1), jnp.sort(i, 0)),
    "near zero": lambda x, i: (jnp.expm1(x * 1e-5) * 1e5, jnp.log1p(jnp.abs(x) * 1e-5) * 1e5),
    "powers": lambda x, i: (x**3, x**-2, jnp.cbrt(x), jnp.exp2(x), lax.rsqrt(jnp.abs(x) + 1)),
    "softmax": lambda x, i: (jax.nn.log_softmax(x), jax.nn.elu(x), jax.nn.leaky_relu(x)),
    "booleans": lambda x, i: (
        ((x > 0) ^ (i > 0)) & ~(i == 3) | (x != x[:, :1]),
        jnp.where(i > 0, x > 0, i > 3),
        (x > 2).any(1),
        (x > -9).all(0),
        jnp.isfinite(jnp.where(i > 0, x, jnp.inf)),
    ),
    "running": lambda x, i: (
        jnp.cumsum(x, 1),
        jnp.cumsum(i, 0),
        lax.cummax(x, axis=1),
        lax.cummin(i, axis=0, reverse=True),
        lax.cumsum(i, axis=1, reverse=True),
    ),
    "reductions": lambda x, i: (x.sum(), i.sum(1), x.max(0), i.min(1), x.mean(1), x.std(0)),
    "clip": lambda x, i: (jnp.clip(x, -0.5, 0.5), jnp.clip(i, i.min(0), 3)),
    "select": lambda x, i: lax.select_n(jnp.clip(i, 0, 2), x, x + 1, x + 2),
    "sizes": lambda x, i: (x * x.shape[1], jnp.arange(x.shape[1]) // 3, jnp.int32(x.shape[0])),
    "shapes": lambda x, i: (
        x.reshape(-1),
        x.T[:, None],
        x[:, ::-1],
        x[:, 3:-2:2],
        jnp.pad(x, ((0, 0), (2, x.shape[1]))),
        jnp.stack([x, x + 1], 1),
        jnp.concatenate([x, x[:, :4]], 1),
        jnp.split(x[:, :6], 3, axis=1),
        jnp.broadcast_to(x[:, :1, None], (x.shape[0], 2, 3)),
        x[..., : 2 * (x.shape[1] // 2)].reshape(x.shape[0], -1, 2),
    ),
    "take": lambda x, i: tuple(take(mode)(x, i) for mode in ("clip", "fill")),
    "take whole numbers": lambda x, i: jnp.take(i, i[0, :5], axis=1, mode="fill"),
    "take along": lambda x, i: (
        jnp.take_along_axis(x, jnp.abs(i[:, :4]), axis=1),
        jnp.take_along_axis(x, jnp.abs(i[:1]) % x.shape[0], axis=0),
        jnp.take_along_axis(jnp.stack([x, -x], 2), jnp.abs(i[:, :4, None]), axis=1),
    ),
    "places": lambda x, i: (x[jnp.abs(i[0]) % x.shape[0], jnp.abs(i[0])], x[:, [3, 1]], x[0, -1]),
    "rows of triangles": lambda x, i: (x[:, :6, None] * x[:, None, :6])[:, *np.triu_indices(6, 1)],
    "pieces": pieces,
    "a piece": lambda x, i: lax.dynamic_slice(x, (0, i[0, 0] + 60), (1, 30)),
    "turns": turns,
    "until": until,
    "backwards": backwards,
    "branches": lambda x, i: lax.switch(i[0, 0] + 1, [lambda: x, lambda: x + 1, lambda: x * 2]),
    "one branch": lambda x, i: lax.cond(x[0, 0] > 0, lambda y: y + 1, lambda y: y - 1, x),
    "even transform": lambda x, i: jnp.abs(jnp.fft.rfft(x, n=64).real),
    "odd transform": lambda x, i: jnp.fft.irfft(jnp.fft.rfft(x, n=63), n=63),
    "of powers": lambda x, i: jnp.fft.irfft(jnp.square(jnp.fft.rfft(x, n=64).imag), n=64),
    "matrix": product("btk,btl->bkl", ("b", "t", 5), ("b", "t", 3)),
    "vectors": product("bt,btk->bk", ("b", "t"), ("b", "t", 3)),
    "outer": product("bt,bk->btk", ("b", "t"), ("b", 3)),
    "turned": product("tb,tk->bk", ("t", "b"), ("t", 3)),
    "two at once": product("btk,btk->b", ("b", "t", 5), ("b", "t", 5)),
}  # fmt: skip


@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_primitive_means_the_same(tmp_path, name):
    function = PRIMITIVES[name]
    inputs = {"x": (("b", "t"), np.float32), "i": (("b", "t"), np.int32)}
    arguments = [(normal(b, t), integers(b, t)) for b, t in SIZES]
    check(tmp_path, lambda _, x, i: function(x, i), inputs, arguments, relative=1e-5)


def test_sizes_are_computed_as_python_does(tmp_path):
    def function(_, x):
        b, t = x.shape
        most, least = jax.core.max_dim(t - 100, 2 * b), jax.core.min_dim(t, 90 - b)
        sizes = t // 7, (64 - t) // 32, -(-t // 32), t % 7, (-t) % 7, b * t * t + 3, most, least
        return [jnp.int32(size) for size in sizes]

    arguments = [(normal(b, t),) for b, t in SIZES]
    check(tmp_path, function, {"x": (("b", "t"), np.float32)}, arguments)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "groups"),
    [((3, 3), 1, "SAME", 1), ((5, 3), 2, ((2, 1), (0, 3)), 1), ((3, 3), 1, "VALID", 4)],
)
def test_a_convolution_means_the_same(tmp_path, kernel, stride, padding, groups):
    def function(weights, x):
        return lax.conv_general_dilated(
            x,
            weights,
            (stride, stride),
            padding,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )

    weights = normal(*kernel, 4 // groups, 8)
    if padding == "SAME":
        padding = [((k - 1) // 2, k // 2) for k in kernel]
    arguments = [(normal(b, t, 12, 4),) for b, t in SIZES]
    inputs = {"x": (("b", "t", 12, 4), np.float32)}
    check(tmp_path, function, inputs, arguments, weights=weights)


def test_log_mel(tmp_path):
    def function(_, wave):
        return log_mel.log_mel(jnp.pad(wave, ((0, 0), (1, 0))), log_mel.LogMelSpec())

    arguments = [(spoken(1, 10480),), (spoken(3, 20001),)]
    check(tmp_path, function, {"wave": (("b", "n"), np.float32)}, arguments)


def stem(params, static, length, net: Net, spec):
    with by(Computing(tiles=False)):
        images = jax.vmap(lambda x, n: pictures.picture(x, n, spec))(static, length)
        images = pictures.enlarged(images, spec)
        taps = net.apply(params, images, length * spec.scale, taps=spec.taps, pooled=True)
        steps = (static.shape[1] - spec.window) // spec.shift + 1
        return (
            pictures.window_steps(taps, net, spec, steps),
            jnp.concatenate([pictures.whole(*tap, spec.pool) for tap in taps], axis=-1),
        )


@pytest.mark.parametrize(
    ("name", "taps", "scale"),
    [
        ("vgg16", ("conv1_2", "conv2_2"), 1),
        ("vgg16", ("conv1_2",), 2),
        ("alexnet", ("conv2",), 2),
        ("resnet18", ("layer1.0",), 1),
        ("efficientnet_lite0", ("stem", "mb0"), 1),
    ],
)
def test_stems(tmp_path, name, taps, scale):
    net = stems.get(name)
    spec = Picture(net=name, taps=taps, scale=scale)
    params = net.random(0, net.needed(taps))
    inputs = {"static": (("b", "t", 64), np.float32), "length": (("b",), np.int32)}
    arguments = [(3 * normal(b, t, 64), lengths(b, t)) for b, t in SIZES]
    function = functools.partial(stem, net=net, spec=spec)
    check(tmp_path, function, inputs, arguments, weights=params, relative=1e-5)


def modelled(model, columns, *more):
    """A model with random weights, and a function of them and its inputs."""
    shape = jnp.zeros((2, 20, columns)), jnp.full(2, 20)
    weights = jax.jit(lambda key: model.init(key, *shape, *more))(jax.random.key(0))
    return weights, lambda weights, x, length: model.apply(weights, x, length, *more)


REST = (jnp.zeros((1, 1)), {}, False)
MODELS = {
    "blstm": lambda: modelled(BLSTM(8), 5),
    "learned": lambda: modelled(AttentionPooling("learned"), 5),
    "self": lambda: modelled(AttentionPooling("self"), 5),
    "mean": lambda: modelled(AttentionPooling("mean"), 5),
    "acrnn": lambda: modelled(
        Acrnn(5, 16, 3, 8, 8, 3, (5, 3), (2, 2), 0.01, 16, True, 8, 8, True, 0.9), 48, *REST
    ),
    "conv_lstm": lambda: modelled(
        ConvLstm(5, 16, 1, (4, 4, 4), (3, 3), (2, 2, 1), (2, 2, 2), 8, (8,), 0.9), 16, *REST
    ),
    "cropped": lambda: modelled(
        Cropped(
            Acrnn(5, 16, 1, 8, 8, 2, (5, 3), (2, 2), 0.01, 16, False, 8, 8, False, 0.9),
            30,
            20,
            "max",
        ),
        16,
        *REST,
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_models(tmp_path, name):
    weights, function = MODELS[name]()
    columns = {"acrnn": 48, "conv_lstm": 16, "cropped": 16}.get(name, 5)
    inputs = {"x": (("b", "t", columns), np.float32), "length": (("b",), np.int32)}
    arguments = [(normal(b, t, columns), lengths(b, t)) for b, t in SIZES]
    check(tmp_path, function, inputs, arguments, weights=weights)


def described(_, wave, length):
    """Periods [b, t] and descriptors [b, t, D] of whole recordings."""
    spec = descriptors.DescriptorSpec()
    block, track, _ = whole.tracked(wave, length, spec)
    return track[..., 0], descriptors.rows_of(block, track, spec)


def test_pitch_and_descriptors(tmp_path):
    wave, length = spoken(2, 14001), np.array([11000, 14001], np.int32)
    wave[0, 11000:] = 0
    inputs = {"wave": (("b", "n"), np.float32), "length": (("b",), np.int32)}
    run = converted(tmp_path, described, inputs)
    expected = jax.jit(described)(None, wave, length)
    assert (np.asarray(expected[0]) > 0).mean() > 0.3
    # Hertz among them: columns are hundreds and thousands.
    same(run(wave, length), expected, atol=2e-3, relative=5e-4)
    shorter = [x[:1, : 1 + (11000 - 400) // 160] for x in expected]
    same(run(wave[:1, :11000], length[:1]), shorter, atol=2e-3, relative=5e-4)


def test_functionals(tmp_path):
    spec = descriptors.DescriptorSpec()
    names = descriptors.descriptor_names(spec)
    x = normal(3, 131, len(names))
    x[..., names.index("energy_db")] = 10 * x[..., names.index("energy_db")] - 30
    x[..., names.index("f0_semitones")] *= np.sin(np.arange(131) / 5) > 0
    length = np.array([66, 131, 9], np.int32)

    def function(_, x, length):
        with by(Computing(bits=False)):
            return jax.vmap(lambda x, n: functionals.functionals_of(x, n, spec))(x, length)

    inputs = {"x": (("b", "t", len(names)), np.float32), "length": (("b",), np.int32)}
    run = converted(tmp_path, function, inputs)
    expected = np.asarray(jax.jit(function)(None, x, length))
    same(run(x, length), expected, relative=1e-4)
    same(run(x[:1, :70], length[:1]), expected[:1], relative=1e-4)
    # And what training sees.
    plain = functionals.functionals_padded(x, length, spec)
    np.testing.assert_allclose(expected, plain, rtol=1e-4, atol=ATOL)


def test_weights_lie_in_the_file_under_their_names(tmp_path):
    weights = {"dense": {"kernel": normal(4, 3), "bias": normal(3)}, "not read": normal(2)}
    spec = {"x": jax.ShapeDtypeStruct(jax.export.symbolic_shape("b, 4"), np.float32)}
    path = tmp_path / "dense.onnx"

    def dense(w, x):
        return x @ w["dense"]["kernel"] + w["dense"]["bias"]

    convert(dense, weights, spec, path, outputs=["y"], metadata={"labels": "a b c"})
    model = onnx.load(path)
    held = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    np.testing.assert_array_equal(held["dense/kernel"], weights["dense"]["kernel"])
    np.testing.assert_array_equal(held["dense/bias"].ravel(), weights["dense"]["bias"])
    assert "not read" not in held
    assert len({node.name for node in model.graph.node} - {""}) == len(model.graph.node)
    run = session(path)
    assert [(i.name, i.shape) for i in run.get_inputs()] == [("x", ["b", 4])]
    assert [(o.name, o.shape) for o in run.get_outputs()] == [("y", ["b", 3])]
    assert run.get_modelmeta().custom_metadata_map == {"labels": "a b c"}


def test_what_cannot_be_converted_is_named(tmp_path):
    spec = {"x": jax.ShapeDtypeStruct((2, 2), np.float32)}
    with pytest.raises(NotConvertible, match="primitive erf_inv"):
        convert(lambda _, x: lax.erf_inv(x), {}, spec, tmp_path / "never.onnx", outputs=["y"])
    with pytest.raises(NotConvertible, match="mul of complex numbers"):
        convert(lambda _, x: (x * 1j).real, {}, spec, tmp_path / "never.onnx", outputs=["y"])
    with pytest.raises(ValueError, match="1 results and 2 names"):
        convert(lambda _, x: x, {}, spec, tmp_path / "never.onnx", outputs=["y", "z"])
    halved = {"x": jax.ShapeDtypeStruct(jax.export.symbolic_shape("2*b, 4"), np.float32)}
    with pytest.raises(ValueError, match="no input has b as a size"):
        convert(
            lambda _, x: x * (x.shape[0] // 2), {}, halved, tmp_path / "never.onnx", outputs=["y"]
        )
    assert not list(tmp_path.iterdir())


def added(mode):
    def function(_, x, i):
        zeros = jnp.zeros((x.shape[0], 9))
        row = jnp.arange(x.shape[0])[:, None]
        return zeros.at[row, i].add(x[:, : i.shape[1]], mode=mode)

    return function


@pytest.mark.parametrize("mode", ["drop", "promise_in_bounds", "clip"])
def test_numbers_added_at_places(tmp_path, mode):
    """Several at one place; of `drop` some outside."""
    low, high = (-12, 13) if mode == "drop" else (0, 9)
    arguments = [(normal(b, t), integers(b, 64, low=low, high=high)) for b, t in SIZES]
    inputs = {"x": (("b", "t"), np.float32), "i": (("b", 64), np.int32)}
    check(tmp_path, added(mode), inputs, arguments, relative=1e-5)


def test_as_many_of_the_highest_as_the_size_says(tmp_path):
    def loudest(_, x):
        return lax.top_k(x, -(-x.shape[1] * 30 // 100))

    arguments = [(np.round(normal(b, t), 1),) for b, t in SIZES]  # equal ones among them
    check(tmp_path, loudest, {"x": (("b", "t"), np.float32)}, arguments)


def test_a_loop_without_rows(tmp_path):
    """A scan that gives nothing but its carry."""

    def last(_, x):
        return lax.scan(lambda c, row: (0.5 * c + row, None), jnp.zeros(x.shape[0]), x.T)[0]

    check(tmp_path, last, {"x": (("b", "t"), np.float32)}, [(normal(*size),) for size in SIZES])
