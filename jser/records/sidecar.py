"""`jser_corpus.json`, the file beside the shards that says what they are and proves them whole.

It is written last: a folder without it is not a built corpus.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jser.errors import InputError
from jser.records import cache, places


def fingerprint(lines: Iterable[tuple[str, str, str]]) -> str:
    """Hex sha256 of the sorted (utterance_id, pcm_sha256, label), the corpus' identity."""
    text = "".join(f"{name}\t{pcm}\t{label}\n" for name, pcm, label in sorted(lines))
    return hashlib.sha256(text.encode()).hexdigest()


def shard_hashes(folder: Path) -> dict[str, str]:
    """File name -> sha256 of every shard in `folder`."""
    return {path.name: cache.file_sha256(path) for path in sorted(folder.glob("*.array_record*"))}


def write(folder: Path, content: dict[str, Any]) -> None:
    """Write the sidecar of the finished records in `folder`."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    (folder / places.SIDECAR).write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> dict[str, Any] | None:
    """The sidecar in `folder`; None when there is none or it cannot be read as one."""
    try:
        content = json.loads((folder / places.SIDECAR).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and "shards" in content else None


def verify_shards(folder: Path, content: dict[str, Any], remedy: str) -> None:
    """Compare every shard with the hash taken when it was written.

    Raises:
        InputError: a shard is missing or changed; `remedy` is the way out.
    """
    for name, expected in content["shards"].items():
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path}: shard is missing; {remedy}")
        if cache.file_sha256(path) != expected:
            raise InputError(f"{path}: shard is damaged (its sha256 has changed); {remedy}")
