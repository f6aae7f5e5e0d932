"""Protocols that others have published as lists, and the split that a corpus brings along."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from jser.errors import InputError
from jser.protocols.dev_speakers import choose
from jser.protocols.folds import Protocol, fold_of, where
from jser.protocols.naming import Name
from jser.protocols.records import Records

# Folds by test speaker: fold -> speakers.
Tests = list[tuple[str, tuple[str, ...]]]

# Test speakers of the folds of EmoBox (Ma et al., Interspeech 2024), from the lists in its
# repository, emo-box/EmoBox, data/ravdess and data/savee.
RAVDESS_EMOBOX = (
    (1, 11, 20, 21), (4, 10, 12, 14), (8, 9, 19, 23),
    (3, 5, 7, 24), (2, 15, 16, 18), (6, 13, 17, 22),
)  # fmt: skip
SAVEE_EMOBOX = ("JE", "KL", "DC", "JK")
# Two labels of the same recordings.
_CREMAD = ("cremad", "cremad_perceived")
# Of the actors 1001 to 1091 of CREMA-D. tensorflow-datasets' crema_d (1.0.0) computes them by
# numpy.random.RandomState(0).shuffle of the sorted ids: 63 train, the next 9 dev, the last 19 test.
CREMAD_TFDS_DEV = (1015, 1020, 1021, 1030, 1050, 1070, 1079, 1089, 1090)
CREMAD_TFDS_TEST = (
    1010, 1013, 1022, 1026, 1037, 1038, 1040, 1045, 1047, 1048,
    1059, 1065, 1066, 1068, 1071, 1073, 1084, 1086, 1088,
)  # fmt: skip


def ravdess_emobox(name: Name, corpus: Records, speakers: Collection[str]) -> tuple[Tests, str]:
    """Test speakers of EmoBox' six folds; a partial corpus keeps what it has.

    Raises:
        InputError: another corpus, or actors are missing.
    """
    listed = {actor for fold in RAVDESS_EMOBOX for actor in fold}
    found, remark = _listed(
        name, corpus, speakers, listed, ("ravdess",), "the 24 actors of RAVDESS' speech"
    )
    return _present([tuple(map(str, fold)) for fold in RAVDESS_EMOBOX], found), remark


def savee_emobox(name: Name, corpus: Records, speakers: Collection[str]) -> tuple[Tests, str]:
    """Test speakers of EmoBox' four folds, one each; a partial corpus keeps what it has.

    Raises:
        InputError: another corpus, or speakers are missing.
    """
    found = {s.upper(): s for s in speakers}
    remark = _check(name, corpus, found, SAVEE_EMOBOX, ("savee",), "the 4 speakers of SAVEE")
    return _present([(s,) for s in SAVEE_EMOBOX], found), remark


def cremad_tfds(name: Name, corpus: Records, speakers: Collection[str]) -> Protocol:
    """The split of tensorflow-datasets, by speaker: 63 train, 9 dev, 19 test.

    Raises:
        InputError: another corpus, or actors are missing.
    """
    found, remark = _listed(
        name, corpus, speakers, range(1001, 1092), _CREMAD, "the 91 actors of CREMA-D"
    )
    dev, test = (
        {found[str(s)] for s in part if str(s) in found}
        for part in (CREMAD_TFDS_DEV, CREMAD_TFDS_TEST)
    )
    train = set(found.values()) - dev - test
    if not (train and dev and test):
        raise InputError(
            f"protocol '{name.full}': corpus {corpus.name} is partial and leaves train, dev or "
            f"test without a speaker; use leave_one_speaker_out."
        )
    index = [where(corpus.speaker, part) for part in (train, dev, test)]
    description = f"{name.kind}, one fold by speaker, train, dev and test as listed{remark}"
    return Protocol(name.base, (fold_of(corpus, "1", *index),), "speaker", None, description)


def published_split(name: Name, corpus: Records, dev_speakers: int, seed: int) -> Protocol:
    """One fold: the train, dev and test parts that the corpus itself brings.

    Without a dev part, dev is `dev_speakers` speakers of the training part.

    Raises:
        InputError: no such parts, or several test sets and none named.
    """
    parts = [str(part) for part in np.unique(corpus.split)]
    tests = [part for part in parts if part.startswith("test")]
    if "train" not in parts or not tests:
        has = ", ".join(part for part in parts if part) or "none"
        raise InputError(
            f"protocol '{name.full}': needs the parts train and test, and corpus {corpus.name} "
            f"brings {has}; use leave_one_speaker_out or speaker_k_fold:K."
        )
    if name.test and name.test not in tests:
        raise InputError(
            f"protocol '{name.full}': corpus {corpus.name} brings {', '.join(tests)}; write one "
            f"of them as published_split:{tests[0]}."
        )
    if len(tests) > 1 and not name.test:
        raise InputError(
            f"protocol '{name.full}': corpus {corpus.name} brings several test sets, "
            f"{', '.join(tests)}; name one, as published_split:{tests[0]}."
        )
    test = where(corpus.split, [name.test or tests[0]])
    train, dev = where(corpus.split, ["train"]), where(corpus.split, ["dev"])
    said = "train, dev and test as the corpus brings them"
    if not len(dev):
        train, dev, remark = _dev_of_train(name, corpus, train, dev_speakers, seed)
        said = f"train and test as the corpus brings them; {remark}; seed {seed}"
    left = len(corpus.split) - len(train) - len(dev) - len(test)
    unused = f"; {left} utterances are in none of the three" if left else ""
    fold = fold_of(corpus, name.test or "1", train, dev, test)
    return Protocol(name.base, (fold,), "split", None, f"{name.kind}, one fold; {said}{unused}")


def _dev_of_train(
    name: Name, corpus: Records, train: np.ndarray, dev_speakers: int, seed: int
) -> tuple[np.ndarray, np.ndarray, str]:
    sex = {str(s): corpus.sex.get(str(s), "?") for s in corpus.speaker[train] if s}
    # Whoever shares a session with a dev speaker cannot train: the certificate says so if need be.
    (chosen,), remark = choose([set()], sex, {}, dev_speakers, seed)
    is_dev = np.isin(corpus.speaker[train], sorted(chosen))
    if not chosen or is_dev.all():
        raise InputError(
            f"protocol '{name.full}': corpus {corpus.name} brings no dev part, and its train part "
            f"has fewer than two speakers to take dev from; write which utterances are dev."
        )
    return train[~is_dev], train[is_dev], f"{remark}, taken from its train part"


def _listed(
    name: Name,
    corpus: Records,
    speakers: Collection[str],
    listed: Collection[int],
    corpora: Collection[str],
    whom: str,
) -> tuple[dict[str, str], str]:
    """Number -> speaker as the corpus writes him, and a remark where some are missing."""
    found = {str(int(re.sub(r"\D", "", s) or 0)): s for s in speakers}
    wanted = [str(s) for s in sorted(listed)]
    return found, _check(name, corpus, found, wanted, corpora, whom)


def _check(
    name: Name,
    corpus: Records,
    found: Mapping[str, str],
    listed: Collection[str],
    corpora: Collection[str],
    whom: str,
) -> str:
    # Of a corpus with some of its classes, the lists still hold.
    behind: Sequence[Any] = getattr(corpus, "origins", ())
    known = behind[0].name if len(behind) == 1 else corpus.name
    if known not in corpora or not set(found) <= set(listed):
        raise InputError(
            f"protocol '{name.full}' lists {whom}, and corpus {corpus.name} is another or has "
            f"other speakers; use leave_one_speaker_out or speaker_k_fold:K."
        )
    missing = [s for s in listed if s not in found]
    if missing and not getattr(corpus, "partial", False):
        shown = ", ".join(s.rjust(2, "0") for s in missing[:8])
        more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
        raise InputError(
            f"protocol '{name.full}' needs speakers {shown}{more}, which corpus {corpus.name} "
            f"lacks; add their recordings, or use leave_one_speaker_out."
        )
    return f"; only {len(found)} of its {len(listed)} speakers are here" if missing else ""


def _present(folds: list[tuple[str, ...]], found: Mapping[str, str]) -> Tests:
    """The folds as the corpus writes their speakers, without those who are missing."""
    present = [tuple(found[s] for s in fold if s in found) for fold in folds]
    return [(str(k), fold) for k, fold in enumerate(present, start=1) if fold]
