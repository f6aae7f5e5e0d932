"""What every corpus' TFDS builder shares: features, hashing, shards, audit, and `build`.

A corpus is one subclass with `INFO`, and `parse` or `find`. How its recordings become shards
(ArrayRecord, without TensorFlow) is one of the ways of `plan`: on this machine, or in parts on
many.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from jser import compiled
from jser.errors import InputError, check_folder
from jser.records import cache as caching
from jser.records import disk, faults, features, places, shards, sidecar, sources
from jser.records.files import (
    PICTURE_FILES,
    SOUND_FILES,
    FileKind,
    Skipped,
    Utterance,
    find_by_name,
)
from jser.records.info import CorpusInfo
from jser.records.kind import Counted, Kind, Spec
from jser.records.picture_kind import PICTURE
from jser.records.plan import Local, Plan, Way
from jser.records.sound_kind import SOUND


@dataclass(frozen=True)
class BuildResult:
    """What a build did.

    Attributes:
        kind: of the corpus.
        path: folder of the shards and the sidecar.
        audit: see `Kind.audit`.
        already_built: nothing had changed, nothing was done.
        computed: files that went through the front end now.
        resumed: files taken from an earlier build that did not finish.
        seconds: wall time.
        audio_seconds: of the corpus; 0 for pictures.
        skipped: reason -> number of files left out on purpose.
        faults_list: file that names all broken ones, where they are many.
    """

    kind: Kind
    path: Path
    audit: dict[str, Any]
    already_built: bool
    computed: int
    resumed: int
    seconds: float
    audio_seconds: float
    skipped: dict[str, int]
    faults_list: Path | None = None


class CorpusBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Base of all corpora.

    A subclass gives `INFO`; `LAYOUT` and `parse` where names say all, else `find`; and `fetch` if
    it can download.
    """

    INFO: ClassVar[CorpusInfo]
    # Names that are expected, with an example, for the message where none is recognised.
    LAYOUT: ClassVar[str]
    FILES: ClassVar[FileKind] = SOUND_FILES
    KIND: ClassVar[Kind] = SOUND
    # What a table of the user's own says beside its recordings; stands in the sidecar.
    MANIFEST: ClassVar[dict[str, Any] | None] = None
    VERSION = tfds.core.Version(places.VERSION)
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
        tfds.core.BuilderConfig(name="log_mel", description="log-Mel spectrogram"),
        tfds.core.BuilderConfig(
            name="waveform", description="log-Mel spectrogram and 16-bit audio"
        ),
    ]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        if hasattr(cls, "INFO"):  # not so the base of pictures
            cls.name = cls.INFO.name
            _check_found(cls)
        # TFDS' own registry is not used: its names are global to the process.
        super().__init_subclass__(skip_registration=True, **kwargs)  # type: ignore[call-arg]

    def __init__(self, *, spec: Spec | None = None, **kwargs: Any):
        self._spec = spec or self.KIND.spec()
        super().__init__(**kwargs)

    @classmethod
    def find(cls, corpus_dir: Path) -> list[Utterance | Skipped]:
        """All that is under `corpus_dir`; raises InputError for what must not be there."""
        return find_by_name(corpus_dir, cls.parse, cls.LAYOUT, cls.FILES)

    @classmethod
    def parse(cls, path: Path) -> Utterance | Skipped | None:
        """What a file is by its name; None: it is not of this corpus, which is counted.

        Raises:
            InputError: a code that must not be there.
        """
        raise TypeError(f"{cls.__name__} has no parse, by which its find could know a file")

    @classmethod
    def fetch(cls, folder: Path) -> Path:
        """Get the corpus into `folder` when no --corpus_dir is given; returns where it lies."""
        raise InputError(f"{cls.INFO.name}: give --corpus_dir=DIR; {cls.INFO.how_to_get}")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.INFO.description,
            features=features.describe(
                self.INFO.classes, self.KIND.features(self._spec, self.builder_config.name)
            ),
            homepage=self.INFO.homepage,
            citation=self.INFO.citation,
            license=self.INFO.licence,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        raise InputError(f"{self.INFO.name}: records are built by `jser build {self.INFO.name}`")

    def _generate_examples(self) -> Iterator[tuple[str, dict[str, object]]]:
        return iter(())  # Abstract in TFDS; `_split_generators` comes first and refuses.


