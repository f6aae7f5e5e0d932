"""What a damaged sound file is, what may become of it, and how one is made of a good one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.frontend.good_files import recordings

REFUSED, SAME, SANE = frozenset({"refused"}), frozenset({"same"}), frozenset({"sane"})


@dataclass(frozen=True)
class Case:
    """One damaged file.

    Attributes:
        kind: of damage.
        name: of the file, unique.
        original: name of the recording that was damaged, a key of `recordings`; "" for none.
        verdict: what may happen.
        words: of which a refusal holds one.
        write: makes the file at a path.
    """

    kind: str
    name: str
    original: str
    verdict: frozenset
    words: tuple
    write: Callable[[Path], object]


class Maker:
    """Gathers the cases."""

    def __init__(self):
        self.good = recordings()
        self.cases: list[Case] = []

    def add(self, kind, original, verdict, words, content, suffix="", write=None):
        """One case of `content` bytes, or of what `write` makes."""
        number = sum(case.kind == kind for case in self.cases)
        suffix = suffix or ("." + original.split(".")[1] if original else ".wav")
        name = f"{kind.replace(' ', '_')}-{number:02d}{suffix}"
        write = write or (lambda path: path.write_bytes(content))
        self.cases.append(Case(kind, name, original, verdict, words, write))

    def add_changed(self, kind, original, verdict, words, *changes):
        """One case in which bytes (place, content) are others."""
        data = bytearray(self.good[original])
        for at, content in changes:
            data[at : at + len(content)] = content
        self.add(kind, original, verdict, words, bytes(data))


def flip(data: bytes, at: int, bit: int) -> bytes:
    """`data` with one bit changed."""
    out = bytearray(data)
    out[at] ^= 1 << bit
    return bytes(out)
