"""The part of a page that shows how the members learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jser.evaluation.formats import percent, plural, shown
from jser.evaluation.page.curves import (
    MOST_LINES,
    Chosen,
    Curve,
    Row,
    by_member,
    chosen,
    mean_by_epoch,
    member_of,
    panel,
    stages,
)
from jser.evaluation.page.markup import Element, figure, folded, section, table, tag

_STAGES = {
    "select": "Training on train, with dev speakers to choose the epoch.",
    "refit": "Training again on train and dev, for the epochs that dev chose.",
}


def _note(stage: str) -> str:
    """What a training was; those of stems are named by `jser.two_stage.stage_names`."""
    if not stage.startswith("stem_"):
        name, _, group = stage.partition("_group_")
        behind = f" Points of the grid that take program {group}." if group else ""
        return _STAGES.get(name, f"Training {name}.") + behind
    before, _, group = stage.removeprefix("stem_").partition("_without_")
    left_out = f" Without group {group} of each fold's training speakers." if group else ""
    return f"Tuning the stem with a last layer of its own, before {before}.{left_out}"


def learning(report: Mapping[str, Any], metrics: Sequence[Row]) -> Element | None:
    """Curves of every training of a run, and what each member chose."""
    if not metrics:
        return None
    panels: list[Element] = []
    parts: list[Element] = []
    names = _fold_names(report)
    for stage in stages(metrics):
        rows = [row for row in metrics if row["stage"] == stage]
        panels += _panels(rows, names, stage, _note(stage))
        picked = chosen(rows)
        if picked:
            which = f", {stage}" if stage != "select" else ""
            chose = f"What each member chose{which}"
            parts.append(folded(chose, _choices(picked, names), paper=True))
    if report.get("grid"):
        parts.insert(0, figure("What dev chose of the grid", _grid(report["grid"])))
    if report.get("by_fold"):
        parts.insert(0, figure("What each fold's dev speakers chose", _own(report, names)))
    if report["failed_members"]:
        parts.append(
            tag("p", f"{plural(report['failed_members'], 'member')} ended early: the loss was not "
                "finite.", class_="must-read")
        )  # fmt: skip
    return section(
        "learning", "Learning", _key(metrics), tag("div", *panels, class_="panels"), *parts
    )


def _grid(grid: Mapping[str, Any]) -> Element:
    """The points of a grid, their dev UAR, and in how many folds each was chosen."""
    rows = []
    some_failed = any(None in row for row in grid["dev_uar"])
    for place, point in enumerate(grid["points"]):
        scores = [x for x in grid["dev_uar"][place] if x is not None]
        failed = len(grid["dev_uar"][place]) - len(scores)
        rows.append(
            [
                str(place + 1),
                *(str(point[field]) for field in grid["axes"]),
                percent(sum(scores) / len(scores)) if scores else "",
                f"{grid['chosen'].count(place)} of {len(grid['chosen'])}",
                *([str(failed)] if some_failed else []),
            ]
        )
    head = ["point", *grid["axes"], "dev UAR, %, mean of folds", "chosen in folds"]
    head += ["failed in folds"] if some_failed else []
    return table(head, rows, words=1 + len(grid["axes"]))


def _own(report: Mapping[str, Any], names: Mapping[int, str]) -> Element:
    """The values that each fold has of its own."""
    chosen, scores = report["by_fold"]["chosen"], report["by_fold"]["dev_uar"]
    rows = [
        [names.get(k, f"number {k + 1}"), *map(shown, own.values()), percent(scores[k])]
        for k, own in enumerate(chosen)
    ]
    return table(["fold", *chosen[0], "dev UAR, %"], rows)


def _fold_names(report: Mapping[str, Any]) -> dict[int, str]:
    """Place in the protocol -> name; unknown where folds are missing from the report."""
    if report["folds_missing"]:
        return {}
    return {k: str(fold["name"]) for k, fold in enumerate(report["folds"])}


def _key(metrics: Sequence[Row]) -> Element:
    n = len({member_of(row) for row in metrics})
    drawn = f"; {MOST_LINES} of them at most are drawn" if n > MOST_LINES else ""
    return tag(
        "p",
        tag("span", tag("i", class_="stroke thin"), f"one of {plural(n, 'member')} (fold, seed)"
            f"{drawn}"),
        tag("span", tag("i", class_="stroke bold"), "mean"),
        tag("span", tag("i", class_="ring"), "epoch chosen by the member's own dev speakers"),
        tag("span", "Train loss is taken while training, with the noise that training adds, so it "
            "may lie above dev's."),
        class_="legend",
    )  # fmt: skip


def _panels(rows: Sequence[Row], names: Mapping[int, str], stage: str, note: str) -> list[Element]:
    last = max(row["epoch"] for row in rows)
    found = []
    uar = Curve("dev UAR", by_member(rows, "dev_uar"), "one", in_percent=True)
    if uar.members:
        picked = chosen(rows)
        found.append(
            figure(
                f"Dev UAR in %, {stage}",
                panel([uar], picked, last, _said([uar]), names),
                note=note,
                numbers=_by_epoch([uar]),
            )
        )
    loss = [
        Curve(name, by_member(rows, field), group)
        for name, field, group in (("train", "train_loss", "one"), ("dev", "dev_loss", "two"))
    ]
    loss = [curve for curve in loss if curve.members]
    if loss:
        found.append(
            figure(
                f"Loss, {stage}",
                panel(loss, [], last, _said(loss), names),
                note=note,
                numbers=_by_epoch(loss),
            )
        )
    return found


def _said(curves: Sequence[Curve]) -> str:
    words = []
    for curve in curves:
        mean = mean_by_epoch(curve.members)
        first, last = min(mean), max(mean)
        words.append(
            f"{curve.name}: mean {curve.shown(mean[first])} in epoch {first}, "
            f"{curve.shown(mean[last])} in epoch {last}"
        )
    return f"Learning curves. {'; '.join(words)}."


def _by_epoch(curves: Sequence[Curve]) -> Element:
    head = ["epoch"] + [
        f"{c.name} {word}" for c in curves for word in ("mean", "lowest", "highest")
    ]
    rows = []
    for epoch in sorted({e for c in curves for v in c.members.values() for e in v}):
        cells = [str(epoch)]
        for curve in curves:
            values = [v[epoch] for v in curve.members.values() if epoch in v]
            mean = sum(values) / len(values) if values else None
            for value in (mean, min(values, default=None), max(values, default=None)):
                cells.append("" if value is None else curve.shown(value).removesuffix(" %"))
        rows.append(cells)
    return table(head, rows)


def _choices(picked: Sequence[Chosen], names: Mapping[int, str]) -> Element:
    return table(
        ["fold", "seed", "epoch chosen", "dev UAR there, %", "dev loss there"],
        [
            [
                names.get(c.fold, f"number {c.fold + 1}"),
                f"{c.seed}{c.which}",
                str(c.epoch),
                percent(c.dev_uar),
                "" if c.dev_loss is None else f"{c.dev_loss:.3f}",
            ]
            for c in picked
        ],
        words=2,
    )
