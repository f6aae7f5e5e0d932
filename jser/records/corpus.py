"""Records -> arrays on the host, ragged: what training and evaluation work on.

A corpus larger than memory stays on disk, see `on_disk`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jser import datasets
from jser.errors import InputError
from jser.frontend.log_mel import LogMelSpec
from jser.records import on_disk, places, sidecar
from jser.records.manifest import built
from jser.records.rows import Frames

# Where records lie while they are worked on: auto, on disk where they take much of the memory.
WHERE = ("auto", "memory", "disk")


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """What is held of the N records of any built corpus, sorted by utterance_id.

    Attributes:
        name: of the corpus.
        variant: of the records, see `jser.records.places`.
        classes: label names in the order of the indices.
        utterance_id: str [N].
        speaker: str [N]; '' where unknown.
        session: str [N]; '' where there is none.
        text_id: str [N]; '' where there is none.
        split: str [N], the corpus' own: 'train', 'dev', 'test...'; '' where it brings none.
        label: int32 [N].
        sex: speaker -> 'f' or 'm', of those of whom it is known.
        fingerprint: hex sha256 of the sorted (id, hash of the samples or pixels, label).
        front_end_hash: of the specification that made the records.
        partial: some of the published corpus are missing.
        synthetic: made by a program.
        note: what every result on this corpus must say, or None.
        audit: what was noted when the records were built: see `jser.records.audit` and
            `picture_audit`.
    """

    name: str
    variant: str
    classes: tuple[str, ...]
    utterance_id: np.ndarray
    speaker: np.ndarray
    session: np.ndarray
    text_id: np.ndarray
    split: np.ndarray
    label: np.ndarray
    sex: dict[str, str]
    fingerprint: str
    front_end_hash: str
    partial: bool
    synthetic: bool
    note: str | None
    audit: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Corpus(Labelled):
    """All utterances of a built corpus.

    Attributes:
        pcm_sha256: str [N].
        frames: float32 [sum T, n_mels], the utterances' log-Mel frames one behind the other; or
            `rows.Rows`, of which one utterance at a time is read.
        offset: int64 [N], first row of an utterance in `frames`.
        length: int32 [N], frames of an utterance.
        waveform: N arrays int16 [samples], read when they are asked for where the frames are; or
            None where the variant has none.
    """

    pcm_sha256: np.ndarray
    frames: Frames
    offset: np.ndarray
    length: np.ndarray
    waveform: Sequence[np.ndarray] | None

    def static(self, i: int) -> np.ndarray:
        """Log-Mel float32 [T, n_mels] of an utterance."""
        return self.frames[self.offset[i] : self.offset[i] + self.length[i]]

    def statics(self) -> list[np.ndarray]:
        """Log-Mel of all utterances; of a corpus in memory they are no copies."""
        return [self.static(i) for i in range(len(self.length))]


def load(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    variant: str = "log_mel",
    spec: LogMelSpec | None = None,
    where: str = "memory",
) -> Corpus:
    """Read a built corpus, after checking that it is whole and the right one.

    Args:
        name: of the corpus.
        data_dir: where records lie; None: `places.default_data_dir`.
        variant: 'log_mel', for which records with waveforms do as well, or 'waveform'.
        spec: the front end that the caller works with; None: the default.
        where: of `WHERE`; the caller can work with frames that stay on disk.

    Raises:
        InputError: not built, a shard is damaged, the records were made by another front end, or
            the corpus is one of pictures: see `jser.records.pictures`.
    """
    datasets.check_sound(name, "a system for speech")
    spec = spec or LogMelSpec()
    # In full, since messages name it: it may be meant from another current folder.
    root = places.root(data_dir).absolute()
    # Records with waveforms hold everything that the smaller ones do.
    if not (places.records_dir(root, name, variant) / places.SIDECAR).exists():
        variant = "waveform"
    folder = places.records_dir(root, name, variant)
    option = " --variant=log_mel" if variant == "log_mel" else ""
    content = sidecar.read(folder)
    command = f"`jser build {built.command(name, content)}{option} --data_dir={root}`"
    if content is None:
        there = (folder / places.SIDECAR).exists()
        if name not in datasets.names():
            command = (
                f"`jser build manifest --manifest=FILE --name={name}{option} --data_dir={root}`"
            )
            if not there:
                sentence = datasets.unknown(name, built.names(root))
                if not root.is_dir():
                    sentence += f"; there is no folder {root}, where it would lie"
                raise InputError(sentence)
        if there:
            raise InputError(
                f"{folder / places.SIDECAR}: damaged, changed by hand or not readable; build again "
                f"with {command}"
            )
        raise places.none_there(root, name, folder, command)
    if content["front_end_hash"] != spec.hash():
        raise InputError(
            f"{folder}: records were made by front end {content['front_end_hash']}, this program's "
            f"is {spec.hash()}{_difference(content['front_end'], spec)}; build again with {command}"
        )
    sidecar.verify_shards(folder, content, remedy=f"build again with {command}")
    seconds = float(content["audit"].get("seconds", {}).get("total", 0))
    if where == "disk" or (where == "auto" and on_disk.are_many(content, seconds)):
        with _readable(folder, command):
            fields = on_disk.read(folder, content, places.index_dir(root))
    else:
        fields = _in_memory(folder, content, command)
    if (found := len(fields["label"])) != content["n_utterances"]:
        raise InputError(
            f"{folder}: {found} records, {places.SIDECAR} says {content['n_utterances']}; "
            "remove the folder and build again"
        )
    return Corpus(**of_sidecar(content), **fields)


def of_sidecar(content: dict[str, Any]) -> dict[str, Any]:
    """The fields of `Labelled` that the sidecar of built records says."""
    as_they_are = ("name", "variant", "fingerprint", "front_end_hash", "partial", "synthetic",
                   "note", "audit")  # fmt: skip
    return {
        **{name: content[name] for name in as_they_are},
        "classes": tuple(content["classes"]),
        "sex": dict(content["sex"]),
    }


def _difference(built: dict[str, Any], spec: LogMelSpec) -> str:
    parts = [
        f"{field} {built.get(field)} there, {value} here"
        for field, value in vars(spec).items()
        if built.get(field) != value
    ]
    return f" ({', '.join(parts)})" if parts else ""


@contextlib.contextmanager
def _readable(folder: Path, command: str) -> Iterator[None]:
    """TFDS lets through whatever its parsers and readers raise: one sentence is made of it."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:120]}"
        raise InputError(
            f"{folder}: the records cannot be read ({what}); build again with {command}"
        ) from error


