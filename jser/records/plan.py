"""What a build has to do, and the ways it can be done; `Local` is the way on one machine."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from jser.records import places, shards
from jser.records.cache import Finished, PackCache, content_of
from jser.records.files import Utterance
from jser.records.kind import Source, Spec

if TYPE_CHECKING:
    from jser.records.builder import CorpusBuilder


@dataclass(frozen=True)
class Plan:
    """One build.

    Attributes:
        cls: the corpus.
        root: the data folder.
        variant: of `Kind.variants`.
        spec: the front end's specification.
        utterances: all recordings, sorted by id.
        keys: utterance id -> address of what is made from its file, from `cache.address`.
    """

    cls: type[CorpusBuilder]
    root: Path
    variant: str
    spec: Spec
    utterances: list[Utterance]
    keys: dict[str, str]

    def work_dir(self) -> Path:
        """Folder in which TFDS' layout is put together before it goes to its place."""
        return places.work_dir(self.root, self.cls.INFO.name, self.variant)


class Extracted(NamedTuple):
    """What came of the recordings.

    `facts`: key -> facts of a usable recording; `reasons`: key -> what is wrong with a broken one;
    `resumed`: utterances that an earlier build had finished.
    """

    facts: dict[str, Any]
    reasons: dict[str, str]
    resumed: int


class Way(Protocol):
    """How recordings become shards. Whatever the way, the records are the same."""

    def extract(self, plan: Plan) -> Extracted:
        """Run the front end; finished work of an interrupted build is taken over."""

    def write(self, plan: Plan, usable: list[Utterance]) -> Path:
        """Lay out the shards of `usable` below `plan.work_dir()`; returns their folder."""

    def keep(self, plan: Plan) -> None:
        """Called when a build ends without records: keep what is finished for the next one."""

    def clear(self, plan: Plan) -> None:
        """Remove what only an interrupted build needs."""


class Local:
    """One process: decoding and front end in threads; a record is written when it is finished."""

    def __init__(self) -> None:
        self._cache: PackCache | None = None
        self._shards: shards.Staged | None = None

    def extract(self, plan: Plan) -> Extracted:
        """See `Way.extract`."""
        cls, kind = plan.cls, plan.cls.KIND
        shutil.rmtree(plan.work_dir(), ignore_errors=True)
        pairs = [(u, plan.keys[u.utterance_id]) for u in plan.utterances]
        encoder = shards.Encoder(cls.INFO.classes, kind, plan.variant, plan.spec, pairs)
        self._shards = shards.Staged(encoder, plan.work_dir() / "shards")
        self._cache = PackCache(
            places.cache_dir(plan.root, plan.variant, plan.spec.hash()), kind.facts
        )
        for done in self._cache.read(plan.keys.values()):
            self._shards.put([done])
        finished = self._shards.facts
        resumed = sum(key in finished for key in plan.keys.values())
        # Equal files are worked on once.
        todo = {
            key: Source(u.path, content_of(key), u.cut) for u, key in pairs if key not in finished
        }
        reasons = kind.extract(
            todo,
            _Both(self._cache, self._shards),
            plan.spec,
            plan.variant,
            cls.INFO.max_seconds,
            f"build {cls.INFO.name}",
        )
        return Extracted(finished, reasons, resumed)

    def write(self, plan: Plan, usable: list[Utterance]) -> Path:
        """See `Way.write`. All that is usable was written when it was finished."""
        assert self._shards is not None
        made = self._shards.close()
        return shards.lay_out(
            plan.cls,
            plan.work_dir(),
            plan.variant,
            plan.spec,
            [(shard.path, shard.n_records) for shard in made],
            sum(shard.n_bytes for shard in made),
            os.replace,
        )

    def keep(self, plan: Plan) -> None:
        """See `Way.keep`."""
        if self._cache is not None:
            self._cache.flush()

    def clear(self, plan: Plan) -> None:
        """See `Way.clear`."""
        assert self._cache is not None
        self._cache.clear(plan.keys.values())


class _Both(NamedTuple):
    """A sink of two."""

    cache: PackCache
    shards: shards.Staged

    def put(self, items: list[Finished]) -> None:
        self.cache.put(items)
        self.shards.put(items)
