"""PyTorch's files without PyTorch: both formats, hostile and damaged ones."""

import io
import pickle
import warnings
import zipfile

import numpy as np
import pytest

from jser.errors import InputError
from jser.models.stems import pickles
from tests.models.stems import torch_files

RNG = np.random.default_rng(0)
STATE = {
    "conv.weight": RNG.standard_normal((4, 3, 2, 2)).astype("<f4"),
    "conv.bias": RNG.standard_normal(4).astype("<f4"),
    "bn.num_batches_tracked": np.array(7, "<i8"),
    "wide": RNG.standard_normal((3, 5)).astype("<f8"),
}


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_both_formats(legacy):
    found = pickles.read_torch(torch_files.write(STATE, legacy), "made.pth")
    assert list(found) == list(STATE)
    for name, array in STATE.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_view_of_a_storage(legacy):
    """Rows 1 to 2 of the transposed `wide`: offset 1, strides of the columns."""

    def view(key, array, legacy):
        return torch_files.tensor(key, array, legacy, offset=1, shape=(2, 3), strides=(1, 5))

    data = torch_files.write(STATE, legacy, {"wide": view})
    found = pickles.read_torch(data, "made.pth")["wide"]
    np.testing.assert_array_equal(found, STATE["wide"].T[1:3])


def call(module, name, argument="x"):
    """Opcodes that call a function with one string when they are unpickled."""
    return lambda *_: f"c{module}\n{name}\n(".encode() + torch_files.text(argument) + b"tR"


def bent(**change):
    return lambda key, array, legacy: torch_files.tensor(key, array, legacy, **change)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize(
    ("view", "sentence"),
    [
        (call("os", "system", "touch owned"), "os.system is not admitted"),
        (call("builtins", "eval", "1/0"), "builtins.eval is not admitted"),
        (call("torch.hub", "load"), "torch.hub.load is not admitted"),
        (call("numpy", "load"), "numpy.load is not admitted"),
        (call("collections", "OrderedDict.fromkeys"), "not admitted"),
        (bent(rebuild=b"ctorch._utils\n_rebuild_sparse_tensor\n"), "not admitted"),
        (bent(offset=1), "leaves its storage"),
        (bent(strides=(100, 1)), "leaves its storage"),
        (bent(shape=(30_000, 30_000), strides=(0, 0)), "leaves its storage"),
        (bent(shape=(-1, 5)), "impossible strides"),
        (bent(offset=-1), "impossible strides"),
        (bent(strides=(1,)), "impossible strides"),
        (bent(count=1 << 30), "made.pth: cannot be read"),
        (lambda *_: b"K\x07", "'wide' is no tensor"),
    ],
)
def test_hostile_files(legacy, view, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = torch_files.write(STATE, legacy, {"wide": view})
    with pytest.raises(InputError, match=sentence) as caught:
        pickles.read_torch(data, "made.pth")
    assert str(caught.value).startswith("made.pth: cannot be read as weights (")
    assert not list(tmp_path.iterdir())


def test_compressed_archives_are_refused():
    """PyTorch stores; a small archive that unpacks to gigabytes does not."""
    data = torch_files.write(STATE, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="compressed"):
        pickles.read_torch(data, "made.pth")


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_damaged_files_are_refused_or_read(legacy):
    """Never another error, whatever byte is changed and wherever the file ends."""
    whole = torch_files.write(STATE, legacy)
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(300):
        data = bytearray(whole)
        data[rng.integers(len(data))] = rng.integers(256)
        for damaged in (bytes(data), whole[: rng.integers(len(whole))]):
            try:
                pickles.read_torch(damaged, "made.pth")
            except InputError:
                refused += 1
    assert refused > 300  # every file that was cut, and more


def test_numpy_pickles():
    tree = {"a": {"kernel": np.ones((2, 3), np.float32)}}
    found = pickles.read_numpy(pickle.dumps(tree), "made.ckpt")
    np.testing.assert_array_equal(found["a"]["kernel"], tree["a"]["kernel"])

    class Evil:
        def __reduce__(self):
            return (print, ("owned",))

    with pytest.raises(InputError, match=r"evil\.ckpt: .*print is not admitted"):
        pickles.read_numpy(pickle.dumps(Evil()), "evil.ckpt")


# --- against PyTorch, where it is installed -------------------------------------------------------


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_pytorch_reads_what_is_made_here(legacy):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    data = torch_files.write(STATE, legacy)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of typed storages
        found = torch.load(io.BytesIO(data), weights_only=True)
    for name, array in STATE.items():
        np.testing.assert_array_equal(found[name].numpy(), array)


@pytest.mark.parametrize("zipped", [False, True], ids=["legacy", "zip"])
def test_what_pytorch_writes(zipped):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    state = net.state_dict()
    state["transposed"] = torch.arange(6.0).reshape(2, 3).T
    state["parameter"] = torch.nn.Parameter(torch.ones(2))
    state["half of another"] = state["0.weight"][2:]
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=zipped)
    found = pickles.read_torch(file.getvalue(), "made.pth")
    assert list(found) == list(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(found[name], tensor.detach().numpy())
