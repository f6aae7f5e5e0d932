"""Two systems on the same test: one difference a speaker, seeds averaged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jser.errors import InputError
from jser.evaluation import metrics, settings
from jser.evaluation.intervals import (
    FEWEST_SPEAKERS,
    holm,
    jackknife_t,
    sign_flip_test,
    smallest_detectable,
)
from jser.evaluation.predictions import (
    Judged,
    Unit,
    confusion_by,
    read_csv,
    read_parts,
    units,
)
from jser.store import urls

# What must be equal for two scores to be of one test, and what only asks for a remark.
_SAME = ("corpus", "fingerprint", "protocol", "classes")
_NEEDED = (*_SAME, "system", "uar", "marks")
_REMARK = ("folds_hash", "normalisation", "level", "selection", "seeds", "leak")


def speaker_uar(by_speaker: np.ndarray) -> np.ndarray:
    """UAR of each speaker [G] over his own classes, seeds averaged; by_speaker [G, R, K, K]."""
    return np.asarray(np.mean(metrics.uar(by_speaker), axis=1))


def picture_shares(by_picture: np.ndarray) -> np.ndarray:
    """What each picture adds to the pooled UAR, times G: [G], with the UAR as their mean.

    A picture has one class, so a UAR of its own would count common classes more than rare ones.

    Args:
        by_picture: [G, R, K, K].
    """
    total = by_picture.sum((0, 3)).mean(0)  # [K]
    hits = np.diagonal(by_picture, axis1=-2, axis2=-1).mean(1)  # [G, K]
    by_class = np.divide(hits, total, out=np.zeros(hits.shape), where=total > 0)
    return np.asarray(by_class.sum(1) * len(by_picture) / max(np.sum(total > 0), 1))


def paired(by_speaker: np.ndarray, reference: np.ndarray, unit: Unit = "speaker") -> dict[str, Any]:
    """Compare two systems' matrices [G, R, K, K] of the same speakers, in the same order.

    Where pictures are the units, a picture's difference is that of `picture_shares`, so the test is
    of the difference of UAR itself.

    Returns:
        `difference`: pooled UAR, system less reference, with `low` and `high` of the jackknife
        (None with fewer than five speakers); `speaker_difference`: the mean of the speakers'
        differences of UAR, with `p` of the two-sided sign-flip test, `test` (how p was found), and
        `smallest_detectable`, the mean difference seen with power .8 at alpha .05 (None where these
        speakers are too few to see any); `n_speakers`; `speakers_better`; `unit`, the word
        for what is called a speaker here.
    """
    word = unit or "speaker"
    interval = jackknife_t(by_speaker, metrics.uar, minus=reference, unit=word)
    of_each = picture_shares if unit == "picture" else speaker_uar
    differences = of_each(by_speaker) - of_each(reference)
    test = sign_flip_test(differences)
    enough = len(differences) >= FEWEST_SPEAKERS
    return {
        "difference": interval.estimate,
        "low": interval.low if enough else None,
        "high": interval.high if enough else None,
        "interval_method": interval.method,
        "speaker_difference": test.mean,
        "p": test.p,
        "test": f"two-sided sign-flip, {test.how}",
        "smallest_detectable": smallest_detectable(differences),
        "n_speakers": len(differences),
        "speakers_better": int(np.sum(differences > 0)),
        "unit": word,
    }


def compare(run_a: str | Path, run_b: str | Path) -> dict[str, Any]:
    """Compare two run directories that hold report.json and predictions.csv: b less a.

    Returns:
        What `paired` returns, and `corpus`, `protocol`, `a` and `b` (`run`, `system`, `uar`),
        `per_speaker`, `remarks`: what else differs between the two runs, and `parts`: the same
        of each part that both runs have alone, with its `name`, and `uar` of a and b; `settings`:
        the fields in which their configs differ.

    Raises:
        InputError: a run is not evaluated, or the two are not of one corpus, protocol and test set.
    """
    reports, tables = zip(*(_load(Path(run)) for run in (run_a, run_b)), strict=True)
    for field in _SAME:
        a, b = (report.get(field) for report in reports)
        if a != b:
            raise InputError(
                f"{run_a} and {run_b} differ in {field} ({a} and {b}), so they cannot be paired by "
                f"speaker; compare runs of one corpus and protocol."
            )
    first, second = (_truth(table) for table in tables)
    if first != second:
        raise InputError(
            f"{run_a} and {run_b} were tested on different utterances ({len(first)} and "
            f"{len(second)}); evaluate both on all folds of the protocol."
        )
    unit = _unit(reports[0])
    speakers = sorted({str(s) for s in units(tables[0], unit)})
    matrices = [_matrices(table, speakers, unit) for table in tables]
    each = [] if unit == "picture" else [speaker_uar(m) for m in matrices]
    return {
        "corpus": reports[0]["corpus"],
        "protocol": reports[0]["protocol"],
        "a": _side(run_a, reports[0]),
        "b": _side(run_b, reports[1]),
        **paired(matrices[1], matrices[0], unit),
        "per_speaker": [
            {"speaker": s or "unknown", "a": float(a), "b": float(b), "difference": float(b - a)}
            for s, a, b in zip(speakers if each else (), *each, strict=True)
        ],
        "parts": _parts(Path(run_a), Path(run_b), first, speakers, unit),
        "marks": list(dict.fromkeys(reports[0]["marks"] + reports[1]["marks"])),
        "settings": _settings(Path(run_a), Path(run_b)),
        "remarks": _remarks(reports),
    }


# What differs between two runs and says nothing about what was trained.
_NO_SETTING = ("data_dir", "population", "checkpoint")


def _settings(run_a: Path, run_b: Path) -> list[dict[str, Any]]:
    """Fields in which the configs of two runs differ; none where a run has no config."""
    trees = []
    for run in (run_a, run_b):
        try:
            tree = json.loads((run / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        trees.append(tree if isinstance(tree, dict) else {})
    return [
        {"field": field, "a": a, "b": b}
        for field, a, b in settings.differences(*trees)
        if field.partition(".")[0] not in _NO_SETTING
    ]


def across(run: str | Path, reference: str | Path) -> dict[str, Any]:
    """What `paired` returns of two runs that tested the same utterances, under any protocols.

    Raises:
        InputError: as `compare`, but for the protocol.
    """
    (a, ours), (b, theirs) = _load(Path(run)), _load(Path(reference))
    unit = _unit(a)
    for field in ("fingerprint", "classes"):
        if a.get(field) != b.get(field):
            raise InputError(
                f"{run} and {reference} differ in {field}, so they cannot be paired by speaker; "
                "compare runs on one corpus"
            )
    if _truth(ours) != _truth(theirs):
        raise InputError(
            f"{run} and {reference} were tested on different utterances; evaluate both on all "
            "folds of their protocols"
        )
    speakers = sorted({str(s) for s in units(ours, unit)})
    return paired(_matrices(ours, speakers, unit), _matrices(theirs, speakers, unit), unit)


def _remarks(reports: Sequence[dict[str, Any]]) -> list[str]:
    """What else differs between two runs, and what their difference is of."""
    first, second = reports
    found = [
        f"{field} differs: {first.get(field)} and {second.get(field)}"
        for field in _REMARK
        if first.get(field) != second.get(field)
    ]
    if first.get("cross_corpus"):
        names = " and ".join(one["name"] for one in first["test_corpora"])
        found.append(
            f"the difference is pooled over {names}, each tested by what was learnt on others; "
            "their own figures stand in the runs' reports"
        )
    return found


def _unit(report: dict[str, Any]) -> Unit:
    """What a run's statistics take as independent; runs before pictures: the speaker."""
    return "picture" if report.get("unit") == "picture" else "speaker"


