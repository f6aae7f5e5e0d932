"""A page read back with the standard library's parser, which knows nothing of how it was made."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source"}


@dataclass
class Node:
    tag: str
    attributes: dict[str, str | None]
    children: list[Node | str] = field(default_factory=list)

    @property
    def classes(self) -> set[str]:
        return set((self.attributes.get("class") or "").split())

    def all(self, tag: str = "", class_: str = "") -> list[Node]:
        """Every element below, in order, of a tag and class."""
        found = []
        for child in self.children:
            if isinstance(child, Node):
                if tag in ("", child.tag) and (not class_ or class_ in child.classes):
                    found.append(child)
                found += child.all(tag, class_)
        return found

    def one(self, tag: str = "", class_: str = "") -> Node:
        (found,) = self.all(tag, class_)
        return found

    def id(self, name: str) -> Node:
        (found,) = [node for node in self.all() if node.attributes.get("id") == name]
        return found

    def text(self) -> str:
        parts = [c if isinstance(c, str) else c.text() for c in self.children]
        return " ".join(" ".join(parts).split())


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Node("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice"
        node = Node(tag, dict(attrs))
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        node = self.open.pop()
        assert node.tag == tag, f"</{tag}> closes <{node.tag}>"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(page: str) -> Node:
    """The tree of a page; an assertion fails where a tag is not closed as it was opened."""
    parser = _Parser()
    parser.feed(page)
    parser.close()
    assert len(parser.open) == 1, f"<{parser.open[-1].tag}> is never closed"
    return parser.open[0]
