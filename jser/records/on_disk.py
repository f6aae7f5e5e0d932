"""Built records that stay on disk: of a corpus larger than memory only its index is held.

The index is what is said of each recording, and where its record is. It is taken in one pass over
the shards, shard by shard, and kept in the cache; frames and sound are read when they are asked
for, in any order: a record is a group of its own in its ArrayRecord file.
"""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from jser import progress
from jser.errors import InputError
from jser.records import feature_cache, places
from jser.records.rows import ByNeed, Rows

# Of the free memory, what records may take: features are made of them, several times as large.
SHARE = 0.1
FRAMES_A_SECOND = 100
BYTES_A_SAMPLE_SECOND = 32_000
TEXTS = ("utterance_id", "speaker", "session", "text_id", "split", "pcm_sha256")
NUMBERS = ("label", "n_frames")
SAID = (*TEXTS, *NUMBERS)
THREADS = 4


def are_many(content: dict[str, Any], seconds: float) -> bool:
    """Whether records take more than their share of the memory that is free.

    Args:
        content: of their sidecar.
        seconds: that the recordings last.
    """
    each = FRAMES_A_SECOND * content["front_end"]["n_mels"] * 4
    if content["variant"] == "waveform":
        each += BYTES_A_SAMPLE_SECOND
    return seconds * each > SHARE * psutil.virtual_memory().available


class Shards:
    """The records of one split, by number, in the order of its shards. Safe between threads."""

    def __init__(self, folder: Path):
        """`folder` of the records."""
        import tensorflow_datasets as tfds  # Slow to import; most commands never get here.
        from array_record.python.array_record_data_source import ArrayRecordDataSource

        self._folder = folder
        builder = tfds.builder_from_directory(folder)
        split = builder.info.splits[places.SPLIT]
        self.names = [Path(path).name for path in split.filenames]
        self.lengths = [int(n) for n in split.shard_lengths]
        self.starts = np.cumsum([0, *self.lengths]).tolist()
        # By itself each open shard has threads of its own, which cost more than one record's read.
        self._source = ArrayRecordDataSource(
            [str(folder / name) for name in self.names], {"max_parallelism": "1"}
        )
        described = builder.info.features
        self._own: dict[tuple[str, ...], Any] = {
            names: type(described)({name: described[name] for name in names if name in described})
            for names in (SAID, ("log_mel",), ("waveform",))
        }

    def parsed(self, number: int, names: tuple[str, ...] = SAID) -> dict[str, Any]:
        """Some features of a record: `SAID`, or one alone."""
        return dict(self._own[names].deserialize_example_np(self._source[number]))

    def one(self, number: int, name: str) -> np.ndarray:
        """One feature of one record.

        Raises:
            InputError: it cannot be read: the shards were whole when the corpus was loaded.
        """
        try:
            return np.asarray(self.parsed(number, (name,))[name])
        except Exception as error:  # whatever the readers raise
            what = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:120]}"
            raise InputError(
                f"{self._folder}: a record can no longer be read ({what}); see that the disk is "
                "there, and give the same command again"
            ) from error


def index_key(name: str, sha256: str) -> str:
    """What the index of a shard is kept under."""
    return f"{sha256[:32]}-{name.rpartition('.')[2]}"


def index(shards: Shards, content: dict[str, Any], cache: Path) -> dict[str, Any]:
    """What the records say beside frames and sound, in the order of the shards: name -> [N].

    Args:
        shards: of the records.
        content: of their sidecar.
        cache: keeps what is found of each shard, so that a pass that was cut off goes on.
    """

    def of_shard(k: int) -> dict[str, np.ndarray]:
        first, n = shards.starts[k], shards.lengths[k]
        found = [shards.parsed(i) for i in range(first, first + n)]
        # `split` is younger than some records that are about: there it is unknown.
        texts = {name: [r[name].decode() if name in r else "" for r in found] for name in TEXTS}
        return {
            **{name: np.array(values, np.str_) for name, values in texts.items()},
            **{name: np.array([r[name] for r in found], np.int32) for name in NUMBERS},
        }

    hashes = content["shards"]
    parts: list[feature_cache.Arrays] = []
    what = f"index of {content['name']}"
    with (
        progress.bar(shards.starts[-1], what, "utterance") as tick,
        ThreadPoolExecutor(THREADS) as pool,
    ):

        def part(k: int) -> feature_cache.Arrays:
            name = shards.names[k]
            key = index_key(name, hashes[name])
            return feature_cache.load_or_make(cache, key, SAID, lambda: of_shard(k), what)[0]

        for k, arrays in enumerate(pool.map(part, range(len(shards.lengths)))):
            parts.append(arrays)
            tick(shards.lengths[k])
    return {name: np.concatenate([arrays[name] for arrays in parts]) for name in SAID}


def read(folder: Path, content: dict[str, Any], cache: Path) -> dict[str, Any]:
    """The fields of `corpus.Corpus` that are not in the sidecar, sorted by utterance_id.

    Args:
        folder: of the records.
        content: of their sidecar.
        cache: see `index`.

    Raises:
        Exception: of the parsers and readers, where records are not what they should be.
    """
    shards = Shards(folder)
    found = index(shards, content, cache)
    order = np.argsort(found["utterance_id"], kind="stable")
    found = {name: values[order] for name, values in found.items()}
    length = found.pop("n_frames")
    said = json.dumps([content["fingerprint"], content["front_end_hash"]])
    rows = Rows(
        lambda i: shards.one(int(order[i]), "log_mel"),
        length,
        content["front_end"]["n_mels"],
        hashlib.sha256(said.encode()).hexdigest()[:24],
    )
    has_audio = content["variant"] == "waveform"
    sound = ByNeed(lambda i: shards.one(int(order[i]), "waveform"), len(length))
    return {
        **found,
        "frames": rows,
        "offset": rows.offset,
        "length": rows.length,
        "waveform": sound if has_audio else None,
    }
