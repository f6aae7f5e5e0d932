"""An artefact in a folder -> what answers, or why it cannot."""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jser.artefact import loader
from jser.artefact.loader import Artefact, Mixed, Stream
from jser.audit import copies
from jser.audit.copies import Marks
from jser.errors import InputError

# Of training recordings, by which `jser evaluate` knows copies of them.
MARKS = "heard.npz"
_FILES = ("artefact.json", "model.safetensors", "model.stablehlo")

# Of artefact.json: without these there is no answer.
_ENTRIES = ("classes", "sample_rate", "hop_seconds", "trained_on", "stream")


def is_artefact(folder: Path) -> bool:
    """Whether a folder says that it is one."""
    return (folder / "artefact.json").is_file()


def info(folder: Path) -> dict[str, Any]:
    """What an artefact says of itself.

    Raises:
        InputError: there is none, or one that this version cannot read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no artefact there; make one with `jser export RUN --out=DIR`")
    if (folder / "config.json").exists() and not is_artefact(folder):
        raise InputError(
            f"{folder}: is a run; `jser export {folder} --out=DIR` makes an artefact of it"
        )
    for name in _FILES:
        _check_file(folder, name)
    path = folder / "artefact.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        number = int(found["format"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not readable ({error}); export the artefact again") from error
    if number > loader.FORMAT:
        raise InputError(
            f"{path}: has format {number}, and this version of jser reads up to {loader.FORMAT}; "
            "update jser"
        )
    if lacking := [name for name in _ENTRIES if name not in found]:
        raise InputError(f"{path}: lacks {', '.join(lacking)}; export the artefact again")
    return found


def marks(folder: Path) -> Marks | None:
    """Marks of the recordings that it was trained on; None: it has none.

    Raises:
        InputError: they are damaged.
    """
    path = folder / MARKS
    if not path.exists():
        return None
    try:
        return copies.load(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not readable ({error}); export the artefact again") from error


def reservations(info: Mapping[str, Any]) -> list[str]:
    """What whoever reads an artefact's answers must know first: sentences without a subject."""
    if info["trained_on"]["synthetic"]:
        return ["was trained on made speech, so its answers say nothing about people"]
    return []


def load(folder: Path) -> Artefact:
    """An artefact that answers.

    Raises:
        InputError: see `info`; or its files are damaged.
    """
    info(folder)
    with _reading(folder, "model.stablehlo or model.safetensors"):
        return Artefact(folder)


def stream(artefact: Artefact) -> Stream:
    """An artefact's running answer.

    Raises:
        InputError: its file is missing or damaged.
    """
    _check_file(artefact.folder, "stream.stablehlo")
    with _reading(artefact.folder, "stream.stablehlo"):
        return Stream(artefact)


def _check_file(folder: Path, name: str) -> None:
    if not (folder / name).is_file():
        raise InputError(f"{folder}: {name} is missing; export the artefact again")


@contextlib.contextmanager
def _reading(folder: Path, names: str) -> Iterator[None]:
    """What damage does to the libraries that read an artefact's files, in a sentence."""
    try:
        yield
    except Mixed as error:
        raise InputError(str(error)) from error
    except Exception as error:
        what = str(error).partition("\n")[0][:200]
        raise InputError(
            f"{folder}: {names} is damaged, or of another version of "
            f"jax ({type(error).__name__}: {what}); export the artefact again"
        ) from error
