"""The report of a run: every figure with what it needs to be believed.

`build` makes the dict that report.json holds, `write` puts it and its tables into the run,
`render` (in `tables`) shows it on a terminal.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from jser.evaluation import atomic, calibration, corpora, metrics
from jser.evaluation.compare import paired, speaker_uar
from jser.evaluation.intervals import MANY_SPEAKERS, figure, speaker_interval
from jser.evaluation.ledger import Scores
from jser.evaluation.predictions import write_csv, write_parts
from jser.evaluation.tables import render, text
from jser.evaluation.yardsticks import beside
from jser.protocols import Certificate, Protocol, Records
from jser.protocols.records import of_pictures

__all__ = ["build", "installed_versions", "render", "text", "write"]

_PACKAGES = (
    "jser", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "ml-collections",
    "tensorflow-datasets", "array-record", "librosa", "numpy", "scipy",
)  # fmt: skip

# The speakers of scores where some are not known.
UNKNOWN = ("",)
# Seconds of a run: reading records, features, compiling (inside the others), fitting the read-outs,
# training, scoring.
TIMES = ("build", "load", "features", "compile", "readouts", "train", "evaluate")


def build(
    scores: Scores,
    corpus: Records,
    protocol: Protocol,
    certificate: Certificate,
    *,
    system: str,
    normalisation: str,
    level: str,
    parameters: int,
    selection: str = "nested",
    refit: bool = False,
    pooling_rule: str = "pooled",
    seconds: Mapping[str, float | None] | None = None,
    peak_memory_mb: float | None = None,
    device: str | None = None,
    versions: Mapping[str, str] | None = None,
    baseline: Scores | None = None,
    baseline_name: str = "pooled features, linear read-out",
    parts: Mapping[str, Scores] | None = None,
    failed_members: int = 0,
    trim_db: float = 0.0,
    grid: Mapping[str, Any] | None = None,
    by_fold: Mapping[str, Any] | None = None,
    calibrated: bool = False,
) -> dict[str, Any]:
    """Make the report of a run.

    Args:
        scores: from `ledger.score`.
        corpus: the records; `partial`, `synthetic`, `note` and `fingerprint` are read if there.
        protocol: that was scored.
        certificate: of that protocol.
        system: name of the system.
        normalisation: one of the five modes.
        level: how level was treated, for example 'as recorded'.
        parameters: of all that answers for one fold and seed, frozen ones among them.
        selection: 'nested', 'shared' or 'test'.
        refit: what answers was trained again on train and dev, once dev had chosen.
        pooling_rule: how the headline makes one figure of the folds.
        seconds: of `TIMES`; `compile` lies inside the others.
        peak_memory_mb: resident memory of the process.
        device: what it ran on.
        versions: of packages; those installed if not given.
        baseline: scores of the baseline on the same test.
        baseline_name: its name.
        parts: name -> scores of a part of the system alone, on the same test.
        failed_members: members whose loss stopped being finite.
        trim_db: silence trimmed, in dB below an utterance's loudest frame; 0: none.
        grid: `axes`, `points`, `groups`, and each fold's `chosen` point with all points' `dev_uar`
            [points][folds]; None: there was none.
        by_fold: where each fold has values of its own: `chosen` (of each fold, field -> value),
            `dev_uar` [folds], and between how many configurations each fold's dev speakers have
            chosen them, `tried` (None: not known).
        calibrated: posteriors are meant as probabilities.

    Returns:
        A dict that `json.dump` takes; figures in 0..1. `std` is over seeds, None with one seed;
        `low` and `high` are the 95 % interval by speaker of the mean over seeds, None with fewer
        than five speakers. `confusion` [K][K] is summed over seeds (rows: truth).
    """
    conf, unit = scores.by_unit, scores.unit
    pooled = conf.sum(0)  # [R, K, K]
    fold_values = {m: np.mean(f(scores.by_fold), axis=1) for m, f in corpora.METRICS.items()}
    absent = [c for c, n in zip(corpus.classes, pooled.sum((0, 2)), strict=True) if n == 0]
    headline, other = speaker_interval(conf, metrics.uar, unit=unit or "speaker")
    alone = {baseline_name: baseline} if baseline else {}
    report: dict[str, Any] = {
        "marks": [],
        "system": system,
        "corpus": corpus.name,
        "fingerprint": str(getattr(corpus, "fingerprint", "")),
        "classes": list(corpus.classes),
        "n_utterances": len(np.unique(scores.judged.utterance_id)),
        "n_speakers": len(scores.speakers) if scores.speakers != UNKNOWN else 0,
        "things": "pictures" if of_pictures(corpus) else "recordings",
        "unit": unit or None,
        "protocol": protocol.name,
        "protocol_description": protocol.description,
        "folds_hash": certificate.folds_hash,
        "folds_missing": list(scores.missing_folds),
        "leak": certificate.leak,
        "partial_corpus": bool(getattr(corpus, "partial", False)),
        "synthetic": bool(getattr(corpus, "synthetic", False)),
        "note": getattr(corpus, "note", None),
        "joined": corpora.joined(corpus),
        "cross_corpus": protocol.by == "corpus",
        "test_corpora": corpora.by_corpus(scores, corpus, protocol, {**alone, **(parts or {})}),
        "text_seen": certificate.text_seen,
        "sentences": {
            "tested": certificate.sentences_tested,
            "heard_in_training": certificate.sentences_heard,
        },
        "dev_test_same_session": certificate.dev_test_same_session,
        "near_duplicates": certificate.near_duplicates,
        "selection": selection,
        "refit": refit,
        "grid": dict(grid) if grid else None,
        "configs_scored": scores.configs_scored,
        "configs_total": scores.configs_total,
        "normalisation": normalisation,
        "level": level,
        "trim_db": trim_db,
        "interval_method": headline.method if unit else "none: who speaks is not known",
        "pooling_rule": pooling_rule,
        "seeds": list(scores.seeds),
        **{name: figure(conf, function) for name, function in corpora.METRICS.items()},
        "uar_fold_mean": float(np.mean(fold_values["uar"])),
        "wa_fold_mean": float(np.mean(fold_values["wa"])),
        "interval_beside": _beside(conf, other, unit),
        "per_speaker": _per_speaker(scores, corpus),
        "calibration": {"calibrated": calibrated, **calibration.of(scores.judged)},
        "folds": _folds(scores, protocol, fold_values),
        "per_class_recall": dict(
            zip(corpus.classes, np.mean(metrics.recalls(pooled), axis=0).tolist(), strict=True)
        ),
        "absent_classes": absent,
        "confusion": pooled.sum(0).tolist(),
        "chance_uar": 1 / (len(corpus.classes) - len(absent)),
        "majority": _majority(scores, corpus, protocol),
        "baseline": _other(scores, baseline, baseline_name) if baseline else None,
        "parts": [_other(scores, part, name) for name, part in (parts or {}).items()],
        "parameters": int(parameters),
        "seconds": {k: (seconds or {}).get(k) for k in TIMES},
        "peak_memory_mb": peak_memory_mb,
        "versions": dict(installed_versions() if versions is None else versions),
        "device": device,
        "failed_members": failed_members,
    }
    if report["cross_corpus"]:
        report |= corpora.headline(scores, corpus)
    report["marks"] = _marks(report, protocol)
    report["warnings"] = [*certificate.warnings, *_warnings(report)]
    report["yardsticks"] = beside(report)
    made = dict(_plain(report))
    # A rate may be smaller than six digits.
    made["by_fold"] = json.loads(json.dumps(by_fold)) if by_fold else None
    return made


def write(
    run_dir: str | Path,
    report: Mapping[str, Any],
    scores: Scores,
    html: str | None = None,
    parts: Mapping[str, Scores] | None = None,
) -> None:
    """Write predictions.csv, parts.csv, report.txt, .html and .json, each whole or not at all.

    In this order, so where there is a report.json, the rest is there too. `html` is from
    `page.render`; without it there is no page. `parts` are the system's parts alone, by name:
    `compare` pairs those that two runs share.
    """
    run = Path(run_dir)
    write_csv(run / "predictions.csv", scores.judged)
    if parts:
        write_parts(run / "parts.csv", {name: part.judged for name, part in parts.items()})
    atomic.write_text(run / "report.txt", text(report))
    if html is not None:
        atomic.write_text(run / "report.html", html)
    atomic.write_text(run / "report.json", json.dumps(report, indent=1, allow_nan=False) + "\n")


def installed_versions() -> dict[str, str]:
    """Versions of Python and of the packages a result may depend on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


