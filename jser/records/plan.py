"""What a build has to do, and the ways it can be done; `Local` is the way on one machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from jser.records import places, shards
from jser.records.cache import PackCache
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

    def clear(self, plan: Plan) -> None:
        """Remove what only an interrupted build needs."""


class Local:
    """One process: decoding in threads, finished recordings in packs, shards written by TFDS."""

    def extract(self, plan: Plan) -> Extracted:
        """See `Way.extract`."""
        info = plan.cls.INFO
        kind = plan.cls.KIND
        self._cache = PackCache(
            places.cache_dir(plan.root, plan.variant, plan.spec.hash()), kind.facts
        )
        self._cache.verify(plan.keys.values())
        resumed = sum(key in self._cache for key in plan.keys.values())
        # Equal files are worked on once.
        todo = {
            plan.keys[u.utterance_id]: Source(u.path, u.cut)
            for u in plan.utterances
            if plan.keys[u.utterance_id] not in self._cache
        }
        reasons = (
            kind.extract(
                todo, self._cache, plan.spec, plan.variant, info.max_seconds, f"build {info.name}"
            )
            if todo
            else {}
        )
        keys = [key for key in plan.keys.values() if key in self._cache]
        return Extracted(self._cache.facts(keys), reasons, resumed)

    def write(self, plan: Plan, usable: list[Utterance]) -> Path:
        """See `Way.write`."""
        return shards.write(
            plan.cls, usable, plan.keys, self._cache, plan.work_dir(), plan.variant, plan.spec
        )

    def clear(self, plan: Plan) -> None:
        """See `Way.clear`."""
        self._cache.clear(plan.keys.values())
