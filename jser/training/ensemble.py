"""Ensembles for imbalanced data: which utterances each member of an ensemble is trained on.

Ai X. et al. 2020, IEEE Access 8:199909-199919, "Ensemble learning with attention-integrated
convolutional recurrent neural network for imbalanced speech emotion recognition". Read in the
abstract alone: bagging repeats observations and shows a member a part of the data; Redagging draws
samples from permutations of the observations; Augagging lets an oversampling learner join the
majority vote. How samples are drawn in detail, and how large they are, is our reconstruction.

The unit of sampling is the utterance, before it is cut into segments.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from jser.errors import InputError

METHODS = ("none", "bagging", "redagging", "augagging")


@dataclasses.dataclass(frozen=True)
class Bags:
    """An ensemble.

    Attributes:
        method: ``none``: one member that hears all training utterances. ``bagging``: a member draws
            of each class as many utterances as the smallest has, with replacement. ``redagging``:
            it takes them from a queue of random permutations of the class, so that none is there
            twice, and all are heard equally often over the members, or once more. ``augagging``:
            the last member hears all utterances, those of smaller classes repeated until all
            classes are as large as the largest; the others are Redagging's.
        size: T, members that vote; fixed in advance, and odd as a rule.
    """

    method: str = "none"
    size: int = 1

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"ensemble.method: {self.method!r} is none of {', '.join(METHODS)}")
        if self.method == "none" and self.size != 1:
            raise InputError(
                f"ensemble.size: {self.size} members without a method would be the same {self.size}"
                " times; set ensemble.method to bagging, redagging or augagging"
            )
        if self.method != "none" and self.size < 2:
            raise InputError(f"ensemble.size: {self.size} is no ensemble; give at least 2")


def samples(label: np.ndarray, bags: Bags, seed: int) -> list[np.ndarray]:
    """Places int [n_t] in `label` that each of the T members is trained on.

    Args:
        label: int [n], classes of one fold's training utterances.
        bags: the ensemble.
        seed: of the draws; the same seed, the same samples.
    """
    everyone = np.arange(len(label))
    if bags.method == "none":
        return [everyone]
    rng = np.random.default_rng([seed, METHODS.index(bags.method)])
    by_class = [np.flatnonzero(label == k) for k in np.unique(label)]
    fewest, most = min(map(len, by_class)), max(map(len, by_class))
    if bags.method == "bagging":
        return [
            np.concatenate([rng.choice(own, fewest) for own in by_class]) for _ in range(bags.size)
        ]
    n = bags.size - (bags.method == "augagging")
    taken = [_queued(own, n, fewest, rng) for own in by_class]
    found = [np.concatenate([queue[t] for queue in taken]) for t in range(n)]
    if bags.method == "augagging":
        found.append(
            np.concatenate(
                [np.concatenate([own, rng.choice(own, most - len(own))]) for own in by_class]
            )
        )
    return found


def _queued(own: np.ndarray, n: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Samples [n, size] from permutations of int [m], one behind the other; m is at least size.

    Where a permutation ends within a sample, the next one brings what the sample has not first.
    """
    found = []
    left = own[:0]
    for _ in range(n):
        if len(left) < size:
            drawn = rng.permutation(own)
            there = np.isin(drawn, left)
            left = np.concatenate([left, drawn[~there], drawn[there]])
        found.append(left[:size])
        left = left[size:]
    return np.stack(found)
