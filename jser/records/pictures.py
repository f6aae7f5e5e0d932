"""Records of pictures -> labels in memory, and pixels when they are asked for.

23,000 pictures of 256 x 256 are 4.5 GB: what is small is held, the pixels stay on the disk.
What the process takes does not grow with their number; the reader's threads keep up to 200 MB of
what they have freed, which MALLOC_ARENA_MAX=1 gives back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jser import datasets
from jser.errors import InputError
from jser.frontend.image import ImageSpec
from jser.records import places, sidecar
from jser.records.corpus import Labelled, of_sidecar

# Pictures in memory while pixels are read: 12.6 MB at the default size.
AT_ONCE = 64
# Fields of a record that are held, besides the label.
_TEXTS = ("utterance_id", "speaker", "session", "text_id", "split", "pixel_sha256")


@dataclass(frozen=True, kw_only=True)
class Pictures(Labelled):
    """All pictures of a built corpus; its speakers are who took or painted them.

    Attributes:
        pixel_sha256: str [N].
        side: pixels of both sides.
    """

    pixel_sha256: np.ndarray
    side: int
    _records: Any = field(repr=False)  # TFDS' data source
    _place: np.ndarray = field(repr=False)  # int64 [N], of each picture in it

    things = "pictures"

    def __len__(self) -> int:
        return len(self.label)

    @property
    def pcm_sha256(self) -> np.ndarray:
        """Str [N]: what `jser.protocols` compares to find one picture twice."""
        return self.pixel_sha256

    def images(self, rows: np.ndarray) -> np.ndarray:
        """Read the pixels of some pictures from the disk.

        Args:
            rows: int [n], in any order, repeats allowed.

        Returns:
            uint8 [n, side, side, 3], RGB.

        Raises:
            InputError: the records have been changed or removed since they were loaded.
        """
        rows = np.asarray(rows)
        found = np.empty((len(rows), self.side, self.side, 3), np.uint8)
        for start in range(0, len(rows), AT_ONCE):
            part = rows[start : start + AT_ONCE]
            for k, record in enumerate(_read(self._records, self._place[part], self.name)):
                found[start + k] = record["image"]
        return found

    def batches(self, size: int = AT_ONCE) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All pictures in order, `size` at a time: rows int64 [n], and `images` of them."""
        for start in range(0, len(self), size):
            rows = np.arange(start, min(start + size, len(self)))
            yield rows, self.images(rows)


def load(
    name: str, data_dir: str | os.PathLike[str] | None = None, spec: ImageSpec | None = None
) -> Pictures:
    """Open a built corpus of pictures, after checking that it is whole and the right one.

    Args:
        name: of the corpus.
        data_dir: where records lie; None: `places.default_data_dir`.
        spec: the size that the caller works with; None: the default.

    Raises:
        InputError: a corpus of recordings, not built, a shard is damaged, or another size.
    """
    if name not in datasets.PICTURES:
        raise InputError(
            f"'{name}' is no corpus of pictures, which are needed here; those are "
            f"{', '.join(datasets.PICTURES)}"
        )
    spec = spec or ImageSpec()
    root = places.root(data_dir).absolute()
    folder = places.records_dir(root, name, places.PICTURE_VARIANTS[0])
    command = f"`jser build {name} --corpus_dir=DIR --data_dir={root}`"
    content = sidecar.read(folder)
    if content is None:
        if (folder / places.SIDECAR).exists():
            raise InputError(
                f"{folder / places.SIDECAR}: damaged, changed by hand or not readable; build again "
                f"with {command}"
            )
        raise places.none_there(root, name, folder, command)
    if content["front_end_hash"] != spec.hash():
        raise InputError(
            f"{folder}: records hold pictures of {content['front_end'].get('side')} pixels made as "
            f"{content['front_end_hash']}, this program's have {spec.side} and are "
            f"{spec.hash()}; build again with {command}"
        )
    sidecar.verify_shards(folder, content, remedy=f"build again with {command}")
    return _opened(folder, content, spec, command)


def _opened(folder: Path, content: dict[str, Any], spec: ImageSpec, command: str) -> Pictures:
    import tensorflow_datasets as tfds  # Slow to import; most commands never get here.

    kept: list[tuple[Any, ...]] = []
    try:
        source = tfds.builder_from_directory(folder).as_data_source(places.SPLIT)
        for start in range(0, len(source), AT_ONCE):
            places_of = range(start, min(start + AT_ONCE, len(source)))
            for place, record in zip(places_of, source.__getitems__(list(places_of)), strict=True):
                texts = [record[name].decode() for name in _TEXTS]
                kept.append((*texts, int(record["label"]), place))
    except Exception as error:  # TFDS lets through whatever its parsers and readers raise.
        what = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:120]}"
        raise InputError(
            f"{folder}: the records cannot be read ({what}); build again with {command}"
        ) from error
    if len(kept) != content["n_utterances"]:
        raise InputError(
            f"{folder}: {len(kept)} records, {places.SIDECAR} says {content['n_utterances']}; "
            "remove the folder and build again"
        )
    columns = list(zip(*sorted(kept), strict=True))
    fields: dict[str, Any] = {
        name: np.array(text, np.str_) for name, text in zip(_TEXTS, columns, strict=False)
    }
    return Pictures(
        **of_sidecar(content),
        label=np.array(columns[-2], np.int32),
        side=spec.side,
        _records=source,
        _place=np.array(columns[-1], np.int64),
        **fields,
    )


def _read(source: Any, rows: np.ndarray, name: str) -> list[dict[str, Any]]:
    try:
        return list(source.__getitems__(rows.tolist()))
    except Exception as error:  # TFDS lets through whatever its readers raise.
        what = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:120]}"
        raise InputError(
            f"{name}: its records can no longer be read ({what}); build it again"
        ) from error
