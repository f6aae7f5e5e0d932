"""A fold, a protocol, and the labels that a member of a fold may see."""

from __future__ import annotations

import hashlib
import json
import typing
from dataclasses import dataclass

import numpy as np


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
    """Named folds. `leak` is a sentence where the protocol itself lets the test be heard."""

    name: str
    folds: tuple[Fold, ...]
    by: typing.Literal["speaker", "corpus", "utterance"]
    leak: str | None
    description: str

    def folds_hash(self) -> str:
        """sha256 (hex) of all folds' names and indices."""
        digest = hashlib.sha256()
        for fold in self.folds:
            parts = [part.tolist() for part in (fold.train, fold.dev, fold.test)]
            digest.update(json.dumps([fold.name, *parts]).encode())
        return digest.hexdigest()


def member_labels(corpus_label: np.ndarray, fold: Fold) -> np.ndarray:
    """Labels [N] int32 that a member of `fold` may see: -1 off train and dev."""
    labels = np.full(len(corpus_label), -1, np.int32)
    for part in (fold.train, fold.dev):
        labels[part] = corpus_label[part]
    return labels
