"""An artefact in a folder -> what answers, or why it cannot."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jser.artefact import checking, loader
from jser.artefact.loader import Artefact, Mixed, Stream
from jser.audit import copies
from jser.audit.copies import Marks
from jser.errors import InputError, one_line
from jser.frontend.opening import digest

# Of training recordings, by which `jser evaluate` knows copies of them.
MARKS = "heard.npz"
_FILES = ("artefact.json", "model.safetensors", "model.stablehlo")


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
        number = found["format"]
        if not isinstance(number, int) or number < 1:
            raise ValueError(f"format is {number!r}")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: not readable ({error}); export the artefact again") from error
    if number > loader.FORMAT:
        raise InputError(
            f"{path}: has format {number}, and this version of jser reads up to {loader.FORMAT}; "
            "update jser"
        )
    if fault := checking.fault(found):
        raise InputError(f"{path}: {one_line(fault)}; export the artefact again")
    return dict(found)


def marks(folder: Path) -> Marks | None:
    """Marks of the recordings that it was trained on; None: it has none.

    Raises:
        InputError: they are damaged.
    """
    path = folder / MARKS
    if not path.exists() and not path.is_symlink():
        return None
    if not path.is_file():
        raise InputError(f"{path}: is no file; export the artefact again")
    check_content(folder, MARKS)
    try:
        return copies.load(path)
    except Exception as error:  # whatever numpy, zipfile and zlib make of damage
        what = f"{type(error).__name__}: {error}"
        raise InputError(f"{path}: not readable ({what}); export the artefact again") from error


def check_content(folder: Path, *names: str) -> None:
    """Refuse files that are not those that were exported.

    Raises:
        InputError: see above.
    """
    written = json.loads((folder / "artefact.json").read_text(encoding="utf-8")).get("sha256", {})
    for name in names:
        with (folder / name).open("rb") as file:
            if written.get(name, found := digest(file)) != found:
                raise InputError(
                    f"{folder / name}: is damaged, or of another artefact: its content is not what "
                    "was exported; export it again"
                )


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
    check_content(folder, "model.safetensors", "model.stablehlo")
    with _reading(folder, "model.stablehlo or model.safetensors"):
        return Artefact(folder)


def stream(artefact: Artefact) -> Stream:
    """An artefact's running answer.

    Raises:
        InputError: its file is missing or damaged.
    """
    _check_file(artefact.folder, "stream.stablehlo")
    check_content(artefact.folder, "stream.stablehlo")
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