# --------------------------------------------------------------------------------- the parts of it


def _beside(conf: np.ndarray, other: Any, unit: str) -> dict[str, Any] | None:
    """The other interval method's interval, of each metric."""
    if other is None:
        return None
    found: dict[str, Any] = {"method": other.method}
    for name, function in corpora.METRICS.items():
        _, interval = speaker_interval(conf, function, unit=unit)
        if interval is not None:
            found[name] = {"low": interval.low, "high": interval.high}
    return found


def _per_speaker(scores: Scores, corpus: Records) -> list[dict[str, Any]]:
    if scores.unit == "picture":
        return []  # nobody is known
    wa = np.mean(metrics.wa(scores.by_speaker), axis=1)
    n = scores.by_speaker[:, 0].sum((-2, -1))
    return [
        {
            "speaker": s or "unknown",
            "sex": corpus.sex.get(s, "?"),
            "n": int(n[g]),
            "uar": float(uar),
            "wa": float(wa[g]),
        }
        for g, (s, uar) in enumerate(
            zip(scores.speakers, speaker_uar(scores.by_speaker), strict=True)
        )
    ]


def _folds(
    scores: Scores, protocol: Protocol, values: Mapping[str, np.ndarray]
) -> list[dict[str, Any]]:
    folds = {fold.name: fold for fold in protocol.folds}
    return [
        {
            "name": name,
            "test_speakers": list(folds[name].test_speakers),
            "dev_speakers": list(folds[name].dev_speakers),
            "n_train_speakers": len(folds[name].train_speakers),
            "n": int(scores.by_fold[f, 0].sum()),
            "uar": float(values["uar"][f]),
            "wa": float(values["wa"][f]),
        }
        for f, name in enumerate(scores.folds)
    ]


