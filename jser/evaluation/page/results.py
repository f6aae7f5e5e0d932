"""What came out: the headline, where it errs, and for whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jser.evaluation import corpora
from jser.evaluation.compare import verdict
from jser.evaluation.formats import between, by_unit, in_words, of_pictures, others, percent
from jser.evaluation.page import charts
from jser.evaluation.page.charts import Bar, Estimate, Reference
from jser.evaluation.page.markup import Element, figure, section, table, tag

_WORDS = {"uar": "UAR", "wa": "accuracy (WA)"}


def result(report: Mapping[str, Any]) -> Element:
    """The headline with its interval, beside what it has to beat."""
    first = corpora.FIRST.get(report["corpus"], "uar")
    headline, word = report[first], _WORDS[first]
    interval = (
        tag(
            "p",
            by_unit(report).replace("%", "% interval"),
            " ",
            tag("b", between(headline)),
            class_="between",
        )
        if headline["low"] is not None
        else tag("p", "no interval: too few speakers", class_="between")
    )
    head = tag(
        "div",
        tag(
            "div",
            tag(
                "p",
                f"{word}, pooled" if report["pooling_rule"] == "pooled" else word,
                class_="note",
            ),
            tag("p", percent(headline["mean"]), tag("small", " %"), class_="number"),
            interval,
            class_="headline",
        ),
        _tiles(report, first),
        class_="top",
    )
    base = report["baseline"]
    warnings = [tag("li", sentence) for sentence in report["warnings"]]
    return section(
        "result",
        "Result",
        head,
        _against(base) if base else None,
        figure(
            "Beside what it has to beat",
            charts.intervals(_estimates(report), _said(report)),
            note=_about_estimates(report),
            numbers=_headline_table(report),
        ),
        tag("ul", *warnings, class_="warnings", aria_label="Warnings") if warnings else None,
    )  # fmt: skip


def _against(base: Mapping[str, Any]) -> Element:
    words = f"{verdict(base['comparison'])}."
    return tag("p", tag("b", f"Against {base['name']}: "), words, class_="against")


def _tiles(report: Mapping[str, Any], first: str) -> Element:
    std, second = report[first]["std"], "wa" if first == "uar" else "uar"
    rows: list[tuple[str, str]] = [
        (_WORDS[second], percent(report[second]["mean"])),
        ("macro F1", percent(report["macro_f1"]["mean"])),
        ("mean of folds", percent(report[f"{first}_fold_mean"])),
        ("sd over seeds", percent(std) if std is not None else "one seed"),
    ]
    return tag(
        "dl",
        *(tag("div", tag("dt", name), tag("dd", value)) for name, value in rows),
        class_="tiles",
    )


def _estimates(report: Mapping[str, Any]) -> list[Estimate]:
    """The run, its baseline and parts, published figures of UAR, the majority and chance."""
    uar = report["uar"]
    rows = [Estimate(report["system"], uar["mean"], uar["low"], uar["high"])]
    for other in others(report):
        figure_ = other["uar"]
        rows.append(
            Estimate(other["name"], figure_["mean"], figure_["low"], figure_["high"], "baseline")
        )
    for row in report["yardsticks"]:
        if row["metric"] == "uar":
            fair = row["comparable"] is True
            note = {True: "", False: ", not comparable", None: ", comparability not known"}
            rows.append(
                Estimate(
                    f"{row['name']}, published{note[row['comparable']]}",
                    row["value"],
                    kind="published" if fair else "apart",
                    aside=row["source"],
                )
            )
    rows.append(Estimate("majority class", report["majority"]["uar"], kind="floor"))
    rows.append(Estimate("chance", report["chance_uar"], kind="floor"))
    return rows


def _about_estimates(report: Mapping[str, Any]) -> str:
    note = f"UAR in %. Whiskers: {report['interval_method']}."
    if any(row["metric"] == "uar" for row in report["yardsticks"]):
        note += (
            " Published figures have no interval; a hollow one may not or cannot be "
            "compared, see the yardsticks."
        )
    return note


def _said(report: Mapping[str, Any]) -> str:
    return "UAR. " + " ".join(f"{row.name}: {percent(row.value)} %." for row in _estimates(report))


def _headline_table(report: Mapping[str, Any]) -> Element:
    beside, majority = report["interval_beside"], report["majority"]
    head = ["%", "", "mean", by_unit(report), "the other method", "seeds' sd", "mean of folds"]
    rows = []
    compared = [(report["system"], report)]
    compared += [(other["name"], other) for other in others(report)]
    for who, figures in compared:
        for metric, word in (("uar", "UAR"), ("wa", "WA"), ("macro_f1", "macro F1")):
            one = figures[metric]
            other = between(beside[metric]) if beside and figures is report else ""
            rows.append(
                [who, word, percent(one["mean"]), between(one), other, percent(one["std"]),
                 percent(figures.get(f"{metric}_fold_mean"))]
            )  # fmt: skip
    for metric, word in (("uar", "UAR"), ("wa", "WA")):
        rows.append(["majority class", word, percent(majority[metric]), "", "", "", ""])
    rows.append(["chance", "UAR", percent(report["chance_uar"]), "", "", "", ""])
    return table(head, rows, words=2)


# ----------------------------------------------------------------------------------- where it errs


def classes(report: Mapping[str, Any]) -> Element:
    """Confusion matrix, and the recall of each class."""
    names, confusion = report["classes"], report["confusion"]
    n_seeds = max(len(report["seeds"]), 1)
    recall = report["per_class_recall"]
    summed = f" summed over {n_seeds} seeds" if n_seeds > 1 else ""
    rows = [
        [name, *(str(n) for n in confusion[k]), str(sum(confusion[k]) // n_seeds),
         percent(recall[name])]
        for k, name in enumerate(names)
    ]  # fmt: skip
    matrix = figure(
        "Confusion",
        charts.confusion(names, confusion),
        note=f"Rows: what was meant; columns: what was answered. % of the row, below it counts"
        f"{summed}.",
        numbers=table(["truth \\ answer", *names, "n", "recall, %"], rows),
    )
    bars = [
        Bar(
            name,
            recall[name],
            said=f"{name}: {in_words(recall[name])}, {sum(confusion[k]) // n_seeds} "
            f"{'pictures' if of_pictures(report) else 'utterances'}",
        )
        for k, name in enumerate(names)
    ]
    absent = report["absent_classes"]
    by_class = figure(
        "Recall by class",
        charts.bars(
            bars,
            "Recall by class. "
            + " ".join(f"{b.name}: {in_words(b.value)}." for b in bars),
            Reference("UAR", report["uar"]["mean"]),
            report["chance_uar"],
        ),
        note="% of each class that was recognised; UAR is their mean."
        + (f" Not in the test: {', '.join(absent)}." if absent else ""),
        numbers=table(
            ["class", "n", "recall, %"], [[name, rows[k][-2], percent(recall[name])]
             for k, name in enumerate(names)]
        ),
    )  # fmt: skip
    return section("classes", "Classes", tag("div", matrix, by_class, class_="columns wide-left"))


def speakers(report: Mapping[str, Any]) -> Element:
    """UAR of each test speaker, and of each fold where a fold is more than a speaker."""
    uar = report["uar"]
    # Over corpora tested by other members there is no line to hold all speakers against.
    cross = report["cross_corpus"]
    mean = None if cross else Reference("pooled UAR", uar["mean"], uar["low"], uar["high"])
    people = sorted(report["per_speaker"], key=lambda r: (-(r["uar"] or 0.0), r["speaker"]))
    sexes = sorted({row["sex"] for row in people}, key="fm?".find)
    band = " The band is its 95 % interval." if uar["low"] is not None else ""
    legend = tag(
        "p",
        *(
            tag("span", tag("i", class_=f"swatch {_colour(sex)}"), _SEX.get(sex, sex))
            for sex in sexes
        ),
        class_="legend",
    )
    by_speaker = figure(
        "Test speakers",
        legend if sexes != ["?"] else None,
        charts.bars(
            [_speaker_bar(row) for row in people],
            "UAR of each test speaker. "
            + " ".join(f"{r['speaker']}: {in_words(r['uar'])}." for r in people),
            mean,
            report["chance_uar"],
        ),
        note="UAR of each speaker over his or her own classes, best first"
        + ("." if cross else f"; the line is the pooled UAR.{band}"),
        numbers=table(
            ["speaker", "sex", "n", "WA, %", "UAR, %"],
            [
                [r["speaker"], r["sex"], str(r["n"]), percent(r["wa"]), percent(r["uar"])]
                for r in people
            ],
            words=2,
        ),
    )
    folds = report["folds"]
    by_fold = figure(
        "Folds",
        charts.bars(
            [
                Bar(
                    f["name"],
                    f["uar"],
                    said=f"fold {f['name']}: {in_words(f['uar'])}, "
                    f"{f['n']} utterances of {', '.join(f['test_speakers'])}",
                )
                for f in folds
            ],
            "UAR of each fold " + " ".join(f"{f['name']}: {in_words(f['uar'])}." for f in folds),
            Reference("mean of folds", report["uar_fold_mean"]),
            report["chance_uar"],
        ),
        note="UAR of each fold; its test and dev speakers stand under Protocol.",
        numbers=fold_table(report),
    )
    drawn = (
        tag("div", by_speaker, by_fold, class_="columns")
        if _many_a_fold(report)
        else tag("div", by_speaker, class_="alone")
    )
    return section("speakers", "Speakers", drawn)


_SEX = {"f": "female", "m": "male", "?": "sex not known"}


def _colour(sex: str) -> str:
    return {"f": "one", "m": "two"}.get(sex, "rest")


def _speaker_bar(row: Mapping[str, Any]) -> Bar:
    said = f"{row['speaker']} ({row['sex']}): UAR {in_words(row['uar'])}, WA "
    # The end of a long name tells speakers apart: a corpus may stand before it.
    name = row["speaker"] if len(row["speaker"]) <= 14 else f"…{row['speaker'][-13:]}"
    return Bar(
        name,
        row["uar"],
        _colour(row["sex"]),
        aside=row["sex"],
        said=f"{said}{percent(row['wa'])} %, {row['n']} utterances",
    )


def _many_a_fold(report: Mapping[str, Any]) -> bool:
    return any(len(fold["test_speakers"]) != 1 for fold in report["folds"])


def fold_table(report: Mapping[str, Any]) -> Element:
    """Each fold with its test and dev speakers."""
    rows = [
        [f["name"], ", ".join(f["test_speakers"]), ", ".join(f["dev_speakers"]), str(f["n"]),
         percent(f["wa"]), percent(f["uar"])]
        for f in report["folds"]
    ]  # fmt: skip
    return table(["fold", "test speakers", "dev speakers", "n", "WA, %", "UAR, %"], rows, words=3)
