"""What a run predicted: without labels (`Predictions`), and with them (`Judged`).

Only `jser.evaluation.ledger` makes a `Judged` from a `Predictions`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from jser.errors import InputError
from jser.evaluation import atomic

Unit = Literal["speaker", "picture", ""]

_COLUMNS = ("utterance_id", "speaker", "fold", "seed", "truth", "predicted")


@dataclass(frozen=True)
class Predictions:
    """Posteriors of test utterances, one row an utterance and seed; no labels.

    Attributes:
        utterance_index: [R] int, into the corpus.
        fold: [R] int, the place of the fold in `Protocol.folds`.
        seed: [R] int.
        posterior: [R, K] float32; a row need not sum to 1 (summed votes are fine).
        attention: [R, S] float32, the weight of each step of a sequence, 0 behind its end; None
            for a system without attention.
    """

    utterance_index: np.ndarray
    fold: np.ndarray
    seed: np.ndarray
    posterior: np.ndarray
    attention: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self.utterance_index)
        if self.attention is not None and (self.attention.ndim, len(self.attention)) != (2, n):
            raise ValueError(f"attention must be [{n}, S], not {self.attention.shape}")
        if self.posterior.ndim != 2 or {len(self.fold), len(self.seed), len(self.posterior)} != {n}:
            raise ValueError(
                f"predictions need [R], [R], [R] and [R, K], not {self.utterance_index.shape}, "
                f"{self.fold.shape}, {self.seed.shape} and {self.posterior.shape}"
            )
        bad = np.flatnonzero(~np.isfinite(self.posterior).all(axis=1))
        if bad.size:
            r = int(bad[0])
            raise InputError(
                f"predictions of fold {int(self.fold[r])}, seed {int(self.seed[r])} are not finite "
                f"in {bad.size} of {n} rows: the training diverged; lower the learning rate."
            )


@dataclass(frozen=True)
class Judged:
    """Predictions beside the truth, one row an utterance and seed, as in predictions.csv.

    Attributes:
        classes: the K class names.
        utterance_id, speaker, fold: [R] str.
        seed: [R] int.
        truth, predicted: [R] int in 0..K-1.
        posterior: [R, K] float32.
        attention: [R, S] float32 or None, as in `Predictions`; not in predictions.csv.
    """

    classes: tuple[str, ...]
    utterance_id: np.ndarray
    speaker: np.ndarray
    fold: np.ndarray
    seed: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    posterior: np.ndarray
    attention: np.ndarray | None = None


def confusion_by(
    judged: Judged, of: np.ndarray, groups: Sequence[str], seeds: Sequence[int]
) -> np.ndarray:
    """One confusion matrix a group and seed, [G, R, K, K] int64 (rows: truth).

    Args:
        judged: [R'] rows.
        of: [R'] the group of each row, for example `judged.speaker`.
        groups: the G names that occur in `of`, in the order wanted.
        seeds: the R seeds that occur, in the order wanted.
    """
    place = {g: i for i, g in enumerate(groups)}
    turn = {s: i for i, s in enumerate(seeds)}
    g = np.asarray([place[str(name)] for name in of], np.int64)
    r = np.asarray([turn[int(seed)] for seed in judged.seed], np.int64)
    shape = (len(groups), len(seeds), len(judged.classes), len(judged.classes))
    flat = np.ravel_multi_index((g, r, judged.truth, judged.predicted), shape)
    return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape)


def speaker_units(judged: Judged) -> np.ndarray:
    """Whose a row is in statistics by speaker, str [R']: '' for all where some are unknown.

    Nobody knows then how many they are, so nobody can be counted as one.
    """
    if np.all(judged.speaker != ""):
        return judged.speaker
    return np.full(len(judged.speaker), "")


def unit_of(judged: Judged, pictures: bool) -> Unit:
    """What is independent of the next in statistics of these rows.

    The speaker, or the author of pictures. Where some are unknown: of pictures each by itself,
    which the report says; of recordings nothing, since a voice is in all that one person says.
    """
    if np.all(judged.speaker != ""):
        return "speaker"
    return "picture" if pictures else ""


def units(judged: Judged, unit: Unit) -> np.ndarray:
    """Whose a row is in statistics by `unit`, str [R']."""
    return judged.utterance_id if unit == "picture" else speaker_units(judged)


def write_csv(path: str | Path, judged: Judged) -> None:
    """Write predictions.csv: utterance_id, speaker, fold, seed, truth, predicted, p_CLASS ..."""
    _write(path, _head(judged), _rows(judged))


def write_parts(path: str | Path, parts: Mapping[str, Judged]) -> None:
    """Write parts.csv: the columns of predictions.csv, and before them the name of the part."""
    if not parts:
        raise ValueError("no part to write")
    _write(
        path,
        ["part", *_head(next(iter(parts.values())))],
        ([name, *row] for name, judged in parts.items() for row in _rows(judged)),
    )


def _head(judged: Judged) -> list[str]:
    return [*_COLUMNS, *(f"p_{c}" for c in judged.classes)]


def _rows(judged: Judged) -> Iterator[list[Any]]:
    for r in range(len(judged.truth)):
        yield [
            judged.utterance_id[r],
            judged.speaker[r],
            judged.fold[r],
            int(judged.seed[r]),
            judged.classes[int(judged.truth[r])],
            judged.classes[int(judged.predicted[r])],
            *(f"{float(p):.7g}" for p in judged.posterior[r]),
        ]


def _write(path: str | Path, head: list[str], rows: Iterable[list[Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    atomic.write_text(path, text.getvalue())


def read_csv(path: str | Path) -> Judged:
    """Read what `write_csv` wrote.

    Raises:
        InputError: no such file, other columns, or a class that is no column.
    """
    head, rows = _read(path)
    return _judged(path, head, rows)


def read_parts(path: str | Path) -> dict[str, Judged]:
    """Read what `write_parts` wrote: name of a part -> its predictions.

    Raises:
        InputError: as `read_csv`.
    """
    head, rows = _read(path)
    if head[:1] != ["part"]:
        raise InputError(f"{path}: columns {', '.join(head)} are not those of a run's parts.csv.")
    by_name: dict[str, list[list[str]]] = {}
    for row in rows:
        by_name.setdefault(row[0] if row else "", []).append(row[1:])
    return {name: _judged(path, head[1:], mine) for name, mine in by_name.items()}


def _read(path: str | Path) -> tuple[list[str], list[list[str]]]:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            head, *rows = list(csv.reader(file))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: no readable predictions ({error}); run jser evaluate on the run first."
        ) from None
    return head, rows


def _judged(path: str | Path, head: list[str], rows: list[list[str]]) -> Judged:
    if tuple(head[:6]) != _COLUMNS or not all(h.startswith("p_") for h in head[6:]):
        raise InputError(
            f"{path}: columns {', '.join(head)} are not those of a run's predictions.csv."
        )
    classes = tuple(h.removeprefix("p_") for h in head[6:])
    place = {c: i for i, c in enumerate(classes)}
    try:
        columns = list(zip(head, *rows, strict=True))
        columns = [column[1:] for column in columns]
        return Judged(
            classes=classes,
            utterance_id=np.asarray(columns[0], np.str_),
            speaker=np.asarray(columns[1], np.str_),
            fold=np.asarray(columns[2], np.str_),
            seed=np.asarray(columns[3], np.int64),
            truth=np.asarray([place[c] for c in columns[4]], np.int64),
            predicted=np.asarray([place[c] for c in columns[5]], np.int64),
            posterior=np.asarray(columns[6:], np.float32).T.reshape(len(rows), len(classes)),
        )
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{path}: a row does not fit its header ({error}); run jser evaluate on the run again."
        ) from None
