"""A fold, a protocol, and the labels that a member of a fold may see."""

from __future__ import annotations

import hashlib
import json
import typing
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from jser.protocols.records import Records


@dataclass(frozen=True)
class Fold:
    """One fold: sorted int32 indices into the corpus, and the speakers behind them."""

    name: str
    train: np.ndarray
    dev: np.ndarray
    test: np.ndarray
    train_speakers: tuple[str, ...]
    dev_speakers: tuple[str, ...]
    test_speakers: tuple[str, ...]


@dataclass(frozen=True)
class Protocol:
    """Named folds.

    `leak` is a sentence where the protocol itself lets the test be heard. `text_disjoint` is its
    promise that no sentence of a fold's test is in its train or dev; the certificate holds it to
    that. `test_selects`: dev is the test, on purpose, so the test chooses the epoch.
    """

    name: str
    folds: tuple[Fold, ...]
    by: typing.Literal["speaker", "session", "split", "corpus", "utterance", "picture"]
    leak: str | None
    description: str
    text_disjoint: bool = False
    test_selects: bool = False

    def folds_hash(self) -> str:
        """sha256 (hex) of all folds' names and indices."""
        digest = hashlib.sha256()
        for fold in self.folds:
            parts = [part.tolist() for part in (fold.train, fold.dev, fold.test)]
            digest.update(json.dumps([fold.name, *parts]).encode())
        return digest.hexdigest()


def fold_of(
    corpus: Records, name: str, train: np.ndarray, dev: np.ndarray, test: np.ndarray
) -> Fold:
    """A fold from indices in any order; its speakers are those that the records name."""
    parts = [np.sort(part).astype(np.int32) for part in (train, dev, test)]
    names = [tuple(sorted({str(s) for s in corpus.speaker[part]} - {""})) for part in parts]
    return Fold(name, parts[0], parts[1], parts[2], names[0], names[1], names[2])


def where(values: np.ndarray, chosen: Iterable[str]) -> np.ndarray:
    """Indices int32 of the utterances whose value (speaker, session, part) is among `chosen`."""
    return np.flatnonzero(np.isin(values, sorted(chosen))).astype(np.int32)


def member_labels(corpus_label: np.ndarray, fold: Fold) -> np.ndarray:
    """Labels [N] int32 that a member of `fold` may see: -1 off train and dev."""
    labels = np.full(len(corpus_label), -1, np.int32)
    for part in (fold.train, fold.dev):
        labels[part] = corpus_label[part]
    return labels
