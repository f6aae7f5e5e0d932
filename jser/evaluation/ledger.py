"""The locked test: the only reader of test labels, and the book it writes them down in.

Two books of JSON lines: one in the run, and one for a corpus and protocol that all runs share.
A score is keyed by checkpoint, protocol with its folds, and corpus: the same key renders again
and writes no line. The shared book counts the configurations ever scored: who scores ten and keeps
the best has chosen on the test, and the report says so.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from jser.errors import InputError
from jser.evaluation import metrics
from jser.evaluation.predictions import (
    Judged,
    Predictions,
    Unit,
    confusion_by,
    speaker_units,
    unit_of,
    units,
)
from jser.protocols import Protocol, Records
from jser.protocols.records import of_pictures

Role = Literal["system", "baseline", "part"]


@dataclass(frozen=True)
class Scores:
    """What the test gave.

    Attributes:
        judged: rows with their truth, seed by seed, in the order of folds and utterances.
        speakers: the G test speakers, sorted; ('',) alone where some are unknown.
        seeds: the R seeds, sorted.
        by_speaker: [G, R, K, K] confusion matrices (rows: truth).
        folds: names of the F folds scored.
        by_fold: [F, R, K, K].
        missing_folds: names of the protocol's folds without predictions.
        key: of this score.
        is_new: a line was written to the shared ledger.
        configs_scored: this configuration is the k-th scored on this corpus and protocol.
        configs_total: configurations scored there so far. For a baseline both count only those
            before it, as it is no choice.
        unit: what intervals and tests take as independent, see `predictions.unit_of`.
        by_unit: [U, R, K, K]; `by_speaker` where the speaker is it.
    """

    judged: Judged
    speakers: tuple[str, ...]
    seeds: tuple[int, ...]
    by_speaker: np.ndarray
    folds: tuple[str, ...]
    by_fold: np.ndarray
    missing_folds: tuple[str, ...]
    key: str
    is_new: bool
    configs_scored: int
    configs_total: int
    unit: Unit
    by_unit: np.ndarray


def score(
    predictions: Predictions,
    corpus: Records,
    protocol: Protocol,
    run_dir: str | Path,
    ledger_dir: str | Path,
    config_hash: str,
    checkpoint_hash: str,
    role: Role = "system",
    tried: int | None = None,
) -> Scores:
    """Score test predictions once, and write it down before saying what came out.

    Args:
        predictions: of the test utterances of one fold or more, the same for each seed.
        corpus: with `fingerprint` beside the fields of `Records`.
        protocol: whose test sets these are.
        run_dir: gets or has `ledger.jsonl`.
        ledger_dir: of the ledgers shared across runs, in the data directory.
        config_hash: of the resolved configuration.
        checkpoint_hash: of the parameters that predicted (all members').
        role: 'baseline', or 'part' of a system, is written down and not counted as a
            configuration.
        tried: configurations between which each fold's dev speakers have chosen this one; none of
            the others was ever scored here.

    Raises:
        InputError: an utterance predicted by a member that did not hold it out, missing or double;
            or a ledger that cannot be written.
    """
    _check(predictions, corpus, protocol)
    judged = _judge(predictions, corpus, protocol)
    seeds = tuple(sorted({int(s) for s in judged.seed}))
    whose = speaker_units(judged)
    speakers = tuple(sorted({str(s) for s in whose}))
    present = {int(f) for f in predictions.fold}
    folds = tuple(fold.name for k, fold in enumerate(protocol.folds) if k in present)
    missing = tuple(fold.name for k, fold in enumerate(protocol.folds) if k not in present)
    by_speaker = by_unit = confusion_by(judged, whose, speakers, seeds)
    unit = unit_of(judged, of_pictures(corpus))
    if unit == "picture":
        one = units(judged, unit)
        by_unit = confusion_by(judged, one, sorted({str(name) for name in one}), seeds)
    by_fold = confusion_by(judged, judged.fold, folds, seeds)
    fingerprint = str(getattr(corpus, "fingerprint", ""))
    folds_hash = protocol.folds_hash()
    # Two configurations may share all weights, and answer differently by what stands behind them.
    asked = [config_hash] if role == "system" else []
    key = hashlib.sha256(
        json.dumps([role, checkpoint_hash, protocol.name, folds_hash, fingerprint, *asked]).encode()
    ).hexdigest()
    pooled = by_fold.sum(0)
    line = {
        "key": key,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "role": role,
        "corpus": corpus.name,
        "fingerprint": fingerprint,
        "protocol": protocol.name,
        "folds_hash": folds_hash,
        "folds_missing": len(missing),
        "config_hash": config_hash,
        "checkpoint_hash": checkpoint_hash,
        "seeds": list(seeds),
        "uar": round(float(metrics.uar(pooled).mean()), 6),
        "wa": round(float(metrics.wa(pooled).mean()), 6),
        **({} if tried is None else {"tried": tried}),
    }
    _enter(Path(run_dir) / "ledger.jsonl", line)
    entries, is_new = _enter(shared_path(ledger_dir, fingerprint, protocol.name), line)
    place, total = _count(entries, config_hash)
    return Scores(
        judged,
        speakers,
        seeds,
        by_speaker,
        folds,
        by_fold,
        missing,
        key,
        is_new,
        place,
        total,
        unit,
        by_unit,
    )


def shared_path(ledger_dir: str | Path, fingerprint: str, protocol_name: str) -> Path:
    """The ledger of a corpus and protocol, shared by all runs of a data directory."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", protocol_name)
    return Path(ledger_dir) / f"{fingerprint[:16]}_{name}.jsonl"


