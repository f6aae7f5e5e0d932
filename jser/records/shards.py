"""Finished utterances -> ArrayRecord shards, as TFDS lays them out; and their way to their place.

TFDS' own writer keeps a whole corpus in memory or in files of its own, sorts it by a hash of the
keys, and begins to write when the last record is there. Here a record is written as soon as its
utterance is finished: decoding and front end go on meanwhile in other threads.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow_datasets as tfds
from array_record.python import array_record_module

from jser.records import features, places
from jser.records.cache import Finished
from jser.records.example import serialize
from jser.records.files import Utterance
from jser.records.kind import Kind, Spec

if TYPE_CHECKING:
    from jser.records.builder import CorpusBuilder

# One record a group, as TFDS has it, for access in any order. No thread of Python runs while a
# record is compressed: with zstd 1 that is 0.21 s for RAVDESS' log-Mel, with snappy 0.07 s, and a
# tenth of the build's time less on two cores, for 50 MB on disk instead of 39.
OPTIONS = "group_size:1,snappy"
# Before compression. A shard is full when it has so many; their hashes are taken side by side.
SHARD_BYTES = 64 << 20


class Encoder:
    """Finished utterances -> records.

    Args:
        classes: of the corpus.
        kind: of corpus.
        variant: of `Kind.variants`.
        spec: the front end's specification.
        utterances: pairs of an utterance and its key, from `cache.address`.
    """

    def __init__(
        self,
        classes: Sequence[str],
        kind: Kind,
        variant: str,
        spec: Spec,
        utterances: Iterable[tuple[Utterance, str]],
    ):
        self._kind = kind
        self._of: dict[str, list[Utterance]] = {}
        for u, key in utterances:
            self._of.setdefault(key, []).append(u)
        self._features = features.describe(classes, kind.features(spec, variant))

    def records(self, done: Finished) -> Iterator[bytes]:
        """The records of one finished recording: equal files are one recording of several."""
        example = self._kind.example(done)
        for u in self._of[done.key]:
            encoded = self._features.encode_example({**u.record(), **example})
            yield serialize(encoded)


class Shard:
    """One ArrayRecord file on its way.

    Attributes:
        path: of the file.
        n_records: written.
        n_bytes: of the records before compression, as TFDS counts them.
    """

    def __init__(self, path: Path):
        self.path = path
        self.n_records = self.n_bytes = 0
        self._file = array_record_module.ArrayRecordWriter(os.fspath(path), OPTIONS)

    def write(self, record: bytes) -> None:
        """Write one record."""
        self._file.write(record)
        self.n_records += 1
        self.n_bytes += len(record)

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


class Staged:
    """The shards of a corpus, one behind the other in a folder, as recordings are finished.

    Args:
        encoder: makes the records.
        folder: is made.

    Attributes:
        facts: key -> facts of the recordings that were put.
    """

    def __init__(self, encoder: Encoder, folder: Path):
        self.facts: dict[str, Any] = {}
        self._encoder = encoder
        self._folder = folder
        self._shards: list[Shard] = []
        folder.mkdir(parents=True)

    def put(self, items: list[Finished]) -> None:
        """Write the records of finished recordings. Raises OSError."""
        for done in items:
            for record in self._encoder.records(done):
                self._room().write(record)
            self.facts[done.key] = done.facts

    def _room(self) -> Shard:
        """The shard that the next record goes to."""
        if not self._shards or self._shards[-1].n_bytes >= SHARD_BYTES:
            if self._shards:
                self._shards[-1].close()
            self._shards.append(Shard(self._folder / f"{len(self._shards)}.array_record"))
        return self._shards[-1]

    def close(self) -> list[Shard]:
        """Finish the last shard; returns all."""
        if self._shards:
            self._shards[-1].close()
        return self._shards


def lay_out(
    cls: type[CorpusBuilder],
    staging: Path,
    variant: str,
    spec: Spec,
    shards: Sequence[tuple[Path, int]],
    n_bytes: int,
    move: Callable[[Path, Path], object],
) -> Path:
    """Put finished shards under their names in TFDS' layout, with TFDS' metadata.

    Args:
        cls: the corpus.
        staging: the data folder of the layout.
        variant: of `Kind.variants`.
        spec: the front end's specification.
        shards: path and number of records of each.
        n_bytes: of all records before compression.
        move: called with each shard's path and the one it gets.

    Returns:
        The folder of the shards.
    """
    builder = cls(data_dir=staging, config=variant, spec=spec)
    folder = places.records_dir(staging, cls.INFO.name, variant)
    folder.mkdir(parents=True)
    builder.info.set_file_format("array_record", override=True)
    template = tfds.core.ShardedFileTemplate(
        data_dir=folder,
        dataset_name=cls.INFO.name,
        split=places.SPLIT,
        filetype_suffix="array_record",
    )
    for number, (path, _) in enumerate(shards):
        named = template.sharded_filepath(shard_index=number, num_shards=len(shards))
        move(path, Path(named))
    split: Any = tfds.core.SplitInfo(
        name=places.SPLIT,
        shard_lengths=[n_records for _, n_records in shards],
        num_bytes=n_bytes,
        filename_template=template,
    )
    builder.info.set_splits(tfds.core.SplitDict([split]))
    builder.info.download_size = 0
    builder.info.write_to_directory(folder)
    return folder


def publish(staged: Path, final: Path, staging: Path) -> None:
    """Put the finished records in their place; what lay there goes with the staging folder."""
    final.parent.mkdir(parents=True, exist_ok=True)
    for half in final.parent.glob("incomplete.*"):  # Left by a killed TFDS of another origin.
        shutil.rmtree(half, ignore_errors=True)
    if final.exists():
        os.rename(final, staging / "old")
    os.rename(staged, final)
