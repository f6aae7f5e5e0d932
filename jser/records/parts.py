"""A corpus in parts, for many workers: each part becomes one shard, written once.

Which part a recording belongs to is decided by the hash of its id, so that every run divides a
corpus alike. A part is worked on without knowing of the others: its shard is written under a
temporary name and renamed, and then a small manifest with the shard's sha256. A part whose manifest
and shard are there is not done again, whoever made it. At the end the shards are laid out as TFDS
does, without being written a second time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from jser.records import places
from jser.records.cache import Finished, content_of, file_sha256
from jser.records.files import Utterance
from jser.records.kind import Kind, Sink, Source, Spec
from jser.records.plan import Extracted, Plan
from jser.records.shards import Encoder, Shard, lay_out

# About 100 MB of log-Mel and 40 MB on disk for recordings of four seconds.
RECORDINGS = 1000


@dataclass(frozen=True)
class Part:
    """The recordings of one shard, and all that is needed to make it.

    Attributes:
        folder: where shard and manifest go; all workers must reach it.
        utterances: with `keys` of the same length, from `cache.address`.
        classes: of the corpus.
        kind: of corpus.
        variant: of `Kind.variants`.
        spec: the front end's specification.
        max_seconds: only the beginning of each recording is kept.
    """

    folder: Path
    utterances: tuple[Utterance, ...]
    keys: tuple[str, ...]
    classes: tuple[str, ...]
    kind: Kind
    variant: str
    spec: Spec
    max_seconds: float | None

    @property
    def digest(self) -> str:
        """Hash of everything that decides the shard; paths do not."""
        records = [(u.record(), key) for u, key in zip(self.utterances, self.keys, strict=True)]
        whole = (places.VERSION, self.classes, self.variant, self.spec.hash(), self.max_seconds)
        return hashlib.sha256(repr((whole, records)).encode()).hexdigest()

    @property
    def shard(self) -> Path:
        """The shard's file, once it is finished."""
        return self.folder / f"{self.digest[:32]}.array_record"

    @property
    def manifest(self) -> Path:
        """The file that says the shard is finished, and what is in it."""
        return self.shard.with_suffix(".json")


@dataclass(frozen=True)
class Made:
    """What a part's manifest says.

    Attributes:
        sha256: of the shard; '' where none of its recordings could be used.
        n_records: in the shard.
        n_bytes: of the records before compression, as TFDS counts them.
        facts: key -> facts of a usable recording.
        broken: key -> what is wrong with the recording.
    """

    sha256: str
    n_records: int
    n_bytes: int
    facts: dict[str, Any]
    broken: dict[str, str]


