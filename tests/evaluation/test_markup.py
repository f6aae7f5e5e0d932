"""Everything is escaped, whatever it is called."""

import base64
import hashlib
import re

import pytest

from jser.evaluation.page.markup import document, figure, folded, pairs, section, table, tag
from tests.evaluation.html_tree import parse

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style></script><b>",
    "&lt;b&gt; &amp; <!-- -->",
    "\x00\x1b[31m\x7f",
    "\ud800 lone surrogate",
    "‮ right to left",
    "]]> <![CDATA[",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text(name):
    page = document(
        name,
        section("here", name, tag("p", name, aria_label=name, title=name)),
        figure(name, note=name, numbers=table([name], [[name]])),
        folded(name, pairs([(name, name)])),
        tag("svg", tag("text", tag("title", name)), aria_label=name),
    )
    page.encode("utf-8")
    tree = parse(page)
    assert {node.tag for node in tree.all()} <= {
        "html", "head", "meta", "title", "link", "style", "body", "section", "h2", "p", "figure",
        "figcaption", "h3", "details", "summary", "div", "table", "thead", "tbody", "tr", "th",
        "td", "dl", "dt", "dd", "svg", "text", "script",
    }  # fmt: skip
    assert len(tree.all("script")) == 1
    assert not [a for node in tree.all() for a in node.attributes if a.startswith("on")]
    shown = re.sub("[\x00\x1b\x7f\ud800]", "�", name)
    heading = tree.one("h2").children[0]
    # Python's parser reads text as browsers do, where every < and & is escaped.
    assert heading == shown
    assert tree.id("here").one("p").attributes["title"] == shown
    assert tree.one("svg").attributes["aria-label"] == shown


def test_attributes():
    element = tag("p", "a", None, "b", class_="x", data_seconds=1.25, hidden=True, open=False, n=2)
    assert element.attrib == {"class": "x", "data-seconds": "1.25", "hidden": "", "n": "2"}
    assert element.text == "ab"
    assert tag("p", tag("b", "1"), " and ", tag("i", "2"), " more")[0].tail == " and "
    assert tag("rect", x=2 / 3).attrib == {"x": "0.67"}


def test_the_page_forbids_the_network_and_other_scripts():
    tree = parse(document("t"))
    policies = [m for m in tree.all("meta") if "http-equiv" in m.attributes]
    policy = dict(
        part.strip().split(" ", 1) for part in policies[0].attributes["content"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["img-src"] == policy["media-src"] == "data:"
    script = "".join(tree.one("script").children)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy["script-src"] == f"'sha256-{digest}'"


def test_table_heads_are_heads():
    made = table(["name", "figure"], [["a", "1"], ["b", "2"]])
    rows = made.findall(".//tr")
    assert [[c.tag for c in row] for row in rows] == [["th", "th"], ["th", "td"], ["th", "td"]]
    assert [c.get("scope") for c in rows[0]] == ["col", "col"]
    assert rows[1][0].get("scope") == "row"
