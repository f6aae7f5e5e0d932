"""Finished utterances on disk, so that an interrupted build goes on where it stopped.

Utterances are addressed by the hash of their file's content and how it is cut; the folder is that
of one front end. Finished ones are held in memory and written as packs, a file for all that a few
seconds made: what takes less to compute again is not worth the writing, and a build that is done by
then writes none. A pack is written under a temporary name and renamed, so a killed build leaves
whole packs only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jser.frontend.decoding import Cut

# What reading a damaged pack raises, or one of another version.
DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)

# So much work a killed build may lose.
PACK_SECONDS = 3.0
# And so much of it is held in memory.
PACK_BYTES = 192 << 20


@dataclass(frozen=True)
class Facts:
    """What the audit needs to know of one recording; see `jser.frontend.waveform.Waveform`."""

    n_samples: int
    sample_rate_in: int
    channels_in: int
    pcm_sha256: str
    peak_db: float
    clipped: float


@dataclass(frozen=True)
class Finished:
    """One utterance after the front end.

    Attributes:
        key: address, from `address`.
        facts: what the audit needs to know of its file, as the pack's kind of corpus has it.
        arrays: field of the record -> array; of recordings `log_mel` float32 [T, n_mels] and, in
            the variant that holds the sound, `waveform` int16 [samples]; of pictures `image`
            uint8 [side, side, 3].
    """

    key: str
    facts: Any
    arrays: dict[str, np.ndarray]


def file_sha256(path: str | os.PathLike[str]) -> str:
    """Hex sha256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def address(content_sha256: str, max_seconds: float | None, cut: Cut | None = None) -> str:
    """Key of an utterance: its file's content, and how much of it is kept."""
    if cut is not None:
        return f"{content_sha256}-{cut.start!r}-{cut.end!r}"
    return content_sha256 if max_seconds is None else f"{content_sha256}-{max_seconds:g}s"


def content_of(key: str) -> str:
    """The file's hash in a key that `address` made."""
    return key.split("-", 1)[0]


class PackCache:
    """Packs of finished utterances in one folder.

    Args:
        folder: of one variant and front end.
        facts: dataclass of the facts in the packs.
    """

    def __init__(self, folder: Path, facts: type = Facts):
        self.folder = folder
        self._facts = facts
        self._keys: dict[Path, list[str]] = {}
        self._held: list[Finished] = []
        self._held_bytes = 0
        self._written = time.monotonic()
        for path in sorted(folder.glob("*.npz")):
            try:
                with np.load(path) as pack:
                    keys = json.loads(pack["meta"].tobytes())["keys"]
            except DAMAGE:
                path.unlink(missing_ok=True)  # Damaged: computing it again is cheap.
                continue
            self._keys[path] = keys

    def put(self, items: list[Finished]) -> None:
        """Take a batch, to be written with others. Raises OSError; nothing is left behind then."""
        self._held += items
        self._held_bytes += sum(a.nbytes for item in items for a in item.arrays.values())
        late = time.monotonic() - self._written >= PACK_SECONDS
        if late or self._held_bytes >= PACK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is held as one pack. Raises OSError; nothing is left behind then."""
        items, self._held, self._held_bytes = self._held, [], 0
        if not items:
            return
        keys = [item.key for item in items]
        arrays = {}
        for field in items[0].arrays:
            one_behind_the_other = [item.arrays[field] for item in items]
            arrays[field] = np.concatenate(one_behind_the_other)
            arrays[f"{field}{_LENGTH}"] = np.array([len(a) for a in one_behind_the_other], np.int64)
        meta = {"keys": keys, "facts": [asdict(item.facts) for item in items]}
        arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
        name = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:32]
        path = self.folder / f"{name}.npz"
        temporary = self.folder / f"{name}.{os.getpid()}.part"
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        self._keys[path] = keys
        self._written = time.monotonic()

    def read(self, keys: Iterable[str]) -> Iterator[Finished]:
        """Those of the utterances `keys` that are in packs, pack by pack, each once.

        Damaged packs are removed: computing their utterances again is cheap.
        """
        wanted = set(keys)
        for path, held in sorted(self._keys.items()):
            if wanted.isdisjoint(held):
                continue
            try:
                items = _read(path, self._facts)
            except DAMAGE:
                del self._keys[path]
                path.unlink(missing_ok=True)
                continue
            for item in items:
                if item.key in wanted:
                    wanted.discard(item.key)
                    yield item

    def clear(self, keys: Iterable[str]) -> None:
        """Remove the packs that hold nothing but `keys`, left-over halves, and what is held."""
        self._held, self._held_bytes = [], 0
        done = set(keys)
        for path, held in list(self._keys.items()):
            if done.issuperset(held):
                path.unlink(missing_ok=True)
        for half in self.folder.glob("*.part"):
            half.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # Another build's packs are there: the folder stays.
            self.folder.rmdir()


# Behind a field's name: rows of each utterance in the field's array.
_LENGTH = ".length"


def _read(path: Path, facts_class: type) -> list[Finished]:
    """All utterances of a pack; zip's checksums are verified by the reading."""
    with np.load(path) as pack:
        meta = json.loads(pack["meta"].tobytes())
        fields = [name for name in pack.files if f"{name}{_LENGTH}" in pack.files]
        parts = {
            name: np.split(pack[name], np.cumsum(pack[f"{name}{_LENGTH}"])[:-1]) for name in fields
        }
    if not parts:
        raise KeyError("a pack of another version")
    facts = [facts_class(**fields) for fields in meta["facts"]]
    return [
        Finished(key, facts[i], {name: parts[name][i] for name in parts})
        for i, key in enumerate(meta["keys"])
    ]