def _check_found(cls: type[CorpusBuilder]) -> None:
    """A corpus without a way to find its recordings is said when it is written, not when built."""
    by_name = cls.find.__func__ is CorpusBuilder.find.__func__  # type: ignore[attr-defined]
    no_parse = cls.parse.__func__ is CorpusBuilder.parse.__func__  # type: ignore[attr-defined]
    if by_name and (no_parse or not hasattr(cls, "LAYOUT")):
        raise TypeError(f"{cls.__name__} needs LAYOUT and parse, or find; see datasets/README.md")


class PictureBuilder(CorpusBuilder):
    """Base of the corpora of pictures; an utterance is a picture."""

    KIND = PICTURE
    FILES = PICTURE_FILES
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [
        tfds.core.BuilderConfig(name="image", description="square of pixels")
    ]


def build(
    name: str,
    corpus_dir: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    variant: str | None = None,
    allow_partial: bool = False,
    spec: Spec | None = None,
    way: Way | None = None,
) -> BuildResult:
    """Build the records of a corpus; does nothing when they are there and nothing has changed.

    Interrupted at any moment, the same call goes on with the files that are not finished. Old
    records stay in place until the new ones are whole.

    Args:
        name: a corpus of `jser.datasets.names`.
        corpus_dir: its recordings or pictures, in the published layout or flat; None: the corpus
            fetches or generates itself, where it can.
        data_dir: where records go; None: `places.default_data_dir`.
        variant: of recordings 'log_mel', or 'waveform' for the 16-bit audio beside it; of pictures
            'image'; None: the first of these.
        allow_partial: build although some are missing or broken; the records say so for ever.
        spec: the front end's specification; None: the default.
        way: how recordings become shards; None: on this machine (`jser.records.plan.Local`).

    Raises:
        InputError: anything about the input: see the messages.
    """
    # Not above: the registry imports the corpora, and they import this module.
    from jser.datasets import builder_class

    cls = builder_class(name)
    return build_class(cls, corpus_dir, data_dir, variant, allow_partial, spec, way)


def build_class(
    cls: type[CorpusBuilder],
    corpus_dir: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    variant: str | None = None,
    allow_partial: bool = False,
    spec: Spec | None = None,
    way: Way | None = None,
) -> BuildResult:
    """`build` by a class that need not be in the registry, such as a manifest's."""
    started = time.monotonic()
    name = cls.INFO.name
    spec = spec or cls.KIND.spec()
    root = places.root(data_dir)
    variant = variant or cls.KIND.variants[0]
    if variant not in cls.KIND.variants:
        raise InputError(
            f"variant '{variant}' is none of {', '.join(cls.KIND.variants)}, which is what {name}, "
            f"a corpus of {cls.KIND.things}, can be built as"
        )
    check_folder(root, "--data_dir")
    with disk.disk_errors(root):
        disk.make(root)
        if corpus_dir:
            source = Path(corpus_dir)
        else:
            with disk.only_fetch(root):
                source = cls.fetch(places.downloads_dir(root, name))
        with disk.only_build(root, name, variant):
            try:
                return _build(
                    cls, source, root, variant, allow_partial, spec, way or Local(), started
                )
            except faults.FilesAtFault as error:
                raise faults.listed(error, places.faults_list(root, name, variant)) from error


