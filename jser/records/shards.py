"""Finished utterances -> the shards that TFDS writes, and their way to their place."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import tensorflow_datasets as tfds

from jser import progress
from jser.records import places
from jser.records.cache import PackCache
from jser.records.files import Utterance
from jser.records.kind import Spec

if TYPE_CHECKING:
    from jser.records.builder import CorpusBuilder


def write(
    cls: type[CorpusBuilder],
    utterances: list[Utterance],
    keys: dict[str, str],
    cache: PackCache,
    staging: Path,
    variant: str,
    spec: Spec,
) -> Path:
    """Let TFDS write the records under `staging`; returns the folder of the shards."""
    shutil.rmtree(staging, ignore_errors=True)
    by_key: dict[str, list[Utterance]] = {}
    for u in utterances:
        by_key.setdefault(keys[u.utterance_id], []).append(u)

    def examples() -> Iterator[tuple[str, dict[str, object]]]:
        with progress.bar(len(utterances), f"write {cls.INFO.name}", unit="utterance") as tick:
            for done in cache.read(by_key):
                for u in by_key[done.key]:
                    yield u.utterance_id, {**u.record(), **cls.KIND.example(done)}
                    tick()

    tfds.disable_progress_bar()
    builder = cls(data_dir=staging, config=variant, spec=spec, examples=examples())
    # TFDS announces itself on stdout, which belongs to the command's own output.
    with contextlib.redirect_stdout(io.StringIO()):
        builder.download_and_prepare(
            file_format="array_record",
            download_config=tfds.download.DownloadConfig(try_download_gcs=False),
        )
    return places.records_dir(staging, cls.INFO.name, variant)


def publish(staged: Path, final: Path, staging: Path) -> None:
    """Put the finished records in their place; what lay there goes with the staging folder."""
    final.parent.mkdir(parents=True, exist_ok=True)
    for half in final.parent.glob("incomplete.*"):  # Left by a killed TFDS of another origin.
        shutil.rmtree(half, ignore_errors=True)
    if final.exists():
        os.rename(final, staging / "old")
    os.rename(staged, final)