def _majority(scores: Scores, corpus: Records, protocol: Protocol) -> dict[str, float]:
    """Each fold answers its training utterances' commonest class; the first of equals."""
    n_classes = len(corpus.classes)
    conf = np.zeros((n_classes, n_classes))
    for f, name in enumerate(scores.folds):
        train = next(fold.train for fold in protocol.folds if fold.name == name)
        answer = int(np.argmax(np.bincount(corpus.label[train], minlength=n_classes)))
        conf[:, answer] += scores.by_fold[f, 0].sum(-1)
    return {"uar": float(metrics.uar(conf)), "wa": float(metrics.wa(conf))}


def _other(scores: Scores, other: Scores, name: str) -> dict[str, Any]:
    """Figures of another system on the same test, and the system's difference to it."""
    if other.speakers != scores.speakers or not np.array_equal(
        other.by_speaker[:, 0].sum(-1), scores.by_speaker[:, 0].sum(-1)
    ):
        raise ValueError(f"{name} was scored on other utterances than the system")
    figures = {m: figure(other.by_unit, f) for m, f in corpora.METRICS.items()}
    return {
        "name": name,
        **figures,
        "comparison": paired(scores.by_unit, other.by_unit, scores.unit),
    }


def _marks(report: Mapping[str, Any], protocol: Protocol) -> list[str]:
    """What a reader must see before the figures."""
    marks = list(corpora.marks(report, protocol))
    if report["synthetic"]:
        whose = corpora.having(report, "synthetic")
        what = f"{whose} is made" if whose else "made"
        marks.append(f"SYNTHETIC: {what} by a generator; says nothing about speech")
    if report["partial_corpus"]:
        whose = corpora.having(report, "partial")
        what = f"recordings of {whose} are missing among the"
        marks.append(
            f"PARTIAL: {what if whose else 'only'} {report['n_utterances']} utterances of an "
            "incomplete corpus"
        )
    if report["note"]:
        marks.append(f"NOT COMPARABLE: {report['note']}")
    if report["leak"]:
        random = protocol.leak and protocol.by == "utterance"
        marks.append(f"{'RANDOM SPLIT' if random else 'LEAK'}: {report['leak']}")
    if report["folds_missing"]:
        marks.append(
            f"INCOMPLETE: {len(report['folds_missing'])} of {len(protocol.folds)} folds are missing"
        )
    if report["selection"] != "nested":
        marks.append(
            f"SELECTION {report['selection'].upper()}: not each member by its own dev speakers only"
        )
    if report["normalisation"].startswith("speaker"):
        marks.append(
            f"NORMALISATION {report['normalisation']}: uses the test speakers' own statistics"
        )
    return marks


