"""PyTorch's two file formats written by hand, opcode by opcode: PyTorch is not needed."""

import io
import pickle
import struct
import zipfile

import numpy as np

STORAGES = {"<f4": "FloatStorage", "<f8": "DoubleStorage", "<i8": "LongStorage"}
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
ORDERED_DICT = b"ccollections\nOrderedDict\n)R"


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value):
    return b"J" + struct.pack("<i", value)


def numbers(values):
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor(key, array, legacy, offset=0, strides=None, shape=None, rebuild=REBUILD, count=None):
    """Opcodes that leave one tensor on the stack: a view of storage `key`."""
    shape = array.shape if shape is None else shape
    if strides is None:
        strides = [int(np.prod(shape[i + 1 :])) for i in range(len(shape))]
    storage = (
        b"(" + text("storage") + f"ctorch\n{STORAGES[array.dtype.str]}\n".encode()
        + text(key) + text("cpu") + number(array.size if count is None else count)
        + (b"N" if legacy else b"") + b"tQ"
    )  # fmt: skip
    return (
        rebuild + b"(" + storage + number(offset) + numbers(shape) + numbers(strides)
        + b"\x89" + ORDERED_DICT + b"tR"
    )  # fmt: skip


def write(state, legacy=False, views=None, **archive):
    """Bytes of a .pth file.

    Args:
        state: name -> array; each is a storage of its own.
        legacy: the format before zip archives.
        views: name -> opcodes to put in place of the tensor, given (key, array, legacy).
        archive: of the zip, for example compression.
    """
    keys = {name: str(place) for place, name in enumerate(state)}
    pickled = b"\x80\x02" + ORDERED_DICT + b"("
    for name, array in state.items():
        view = (views or {}).get(name, tensor)
        pickled += text(name) + view(keys[name], array, legacy)
    pickled += b"u."
    raw = {keys[name]: np.ascontiguousarray(array).tobytes() for name, array in state.items()}
    if legacy:
        system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
        head = [0x1950A86A20F9469CFC6C, 1001, system]
        out = b"".join(pickle.dumps(part, 2) for part in head)
        out += pickled + pickle.dumps(list(keys.values()), 2)
        for name, array in state.items():
            out += struct.pack("<q", array.size) + raw[keys[name]]
        return out
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **archive) as made:
        made.writestr("archive/data.pkl", pickled)
        made.writestr("archive/byteorder", "little")
        for key, data in raw.items():
            made.writestr(f"archive/data/{key}", data)
        made.writestr("archive/version", "3\n")
    return file.getvalue()
