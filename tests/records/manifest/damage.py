"""Damaged manifests, the same ones every time: what falls on a table between two people."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

FILES = ("a.wav", "b.wav", "long one.wav", "sub/c.wav", "sub/größe.wav", "sub/d.wav")
_LABELS = ("anger", "Sad", "happy", "neutral")
_SPEAKERS = ("anna", "ben", "Chloë")
_COLUMNS = ("path", "start", "end", "label", "speaker", "text")

CASES = 1140


class Case(NamedTuple):
    """A damaged table, and what was done to it."""

    number: int
    what: str
    suffix: str
    data: bytes


def rows(rng: random.Random, n: int = 14) -> list[list[str]]:
    """Sound rows: segments of a few files, none twice."""
    made = []
    for k in range(n):
        start = 1.5 * (k // len(FILES))
        made.append([
            FILES[k % len(FILES)], f"{start:g}", f"{start + rng.uniform(0.1, 1.4):.3f}",
            rng.choice(_LABELS) if k > 1 else _LABELS[k], rng.choice(_SPEAKERS),
            rng.choice(("Good day", "What, again?", 'He said "no"', "two\nlines")),
        ])  # fmt: skip
    return made


def separated(table: list[list[str]], delimiter: str, columns: tuple[str, ...] = _COLUMNS) -> str:
    """A table as text; every cell that needs it is quoted."""

    def cell(text: str) -> str:
        special = any(c in text for c in f'{delimiter}"\r\n')
        return '"' + text.replace('"', '""') + '"' if special else text

    return "".join(delimiter.join(map(cell, row)) + "\n" for row in [list(columns), *table])


def json_lines(table: list[list[str]]) -> str:
    """A table as JSON lines, numbers as numbers."""
    made = []
    for row in table:
        entry: dict[str, str | float] = dict(zip(_COLUMNS, row, strict=True))
        made.append(json.dumps(entry | {"start": float(row[1]), "end": float(row[2])}))
    return "\n".join(made)


# --- damage to the bytes ------------------------------------------------------------------------


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def _cut_front(rng: random.Random, data: bytes) -> bytes:
    return data[rng.randrange(len(data)) :]


def _flip(rng: random.Random, data: bytes) -> bytes:
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 3, 30))):
        made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    return bytes(made)


def _insert(what: tuple[bytes, ...]) -> Callable[[random.Random, bytes], bytes]:
    def damage(rng: random.Random, data: bytes) -> bytes:
        at = rng.randrange(len(data))
        return data[:at] + rng.choice(what) + data[at:]

    return damage


def _drop(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.choice((1, 2, 40)) :]


def _encode(rng: random.Random, data: bytes) -> bytes:
    encoding = rng.choice(("utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "utf-8-sig"))
    return data.decode().encode(encoding)


def _noise(rng: random.Random, data: bytes) -> bytes:
    return rng.randbytes(rng.randrange(1, 3000))


_BYTES: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "truncated": _cut,
    "beginning lost": _cut_front,
    "bits flipped": _flip,
    "NUL bytes": _insert((b"\0", b"\0" * 100)),
    "stray bytes": _insert((b"\xff", b"\xc3", b"\r", b"\x1a", b"\xef\xbb\xbf", b"\x1b[31m")),
    "stray signs": _insert((b'"', b'""', b",", b"\n", b"\t", b";", b"{", b"\\", b"'")),
    "enormous cell": _insert((b"x" * 140_000, b"x" * 1_100_000, b"9" * 5000, b"\n" * 5000)),
    "bytes lost": _drop,
    "other encoding": _encode,
    "noise": _noise,
}

# --- damage to the table ------------------------------------------------------------------------


def _swap_columns(rng: random.Random, table: list[list[str]]) -> None:
    one, other = rng.sample(range(len(_COLUMNS)), 2)
    for row in table if rng.random() < 0.5 else rng.sample(table, 3):
        row[one], row[other] = row[other], row[one]


def _replace(
    column: int, words: tuple[str, ...]
) -> Callable[[random.Random, list[list[str]]], None]:
    def damage(rng: random.Random, table: list[list[str]]) -> None:
        for row in rng.sample(table, rng.choice((1, 2, len(table)))):
            row[column] = rng.choice(words)

    return damage


def _widths(rng: random.Random, table: list[list[str]]) -> None:
    row = rng.choice(table)
    if rng.random() < 0.5:
        del row[rng.randrange(len(row))]
    else:
        row.insert(rng.randrange(len(row)), rng.choice(("", "x", "1")))


def _repeat(rng: random.Random, table: list[list[str]]) -> None:
    row = list(rng.choice(table))
    if rng.random() < 0.5:
        row[rng.choice((3, 4))] = rng.choice((*_LABELS, *_SPEAKERS))
    table.insert(rng.randrange(len(table)), row)


_TABLE: dict[str, Callable[[random.Random, list[list[str]]], None]] = {
    "columns swapped": _swap_columns,
    "paths": _replace(0, (
        "../a.wav", "/etc/passwd", "sub/../../x", "sub/../a.wav", "nix.wav", "", ".", "a.wav/",
        "\u202ea.wav", "s\u0308.wav", "a.wav\x00", "C:\\a.wav", "sub\\c.wav", "http://x/a.wav",
        "~/a.wav", "a" * 5000, "💥.wav", "a\nb.wav", " a.wav ", "-", "sub", "\ud83d\ude00",
    )),
    "times": _replace(1, (
        "", "-1", "nan", "inf", "1e999", "1e300", "0x10", "1,5", "１", "1_0", "9" * 400, "abc",
        "0 days 00:00:01", "-1 days", "99:99:99", "1.5.2", "1e-320", "+0", "None", "0 days",
    )),
    "labels": _replace(3, (
        "", "Angri", "ANGER ", "nan", "7", "anger,sad", "\u200banger", "x" * 200, "😡", "joy\n",
    )),
    "speakers": _replace(4, (
        "", "Anna", "ANNA ", "anna\u200b", "nan", "\x07", "1", "01", "x" * 200, "ben\nanna", "é",
    )),
    "widths": _widths,
    "rows repeated": _repeat,
}  # fmt: skip


KINDS = (*_BYTES, *_TABLE, "wrong separators", "header")


def cases() -> Iterator[Case]:
    """`CASES` damaged tables; the n-th is the same whatever was asked for before."""
    return map(case, range(CASES))


def case(number: int) -> Case:
    """The damaged table of a number; there is no last one."""
    rng = random.Random(number)
    what = KINDS[number % len(KINDS)]
    table = rows(rng)
    form = rng.choice(("csv", "csv", "tsv", "jsonl"))
    if what in _TABLE:
        _TABLE[what](rng, table)
    if what == "widths":
        form = "csv"
    columns = list(_COLUMNS)
    if what == "header":
        form = "csv"
        columns[rng.randrange(len(columns))] = rng.choice(
            ("", "label", "speaker", "path", "lable", "begin", "x" * 300, "\x00", "Start")
        )
    if form == "jsonl":
        text = json_lines(table) if what not in ("times", "columns swapped") else json.dumps(
            dict(zip(_COLUMNS, table[0], strict=True))
        )  # fmt: skip
    else:
        text = separated(table, "," if form == "csv" else "\t", tuple(columns))
    if what == "wrong separators":
        sign = rng.choice(("\t", ",", ";", "|", ":", " "))
        text = sign.join(text.split("," if form != "tsv" else "\t"))
    data = text.encode("utf-8", "surrogatepass")
    if what in _BYTES:
        data = damaged_bytes(rng, what, data)
    return Case(number, what, form, data)


def damaged_bytes(rng: random.Random, what: str, data: bytes) -> bytes:
    """A table's bytes after one kind of damage of those to bytes."""
    return _BYTES[what](rng, data)


BYTE_KINDS = tuple(_BYTES)
