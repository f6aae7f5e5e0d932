"""Probabilities that mean what they say: one temperature, fitted on dev speakers.

Guo et al. 2017, "On calibration of modern neural networks", ICML: the logarithms of posteriors are
divided by a number that makes held-out labels most likely; the order of classes stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.optimize

from jser import answering
from jser.answering import softmax, votes
from jser.artefact.answer import FLOOR
from jser.evaluation.calibration import by_speaker, calibration_error
from jser.evaluation.predictions import Judged
from jser.restoring import Restored
from jser.training import fusion, loop
from jser.training.readout import Readout
from jser.trainings import Trained, plan_of

# Temperatures that are looked at; at their ends dev says nothing of how sure a system may be.
RANGE = (0.1, 10.0)


@dataclass(frozen=True)
class Calibration:
    """What dev speakers say of a system's probabilities.

    Attributes:
        by_fold: temperature of each fold, fitted on its own dev speakers over all seeds.
    """

    by_fold: dict[int, float]

    def of(self, folds: Sequence[int]) -> float:
        """The median of some folds' temperatures; of one fold its own."""
        return float(np.median([self.by_fold[k] for k in folds]))


def calibrate(restored: Restored, readouts: Sequence[Mapping[str, Readout]]) -> Calibration:
    """Fit each fold's temperature on its dev speakers, with what has not been trained on them.

    Args:
        restored: a finished run.
        readouts: fitted on train alone, one ``view -> read-out`` a fold; empty: none are added.
    """
    if not restored.trained:  # a machine that has calibrated itself on held-out rows
        return Calibration(dict.fromkeys(map(int, restored.prepared.tables.fold), 1.0))
    said: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
    sequence = restored.config.readout.get("sequence", 1.0)
    for part, behind in zip(restored.trained, restored.behind, strict=True):
        for fold, share, label in _on_dev(part, behind, readouts, sequence):
            said.setdefault(fold, []).append((share, label))
    by_fold = {}
    for fold, some in sorted(said.items()):
        share = np.concatenate([share for share, _ in some])
        label = np.concatenate([label for _, label in some])
        by_fold[fold] = temperature(share, label)
    return Calibration(by_fold)


@dataclass(frozen=True)
class OnTest:
    """Calibration error on test speakers, whom neither members nor temperatures have heard.

    Attributes:
        before, after: without and with the temperature of each fold; over all seeds.
        by_speaker: the second of each speaker alone.
    """

    before: float
    after: float
    by_speaker: dict[str, float]


def on_test(judged: Judged, calibration: Calibration, folds: Sequence[str]) -> OnTest:
    """The error of scored predictions, each at its own fold's temperature.

    Args:
        judged: of the run, from its ``predictions.csv``.
        calibration: of the run.
        folds: names of the protocol's folds.
    """
    place = {name: k for k, name in enumerate(folds)}
    t = np.array([calibration.by_fold[place[str(name)]] for name in judged.fold])
    calm = tempered(judged.posterior, t[:, None])
    return OnTest(
        calibration_error(judged.posterior, judged.truth),
        calibration_error(calm, judged.truth),
        by_speaker(calm, judged.truth, judged.speaker),
    )


def tempered(share: np.ndarray, t: float | np.ndarray) -> np.ndarray:
    """Shares [n, K] at a temperature, or one a row [n, 1]: softmax(log(max(share, FLOOR)) / t)."""
    return softmax(np.log(np.maximum(share, FLOOR)) / t)


def temperature(share: np.ndarray, label: np.ndarray) -> float:
    """The temperature in `RANGE` that makes labels int [n] most likely, given shares [n, K]."""

    def surprise(log_t: float) -> float:
        made = tempered(share, float(np.exp(log_t)))
        return float(-np.log(np.maximum(made[np.arange(len(label)), label], 1e-12)).mean())

    low, high = np.log(RANGE)
    found = scipy.optimize.minimize_scalar(surprise, bounds=(low, high), method="bounded")
    return float(np.exp(found.x))


def _on_dev(
    part: Trained,
    behind: answering.Behind | None,
    readouts: Sequence[Mapping[str, Readout]],
    sequence: float,
) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """Fold, shares [V, K] and labels int [V] of each ensemble's dev utterances."""
    prepared, tables = part.before, part.before.tables
    rows = tables.dev_index
    plan = plan_of(prepared)
    logits = loop.predict(
        prepared.program, prepared.features, tables, part.before_state, rows, plan
    )[0]
    # What is fitted behind a network chooses by dev speakers, so such a network is not refitted,
    # and is the one that answers.
    assert behind is None or part.before is part.prepared
    posterior = softmax(logits) if behind is None else answering.read(prepared, behind, rows)
    size = int(tables.bag.max()) + 1
    if size > 1:
        posterior = votes(posterior.reshape(-1, size, *posterior.shape[1:]))
    found = []
    for p, own in enumerate(rows[::size]):
        there, fold = own >= 0, int(tables.fold[p * size])
        many, views = np.full(int(there.sum()), fold), prepared.inputs.views
        share = fusion.fused(posterior[p][there], readouts, views, many, own[there], sequence)
        # The member's own labels: those of its test utterances are not among them.
        found.append((fold, share, tables.label[p * size][own[there]]))
    return found
