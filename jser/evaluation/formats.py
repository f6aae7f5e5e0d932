"""How figures and settings are written, on a terminal and on a page alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jser.evaluation import corpora
from jser.evaluation.compare import verdict

COMPARABLE: Mapping[bool | None, str] = {True: "yes", False: "no", None: "not known"}


def percent(value: float | None) -> str:
    """A figure of 0..1 in % with one decimal; nothing where there is none."""
    return "" if value is None else f"{100 * value:.1f}"


def in_words(value: float | None) -> str:
    """A figure as a sentence has it."""
    return "none" if value is None else f"{percent(value)} %"


def points(value: float) -> str:
    """A difference of figures of 0..1 in points, with its sign."""
    return f"{100 * value:+.1f}"


def between(figure: Mapping[str, float | None]) -> str:
    """An interval's `low` and `high`."""
    low, high = figure["low"], figure["high"]
    return "none" if low is None or high is None else f"{percent(low)} to {percent(high)}"


def some(names: Sequence[str]) -> str:
    """Six names at most, and how many more there are."""
    return " ".join(names) if len(names) <= 6 else f"{' '.join(names[:5])} +{len(names) - 5}"


def ordinal(n: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th ..."""
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def plural(n: int, word: str) -> str:
    """The number and the word, with an s unless there is one."""
    return f"{n:,} {word}{'s' * (n != 1)}"


def of_pictures(report: Mapping[str, Any]) -> bool:
    """Whether pictures were tested, and not recordings."""
    return bool(report.get("things") == "pictures")


def by_unit(report: Mapping[str, Any]) -> str:
    """Of what an interval is: ``95 % by speaker``."""
    return f"95 % by {report.get('unit') or 'speaker'}"


def of_whom(report: Mapping[str, Any]) -> str:
    """How many utterances or pictures were tested, and of how many people."""
    thing, who = ("picture", "author") if of_pictures(report) else ("utterance", "speaker")
    people = plural(report["n_speakers"], who) if report["n_speakers"] else f"unknown {who}s"
    return f"{plural(report['n_utterances'], thing)}, {people}"


def tested(report: Mapping[str, Any]) -> str:
    """How much was tested."""
    return f"{of_whom(report)}, {plural(len(report['seeds']), 'seed')}"


def settings_that_differ(result: Mapping[str, Any]) -> list[str]:
    """Of two runs' configs, one line a field: ``stem.channels: 1 (a), 3 (b)``."""

    def said(value: Any) -> str:
        if isinstance(value, list):
            return ",".join(map(str, value)) or "none"
        return "not there" if value is None else str(value) or "empty"

    return [
        f"{row['field']}: {said(row['a'])} (a), {said(row['b'])} (b)" for row in result["settings"]
    ]


def others(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What was scored beside the system: its baseline, and its parts alone."""
    base = report["baseline"]
    return ([base] if base else []) + list(report["parts"])


def settings(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a report's figures depend on: (name, sentence), in the order to read them."""
    rows = []
    base, beside = report["baseline"], report["interval_beside"]
    if base:
        rows.append(("to baseline", verdict(base["comparison"])))
    for part in report["parts"]:
        rows.append((f"to the {part['name']}", verdict(part["comparison"])))
    rows += corpora.settings(report)
    if not report["cross_corpus"]:
        rows.append(("interval", report["interval_method"]))
    if beside:
        rows.append(("beside it", f"{between(beside['uar'])}  {beside['method']}"))
    rows.append(("folds", report["protocol_description"]))
    seen = {None: "not known", True: "yes", False: "no"}[report["text_seen"]]
    heard = report["sentences"]
    if heard["tested"] and report["text_seen"] is not None:
        seen += f", {heard['heard_in_training']} of {heard['tested']} counted fold by fold"
    spoken = not of_pictures(report)
    if spoken:
        rows.append(("test sentences heard in training", seen))
    level = f"level {report['level']}; " if spoken else ""
    rows.append(
        (
            "selection",
            f"{report['selection']}; normalisation {report['normalisation']}; {level}"
            f"headline {report['pooling_rule']}",
        )
    )
    if report.get("grid"):
        rows.append(("grid", _grid(report["grid"])))
    own = report.get("by_fold")
    if own:
        rows.append(("values by fold", _by_fold(report, own)))
    among = f"; chosen among {own['tried']} tried per fold on dev" if own and own["tried"] else ""
    rows.append(
        (
            "ledger",
            f"{ordinal(report['configs_scored'])} configuration scored here, "
            f"of {report['configs_total']} so far{among}",
        )
    )
    found = report.get("calibration")  # older reports have none
    if found and found["error"] is not None:
        rows.append(("calibration error", _calibration(found)))
    return rows


def _calibration(found: Mapping[str, Any]) -> str:
    """How far probabilities are from what they promise."""
    each = list(found["by_speaker"].values())
    alone = f"; of single speakers {percent(min(each))} to {percent(max(each))}"
    return (
        f"{percent(found['error'])} points{alone if len(each) > 1 else ''} "
        f"({'calibrated on dev' if found['calibrated'] else 'before calibration'}, ten bins)"
    )


def _by_fold(report: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    """Each fold's own values in words, the first folds' of many."""
    how = (
        f"chosen in each fold by its dev speakers among {plural(own['tried'], 'trial')}"
        if own["tried"]
        else "given for each fold; how they were chosen is not known"
    )
    names = [str(fold["name"]) for fold in report["folds"]]
    if len(names) != len(own["chosen"]):  # some folds are missing from the report
        names = [f"number {k + 1}" for k in range(len(own["chosen"]))]
    each = [
        f"{name}: {' '.join(f'{field}={shown(value)}' for field, value in chosen.items())}"
        for name, chosen in zip(names, own["chosen"], strict=True)
    ]
    more = f"; {len(each) - 4} more in report.json" if len(each) > 5 else ""
    return f"{how}; {'; '.join(each if not more else each[:4])}{more}"


def shown(value: Any) -> str:
    """A field's value, a number with four digits that count."""
    if isinstance(value, list | tuple):
        return ",".join(map(shown, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _grid(grid: Mapping[str, Any]) -> str:
    """A grid in words: its axes, and what the folds chose, the commonest first."""
    axes = "; ".join(
        f"{field} {', '.join(str(value) for value in values)}"
        for field, values in grid["axes"].items()
    )
    n = len(grid["chosen"])
    picked = []
    for place in sorted(set(grid["chosen"]), key=lambda p: (-grid["chosen"].count(p), p)):
        values = " ".join(f"{field}={value}" for field, value in grid["points"][place].items())
        picked.append(f"{values} in {grid['chosen'].count(place)}")
    shown = "; ".join(picked[:3]) + (f"; {len(picked) - 3} more" if len(picked) > 3 else "")
    return (
        f"{plural(len(grid['points']), 'point')} ({axes}), each fold's by its own dev speakers; "
        f"of {plural(n, 'fold')}: {shown}"
    )
