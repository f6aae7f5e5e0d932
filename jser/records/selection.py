"""The corpus of an experiment: one built corpus or several joined, on the classes they share.

A selection copies what it takes. What is cached for a built corpus (features, descriptors) is found
through its origins: computed for the whole built corpus once, whatever selections it stands in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jser import datasets, emotions
from jser.emotions import LabelMap
from jser.errors import InputError
from jser.records import corpus as records
from jser.records import joined, places, sidecar
from jser.records.corpus import Corpus
from jser.records.rows import Rows

# Between a corpus' name and the utterances, speakers, sessions and sentences that are its own.
MARK = "/"
# Fields that are text [N], first those whose values are a corpus' own. The hash of the samples is
# not: the same recording in two corpora must be found.
_OWN = ("utterance_id", "speaker", "session", "text_id")
_TEXTS = (*_OWN, "split", "pcm_sha256")


@dataclass(frozen=True)
class Origin:
    """A built corpus that utterances of an experiment come from.

    Attributes:
        name: of the corpus.
        variant: of its records.
        fingerprint: of the whole corpus.
        front_end_hash: of its records.
        rows: int [n], which of its utterances are taken, rising.
        n_utterances: of the whole corpus.
        n_speakers: whose utterances are taken.
        taken: class -> word of the corpus -> utterances taken for it.
        left_out: class of the corpus -> utterances that are not taken.
        partial, synthetic, note: of the corpus.
        whole: gives the whole corpus, which is read again where it is not in memory.
    """

    name: str
    variant: str
    fingerprint: str
    front_end_hash: str
    rows: np.ndarray
    n_utterances: int
    n_speakers: int
    taken: dict[str, dict[str, int]]
    left_out: dict[str, int]
    partial: bool
    synthetic: bool
    note: str | None
    whole: Callable[[], Corpus]


@dataclass(frozen=True)
class Selection(Corpus):
    """Utterances of one corpus or several; with several, names are prefixed by the corpus.

    Attributes:
        origins: in the order of their utterances here.
        corpus_of: str [N], name of each utterance's corpus.
        labels: the map under which the classes are shared.
    """

    origins: tuple[Origin, ...]
    corpus_of: np.ndarray
    labels: LabelMap


def origins(corpus: Corpus) -> tuple[Origin, ...]:
    """The built corpora behind a corpus; of a built one, itself."""
    if isinstance(corpus, Selection):
        return corpus.origins
    n = len(corpus.label)
    by_class = np.bincount(corpus.label, minlength=len(corpus.classes)).tolist()
    return (
        Origin(
            corpus.name,
            corpus.variant,
            corpus.fingerprint,
            corpus.front_end_hash,
            np.arange(n),
            n,
            len(np.unique(corpus.speaker)),
            {name: {name: k} for name, k in zip(corpus.classes, by_class, strict=True)},
            {},
            corpus.partial,
            corpus.synthetic,
            corpus.note,
            lambda: corpus,
        ),
    )


def names_of(text: str) -> tuple[str, ...]:
    """Names of the corpora in ``emodb+ravdess``, sorted: their order means nothing.

    Raises:
        InputError: a corpus twice, or two of the same recordings or people.
    """
    names = tuple(sorted(part.strip() for part in text.split("+")))
    if len(names) == 1:
        return names
    if "" in names:
        raise InputError(f"corpus: '{text}' has a plus with no corpus beside it; write A+B")
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"corpus: '{text}' names {name} twice; each counts once")
    seen: dict[str, str] = {}
    for name in names:
        collection = datasets.collection(name)
        if collection in seen:
            raise InputError(
                f"corpus: {seen[collection]} and {name} are both of {collection}, the same "
                "recordings or people differently cut or processed, so the one would give the "
                "other away; take one of them"
            )
        seen[collection] = name
    return names


def load(
    name: str,
    data_dir: str | os.PathLike[str] | None = None,
    variant: str = "log_mel",
    labels: str = emotions.SHARED,
    classes: Sequence[str] = (),
    where: str = "memory",
) -> Corpus:
    """Read what an experiment works on.

    Args:
        name: of a built corpus, or of several with a plus between.
        data_dir: see `jser.records.corpus.load`.
        variant: see `jser.records.corpus.load`.
        labels: name of the map between the corpora's label sets, see `jser.emotions.LABEL_MAPS`.
        classes: only these of the classes that the corpora share; none named: all.
        where: see `jser.records.corpus.load`; where one of several corpora stays on disk, all do.

    Returns:
        The built corpus itself where all of it is taken as it is, else a `Selection`.

    Raises:
        InputError: a corpus is not built or cannot be used; or the corpora do not go together.
    """
    by = emotions.label_map(labels)
    names = names_of(name)
    parts = [records.load(one, data_dir, variant, where=where) for one in names]
    on_disk = [isinstance(part.frames, Rows) for part in parts]
    # Where one has to stay there, all do; and they are read again as they were.
    where = "disk" if any(on_disk) else "memory"
    parts = [
        part if there == any(on_disk) else records.load(part.name, data_dir, variant, where=where)
        for part, there in zip(parts, on_disk, strict=True)
    ]
    kept = shared_classes(names, [part.classes for part in parts], by, classes)
    if len(parts) == 1 and kept == parts[0].classes:
        return parts[0]

    def again(one: Corpus) -> Callable[[], Corpus]:
        """Reads a part once more, so that a selection does not keep what it left out."""
        name, variant, fingerprint = one.name, one.variant, one.fingerprint

        def read() -> Corpus:
            whole = records.load(name, data_dir, variant, where=where)
            if whole.fingerprint != fingerprint:
                raise InputError(f"{name}: was built again meanwhile; give the same command again")
            return whole

        return read

    return join(parts, by, kept, [again(part) for part in parts])


def shared_classes(
    names: Sequence[str],
    label_sets: Sequence[Sequence[str]],
    by: LabelMap,
    only: Sequence[str] = (),
) -> tuple[str, ...]:
    """Classes of a selection: those that all corpora share, and of them the ones named.

    Raises:
        InputError: fewer than two, or one is named that they do not share.
    """
    shared = emotions.shared_by(label_sets, by)
    who = " and ".join(names)
    for name in only:
        if name not in shared:
            raise InputError(
                f"classes: '{name}' is not among the classes of {who} under labels={by.name}: "
                f"{', '.join(shared) or 'none'}"
            )
    kept = tuple(name for name in shared if name in only) if only else shared
    if len(kept) < 2:
        have = "; ".join(
            f"{name} has {', '.join(words)}" for name, words in zip(names, label_sets, strict=True)
        )
        what = f"only '{kept[0]}'" if kept else "no class"
        way = (
            "name at least two in --config.classes"
            if only
            else f"take other corpora, or another map ({', '.join(emotions.LABEL_MAPS)}) in "
            "--config.labels"
        )
        raise InputError(f"{who}: {what} to tell apart under labels={by.name} ({have}); {way}")
    return kept


def join(
    parts: list[Corpus],
    by: LabelMap,
    classes: tuple[str, ...],
    whole: Sequence[Callable[[], Corpus]],
) -> Selection:
    """Join built corpora.

    Args:
        parts: in the order of their names; the list is emptied, each part is let go once copied.
        by: map of their words.
        classes: to keep.
        whole: gives each part again.
    """
    several = len(parts) > 1
    chosen = [_of_part(part, by, classes, give) for part, give in zip(parts, whole, strict=True)]
    texts: dict[str, list[np.ndarray]] = {field: [] for field in (*_TEXTS, "corpus_of")}
    label: list[np.ndarray] = []
    sex: dict[str, str] = {}
    audit: dict[str, object] = {}
    name = "+".join(part.name for part in parts)
    if not several and len(classes) < len(parts[0].classes):
        name += f" ({len(classes)} of {len(parts[0].classes)} classes)"
    variants = {part.variant for part in parts}
    for origin, part in zip(chosen, parts, strict=True):
        prefix = f"{part.name}{MARK}" if several else ""
        for field in _TEXTS:
            values = getattr(part, field)[origin.rows]
            own = np.char.add(prefix, values) if field in _OWN and prefix else values
            texts[field].append(np.where(values == "", "", own))  # unknown stays unknown
        texts["corpus_of"].append(np.full(len(origin.rows), part.name))
        place = np.array([_index(classes, by.of(word)) for word in part.classes], np.int32)
        label.append(place[part.label[origin.rows]])
        present = set(map(str, part.speaker[origin.rows]))
        sex |= {f"{prefix}{s}": kind for s, kind in part.sex.items() if s in present}
        audit[part.name] = part.audit
        del part
    frames, length, sound = joined.taken(parts, [origin.rows for origin in chosen])
    said = {field: np.concatenate(found) for field, found in texts.items()}
    labels = np.concatenate(label)
    words = np.array(classes)[labels]
    return Selection(
        name=name,
        variant=variants.pop() if len(variants) == 1 else "log_mel",
        classes=classes,
        label=labels,
        frames=frames,
        offset=np.cumsum(length, dtype=np.int64) - length,
        length=length,
        waveform=sound,
        sex=sex,
        fingerprint=sidecar.fingerprint(
            zip(
                map(str, said["utterance_id"]),
                map(str, said["pcm_sha256"]),
                map(str, words),
                strict=True,
            )
        ),
        front_end_hash=chosen[0].front_end_hash,
        partial=any(o.partial for o in chosen),
        synthetic=any(o.synthetic for o in chosen),
        note="; ".join(f"{o.name}: {o.note}" if several else o.note for o in chosen if o.note)
        or None,
        audit=audit,
        origins=tuple(chosen),
        labels=by,
        **said,
    )


def _index(classes: Sequence[str], name: str) -> int:
    return classes.index(name) if name in classes else -1


def _of_part(
    part: Corpus, by: LabelMap, classes: Sequence[str], whole: Callable[[], Corpus]
) -> Origin:
    place = np.array([_index(classes, by.of(word)) for word in part.classes], np.int32)
    rows = np.flatnonzero(place[part.label] >= 0)
    count = np.bincount(part.label, minlength=len(part.classes)).tolist()
    taken: dict[str, dict[str, int]] = {name: {} for name in classes}
    left_out = {}
    for word, n in zip(part.classes, count, strict=True):
        if by.of(word) in taken:
            taken[by.of(word)][word] = n
        else:
            left_out[word] = n
    return Origin(
        part.name,
        part.variant,
        part.fingerprint,
        part.front_end_hash,
        rows,
        len(part.label),
        len(np.unique(part.speaker[rows])),
        taken,
        left_out,
        part.partial,
        part.synthetic,
        part.note,
        whole,
    )


def classes_of(name: str, data_dir: str | os.PathLike[str]) -> tuple[str, ...]:
    """Classes of a built corpus, from its sidecar alone.

    Raises:
        InputError: it is not built.
    """
    return tuple(_described(name, data_dir)["classes"])


def fingerprint_of(name: str, data_dir: str | os.PathLike[str]) -> str:
    """Fingerprint of a built corpus, from its sidecar alone.

    Raises:
        InputError: it is not built.
    """
    return str(_described(name, data_dir)["fingerprint"])


def _described(name: str, data_dir: str | os.PathLike[str]) -> dict[str, Any]:
    for variant in places.VARIANTS:
        content = sidecar.read(places.records_dir(Path(data_dir), name, variant))
        if content is not None:
            return content
    records.load(name, data_dir)  # says what is amiss, and the way out
    raise AssertionError("records without a readable sidecar were loaded")