def read(path: str | Path) -> list[dict[str, Any]]:
    """The entries of a ledger; a line that is no JSON object is left out with a warning."""
    try:
        return _parse(Path(path).read_bytes(), str(path))
    except FileNotFoundError:
        return []


def _count(entries: list[dict[str, Any]], config_hash: str) -> tuple[int, int]:
    """The place of a configuration among the distinct ones of `entries`, and their number."""
    order = list(dict.fromkeys(e.get("config_hash") for e in entries if e.get("role") == "system"))
    place = order.index(config_hash) + 1 if config_hash in order else len(order)
    return place, len(order)


# -------------------------------------------------------------------------------------- the books


def _enter(path: Path, line: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
    """Append `line` unless its key is there; all entries, and whether it was appended."""
    with _locked(path) as file:
        data = file.read()
        entries = _parse(data, str(path))
        if any(e.get("key") == line["key"] for e in entries):
            return entries, False
        text = json.dumps(line, sort_keys=True) + "\n"
        end = len(data)
        if data and not data.endswith(b"\n"):
            # A writer was killed in the middle of its last line. What is whole is kept.
            tail = data[data.rfind(b"\n") + 1 :]
            if _is_entry(tail):
                text = "\n" + text
            else:
                end -= len(tail)
                file.truncate(end)
        file.seek(end)
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
        return [*entries, line], True


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """The file, open for reading and writing, held by this process alone (advisory lock)."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise InputError(
            f"{path}: the ledger cannot be written ({error.strerror}), and no test is scored "
            f"without it; give a directory that you may write to."
        ) from None
    with os.fdopen(descriptor, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # ends with the file
        yield file


def _is_entry(raw: bytes) -> bool:
    try:
        return isinstance(json.loads(raw), dict)
    except ValueError:
        return False


def _parse(data: bytes, where: str) -> list[dict[str, Any]]:
    lines = data.split(b"\n")
    entries = [json.loads(raw) for raw in lines if _is_entry(raw)]
    # The last piece is empty or a write that was cut off; a damaged line before it is news.
    damaged = sum(bool(raw.strip()) and not _is_entry(raw) for raw in lines[:-1])
    if damaged:
        warnings.warn(
            f"{where}: {damaged} damaged line(s) are not counted; the true number of "
            f"configurations may be higher.",
            stacklevel=2,
        )
    return entries


# ------------------------------------------------------------------------------------- the labels


def _check(predictions: Predictions, corpus: Records, protocol: Protocol) -> None:
    """Each seed predicts each test utterance of its folds once, from the fold that held it out."""
    if predictions.posterior.shape[1] != len(corpus.classes):
        raise InputError(
            f"predictions have {predictions.posterior.shape[1]} classes, corpus {corpus.name} has "
            f"{len(corpus.classes)}; score them on the corpus they were trained for."
        )
    folds = sorted({int(f) for f in predictions.fold})
    if not folds or folds[0] < 0 or folds[-1] >= len(protocol.folds):
        raise InputError(
            f"predictions name folds {folds}, and protocol {protocol.name} has "
            f"{len(protocol.folds)}; score them under the protocol they were trained for."
        )
    for seed in sorted({int(s) for s in predictions.seed}):
        for k in folds:
            rows = (predictions.seed == seed) & (predictions.fold == k)
            given = np.sort(predictions.utterance_index[rows])
            expected = np.sort(protocol.folds[k].test)
            if not np.array_equal(given, expected):
                heard = len(np.setdiff1d(given, expected))
                lacking = len(np.setdiff1d(expected, given))
                double = len(given) - len(np.unique(given))
                raise InputError(
                    f"predictions of fold {protocol.folds[k].name}, seed {seed} are not its test "
                    f"set: {lacking} utterances missing, {double} double, {heard} that the fold "
                    f"does not hold out; score each member on its own fold's test utterances."
                )


def _judge(predictions: Predictions, corpus: Records, protocol: Protocol) -> Judged:
    order = np.lexsort((predictions.utterance_index, predictions.fold, predictions.seed))
    index = predictions.utterance_index[order]
    posterior = predictions.posterior[order]
    truth = np.asarray(corpus.label, np.int64)[index]
    if truth.size and truth.min() < 0:
        raise ValueError(
            "hidden labels (-1) among the test's: give the corpus, not a member's view"
        )
    names = np.asarray([fold.name for fold in protocol.folds])
    return Judged(
        classes=tuple(corpus.classes),
        utterance_id=np.asarray(corpus.utterance_id, np.str_)[index],
        speaker=np.asarray(corpus.speaker, np.str_)[index],
        fold=names[predictions.fold[order]],
        seed=np.asarray(predictions.seed, np.int64)[order],
        truth=truth,
        predicted=np.argmax(posterior, axis=1),
        posterior=np.asarray(posterior, np.float32),
        attention=None if predictions.attention is None else predictions.attention[order],
    )
