"""`jser_index.json`: which checkpoints of a run on a store are whole.

A store renames nothing, so the order in which objects are put does what renaming does on a disk:
files of a checkpoint first, then the index that lists them, in one request. Of files that no index
lists nobody reads anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from jser.errors import InputError

NAME = "jser_index.json"
FORMAT = 1
# A run's folder of checkpoints, CHECKPOINTS/STAGE/NUMBER; above it may be those of a series.
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class File:
    """What the index says of a checkpoint's file: its size in bytes and its hex sha256."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Index:
    """The state of a run on a store.

    Attributes:
        run: identity of the run, made up at its first push.
        by: identity of the mirror that wrote the index.
        files: name -> of every file of every whole checkpoint.
        saved: folder of a checkpoint -> when it was written, in seconds since 1970.
    """

    run: str
    by: str
    files: Mapping[str, File] = field(default_factory=dict)
    saved: Mapping[str, float] = field(default_factory=dict)


def to_bytes(index: Index) -> bytes:
    """The object's content."""
    tree = {
        "format": FORMAT,
        "run": index.run,
        "by": index.by,
        "files": {n: [f.size, f.sha256] for n, f in sorted(index.files.items())},
        "saved": dict(sorted(index.saved.items())),
    }
    return json.dumps(tree | {"sha256": _own_hash(tree)}, indent=1).encode() + b"\n"


def of_bytes(content: bytes, where: str) -> Index:
    """The index in an object.

    Args:
        content: of the object.
        where: the URL above it, for messages.

    Raises:
        InputError: it is damaged, or a later version's.
    """
    try:
        tree = json.loads(content)
        if tree["format"] != FORMAT:
            raise InputError(
                f"{where}/{NAME}: has format {tree['format']}, and this jser reads {FORMAT}; use "
                "the jser that wrote it"
            )
        if tree.pop("sha256") != _own_hash(tree):
            raise ValueError("its sha256 has changed")
        files = {str(n): File(int(size), str(sha)) for n, (size, sha) in tree["files"].items()}
        saved = {str(n): float(at) for n, at in tree["saved"].items()}
        return Index(str(tree["run"]), str(tree["by"]), files, saved)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"{type(error).__name__}: {str(error)[:100]}"
        raise InputError(
            f"{where}/{NAME}: is damaged ({what}), so nobody knows which checkpoints are whole; "
            "choose another --workdir, or copy the run to a disk and go on there"
        ) from error


def _own_hash(tree: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def checkpoint_of(name: str) -> str | None:
    """The checkpoint's folder that a file lies in; None: in none.

    ``checkpoints/select/7/state/d/0`` lies in ``checkpoints/select/7``.
    """
    parts = PurePosixPath(name).parts
    for k, part in enumerate(parts[:-3]):
        if part == CHECKPOINTS and parts[k + 2].isdecimal():
            return "/".join(parts[: k + 3])
    return None


def in_checkpoints(name: str) -> bool:
    """Whether a file lies below a stage's checkpoints: in one, or in one on its way."""
    parts = PurePosixPath(name).parts
    return any(part == CHECKPOINTS for part in parts[:-3])


def is_passing(name: str) -> bool:
    """Whether a file is on its way to another name."""
    last = PurePosixPath(name).name
    return last.startswith(".") or last.endswith(".tmp")


def local_files(folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """A local run's files by name: those of checkpoints that are whole, and the others."""
    whole, others = {}, {}
    # What is in checkpoints first: the others are then at least as new, as they are on a disk.
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if checkpoint_of(name) and path.is_file():
            whole[name] = path
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not in_checkpoints(name) and not is_passing(name) and path.is_file():
            others[name] = path
    return whole, others


def deleted_by_hand(index: Index, there: Iterable[str]) -> set[str]:
    """Folders of checkpoints that the index lists, and of which no file is there."""
    left = {checkpoint_of(name) for name in there}
    return {
        folder for name in index.files if (folder := checkpoint_of(name)) and folder not in left
    }