def _warnings(report: Mapping[str, Any]) -> list[str]:
    found = []
    pictures = report["things"] == "pictures"
    if report["unit"] == "picture":
        found.append(
            "Whose the pictures are is not known: intervals and tests take each as independent of "
            "the others, and are too narrow where several are of one hand or series."
        )
    elif not report["n_speakers"]:
        found.append("Who speaks is not known: there can be no interval by speaker.")
    elif not report["cross_corpus"]:
        found += _few(report["n_speakers"], report["uar"], "test speakers")
    for one in report["test_corpora"] if report["n_speakers"] else ():
        found += _few(one["n_speakers"], one["uar"], f"test speakers of {one['name']}")
    if report["near_duplicates"] is None and not pictures:
        found.append(
            "Near-duplicates were not looked for: among so many utterances it takes hours. "
            "`jser audit` looks for them; what it finds is counted in the next report."
        )
    near = {k.replace("_", " and "): n for k, n in (report["near_duplicates"] or {}).items() if n}
    if near:
        counts = ", ".join(f"{n} in {parts}" for parts, n in near.items())
        alike = (
            "nearly the same picture"
            if pictures
            else "one recording at another level, rate, codec or cut"
        )
        found.append(
            f"Near-duplicates, pairs that are {alike}, "
            f"lie in two parts of a fold: {counts}. `jser audit` names them."
        )
    if report["absent_classes"]:
        names = ", ".join(report["absent_classes"])
        found.append(f"UAR is over the classes present; the test lacks {names}.")
    if len(report["seeds"]) == 1:
        found.append("One seed: how much the figure depends on it is not known.")
    if report["failed_members"]:
        found.append(
            f"{report['failed_members']} members ended early, their loss was not finite; they are "
            f"scored as they were before."
        )
    if report["configs_total"] > 1:
        found.append(
            f"{report['configs_total']} configurations were scored on this test; the best of them "
            f"is chosen on it."
        )
    return found


def _few(n: int, uar: Mapping[str, Any], speakers: str) -> list[str]:
    """What few speakers mean for an interval."""
    if uar["low"] is None:
        if n == 1:
            return [f"1 {speakers.replace('speakers', 'speaker')} has no interval."]
        return [f"{n} {speakers} are too few for an interval: see each speaker's own value."]
    if n < MANY_SPEAKERS:
        return [
            f"{n} {speakers}: the jackknife is the interval, the bootstrap is known to be too "
            f"narrow here."
        ]
    return []


def _plain(value: Any) -> Any:
    """JSON has no nan: a figure that does not exist is null. Six digits are plenty."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 6) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
