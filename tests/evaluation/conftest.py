"""A small corpus with ten speakers, and predictions that are right as often as asked."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jser import protocols
from jser.evaluation import ledger, report
from jser.evaluation.predictions import Predictions


@dataclass(frozen=True)
class FakeCorpus:
    name: str
    classes: tuple[str, ...]
    sex: dict[str, str]
    speaker: np.ndarray
    session: np.ndarray
    text_id: np.ndarray
    label: np.ndarray
    pcm_sha256: np.ndarray
    utterance_id: np.ndarray
    fingerprint: str = "0123456789abcdef" * 4
    partial: bool = False
    synthetic: bool = False
    note: str | None = None


@pytest.fixture
def make_corpus() -> Callable[..., FakeCorpus]:
    def make(n_speakers: int = 10, n_classes: int = 3, each: int = 4, **change: Any) -> FakeCorpus:
        speakers = [f"{i + 1:02d}" for i in range(n_speakers)]
        rows = [(s, k, i) for s in speakers for k in range(n_classes) for i in range(each)]
        ids = np.asarray([f"{s}-{k}-{i}" for s, k, i in rows])
        fields: dict[str, Any] = {
            "name": "fake",
            "classes": ("anger", "neutral", "sadness", "happiness")[:n_classes],
            "sex": {s: "mf"[i % 2] for i, s in enumerate(speakers)},
            "speaker": np.asarray([s for s, _, _ in rows]),
            "session": np.asarray([s for s, _, _ in rows]),
            "text_id": np.asarray([f"t{i}" for _, _, i in rows]),
            "label": np.asarray([k for _, k, _ in rows], np.int32),
            "pcm_sha256": np.asarray([f"hash {u}" for u in ids]),
            "utterance_id": ids,
        }
        return FakeCorpus(**{**fields, **change})

    return make


@pytest.fixture
def corpus(make_corpus: Callable[..., FakeCorpus]) -> FakeCorpus:
    return make_corpus()


@pytest.fixture
def protocol(corpus: FakeCorpus) -> protocols.Protocol:
    return protocols.make("leave_one_speaker_out", corpus)


@pytest.fixture
def predict() -> Callable[..., Predictions]:
    """Predictions of each fold's test, right with probability `right`, in shuffled order."""

    def make(
        corpus: FakeCorpus,
        protocol: protocols.Protocol,
        right: float = 0.7,
        seeds: tuple[int, ...] = (0, 1),
        source: int = 0,
    ) -> Predictions:
        rng = np.random.default_rng(source)
        index = np.concatenate([f.test for f in protocol.folds for _ in seeds])
        fold = np.concatenate(
            [np.full(len(f.test), k) for k, f in enumerate(protocol.folds) for _ in seeds]
        )
        seed = np.concatenate([np.full(len(f.test), s) for f in protocol.folds for s in seeds])
        n, k = len(index), len(corpus.classes)
        answer = np.where(rng.random(n) < right, corpus.label[index], rng.integers(0, k, n))
        posterior = rng.dirichlet(np.ones(k), size=n) + 2 * np.eye(k)[answer]
        order = rng.permutation(n)
        attention = np.random.default_rng(source + 1).dirichlet(np.ones(5), size=n)
        return Predictions(
            index[order],
            fold[order],
            seed[order],
            (posterior / 3)[order].astype(np.float32),
            attention[order].astype(np.float32),
        )

    return make


@pytest.fixture
def score(tmp_path: Path, predict: Callable[..., Predictions]) -> Callable[..., ledger.Scores]:
    def make(
        corpus: FakeCorpus,
        protocol: protocols.Protocol,
        run: str = "run",
        config: str = "config 1",
        checkpoint: str = "checkpoint 1",
        role: ledger.Role = "system",
        predictions: Predictions | None = None,
        **how: Any,
    ) -> ledger.Scores:
        given = predict(corpus, protocol, **how) if predictions is None else predictions
        return ledger.score(
            given, corpus, protocol, tmp_path / run, tmp_path / "book", config, checkpoint, role
        )

    return make


@pytest.fixture
def build(
    score: Callable[..., ledger.Scores],
) -> Callable[..., tuple[dict[str, Any], ledger.Scores]]:
    def make(
        corpus: FakeCorpus,
        protocol: protocols.Protocol,
        allow_leak: str | None = None,
        run: str = "run",
        baseline: bool = False,
        baseline_scores: ledger.Scores | None = None,
        predictions: Predictions | None = None,
        how: dict[str, Any] | None = None,
        **change: Any,
    ) -> tuple[dict[str, Any], ledger.Scores]:
        certificate = protocols.certificate(corpus, protocol, allow_leak)
        scores = score(
            corpus, protocol, run=run, checkpoint=run, config=run, predictions=predictions,
            **(how or {}),
        )  # fmt: skip
        other = baseline_scores
        if baseline:
            other = score(
                corpus, protocol, checkpoint="b", role="baseline", right=0.4, seeds=(0,), source=9
            )
        fields: dict[str, Any] = {
            "system": "a system",
            "normalisation": "train",
            "level": "as recorded",
            "parameters": 46_800,
            "seconds": {"build": 1.0, "train": 62.4},
            "peak_memory_mb": 812.0,
            "device": "cpu",
            "baseline": other,
        }
        return report.build(scores, corpus, protocol, certificate, **{**fields, **change}), scores

    return make
