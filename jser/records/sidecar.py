"""`jser_corpus.json`, the file beside the shards that says what they are and proves them whole.

It is written last: a folder without it is not a built corpus.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jser.errors import InputError
from jser.records import cache, places
from jser.store import data


def fingerprint(lines: Iterable[tuple[str, str, str]]) -> str:
    """Hex sha256 of the sorted (utterance_id, pcm_sha256, label), the corpus' identity."""
    text = "".join(f"{name}\t{pcm}\t{label}\n" for name, pcm, label in sorted(lines))
    return hashlib.sha256(text.encode()).hexdigest()


def shard_hashes(folder: Path) -> dict[str, str]:
    """File name -> sha256 of every shard in `folder`."""
    paths = sorted(folder.glob("*.array_record*"))
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        hashes = pool.map(cache.file_sha256, paths)
        return {path.name: sha256 for path, sha256 in zip(paths, hashes, strict=True)}


# What a reader needs, and its type. Later versions may add fields.
_FIELDS: dict[str, Any] = {
    "name": str,
    "variant": str,
    "classes": list,
    "sex": dict,
    "n_utterances": int,
    "fingerprint": str,
    "front_end": dict,
    "front_end_hash": str,
    "partial": bool,
    "missing": dict,
    "synthetic": bool,
    "note": (str, type(None)),
    "sources": str,
    "shards": dict,
    "audit": dict,
}


def _own_hash(content: dict[str, Any]) -> str:
    kept = {name: value for name, value in content.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def write(folder: Path, content: dict[str, Any]) -> None:
    """Write the sidecar of the finished records in `folder`, with hashes of what TFDS needs."""
    described = {
        path.name: cache.file_sha256(path)
        for path in sorted(folder.iterdir())
        if path.suffix in (".json", ".txt") and path.name != places.SIDECAR
    }
    content = {**content, "described_by": described}
    content["sha256"] = _own_hash(content)
    text = json.dumps(content, indent=1, ensure_ascii=False)
    (folder / places.SIDECAR).write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, Any] | None:
    """The sidecar in `folder`; None when there is none, or it is damaged or was changed by hand."""
    try:
        content = json.loads((folder / places.SIDECAR).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or content.get("sha256", "") not in ("", _own_hash(content)):
        return None
    if not all(isinstance(content.get(field), kind) for field, kind in _FIELDS.items()):
        return None
    return content


def push(folder: Path) -> None:
    """Put finished records on the store that their data folder stands for; of a disk nothing.

    Raises:
        InputError: the store cannot be used.
    """
    data.push(folder, places.SIDECAR)


def verify_shards(folder: Path, content: dict[str, Any], remedy: str) -> None:
    """Compare every shard, and what describes them, with the hash taken when it was written.

    Records on a store are fetched first, as far as they are not here.

    Raises:
        InputError: a file is missing or changed; `remedy` is the way out.
    """
    if data.complete(folder, content["shards"] | content.get("described_by", {}), content["name"]):
        return
    for what, hashes in (("shard", content["shards"]), ("file", content.get("described_by", {}))):
        for name, expected in hashes.items():
            path = folder / name
            if not path.is_file():
                raise InputError(f"{path}: {what} is missing; {remedy}")
            if cache.file_sha256(path) != expected:
                raise InputError(f"{path}: {what} is damaged (its sha256 has changed); {remedy}")