def _in_memory(folder: Path, content: dict[str, Any], command: str) -> dict[str, Any]:
    """The fields of `Corpus` that are not in the sidecar, sorted by utterance_id."""
    import tensorflow_datasets as tfds  # Slow to import; most commands never get here.

    with _readable(folder, command):
        source = tfds.builder_from_directory(folder).as_data_source(places.SPLIT)
        # One call lets the reader fetch a shard's records in parallel.
        records = source.__getitems__(list(range(len(source))))
    records = sorted(records, key=lambda record: record["utterance_id"])

    def text(field: str) -> np.ndarray:
        return np.array([record[field].decode() for record in records], dtype=np.str_)

    length = np.array([record["n_frames"] for record in records], np.int32)
    end = np.cumsum(length, dtype=np.int64)
    frames = np.empty((int(end[-1]), content["front_end"]["n_mels"]), np.float32)
    for record, stop, n in zip(records, end, length, strict=True):
        frames[stop - n : stop] = record["log_mel"]
    has_audio = content["variant"] == "waveform"
    return {
        "utterance_id": text("utterance_id"),
        "speaker": text("speaker"),
        "session": text("session"),
        "text_id": text("text_id"),
        # Younger than some records that are about: there it is unknown.
        "split": text("split") if "split" in records[0] else np.full(len(records), ""),
        "label": np.array([record["label"] for record in records], np.int32),
        "pcm_sha256": text("pcm_sha256"),
        "frames": frames,
        "offset": end - length,
        "length": length,
        "waveform": [np.asarray(record["waveform"]) for record in records] if has_audio else None,
    }
