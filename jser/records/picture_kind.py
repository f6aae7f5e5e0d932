"""Corpora of pictures: each one square of pixels."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from jser import progress
from jser.frontend import image
from jser.frontend.image import ImageError, ImageSpec, Picture
from jser.records import picture_audit, places
from jser.records.cache import Finished
from jser.records.extract import AHEAD, threads
from jser.records.files import Utterance
from jser.records.info import CorpusInfo
from jser.records.kind import Counted, Kind, Sink, Source

# 12.6 MB of finished pictures at the default size.
BATCH_FILES = 64


@dataclass(frozen=True)
class PictureFacts:
    """What the audit needs to know of one picture; see `jser.frontend.image.Picture`."""

    width_in: int
    height_in: int
    format_in: str
    mode_in: str
    rotated: bool
    pixel_sha256: str
    dhash: str


class PictureKind(Kind):
    """What the builder must know of pictures; see `Kind`."""

    name = "picture"
    things = "pictures"
    variants = places.PICTURE_VARIANTS
    facts = PictureFacts

    def spec(self) -> ImageSpec:
        """The default size."""
        return ImageSpec()

    def features(self, spec: ImageSpec, variant: str) -> dict[str, Any]:
        """The pixels and their hash. Not TFDS' own image feature: that one imports TensorFlow."""
        del variant  # there is one
        return {
            "pixel_sha256": tfds.features.Text(),
            "image": tfds.features.Tensor(
                shape=(spec.side, spec.side, 3),
                dtype=np.uint8,
                encoding=tfds.features.Encoding.BYTES,
            ),
        }

    def extract(
        self,
        todo: Mapping[str, Source],
        sink: Sink,
        spec: ImageSpec,
        variant: str,
        max_seconds: float | None,
        what: str | None,
    ) -> dict[str, str]:
        """Decode in threads; one pack a batch, so that an interrupt loses one batch at most."""
        del variant, max_seconds
        broken: dict[str, str] = {}
        with progress.maybe(len(todo), what, unit="picture") as tick, image.quiet():
            for batch in _decoded(todo, spec):
                good: list[tuple[str, Picture]] = []
                for key, future in batch:
                    try:
                        good.append((key, future.result()))
                    except ImageError as error:
                        broken[key] = error.reason
                sink.put([Finished(k, _facts(p), {"image": p.pixels}) for k, p in good])
                tick(len(batch))
        return broken

    def example(self, done: Finished) -> dict[str, object]:
        """The hash and the pixels."""
        return {"pixel_sha256": done.facts.pixel_sha256, **done.arrays}

    def content_hash(self, facts: PictureFacts) -> str:
        """Of the pixels."""
        return facts.pixel_sha256

    def audit(
        self,
        utterances: Sequence[Utterance],
        facts: Sequence[PictureFacts],
        spec: ImageSpec,
        counted: Counted,
    ) -> dict[str, Any]:
        """See `jser.records.picture_audit.make`."""
        rows = [
            picture_audit.Row(u.utterance_id, u.speaker, u.label, **vars(f))
            for u, f in zip(utterances, facts, strict=True)
        ]
        return picture_audit.make(rows, spec.side, counted)

    def render(self, audit: Mapping[str, Any]) -> str:
        """See `jser.records.picture_audit.render`."""
        return picture_audit.render(audit)

    def seconds(self, audit: Mapping[str, Any]) -> float:
        """None."""
        return 0.0

    def doubt(self, info: CorpusInfo, audit: Mapping[str, Any]) -> str | None:
        """None that pixels could raise."""
        return None


PICTURE = PictureKind()


def _decoded(
    todo: Mapping[str, Source], spec: ImageSpec
) -> Iterator[list[tuple[str, Future[Picture]]]]:
    """Batches with their decoding under way, a few ahead of the reader."""
    pool = ThreadPoolExecutor(threads())
    try:
        ahead: deque[list[tuple[str, Future[Picture]]]] = deque()
        items = list(todo.items())
        for start in range(0, len(items), BATCH_FILES):
            batch = items[start : start + BATCH_FILES]
            ahead.append(
                [
                    (key, pool.submit(image.load, source.path, spec, source.sha256))
                    for key, source in batch
                ]
            )
            if len(ahead) > AHEAD:
                yield ahead.popleft()
        yield from ahead
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _facts(picture: Picture) -> PictureFacts:
    kept = {name: value for name, value in vars(picture).items() if name != "pixels"}
    return PictureFacts(**kept)
