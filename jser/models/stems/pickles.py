"""Tensors out of pickled weights, without PyTorch and without running what a pickle asks for.

A pickle is a program. Here it may build dictionaries, numbers, strings and arrays: each name that
it looks up is on a list, and every size that it states is held against the bytes that are there.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from jser.errors import InputError

# PyTorch's format before zip archives: a magic number, then several pickles, then raw storages.
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001

_DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}


class _NumpyUnpickler(pickle.Unpickler):
    """Admits what a pickle of numpy arrays in dictionaries needs, and nothing that runs code."""

    ALLOWED = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not admitted")
        return super().find_class(module, name)


@dataclass(frozen=True)
class _Storage:
    """Raw numbers that tensors are views of; `key` says where in the file they lie."""

    key: str
    dtype: np.dtype
    count: int


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage, not yet read."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, values: np.ndarray) -> np.ndarray:
        """The view of its storage's values [count], as an array of its own."""
        numbers = (self.offset, *self.shape, *self.strides)
        if len(self.shape) != len(self.strides) or any(
            not isinstance(n, int) or n < 0 for n in numbers
        ):
            raise pickle.UnpicklingError(f"a tensor of shape {self.shape} has impossible strides")
        size = int(np.prod(self.shape, dtype=object)) if self.shape else 1
        last = self.offset + sum(
            (n - 1) * step for n, step in zip(self.shape, self.strides, strict=True)
        )
        if size == 0 or size > len(values) or last >= len(values):
            raise pickle.UnpicklingError(f"a tensor of shape {self.shape} leaves its storage")
        view = np.lib.stride_tricks.as_strided(
            values[self.offset :], self.shape, [n * values.itemsize for n in self.strides]
        )
        return np.array(view)


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor without a storage")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor: Any, *_: Any) -> Any:
    return tensor


class _TorchUnpickler(pickle.Unpickler):
    """Admits ordered dictionaries of dense tensors."""

    ALLOWED = {  # noqa: RUF012 - a constant
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    }

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not admitted")
        return self.ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, count, *_ = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or not isinstance(count, int):
            raise pickle.UnpicklingError(f"{kind!r} is no storage of numbers")
        return _Storage(str(key), dtype, count)


def read_numpy(data: bytes, name: str) -> Any:
    """Nested dictionaries of arrays, out of a plain pickle.

    Args:
        data: the file's bytes.
        name: of the file, for messages.

    Raises:
        InputError: it is damaged, or asks for anything but arrays.
    """
    return _safely(lambda: _NumpyUnpickler(io.BytesIO(data)).load(), name)


def read_torch(data: bytes, name: str) -> dict[str, np.ndarray]:
    """Tensors of a PyTorch state dict by name, out of a .pth file of either format.

    Args:
        data: the file's bytes.
        name: of the file, for messages.

    Raises:
        InputError: it is damaged, is no state dict, or asks for anything but tensors.
    """
    read = _read_zip if data[:2] == b"PK" else _read_legacy
    return _safely(lambda: read(data), name)


def _safely(read: Any, name: str) -> Any:
    try:
        return read()
    # A damaged pickle can raise nearly anything: what its opcodes meet on a wrong stack.
    except Exception as error:
        what = str(error)
        if not isinstance(error, pickle.UnpicklingError):
            what = f"{type(error).__name__}: {what}"
        raise InputError(
            f"{name}: cannot be read as weights ({what}); fetch the file anew from its publisher"
        ) from error


def _read_zip(data: bytes) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        (pickled,) = (
            n for n in archive.namelist() if n.count("/") == 1 and n.endswith("/data.pkl")
        )
        folder = pickled.removesuffix("data.pkl")
        if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
            raise pickle.UnpicklingError("its entries are compressed, PyTorch's are not")
        state = _state(_TorchUnpickler(io.BytesIO(archive.read(pickled))).load())

        def values(storage: _Storage) -> np.ndarray:
            info = archive.getinfo(f"{folder}data/{storage.key}")
            if info.file_size != storage.count * storage.dtype.itemsize:
                raise pickle.UnpicklingError(f"storage {storage.key} has {info.file_size} bytes")
            return np.frombuffer(archive.read(info), storage.dtype)

        return {name: tensor.array(values(tensor.storage)) for name, tensor in state.items()}


def _read_legacy(data: bytes) -> dict[str, np.ndarray]:
    file = io.BytesIO(data)
    if _TorchUnpickler(file).load() != _LEGACY_MAGIC:
        raise pickle.UnpicklingError("it is no PyTorch file")
    version, system = _TorchUnpickler(file).load(), _TorchUnpickler(file).load()
    if version != _LEGACY_VERSION or not system["little_endian"]:
        raise pickle.UnpicklingError(f"version {version} of PyTorch's format is not known")
    state = _state(_TorchUnpickler(file).load())
    keys = _TorchUnpickler(file).load()
    storages = {tensor.storage.key: tensor.storage for tensor in state.values()}
    found: dict[str, np.ndarray] = {}
    for key in keys:
        storage = storages[key]
        (count,) = struct.unpack("<q", file.read(8))
        if count != storage.count:
            raise pickle.UnpicklingError(f"storage {key} has {count} numbers, not {storage.count}")
        size = count * storage.dtype.itemsize
        found[key] = np.frombuffer(file.read(size), storage.dtype, count)
    return {name: tensor.array(found[tensor.storage.key]) for name, tensor in state.items()}


def _state(found: Any) -> dict[str, _Tensor]:
    if not isinstance(found, dict):
        raise pickle.UnpicklingError(f"it holds a {type(found).__name__}, not a state dict")
    strange = [n for n, t in found.items() if not isinstance(n, str) or not isinstance(t, _Tensor)]
    if strange:
        raise pickle.UnpicklingError(f"{strange[0]!r} is no tensor")
    return found
