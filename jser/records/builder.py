"""What every corpus' TFDS builder shares: features, hashing, shards, audit, and `build`.

A corpus is one subclass with `INFO` and `find`. How its recordings become shards (ArrayRecord,
without TensorFlow) is one of the ways of `plan`: on this machine, or in parts on many.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from jser.errors import InputError, check_folder
from jser.frontend.log_mel import LogMelSpec
from jser.records import audit as auditing
from jser.records import cache as caching
from jser.records import disk, faults, features, places, shards, sidecar, sources
from jser.records.files import Skipped, Utterance
from jser.records.info import CorpusInfo
from jser.records.plan import Local, Plan, Way


@dataclass(frozen=True)
class BuildResult:
    """What a build did.

    Attributes:
        path: folder of the shards and the sidecar.
        audit: see `jser.records.audit.make`.
        already_built: nothing had changed, nothing was done.
        computed: recordings that went through the front end now.
        resumed: recordings taken from an earlier build that did not finish.
        seconds: wall time.
        audio_seconds: of the corpus.
        skipped: reason -> number of files left out on purpose.
        faults_list: file that names all broken recordings, where they are many.
    """

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
    """Base of all corpora; a subclass gives `INFO` and `find`, and `fetch` if it can download."""

    INFO: ClassVar[CorpusInfo]
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
        cls.name = cls.INFO.name
        # TFDS' own registry is not used: its names are global to the process.
        super().__init_subclass__(skip_registration=True, **kwargs)  # type: ignore[call-arg]

    def __init__(
        self,
        *,
        spec: LogMelSpec | None = None,
        examples: Iterable[tuple[str, dict[str, object]]] | None = None,
        **kwargs: Any,
    ):
        self._spec = spec or LogMelSpec()
        self._examples = examples
        super().__init__(**kwargs)

    @classmethod
    def find(cls, corpus_dir: Path) -> list[Utterance | Skipped]:
        """All recordings under `corpus_dir`; raises InputError for what must not be there."""
        raise NotImplementedError

    @classmethod
    def fetch(cls, folder: Path) -> Path:
        """Get the corpus into `folder` when no --corpus_dir is given; returns where it lies."""
        raise InputError(f"{cls.INFO.name}: give --corpus_dir=DIR; {cls.INFO.how_to_get}")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.INFO.description,
            features=features.describe(
                self.INFO.classes, self._spec.n_mels, self.builder_config.name
            ),
            homepage=self.INFO.homepage,
            citation=self.INFO.citation,
            license=self.INFO.licence,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        if self._examples is None:
            raise InputError(
                f"{self.INFO.name}: records are built by `jser build {self.INFO.name}`"
            )
        return {places.SPLIT: self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[str, dict[str, object]]]:
        assert self._examples is not None
        yield from self._examples


def build(
    name: str,
    corpus_dir: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    variant: str = "log_mel",
    allow_partial: bool = False,
    spec: LogMelSpec | None = None,
    way: Way | None = None,
) -> BuildResult:
    """Build the records of a corpus; does nothing when they are there and nothing has changed.

    Interrupted at any moment, the same call goes on with the recordings that are not finished. Old
    records stay in place until the new ones are whole.

    Args:
        name: a corpus of `jser.datasets.names`.
        corpus_dir: its recordings, in the published layout or flat; None: the corpus fetches or
            generates itself, where it can.
        data_dir: where records go; None: `places.default_data_dir`.
        variant: 'log_mel', or 'waveform' for the 16-bit audio beside it.
        allow_partial: build although recordings are missing or broken; the records say so for ever.
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
    variant: str = "log_mel",
    allow_partial: bool = False,
    spec: LogMelSpec | None = None,
    way: Way | None = None,
) -> BuildResult:
    """`build` by a class that need not be in the registry, such as a manifest's."""
    started = time.monotonic()
    name = cls.INFO.name
    spec = spec or LogMelSpec()
    root = Path(data_dir) if data_dir else places.default_data_dir()
    if variant not in places.VARIANTS:
        raise InputError(f"variant '{variant}' is none of {', '.join(places.VARIANTS)}")
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
    spec: LogMelSpec,
    way: Way,
    started: float,
) -> BuildResult:
    info = cls.INFO
    final = places.records_dir(root, info.name, variant)
    utterances, content, skipped = sources.identify(info.name, source, cls.find(source))
    if not allow_partial:
        sources.check_complete(
            info.name, info.counts, info.counts_by_speaker, utterances, skipped, source
        )
    sex = sources.sexes(info.speakers, utterances)
    digest = _sources_digest(cls, utterances, content)
    old = sidecar.read(final)
    if old and _unchanged(final, old, digest, spec, allow_partial):
        return BuildResult(
            path=final,
            audit=old["audit"],
            already_built=True,
            computed=0,
            resumed=0,
            seconds=time.monotonic() - started,
            audio_seconds=old["audit"]["seconds"]["total"],
            skipped=skipped,
        )

    keys = {
        u.utterance_id: caching.address(content[u.path], info.max_seconds, u.cut)
        for u in utterances
    }
    plan = Plan(cls, root, variant, spec, utterances, keys)
    facts, reasons, resumed = way.extract(plan)
    broken = [
        f"{sources.shown(u.path, source, u.cut, u.line)}: {reasons[keys[u.utterance_id]]}"
        for u in utterances
        if keys[u.utterance_id] in reasons
    ]
    if broken and not allow_partial:
        raise faults.FilesAtFault(
            f"{source}: {len(broken)} of {len(utterances)} recordings cannot be used; replace "
            "them, or leave them out with --allow_partial",
            broken,
        )
    usable = [u for u in utterances if keys[u.utterance_id] in facts]
    if not usable:
        raise faults.FilesAtFault(
            f"{source}: none of its {len(broken)} recordings can be used; replace them", broken
        )
    report = auditing.make(
        info.name,
        [_row(u, facts[keys[u.utterance_id]], spec.sample_rate) for u in usable],
        classes=info.classes,
        counts=info.counts,
        sex=sex,
        counts_by_speaker=info.counts_by_speaker,
        skipped=skipped,
        broken=broken,
    )
    longest = report["seconds"]["longest"]
    if not allow_partial and info.some_longer_than and longest <= info.some_longer_than:
        raise InputError(
            f"{source}: no recording is longer than {longest:.2f} s, so these are not the "
            f"recordings of {info.name} but cuts of them; give the published ones"
        )
    staging = plan.work_dir()
    try:
        staged = way.write(plan, usable)
        pcm = [(u.utterance_id, facts[keys[u.utterance_id]].pcm_sha256, u.label) for u in usable]
        lacks = any(report["missing"].values())
        sidecar.write(
            staged,
            {
                "name": info.name,
                "variant": variant,
                "classes": list(info.classes),
                "sex": sex,
                "n_utterances": len(usable),
                "fingerprint": sidecar.fingerprint(pcm),
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
        shards.publish(staged, final, staging)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    way.clear(plan)
    return BuildResult(
        path=final,
        audit=report,
        already_built=False,
        computed=len(usable) - resumed,
        resumed=resumed,
        seconds=time.monotonic() - started,
        audio_seconds=report["seconds"]["total"],
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
    final: Path, old: dict[str, Any], digest: str, spec: LogMelSpec, allow_partial: bool
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


def _row(u: Utterance, facts: caching.Facts, sample_rate: int) -> auditing.Row:
    return auditing.Row(
        utterance_id=u.utterance_id,
        speaker=u.speaker,
        label=u.label,
        seconds=facts.n_samples / sample_rate,
        pcm_sha256=facts.pcm_sha256,
        sample_rate_in=facts.sample_rate_in,
        channels_in=facts.channels_in,
        peak_db=facts.peak_db,
        clipped=facts.clipped,
    )
