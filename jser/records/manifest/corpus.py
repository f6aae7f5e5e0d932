"""A manifest as a corpus: its name, its builder's class, and `build`."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from pathlib import Path

from jser.errors import InputError, one_line
from jser.records import faults, places, sidecar
from jser.records.builder import BuildResult, CorpusBuilder, build_class
from jser.records.files import Skipped, Utterance
from jser.records.info import CorpusInfo
from jser.records.manifest import cells, outlook, reading
from jser.records.manifest.options import Options
from jser.records.manifest.reading import Manifest
from jser.records.plan import Way

# Other things that lie in the data folder, and the word that stands for a manifest's corpus.
RESERVED = ("cache", "downloads", "faults", "ledger", "manifest", "weights")
LONGEST_NAME = 60
SPEAKERS_UNKNOWN = (
    "speakers unknown: voices of the test may be in training, so this is no speaker-independent "
    "result"
)
_SHOWN = 12


def name_of(path: Path, options: Options) -> str:
    """The corpus' name: the one given, or the manifest's stem made safe.

    Raises:
        InputError: not a name that a corpus can have, or that of a corpus which comes with jser.
    """
    from jser.datasets import names  # Not above: the registry's corpora import this room.

    name = options.name
    if name is None:
        plain = unicodedata.normalize("NFKD", path.stem).encode("ascii", "ignore").decode()
        name = re.sub("[^a-z0-9]+", "_", plain.lower()).strip("_")[:LONGEST_NAME].strip("_")
        name = name if name[:1].isalpha() else f"own_{name}".rstrip("_")
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or len(name) > LONGEST_NAME:
        raise InputError(
            f"--name={one_line(name)}: a corpus' name begins with a letter and has at most "
            f"{LONGEST_NAME} small letters, digits and _"
        )
    if name in names() or name in RESERVED:
        what = "a corpus that comes with jser" if name in names() else "used in the data folder"
        raise InputError(f"{one_line(path)}: the name '{name}' is {what}; give --name=ANOTHER")
    return name


def build(
    path: str | os.PathLike[str],
    options: Options | None = None,
    corpus_dir: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    variant: str = "log_mel",
    allow_partial: bool = False,
    way: Way | None = None,
) -> tuple[BuildResult, list[str]]:
    """Build the records of a manifest; see `jser.records.builder.build`.

    Args:
        path: of the manifest.
        options: how it is to be read.
        corpus_dir: folder of its recordings; None: the manifest's.
        data_dir: where records go; None: `places.default_data_dir`.
        variant: 'log_mel' or 'waveform'.
        allow_partial: build although recordings are missing or broken; faults of the table itself
            are not let through.
        way: as of `jser.records.builder.build`.

    Returns:
        What the build did, and what was understood, a sentence each.

    Raises:
        InputError: see the messages.
    """
    path, options = Path(path).expanduser(), options or Options()
    name = name_of(path, options)
    root = places.root(data_dir)
    if options.name is None:
        _check_not_anothers(root, name, path)
    try:
        manifest = reading.read(path, options, corpus_dir, must_exist=not allow_partial)
    except faults.FilesAtFault as error:
        raise faults.listed(error, places.faults_list(root, name, variant)) from error
    cls = builder_class(name, manifest, options)
    result = build_class(cls, manifest.folder, root, variant, allow_partial, way=way)
    utterances = [entry for entry in manifest.entries if isinstance(entry, Utterance)]
    return result, [*describe(manifest), *outlook.sentences(name, manifest.classes, utterances)]


def builder_class(name: str, manifest: Manifest, options: Options) -> type[CorpusBuilder]:
    """The class that builds a manifest's records."""
    info = CorpusInfo(
        name=name,
        classes=manifest.classes,
        counts=None,
        speakers=None,
        description=f"Own data, from {manifest.path.name}.",
        citation="",
        licence="not stated; the owner's",
        homepage="",
        how_to_get="give its manifest",
        note=SPEAKERS_UNKNOWN if manifest.n_unknown else None,
    )
    entries = manifest.entries
    said = {
        "file": manifest.path.name,
        "origin": _origin(manifest.path),
        "options": options.command(),
        "mapped": dict(sorted(manifest.mapped.items())),
    }

    class Own(CorpusBuilder):
        INFO = info
        MANIFEST = said

        @classmethod
        def find(cls, corpus_dir: Path) -> list[Utterance | Skipped]:
            """The manifest's utterances."""
            return entries

    return Own


def describe(manifest: Manifest) -> list[str]:
    """What was understood of a manifest: labels that were mapped, columns that were not read."""
    lines = []
    if manifest.mapped:
        pairs = [f"{cells.shown(word)} is {label}" for word, label in manifest.mapped.items()]
        lines.append(f"labels: {_some(pairs)}")
    if manifest.unused:
        named = [
            f"{cells.shown(c)} (did you mean {manifest.nearly[c]}?)"
            if c in manifest.nearly
            else cells.shown(c)
            for c in manifest.unused
        ]
        lines.append(f"columns not read: {_some(named)}")
    cuts = sum(isinstance(e, Utterance) and e.cut is not None for e in manifest.entries)
    if cuts:
        files = len({e.path for e in manifest.entries})
        lines.append(f"segments: {cuts}, from {files} files")
    if manifest.n_unknown:
        n = sum(isinstance(e, Utterance) for e in manifest.entries)
        lines.append(
            f"NO SPEAKER in {manifest.n_unknown} of {n} rows: only random splits (random:K) can be "
            "made, and every result says that it is not speaker-independent"
        )
    shared = Counter(e.session for e in manifest.entries if isinstance(e, Utterance))
    together = [name for name in shared if name.startswith("file ")]
    if together:
        lines.append(
            f"several speakers in one file: {_some(together)}; they share its session, and are "
            "never on both sides of a fold (a column 'session' says otherwise)"
        )
    return lines


def _some(names: list[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _origin(path: Path) -> str:
    """Tells two manifests of one name apart without saying where they lie."""
    return hashlib.sha256(os.fsencode(os.path.abspath(path))).hexdigest()[:16]


def _check_not_anothers(root: Path, name: str, path: Path) -> None:
    """A name that was made from a file's must not take the place of another file's records."""
    for variant in places.VARIANTS:
        old = sidecar.read(places.records_dir(root, name, variant))
        if old and (old.get("manifest") or {}).get("origin") != _origin(path):
            raise InputError(
                f"{one_line(path)}: the records of another table lie under the name '{name}' in "
                f"{root}; give --name=ANOTHER, or --name={name} to put these in their place"
            )
