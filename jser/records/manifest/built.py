"""Corpora that were built from manifests: which there are, and what protocol suits them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jser.errors import InputError
from jser.records import places, sidecar

AUTO = "auto"
# Up to here every speaker is a test of his own; above, ten groups of speakers.
MOST_LEFT_OUT_ONE_BY_ONE = 12
GROUPS = 10
# One to train, one to tune and one to be tested.
FEWEST_SPEAKERS = 3


def is_there(name: str, data_dir: str | os.PathLike[str] | None = None) -> bool:
    """Whether records of a corpus that comes with nobody but the user are built."""
    return bool((_sidecar(name, data_dir) or {}).get("manifest"))


def names(data_dir: str | os.PathLike[str] | None = None) -> list[str]:
    """Names of the corpora of the user's own that are built, sorted."""
    folder = root(data_dir)
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if is_there(path.name, folder))


def protocol(name: str, data_dir: str | os.PathLike[str] | None = None) -> str:
    """The protocol that `auto` stands for on a built corpus: by speaker, as far as it has any.

    Raises:
        InputError: its records are not there.
    """
    content = _sidecar(name, data_dir)
    if content is None:
        raise InputError(
            f"config.protocol=auto: no records of {name} in {root(data_dir)}; build them, or name "
            "a protocol"
        )
    return suited(content["audit"]["speakers"], content["n_utterances"])


def suited(speakers: Mapping[str, Any], n_utterances: int) -> str:
    """The protocol for so many speakers ('' among them: unknown) and utterances."""
    if "" in speakers or len(speakers) < FEWEST_SPEAKERS:
        return random(n_utterances)
    if len(speakers) <= MOST_LEFT_OUT_ONE_BY_ONE:
        return "leave_one_speaker_out"
    return f"speaker_k_fold:{GROUPS}"


def random(n_utterances: int) -> str:
    """The random split for so many utterances, of which a fold tests three or more."""
    return f"random:{min(GROUPS, max(2, n_utterances // 3))}"


def command(name: str, content: Mapping[str, Any] | None) -> str:
    """The words behind `jser build` that build a corpus again; `content` is its sidecar's."""
    said = (content or {}).get("manifest")
    if not said:
        return name
    options = f" {said['options']}" if said.get("options") else ""
    return f"manifest {shlex.quote('--manifest=' + said['file'])} --name={name}{options}"


def root(data_dir: str | os.PathLike[str] | None) -> Path:
    """The data folder: the one given, or the default."""
    return places.root(data_dir)


def _sidecar(name: str, data_dir: str | os.PathLike[str] | None) -> dict[str, Any] | None:
    if os.sep in name or not name:
        return None
    folders = (places.records_dir(root(data_dir), name, v) for v in places.VARIANTS)
    return next((found for folder in folders if (found := sidecar.read(folder))), None)
