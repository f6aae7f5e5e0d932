"""The page of a run: well-formed, on its own, and its figures are the report's."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jser import protocols
from jser.evaluation import compare, formats, page, report
from jser.evaluation.examples import Example, Shown, choose
from jser.evaluation.page.learning import _note
from tests.evaluation.html_tree import Node, parse
from tests.evaluation.test_markup import HOSTILE

CSS = "".join(
    Path(page.__file__).with_name(name).read_text(encoding="utf-8")
    for name in ("base.css", "page.css")
)


def examples(scores: Any, sound: bool = True, attention: bool = True) -> Shown:
    rng = np.random.default_rng(0)
    made = []
    for choice in choose(scores.judged):
        n = int(rng.integers(60, 120))
        given = choice if attention else type(choice)(**{**vars(choice), "attention": None})
        made.append(
            Example(
                choice=given,
                log_mel=rng.normal(size=(n, 64)).astype(np.float32),
                band_hz=np.linspace(50, 7900, 64),
                hop=0.01,
                window=0.025,
                steps=np.asarray([[i, i + 20] for i in range(0, 50, 10)]),
                waveform=rng.integers(-99, 99, n * 160 + 240).astype(np.int16) if sound else None,
                sample_rate=16000,
            )
        )
    return Shown(tuple(made), ("a remark on the sound",))


def metrics(folds: int, seeds: tuple[int, ...] = (0, 1), epochs: int = 5) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    return [
        {
            "stage": stage, "epoch": e, "fold": f, "seed": s,
            "train_loss": float(2 - 0.2 * e + rng.normal() / 20),
            "dev_loss": None if stage == "refit" else float(2 - 0.1 * e + rng.normal() / 20),
            "dev_uar": None if stage == "refit" else float(0.3 + 0.05 * e + rng.random() / 10),
        }
        for stage in ("select", "refit")
        for e in range(1, epochs + 1)
        for f in range(folds)
        for s in seeds
    ]  # fmt: skip


@pytest.fixture
def full(corpus: Any, protocol: protocols.Protocol, build: Any) -> tuple[dict[str, Any], str]:
    """A report with everything in it, and its page."""
    corpus = type(corpus)(**{**vars(corpus), "name": "ravdess", "partial": True, "note": "a note"})
    made, scores = build(corpus, protocol, baseline=True)
    html = page.render(
        made,
        certificate=protocols.certificate(corpus, protocol).to_json(),
        config={"system": "dcnn", "stem": {"taps": (1, 2), "scale": 2}, "epochs": 20},
        metrics=metrics(10),
        shown=examples(scores),
    )
    return made, html


def rows(table: Node) -> list[list[str]]:
    return [
        [c.text() for c in row.children if isinstance(c, Node)] for row in table.all("tr")
    ]  # fmt: skip


def visible(tree: Node) -> str:
    """Text of the page without the raw report at its end, its style and its script."""
    body = tree.one("main")
    raw = body.one("pre")
    raw.children.clear()
    return f"{tree.one('header').text()} {body.text()}"


def test_page_is_well_formed_and_needs_nothing_else(full: Any) -> None:
    _, html = full
    assert html.startswith("<!DOCTYPE html>\n")
    tree = parse(html)
    for node in tree.all():
        for name, value in node.attributes.items():
            if name in ("src", "href", "xlink:href", "srcset", "poster", "data", "action"):
                assert value is not None
                assert value.startswith(("data:", "#")), f"<{node.tag} {name}={value[:60]}>"
            if value is not None and not value.startswith("data:"):
                assert "://" not in value
                assert "url(" not in value
    assert "url(" not in CSS
    assert "@import" not in CSS
    assert [n.attributes["href"] for n in tree.all("link")] == ["data:,"]
    assert {node.tag for node in tree.all()} & {"iframe", "object", "embed", "base"} == set()
    assert len(html.encode()) < 3e6


def test_ids_are_unique_and_links_lead_somewhere(full: Any) -> None:
    tree = parse(full[1])
    ids = [n.attributes["id"] for n in tree.all() if "id" in n.attributes]
    assert len(ids) == len(set(ids))
    links = [n.attributes["href"] for n in tree.all("a")]
    assert {link[1:] for link in links} <= set(ids)
    assert [n.text() for n in tree.one("nav").all("a")] == [
        "Result", "Classes", "Speakers", "Learning", "Look and listen", "Yardsticks", "Protocol",
        "Run",
    ]  # fmt: skip


def test_who_cannot_see_hears_what_is_there(full: Any) -> None:
    tree = parse(full[1])
    assert tree.one("html").attributes["lang"] == "en"
    assert len(tree.all("h1")) == 1
    for svg in tree.all("svg", "chart"):
        assert svg.attributes["role"] == "img"
        assert len(svg.attributes["aria-label"]) > 10
    for image in tree.all("img"):
        assert image.attributes["alt"]
    for audio in tree.all("audio"):
        assert audio.attributes["aria-label"]
        assert "controls" in audio.attributes, "sound plays without the script"
    # Every figure has its numbers as a table.
    for figure in tree.all("figure"):
        assert figure.one("details").all("table"), figure.one("h3").text()
        assert figure.one("details").all("td")


def test_headline_and_marks(full: Any) -> None:
    made, html = full
    tree = parse(html)
    header = tree.one("header")
    assert [p.text() for p in header.all("p", "must-read")] == [
        m.replace("  ", " ") for m in made["marks"]
    ]
    assert len(made["marks"]) >= 2
    assert [li.text() for li in tree.one("ul", "warnings").all("li")] == made["warnings"]
    assert tree.one("h1").text() == made["system"]
    head = tree.one("div", "headline").text()
    uar = made["uar"]
    assert f"{100 * uar['mean']:.1f} %" in head
    assert f"{100 * uar['low']:.1f} to {100 * uar['high']:.1f}" in head
    assert compare.verdict(made["baseline"]["comparison"]) in tree.one("p", "against").text()


def test_figures_of_the_tables_are_the_reports(full: Any) -> None:
    made, html = full
    tree = parse(html)

    def pc(value: float | None) -> str:
        return "" if value is None else f"{100 * value:.1f}"

    by_title = {f.one("h3").text(): rows(f.all("table")[0])[1:] for f in tree.all("figure")}
    assert by_title["Confusion"] == [
        [c, *map(str, row), str(sum(row) // 2), pc(made["per_class_recall"][c])]
        for c, row in zip(made["classes"], made["confusion"], strict=True)
    ]
    assert sorted(by_title["Test speakers"]) == sorted(
        [r["speaker"], r["sex"], str(r["n"]), pc(r["wa"]), pc(r["uar"])]
        for r in made["per_speaker"]
    )
    best_first = [float(r[-1]) for r in by_title["Test speakers"]]
    assert best_first == sorted(best_first, reverse=True)
    headline = by_title["Beside what it has to beat"]
    for metric, row in zip(("uar", "wa", "macro_f1"), headline, strict=False):
        one, other = made[metric], made["interval_beside"][metric]
        assert row[2:6] == [
            pc(one["mean"]), formats.between(one), formats.between(other), pc(one["std"]),
        ]  # fmt: skip
    assert headline[3][2] == pc(made["baseline"]["uar"]["mean"])
    folds = rows(tree.id("protocol").all("table")[0])[1:]
    assert folds == [
        [f["name"], ", ".join(f["test_speakers"]), ", ".join(f["dev_speakers"]), str(f["n"]),
         pc(f["wa"]), pc(f["uar"])]
        for f in made["folds"]
    ]  # fmt: skip
    sticks = rows(tree.id("yardsticks").one("table"))[1:]
    assert len(sticks) == len(made["yardsticks"]) > 4
    for row, stick in zip(sticks, made["yardsticks"], strict=True):
        assert row[0] == stick["name"]
        assert row[2] == pc(stick["value"])
        assert row[3] == pc(stick["this_run"])
        assert row[4] == f"{formats.COMPARABLE[stick['comparable']]} {stick['why']}".strip()
        assert row[5:] == [stick["rule"], stick["protocol"], stick["source"]]


def test_everything_in_the_report_is_on_the_page(full: Any) -> None:
    made, html = full
    tree = parse(html)
    assert json.loads("".join(tree.one("pre").children)) == made
    text = visible(tree)
    for key in (
        "system", "corpus", "fingerprint", "protocol", "protocol_description", "folds_hash", "note",
        "selection", "normalisation", "level", "interval_method", "pooling_rule", "device",
    ):  # fmt: skip
        assert str(made[key]) in text, key
    assert made["interval_beside"]["method"] in text
    assert formats.ordinal(made["configs_scored"]) + " configuration scored here" in text
    assert f"of {made['configs_total']} so far" in text
    assert f"{made['sentences']['heard_in_training']} of {made['sentences']['tested']}" in text
    assert f"UAR {100 * made['uar_fold_mean']:.1f}, WA {100 * made['wa_fold_mean']:.1f}" in text
    assert f"{made['parameters']:,}" in text
    assert f"{made['peak_memory_mb']:,.0f} MB" in text
    assert f"{100 * made['chance_uar']:.1f}" in text
    assert f"{100 * made['majority']['uar']:.1f}" in text
    for name, version in made["versions"].items():
        assert f"{name} {version}" in text
    for name, seconds in made["seconds"].items():
        assert f"{name} {'–' if seconds is None else f'{seconds:,.1f}'}" in text
    assert "dev and test in one session no" in text
    assert "partial corpus yes" in text
    assert "stem.taps 1, 2" in text
    assert "stem.scale 2" in text


def test_certificate_is_counted_fold_by_fold(
    corpus: Any, protocol: protocols.Protocol, build: Any
) -> None:
    made, _ = build(corpus, protocol)
    certificate = protocols.certificate(corpus, protocol).to_json()
    tree = parse(page.render(made, certificate=certificate)).id("protocol")
    assert tree.one("p", "clean")
    counted = rows(tree.all("table")[1])[1:]
    assert [r[:5] for r in counted] == [
        [f["name"], "nothing", "84 of 7", "24 of 2", "12 of 1"] for f in certificate["folds"]
    ]
    room = type(corpus)(**{**vars(corpus), "session": np.full(len(corpus.label), "room")})
    made, _ = build(room, protocol, allow_leak="one room only")
    leaking = protocols.certificate(room, protocol, "one room only").to_json()
    tree = parse(page.render(made, certificate=leaking))
    assert "one room only" in tree.one("header").text()
    assert "share 1 sessions" in tree.id("protocol").one("p", "must-read").text()
    assert "train and test: 1 sessions" in tree.id("protocol").text()


def test_learning_shows_stages_and_choices(full: Any) -> None:
    part = parse(full[1]).id("learning")
    assert [h.text() for h in part.all("h3")] == [
        "Dev UAR in %, select", "Loss, select", "Loss, refit",
    ]  # fmt: skip
    curves = part.all("svg", "curves")
    assert [len(c.all("path", "thin")) for c in curves] == [20, 40, 20]
    assert [len(c.all("path", "bold")) for c in curves] == [1, 2, 1]
    assert [len(c.all("circle", "chosen")) for c in curves] == [20, 0, 0]
    given = metrics(10)
    picked = rows(part.all("details")[-1].one("table"))[1:]
    assert len(picked) == 20
    for fold, seed, epoch, uar, loss in picked:
        mine = [
            r for r in given
            if r["stage"] == "select" and r["seed"] == int(seed) and f"{r['fold'] + 1:02d}" == fold
        ]  # fmt: skip
        best = max(mine, key=lambda r: (r["dev_uar"], -r["dev_loss"], -r["epoch"]))
        assert int(epoch) == best["epoch"]
        assert uar == f"{100 * best['dev_uar']:.1f}"
        assert loss == f"{best['dev_loss']:.3f}"


def test_examples_are_right_and_wrong_by_class(full: Any) -> None:
    part = parse(full[1]).id("listening")
    heads = [h.text() for h in part.all("h4")]
    for name in ("anger", "neutral", "sadness"):
        assert f"✓ {name}, recognised" in heads
        assert any(h.startswith(f"✗ {name}, taken for ") for h in heads)
    assert len(part.all("audio")) == 6
    assert len(part.all("img")) == 6
    assert "SHA-256" in part.text()
    assert "a remark on the sound" in part.text()


def test_learning_names_the_trainings_of_stems() -> None:
    said = [_note(name) for name in ("stem_select", "stem_refit_without_2", "select", "other")]
    assert "last layer of its own, before select." in said[0]
    assert "before refit. Without group 2 of each fold" in said[1]
    assert said[2].startswith("Training on train")
    assert said[3] == "Training other."


@pytest.mark.parametrize("without", ["sound", "attention", "examples", "metrics", "all"])
def test_what_is_not_there_leaves_no_hole(
    corpus: Any, protocol: protocols.Protocol, build: Any, without: str
) -> None:
    made, scores = build(corpus, protocol, how={"seeds": (0,)})
    given: dict[str, Any] = {
        "certificate": protocols.certificate(corpus, protocol).to_json(),
        "config": {"a": 1},
        "metrics": metrics(10, (0,)),
        "shown": examples(scores, without != "sound", without != "attention"),
    }
    gone = {"examples": ["shown"], "metrics": ["metrics"], "all": list(given)}.get(without, [])
    tree = parse(page.render(made, **{k: v for k, v in given.items() if k not in gone}))
    assert bool(tree.all("audio")) is (without in ("attention", "metrics"))
    assert bool(tree.all("svg", "overlay")) is (without in ("sound", "metrics"))
    parts = [n.attributes["id"] for n in tree.all("section")]
    assert ("listening" in parts) is (without not in ("examples", "all"))
    assert ("learning" in parts) is (without not in ("metrics", "all"))
    assert "yardsticks" not in parts
    assert "one seed" in tree.one("dl", "tiles").text()
    assert not tree.all("p", "against"), "there is no baseline"


def test_few_speakers_and_a_class_that_is_missing(make_corpus: Any, build: Any) -> None:
    corpus = make_corpus(n_speakers=4, n_classes=3)
    keep = corpus.label != 2
    less = {
        name: value[keep] if isinstance(value, np.ndarray) else value
        for name, value in vars(corpus).items()
    }
    corpus = type(corpus)(**less)
    protocol = protocols.make("leave_one_speaker_out", corpus, 1)
    made, scores = build(corpus, protocol)
    assert made["uar"]["low"] is None
    tree = parse(page.render(made, shown=examples(scores)))
    assert "no interval: too few speakers" in tree.one("div", "headline").text()
    assert not tree.id("speakers").all("rect", "band")
    assert "too few for an interval" in tree.one("ul", "warnings").text()
    assert "Not in the test: sadness" in tree.id("classes").text()
    recall = tree.id("classes").all("svg", "chart")[1]
    assert [t.text() for t in recall.all("text", "value")][2] == "–"
    assert "sadness: none" in recall.attributes["aria-label"]


def test_hostile_names_are_text(make_corpus: Any, build: Any) -> None:
    """Speakers, classes, utterances and the rest may be called anything."""
    script = HOSTILE[0]
    corpus = make_corpus(classes=(script, '"><img src=x>', "&amp;"), name="</title><b>")
    names = {s: f"{s}<script>x{s}</script>" for s in corpus.sex}
    corpus = type(corpus)(
        **{
            **vars(corpus),
            "speaker": np.asarray([names[s] for s in corpus.speaker]),
            "sex": {names[s]: x for s, x in corpus.sex.items()},
            "utterance_id": np.asarray([f"{u}'\"<i>" for u in corpus.utterance_id]),
            "note": script,
        }
    )
    protocol = protocols.make("leave_one_speaker_out", corpus)
    made, scores = build(corpus, protocol, system=script, baseline=True, baseline_name=script)
    html = page.render(
        made,
        certificate=protocols.certificate(corpus, protocol).to_json(),
        config={script: script},
        metrics=metrics(10),
        shown=Shown(examples(scores).examples, (script,)),
    )
    tree = parse(html)
    assert len(tree.all("script")) == 1
    assert not tree.all("b", "") or all("<" not in n.tag for n in tree.all())
    assert len(tree.all("img")) == len(tree.all("article")) - len(tree.all("article", "gap"))
    assert not tree.all("i", "")[0].children
    assert tree.one("h1").children == [script]
    assert script in {n.text() for n in tree.id("listening").all("p", "note")}


def test_folds_of_several_speakers_have_a_chart(corpus: Any, build: Any) -> None:
    five = protocols.make("speaker_k_fold:5", corpus)
    made, _ = build(corpus, five)
    heads = [h.text() for h in parse(page.render(made)).id("speakers").all("h3")]
    assert heads == ["Test speakers", "Folds"]


def test_report_is_written_whole(
    corpus: Any, protocol: protocols.Protocol, build: Any, tmp_path: Path
) -> None:
    made, scores = build(corpus, protocol)
    report.write(tmp_path / "plain", made, scores)
    assert not (tmp_path / "plain" / "report.html").exists()
    report.write(tmp_path / "run", made, scores, "<p>é</p>")
    assert (tmp_path / "run" / "report.html").read_text(encoding="utf-8") == "<p>é</p>"
    names = {p.name for p in (tmp_path / "run").iterdir()} - {"ledger.jsonl"}
    assert names == {"predictions.csv", "report.txt", "report.html", "report.json"}


def test_metrics_are_read_as_far_as_they_are_whole(tmp_path: Path) -> None:
    assert page.read_metrics(tmp_path) == []
    event = '{"epoch": 2, "event": "not_finite"}'
    (tmp_path / "metrics.jsonl").write_text(f'{{"epoch": 1}}\n{event}\n{{"epoch": 2}}\n{{"epo')
    assert page.read_metrics(tmp_path) == [{"epoch": 1}, {"epoch": 2}]