def divide(plan: Plan, recordings: int = RECORDINGS) -> list[Part]:
    """The parts of a corpus, of about `recordings` each; none is empty."""
    n = -(-len(plan.utterances) // recordings)
    groups: dict[int, list[Utterance]] = {}
    for u in plan.utterances:
        place = hashlib.sha256(u.utterance_id.encode()).digest()
        # A worker starts in another folder.
        here = replace(u, path=u.path.absolute())
        groups.setdefault(int.from_bytes(place[:8], "big") % n, []).append(here)
    info = plan.cls.INFO
    folder = places.parts_dir(plan.root, info.name, plan.variant).absolute()
    return [
        Part(
            folder,
            tuple(group),
            tuple(plan.keys[u.utterance_id] for u in group),
            tuple(info.classes),
            plan.cls.KIND,
            plan.variant,
            plan.spec,
            info.max_seconds,
        )
        for _, group in sorted(groups.items())
    ]


def read(part: Part) -> Made | None:
    """What an earlier run made of the part; None where it is not finished or is damaged."""
    try:
        said = json.loads(part.manifest.read_text(encoding="utf-8"))
        if said.pop("part") != part.digest:
            return None
        facts = {key: part.kind.facts(**fields) for key, fields in said.pop("facts").items()}
        made = Made(facts=facts, **said)
        if made.sha256 and file_sha256(part.shard) != made.sha256:
            return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return made


def make(part: Part) -> Made:
    """Make the shard and its manifest, unless they are there. Runs in any process, on any machine.

    Recordings that could not be used are tried again: the shard is made anew if one now can.

    Raises:
        OSError: the disk is at fault; nothing half-written stays under a final name.
    """
    before = read(part)
    if before is not None and not _mended(part, before):
        return before
    part.folder.mkdir(parents=True, exist_ok=True)
    # Two workers may be given one part, as pipelines do when a worker is slow.
    temporary = part.shard.with_suffix(f".{uuid.uuid4().hex}.part")
    try:
        writer = _Writer(part, temporary)
        try:
            broken = _extract(part, writer, part.keys)
        finally:
            writer.shard.close()
        sha256 = ""
        if writer.shard.n_records:
            sha256 = file_sha256(temporary)
            os.replace(temporary, part.shard)
        made = Made(sha256, writer.shard.n_records, writer.shard.n_bytes, writer.facts, broken)
        temporary.write_text(json.dumps({"part": part.digest, **asdict(made)}), encoding="utf-8")
        os.replace(temporary, part.manifest)
    finally:
        temporary.unlink(missing_ok=True)
    return made


def _mended(part: Part, before: Made) -> bool:
    """Whether a recording that could not be used now can; only those are decoded."""
    if not before.broken:
        return False
    return _extract(part, _Nowhere(), tuple(before.broken)) != before.broken


def _extract(part: Part, sink: Sink, keys: Sequence[str]) -> dict[str, str]:
    wanted = set(keys)
    return part.kind.extract(
        {
            key: Source(u.path, content_of(key), u.cut)
            for u, key in zip(part.utterances, part.keys, strict=True)
            if key in wanted
        },
        sink,
        part.spec,
        part.variant,
        part.max_seconds,
        None,
    )


class _Nowhere:
    def put(self, items: list[Finished]) -> None:
        """Let go of them."""


class _Writer:
    """Writes utterances into a shard as they are finished: no more than a batch is in memory."""

    def __init__(self, part: Part, path: Path):
        self.facts: dict[str, Any] = {}
        self.shard = Shard(path)
        self._encoder = Encoder(
            part.classes,
            part.kind,
            part.variant,
            part.spec,
            zip(part.utterances, part.keys, strict=True),
        )

    def put(self, items: list[Finished]) -> None:
        """Write the records of finished recordings."""
        for done in items:
            for record in self._encoder.records(done):
                self.shard.write(record)
            self.facts[done.key] = done.facts


class Parts:
    """The way of `jser.records.plan.Way` that makes parts; `run` has every part made somewhere.

    Attributes:
        run: calls `make` for each of the parts that it is given, in any order, on any machine, and
            returns when all of them are finished.
        recordings: in a part, about.
    """

    def __init__(self, run: Callable[[list[Part]], None], recordings: int = RECORDINGS):
        self.run = run
        self.recordings = recordings

    def extract(self, plan: Plan) -> Extracted:
        """See `Way.extract`."""
        self._parts = divide(plan, self.recordings)
        before = [read(part) for part in self._parts]
        # Here too, not only in `make`: what is finished need not travel to a worker.
        self.run(
            [
                part
                for part, made in zip(self._parts, before, strict=True)
                if made is None or made.broken
            ]
        )
        self._made = []
        resumed = 0
        for part, old in zip(self._parts, before, strict=True):
            # Read again where it was worked on: finished shards are gigabytes to hash.
            made = old if old is not None and not old.broken else read(part)
            if made is None:
                raise RuntimeError(f"{part.manifest}: the pipeline has not finished this part")
            if old is not None and old.sha256 == made.sha256:
                resumed += made.n_records
            self._made.append(made)
        return Extracted(
            {key: facts for made in self._made for key, facts in made.facts.items()},
            {key: why for made in self._made for key, why in made.broken.items()},
            resumed,
        )

    def write(self, plan: Plan, usable: list[Utterance]) -> Path:
        """See `Way.write`. The shards are linked, not copied, where the file system can."""
        shutil.rmtree(plan.work_dir(), ignore_errors=True)
        filled = [
            (part.shard, made)
            for part, made in zip(self._parts, self._made, strict=True)
            if made.n_records
        ]
        return lay_out(
            plan.cls,
            plan.work_dir(),
            plan.variant,
            plan.spec,
            [(shard, made.n_records) for shard, made in filled],
            sum(made.n_bytes for _, made in filled),
            _link,
        )

    def keep(self, plan: Plan) -> None:
        """See `Way.keep`. Finished parts are on disk."""

    def clear(self, plan: Plan) -> None:
        """See `Way.clear`."""
        shutil.rmtree(places.parts_dir(plan.root, plan.cls.INFO.name, plan.variant))


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # Not every network file system has links.
        shutil.copyfile(source, target)