def _matrices(table: Judged, speakers: Sequence[str], unit: Unit) -> np.ndarray:
    seeds = sorted({int(s) for s in table.seed})
    return confusion_by(table, units(table, unit), speakers, seeds)


def _parts(
    run_a: Path,
    run_b: Path,
    truth: dict[str, tuple[str, int]],
    speakers: Sequence[str],
    unit: Unit,
) -> list[dict[str, Any]]:
    """What `paired` returns of each part that lies in both runs' parts.csv; none without it."""
    paths = [run / "parts.csv" for run in (run_a, run_b)]
    if not all(path.exists() for path in paths):
        return []
    a, b = (read_parts(path) for path in paths)
    found = []
    for name in a:
        if name not in b:
            continue
        for path, table in zip(paths, (a[name], b[name]), strict=True):
            if _truth(table) != truth:
                raise InputError(
                    f"{path}: its rows are not those of predictions.csv; run jser evaluate on the "
                    "run again."
                )
        matrices = [_matrices(table, speakers, unit) for table in (a[name], b[name])]
        uar = [float(metrics.uar(m.sum(0)).mean()) for m in matrices]
        result = paired(matrices[1], matrices[0], unit)
        found.append({"name": name, "a": uar[0], "b": uar[1], **result})
    return found


def compare_many(reference: str | Path, runs: Sequence[str | Path]) -> list[dict[str, Any]]:
    """Compare each of `runs` with `reference`; `p_holm` corrects for their number."""
    results = [compare(reference, run) for run in runs]
    for result, p in zip(results, holm([r["p"] for r in results]), strict=True):
        result["p_holm"] = float(p)
    return results


def verdict(result: dict[str, Any]) -> str:
    """One sentence on a comparison: the difference, its interval, p, and what could be seen."""
    low, high, see = result["low"], result["high"], result["smallest_detectable"]
    between = f" [{100 * low:+.1f}, {100 * high:+.1f}]" if low is not None else ""
    p, unit = result.get("p_holm", result["p"]), result.get("unit", "speaker")
    word = "p (Holm)" if "p_holm" in result else "p"
    shown = f"{word} = {p:.3f}" if p >= 0.001 else f"{word} < 0.001"
    if see is None:
        reach = f"too few {unit}s to see any difference"
    else:
        reach = f"smallest detectable {100 * see:.1f}"
    return (
        f"{100 * result['difference']:+.1f} points UAR{between}, {shown} over "
        f"{result['n_speakers']} {unit}s ({result['test'].partition(', ')[2]}); {reach}"
    )


def _load(run: Path) -> tuple[dict[str, Any], Judged]:
    path = run / "report.json"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        missing = [field for field in _NEEDED if report.get(field) is None]
    except (OSError, ValueError, AttributeError):
        raise InputError(
            f"{path}: no readable report; run jser evaluate {run} first, or its jser train command "
            "again where it is not finished."
        ) from None
    if missing:
        raise InputError(
            f"{path}: lacks {', '.join(missing)}; make it again with jser evaluate {run}."
        )
    return report, read_csv(run / "predictions.csv")


def _truth(table: Judged) -> dict[str, tuple[str, int]]:
    rows = zip(table.utterance_id, table.speaker, table.truth, strict=True)
    return {str(u): (str(s), int(t)) for u, s, t in rows}


def _side(run: str | Path, report: dict[str, Any]) -> dict[str, Any]:
    return {"run": urls.shown(run), "system": report["system"], "uar": report["uar"]["mean"]}
