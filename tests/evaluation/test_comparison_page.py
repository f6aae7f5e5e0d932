"""The page of two runs: its figures are the comparison's."""

from pathlib import Path
from typing import Any

from jser import protocols
from jser.evaluation import compare, page, report
from tests.evaluation.html_tree import Node, parse


def rows(table: Node) -> list[list[str]]:
    return [[c.text() for c in row.children if isinstance(c, Node)] for row in table.all("tr")]


def test_comparison(corpus: Any, protocol: protocols.Protocol, build: Any, tmp_path: Path) -> None:
    report.write(tmp_path / "a", *build(corpus, protocol, run="a"))
    better = build(corpus, protocol, run="b", how={"right": 0.9, "source": 5}, system="<b> & co")
    report.write(tmp_path / "b", *better)
    result = compare.compare(tmp_path / "a", tmp_path / "b")
    tree = parse(page.render_comparison(result))
    head = tree.one("div", "headline").text()
    assert f"{100 * result['difference']:+.1f} points" in head
    assert f"{100 * result['low']:+.1f} to {100 * result['high']:+.1f}" in head
    assert compare.verdict(result) in tree.one("p", "against").text()
    shown = rows(tree.id("speakers").one("table"))[1:]
    by_speaker = {r["speaker"]: r for r in result["per_speaker"]}
    assert len(shown) == 10
    for speaker, a, b, change in shown:
        row = by_speaker[speaker]
        assert (a, b) == (f"{100 * row['a']:.1f}", f"{100 * row['b']:.1f}")
        assert change == f"{100 * row['difference']:+.1f}"
    assert "<b> & co" in tree.id("runs").text()
    assert str(tmp_path / "b") in tree.id("runs").text()


def test_comparison_of_few_speakers_has_no_interval(
    make_corpus: Any, build: Any, tmp_path: Path
) -> None:
    corpus = make_corpus(n_speakers=4)
    protocol = protocols.make("leave_one_speaker_out", corpus, 1)
    report.write(tmp_path / "a", *build(corpus, protocol, run="a"))
    report.write(tmp_path / "b", *build(corpus, protocol, run="b", normalisation="utterance"))
    tree = parse(page.render_comparison(compare.compare(tmp_path / "a", tmp_path / "b")))
    assert "no interval" in tree.one("div", "headline").text()
    assert "normalisation differs" in tree.one("ul", "warnings").text()
    assert not tree.all("rect", "unseen")