def _build(
    cls: type[CorpusBuilder],
    source: Path,
    root: Path,
    variant: str,
    allow_partial: bool,
    spec: Spec,
    way: Way,
    started: float,
) -> BuildResult:
    info, kind = cls.INFO, cls.KIND
    final = places.records_dir(root, info.name, variant)
    old = sidecar.read(final)
    compiled.keep(root)
    if old is None:
        kind.prepare(spec)
    utterances, content, skipped = sources.identify(
        info.name, source, cls.find(source), kind.things
    )
    if not allow_partial:
        sources.check_complete(
            info.name,
            info.counts,
            info.counts_by_speaker,
            utterances,
            skipped,
            source,
            kind.things,
        )
    sex = sources.sexes(info.speakers, utterances)
    digest = _sources_digest(cls, utterances, content)
    if old and _unchanged(final, old, digest, spec, allow_partial):
        return BuildResult(
            kind=kind,
            path=final,
            audit=old["audit"],
            already_built=True,
            computed=0,
            resumed=0,
            seconds=time.monotonic() - started,
            audio_seconds=kind.seconds(old["audit"]),
            skipped=skipped,
        )

    keys = {
        u.utterance_id: caching.address(content[u.path], info.max_seconds, u.cut)
        for u in utterances
    }
    plan = Plan(cls, root, variant, spec, utterances, keys)
    try:
        facts, reasons, resumed = way.extract(plan)
        broken = [
            f"{sources.shown(u.path, source, u.cut, u.line)}: {reasons[keys[u.utterance_id]]}"
            for u in utterances
            if keys[u.utterance_id] in reasons
        ]
        if broken and not allow_partial:
            raise faults.FilesAtFault(
                f"{source}: {len(broken)} of {len(utterances)} {kind.things} cannot be used; "
                "replace them, or leave them out with --allow_partial",
                broken,
            )
        usable = [u for u in utterances if keys[u.utterance_id] in facts]
        if not usable:
            raise faults.FilesAtFault(
                f"{source}: none of its {len(broken)} {kind.things} can be used; replace them",
                broken,
            )
        facts_of = [facts[keys[u.utterance_id]] for u in usable]
        report = kind.audit(usable, facts_of, spec, Counted(info, sex, skipped, broken))
        doubt = kind.doubt(info, report)
        if doubt and not allow_partial:
            raise InputError(f"{source}: {doubt}")
        staged = way.write(plan, usable)
        content_of = [
            (u.utterance_id, kind.content_hash(f), u.label)
            for u, f in zip(usable, facts_of, strict=True)
        ]
        lacks = any(report["missing"].values())
        sidecar.write(
            staged,
            {
                "name": info.name,
                "variant": variant,
                "classes": list(info.classes),
                "sex": sex,
                "n_utterances": len(usable),
                "fingerprint": sidecar.fingerprint(content_of),
                "front_end": asdict(spec),
                "front_end_hash": spec.hash(),
                "partial": lacks,
                "missing": report["missing"],
                "synthetic": info.synthetic,
                "note": info.note,
                "citation": info.citation,
                "licence": info.licence,
                "homepage": info.homepage,
                "sources": digest,
                "manifest": cls.MANIFEST,
                "shards": sidecar.shard_hashes(staged),
                "audit": report,
            },
        )
        shards.publish(staged, final, plan.work_dir())
    except BaseException:
        way.keep(plan)
        raise
    finally:
        shutil.rmtree(plan.work_dir(), ignore_errors=True)
    way.clear(plan)
    return BuildResult(
        kind=kind,
        path=final,
        audit=report,
        already_built=False,
        computed=len(usable) - resumed,
        resumed=resumed,
        seconds=time.monotonic() - started,
        audio_seconds=kind.seconds(report),
        skipped=skipped,
        faults_list=faults.write_list(places.faults_list(root, info.name, variant), broken),
    )


def _sources_digest(
    cls: type[CorpusBuilder], utterances: list[Utterance], content: dict[Path, str]
) -> str:
    """Hash of everything about the source that decides the records, the front end aside."""
    digest = hashlib.sha256(repr((cls.INFO, str(cls.VERSION))).encode())
    for u in utterances:
        line = (u.utterance_id, u.speaker, u.session, u.text_id, u.label, content[u.path])
        # Corpora without these keep the digest they always had.
        more: tuple[object, ...] = (u.sex, u.split) if u.sex or u.split else ()
        if u.cut is not None:
            more += (u.cut.start, u.cut.end)
        digest.update(repr(line + more).encode())
    return digest.hexdigest()


def _unchanged(
    final: Path, old: dict[str, Any], digest: str, spec: Spec, allow_partial: bool
) -> bool:
    if old.get("sources") != digest or old.get("front_end_hash") != spec.hash():
        return False
    if "described_by" not in old:  # written before these files had hashes
        return False
    if old["partial"] and not allow_partial:
        return False
    try:
        sidecar.verify_shards(final, old, remedy="")
    except InputError:
        return False
    return True
