"""HTML as a tree: every text and attribute is escaped when the tree is written, none by hand."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any
from xml.etree import ElementTree

Element = ElementTree.Element
Child = Element | str | None

# Control characters and lone surrogates are no text in HTML or UTF-8.
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Elements with a line of their own, so that the page's source can be read.
_LINES = frozenset(
    {"body", "details", "div", "figure", "header", "main", "nav", "section", "svg", "table", "tr"}
)


def tag(name: str, /, *children: Child, **attributes: Any) -> Element:
    """An element.

    Args:
        name: of the tag.
        children: elements and texts in order; None is left out.
        attributes: `class_` is class, an underscore is a hyphen; None and False leave the
            attribute out, True gives it without a value, a float has two decimals.
    """
    element = Element(name)
    for key, value in attributes.items():
        if value is not None and value is not False:
            element.set(key.rstrip("_").replace("_", "-"), "" if value is True else _text(value))
    for child in children:
        _append(element, child)
    return element


def _append(element: Element, child: Child) -> None:
    if child is None:
        return
    if not isinstance(child, str):
        if child.tag in _LINES and not child.tail:
            child.tail = "\n"
        element.append(child)
    elif len(element):
        element[-1].tail = (element[-1].tail or "") + _text(child)
    else:
        element.text = (element.text or "") + _text(child)


def _text(value: Any) -> str:
    if isinstance(value, float):
        value = f"{value:.2f}".rstrip("0").rstrip(".")
    return _NO_TEXT.sub("�", str(value))


def table(
    head: Sequence[Child], rows: Iterable[Sequence[Child]], words: int = 1, **attributes: Any
) -> Element:
    """A table whose first `words` columns are words and whose others are figures."""

    def row(cells: Sequence[Child], name: str) -> Element:
        made = [
            tag(
                "th" if name == "th" or i == 0 else "td",
                cell,
                scope="col" if name == "th" else "row" if i == 0 else None,
                class_=None if i < words else "figure",
            )
            for i, cell in enumerate(cells)
        ]
        return tag("tr", *made)

    return tag(
        "div",
        tag(
            "table",
            tag("thead", row(head, "th")),
            tag("tbody", *(row(cells, "td") for cells in rows)),
        ),
        class_="scroll",
        **attributes,
    )


def pairs(rows: Iterable[tuple[str, Child]]) -> Element:
    """Names and what they stand for, as a list."""
    entries = [tag("div", tag("dt", name), tag("dd", value)) for name, value in rows]
    return tag("dl", *entries)


def folded(title: str, *children: Child, paper: bool = False) -> Element:
    """What is opened by who wants it; `paper`: and by printing, which leaves out the others."""
    return tag("details", tag("summary", title), *children, class_="paper" if paper else None)


def figure(title: str, *children: Child, note: str = "", numbers: Element | None = None) -> Element:
    """A titled figure with a note, and its numbers as a table to unfold."""
    return tag(
        "figure",
        tag("figcaption", tag("h3", title), tag("p", note, class_="note") if note else None),
        *children,
        folded("Numbers", numbers) if numbers is not None else None,
    )


def section(name: str, title: str, *children: Child) -> Element:
    """A part of the page that its table of contents names."""
    return tag("section", tag("h2", title), *children, id=name)


def data_uri(kind: str, content: bytes) -> str:
    """Bytes as an address that needs no file and no network."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def document(title: str, *body: Child) -> str:
    """The whole page: styles and script inside, and a policy that forbids any network."""
    script = _file("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("link", rel="icon", href="data:,"),
        tag("style", _file("base.css") + _file("page.css")),
    )
    root = tag("html", head, tag("body", *body, tag("script", script)), lang="en")
    return f"<!DOCTYPE html>\n{ElementTree.tostring(root, encoding='unicode', method='html')}\n"


def _file(name: str) -> str:
    return (resources.files("jser.evaluation.page") / name).read_text(encoding="utf-8")
