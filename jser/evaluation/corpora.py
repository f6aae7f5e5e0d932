"""Results over several corpora: what was joined, and a figure for each corpus tested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from jser.evaluation import metrics
from jser.evaluation.compare import paired, verdict
from jser.evaluation.intervals import figure, speaker_interval
from jser.evaluation.ledger import Scores
from jser.evaluation.predictions import confusion_by
from jser.protocols import Protocol, Records

METRICS = {"uar": metrics.uar, "wa": metrics.wa, "macro_f1": metrics.macro_f1}
# What papers on a corpus give first, where it is not UAR.
FIRST = {"fi": "wa"}
MEAN_OF_CORPORA = "mean of test corpora"


def joined(corpus: Records) -> dict[str, Any] | None:
    """What of which built corpora an experiment works on; None where it is all of one, as it is.

    Args:
        corpus: the records; of a selection, `origins` and `labels` are read.

    Returns:
        `labels`, `why` and `lost` of the map, and `corpora`: `name`, `fingerprint`, `n_utterances`
        and `n_speakers` taken, `n_whole`, `taken` (class -> word -> number), `left_out` (word ->
        number), `partial`, `synthetic`, `note`.
    """
    origins = getattr(corpus, "origins", None)
    if origins is None:
        return None
    labels = corpus.labels  # type: ignore[attr-defined]
    return {
        "labels": labels.name,
        "why": labels.why,
        "lost": labels.lost,
        "corpora": [
            {
                "name": origin.name,
                "fingerprint": origin.fingerprint,
                "n_utterances": len(origin.rows),
                "n_whole": origin.n_utterances,
                "n_speakers": origin.n_speakers,
                "taken": {name: dict(words) for name, words in origin.taken.items()},
                "left_out": dict(origin.left_out),
                "partial": origin.partial,
                "synthetic": origin.synthetic,
                "note": origin.note,
            }
            for origin in origins
        ],
    }


def by_corpus(
    scores: Scores, corpus: Records, protocol: Protocol, others: Mapping[str, Scores]
) -> list[dict[str, Any]]:
    """Each corpus of the test by itself; nothing where the test is one corpus.

    Args:
        scores: of the system.
        corpus: the records; `corpus_of` of a selection says whose each utterance is.
        protocol: that was scored.
        others: name -> scores of another system on the same test.

    Returns:
        One a corpus: `name`, `trained_on`, `n_utterances`, `n_speakers`, `interval_method`, the
        three figures, `chance_uar`, `per_class_recall`, `confusion` (summed over seeds), and
        `others`: `name`, the three figures and `comparison`, see `compare.paired`.
    """
    found = []
    theirs = {other: _each(given, corpus) for other, given in others.items()}
    for name, conf in _each(scores, corpus).items():
        pooled = conf.sum(0)  # [R, K, K]
        present = int(np.sum(pooled.sum((0, 2)) > 0))
        found.append(
            {
                "name": name,
                "trained_on": _trained_on(name, corpus, protocol),
                "n_utterances": int(pooled[0].sum()),
                "n_speakers": len(conf) if scores.speakers != ("",) else 0,
                "interval_method": speaker_interval(conf, metrics.uar)[0].method,
                **_figures(conf),
                "chance_uar": 1 / present,
                "per_class_recall": dict(
                    zip(
                        corpus.classes,
                        np.mean(metrics.recalls(pooled), axis=0).tolist(),
                        strict=True,
                    )
                ),
                "confusion": pooled.sum(0).tolist(),
                "others": [
                    {
                        "name": other,
                        **_figures(given[name]),
                        "comparison": paired(conf, given[name]),
                    }
                    for other, given in theirs.items()
                ],
            }
        )
    return found


def _figures(conf: np.ndarray) -> dict[str, Any]:
    return {name: figure(conf, function) for name, function in METRICS.items()}


def _each(scores: Scores, corpus: Records) -> dict[str, np.ndarray]:
    """Corpus -> matrices [G, R, K, K] of its own speakers; nothing where all are of one.

    Where some speakers are unknown, all of a corpus are one unit, as in `speaker_units`.
    """
    corpus_of = getattr(corpus, "corpus_of", None)
    if corpus_of is None or len(np.unique(corpus_of)) < 2:
        return {}
    if scores.speakers == ("",):
        of = dict(zip(map(str, corpus.utterance_id), map(str, corpus_of), strict=True))
        tested = np.array([of[str(u)] for u in scores.judged.utterance_id])
        names = sorted(set(tested.tolist()))
        found = confusion_by(scores.judged, tested, names, scores.seeds)
        return {name: found[i : i + 1] for i, name in enumerate(names)}
    of = dict(zip(map(str, corpus.speaker), map(str, corpus_of), strict=True))
    tested = np.array([of[s] for s in scores.speakers])
    return {str(name): scores.by_speaker[tested == name] for name in np.unique(tested)}


def headline(scores: Scores, corpus: Records) -> dict[str, Any]:
    """What stands for the whole where each corpus is tested by members of its own: their mean.

    Pooled, the larger corpus would decide, and classes would be weighed by where they are common.
    """
    parts = _each(scores, corpus).values()
    figures: dict[str, Any] = {}
    for name, function in METRICS.items():
        by_seed = np.mean([function(conf.sum(0)) for conf in parts], axis=0)
        figures[name] = {
            "mean": float(by_seed.mean()),
            "std": float(by_seed.std(ddof=1)) if len(by_seed) > 1 else None,
            "low": None,
            "high": None,
        }
    return {
        **figures,
        "pooling_rule": MEAN_OF_CORPORA,
        "interval_method": "of each test corpus, see there",
        "interval_beside": None,
        "baseline": None,
        "parts": [],
    }


def _trained_on(name: str, corpus: Records, protocol: Protocol) -> list[str]:
    corpus_of = np.asarray(corpus.corpus_of)  # type: ignore[attr-defined]
    folds = [fold for fold in protocol.folds if name in corpus_of[fold.test]]
    return sorted({str(c) for fold in folds for c in np.unique(corpus_of[fold.train])})


def marks(report: Mapping[str, Any], protocol: Protocol) -> Iterator[str]:
    """What a reader must see before the figures of joined corpora."""
    parts = report["joined"]["corpora"] if report["joined"] else []
    if protocol.by == "corpus":
        yield (
            "CROSS-CORPUS: trained on some corpora, tested on another, which neither training nor "
            "tuning has heard; each test corpus has its own figure, none is pooled"
        )
    elif len(parts) > 1:
        yield (
            f"JOINED: one test of {len(parts)} corpora; the pooled figure weighs them by their "
            "size, each one's own stands beside it"
        )
    elif parts:
        have = sum(len(words) for words in parts[0]["taken"].values())
        whole = have + len(parts[0]["left_out"])
        yield (
            f"NOT COMPARABLE: {len(report['classes'])} classes of the {whole} of "
            f"{parts[0]['name']}; published figures are of all"
        )
    for part in parts:
        renamed = [
            f"{word} ({n}) for {name}"
            for name, words in part["taken"].items()
            for word, n in words.items()
            if word != name
        ]
        if renamed:
            yield f"LABELS {report['joined']['labels']}: {part['name']}: {', '.join(renamed)}"


def having(report: Mapping[str, Any], what: str) -> str:
    """Names of the joined corpora that are `partial` or `synthetic`; '' with one corpus alone."""
    parts = report["joined"]["corpora"] if report["joined"] else []
    return ", ".join(part["name"] for part in parts if part[what]) if len(parts) > 1 else ""


def settings(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a result over joined corpora depends on: (name, sentence)."""
    rows = [
        (f"{one['name']}, to the {other['name']}", verdict(other["comparison"]))
        for one in report["test_corpora"]
        for other in one["others"]
    ]
    rows += [(f"{one['name']}, interval", one["interval_method"]) for one in report["test_corpora"]]
    if not report["joined"]:
        return rows
    parts = report["joined"]["corpora"]
    rows += [
        (
            "corpora",
            "; ".join(
                f"{p['name']} {p['n_utterances']} of {p['n_whole']} utterances, "
                f"{p['n_speakers']} speakers"
                for p in parts
            ),
        ),
        (
            "classes",
            f"{', '.join(report['classes'])} (labels {report['joined']['labels']}); "
            f"{report['joined']['lost']}",
        ),
    ]
    left = [
        f"{p['name']} {sum(p['left_out'].values())} ("
        + ", ".join(f"{word} {n}" for word, n in p["left_out"].items())
        + ")"
        for p in parts
        if p["left_out"]
    ]
    rows.append(("left out", "; ".join(left) or "nothing"))
    if len(parts) > 1:
        trim = report["trim_db"]
        rows.append(
            (
                "front end",
                "the same for all corpora; silence "
                + (f"trimmed at {trim:g} dB below the loudest frame" if trim else "not trimmed"),
            )
        )
    return rows
