"""A sweep as one HTML page that needs no network: `DIR/sweep.html`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jser.evaluation import sweep
from jser.evaluation.formats import between, by_unit, in_words, percent, shown, tested
from jser.evaluation.page import charts, sweep_charts
from jser.evaluation.page.charts import Bar
from jser.evaluation.page.markup import Element, document, figure, folded, section, table, tag
from jser.evaluation.page.run_page import masthead


def render_sweep(result: Mapping[str, Any]) -> str:
    """The page of a finished sweep, of what sweep.json holds."""
    report = result["report"]
    parts = [_chosen(result), _worth(result), _values(result), _trials(result)]
    title = f"Sweep {result['name']}: {report['system']} on {report['corpus']}"
    return document(
        title,
        masthead(title, report["protocol_description"], tested(report), report["marks"], parts),
        tag("main", *parts, id="main"),
        tag(
            "footer",
            tag("p", f"Made by jser {result['versions'].get('jser', '')} with Optuna "
                f"{result['versions'].get('optuna', '')} from sweep.json. Nothing on this page is "
                "loaded from a network."),
        ),
    )  # fmt: skip


def _chosen(result: Mapping[str, Any]) -> Element:
    uar, fields = result["report"]["uar"], list(result["fields"])
    return section(
        "chosen",
        "What was chosen, and scored",
        tag(
            "p",
            tag("b", f"UAR {percent(uar['mean'])} %"),
            f", {by_unit(result['report'])} {between(uar)}; {sweep.said(result)}. Of each fold its "
            "own dev speakers chose, and no fold saw another's: a test speaker is a dev speaker "
            f"elsewhere. The run: {result['best']}",
        ),
        table(
            ["fold", *fields, "trial", "dev UAR, %"],
            [
                [fold["name"], *(shown(values[f]) for f in fields), str(fold["chosen"]),
                 percent(dev)]
                for fold, values, dev in zip(
                    result["folds"], result["chosen"], result["dev_uar"], strict=True
                )
            ],
        ),
    )  # fmt: skip


def _worth(result: Mapping[str, Any]) -> Element:
    mean = sweep.mean_best(result)
    curves = {fold["name"]: fold["best_of"] for fold in result["folds"]}
    return section(
        "worth",
        "What tuning cost, and was worth on dev",
        figure(
            "Expected best dev UAR of n trials, %",
            sweep_charts.best_of(curves, mean),
            note="Thin: a fold; bold: their mean (Dodge et al. 2019). By "
            f"{sweep.HOW[result['sampler']]}. {sweep.states(result)}; {result['seconds']:.0f} s of "
            "training.",
            numbers=table(
                ["trials", "mean of folds", *(f"fold {name}" for name in curves)],
                [
                    [str(k + 1), percent(value), *(percent(c[k]) for c in curves.values())]
                    for k, value in enumerate(mean)
                ],
            ),
        ),
    )


def _values(result: Mapping[str, Any]) -> Element:
    trials = [
        {**t, "fold": fold["name"], "chosen": t["number"] == fold["chosen"]}
        for fold in result["folds"]
        for t in fold["trials"]
    ]
    shares = sweep.importance(result)
    bars = [
        Bar(
            field.removeprefix("hyper."),
            share,
            said=f"{field}: {in_words(share)} of what makes trials differ",
        )
        for field, share in shares.items()
    ]
    important = figure(
        "Importance, %",
        charts.bars(bars, "Importance of each field: " + "; ".join(b.words() for b in bars)),
        note="Each field's share of what makes the best trials differ from the others (PED-ANOVA, "
        "of trials that were trained to their end), mean of folds.",
        numbers=table(["field", "importance, %"], [[f, percent(x)] for f, x in shares.items()]),
    )
    return section(
        "values",
        "Values and dev UAR",
        *([important] if bars else []),
        figure(
            "Trials",
            sweep_charts.parallel(result["fields"], trials),
            note="A line is a trial of a fold; the better among its fold's, the darker; a winner "
            "has a colour of its own. A trial that was pruned has the dev UAR of its end.",
            numbers=table(
                ["field", "tried"],
                [[f, sweep.distribution(d)] for f, d in result["fields"].items()],
                words=2,
            ),
        ),
    )


def _trials(result: Mapping[str, Any]) -> Element:
    fields = list(result["fields"])
    parts = []
    for fold in result["folds"]:
        rows = [
            [
                str(t["number"]),
                *(shown(t["values"][f]) if t["values"] else "" for f in fields),
                percent(t["dev_uar"]),
                t["state"] + (f": {t['why']}" if t["why"] else ""),
                "" if t["epochs"] is None else f"{t['epochs']} of {_epochs(result, t)}",
                "" if t["seconds"] is None else f"{t['seconds']:.1f}",
            ]
            for t in fold["trials"]
        ]
        made = table(["trial", *fields, "dev UAR, %", "state", "epochs", "seconds"], rows)
        parts.append(folded(f"Fold {fold['name']}, study {fold['study']}", made))
    return section("trials", "Every trial", *parts)


def _epochs(result: Mapping[str, Any], trial: Mapping[str, Any]) -> int:
    return int((trial["values"] or {}).get("epochs", result["epochs"]))
