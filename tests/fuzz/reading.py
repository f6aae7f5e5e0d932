"""Wav and aiff read a second time, by nothing that jser uses: what a damaged file says it holds."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np


class Unreadable(Exception):
    """This reader does not know what the file holds."""


@dataclass(frozen=True)
class Stored:
    """What a file says.

    Attributes:
        rate: Hz.
        encoding: name and bytes of a sample.
        samples: float64 [n, channels], full scale 1.
    """

    rate: int
    encoding: tuple[str, int]
    samples: np.ndarray


def read(data: bytes) -> Stored:
    """Read a wav or aiff file of samples of a fixed size.

    Raises:
        Unreadable: it is another file, cut, or coded in blocks.
    """
    if data[:3] == b"ID3" and len(data) > 10:
        size = sum((byte & 127) << 7 * (3 - k) for k, byte in enumerate(data[6:10]))
        data = data[10 + size :]
    try:
        if data[:4] in (b"RIFF", b"RIFX", b"RF64") and data[8:12] == b"WAVE":
            return _wav(data)
        if data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
            return _aiff(data)
    except (struct.error, ValueError, IndexError, ZeroDivisionError, OverflowError) as error:
        raise Unreadable(repr(error)) from error
    raise Unreadable("neither wav nor aiff")


def _chunks(data: bytes, order: str) -> dict[bytes, tuple[int, int]]:
    """Name -> place and length; the first of a name."""
    found: dict[bytes, tuple[int, int]] = {}
    at = 12
    while at + 8 <= len(data):
        name, length = struct.unpack(f"{order}4sI", data[at : at + 8])
        found.setdefault(name, (at + 8, length))
        if name in (b"data", b"SSND") and {b"fmt ", b"COMM"} & set(found):
            break
        at += 8 + length + length % 2
    return found


def _wav(data: bytes) -> Stored:
    order = ">" if data[:4] == b"RIFX" else "<"
    chunks = _chunks(data, order)
    if not {b"fmt ", b"data"} <= set(chunks):
        raise Unreadable("no 'fmt ' or no 'data'")
    at, _ = chunks[b"fmt "]
    tag, channels, rate, _, block, bits = struct.unpack(f"{order}HHIIHH", data[at : at + 16])
    if tag == 0xFFFE:
        tag = struct.unpack(f"{order}H", data[at + 24 : at + 26])[0]
    place, length = chunks[b"data"]
    if data[:4] == b"RF64" and length == 0xFFFFFFFF:
        length = struct.unpack("<Q", data[chunks[b"ds64"][0] + 8 :][:8])[0]
    if length >= 0x7FFFFFFF - 64:  # not known to its writer
        length = len(data) - place
        length -= length % max(block, 1)
    if place + length > len(data):
        raise Unreadable("cut")
    width = -(-bits // 8)
    names = {1: "unsigned" if width == 1 else "signed", 3: "float", 6: "alaw", 7: "ulaw"}
    if tag not in names or not channels:
        raise Unreadable(f"tag {tag}, {channels} channels")
    samples = _values(data[place : place + length], names[tag], width, order)
    return Stored(rate, (names[tag], width), samples.reshape(-1, channels))


def _aiff(data: bytes) -> Stored:
    chunks = _chunks(data, ">")
    if not {b"COMM", b"SSND"} <= set(chunks):
        raise Unreadable("no 'COMM' or no 'SSND'")
    at, _ = chunks[b"COMM"]
    channels, frames, bits, exponent, mantissa = struct.unpack(">HIHHQ", data[at : at + 18])
    kind = data[at + 18 : at + 22] if data[8:12] == b"AIFC" else b"NONE"
    # libsndfile leaves out what is behind the point.
    rate = int(mantissa * 2.0 ** ((exponent & 0x7FFF) - 16383 - 63))
    place, length = chunks[b"SSND"]
    offset = struct.unpack(">I", data[place : place + 4])[0]
    width = -(-bits // 8)
    name, order = "signed", "<" if kind == b"sowt" else ">"
    if kind.lower() in (b"fl32", b"fl64"):
        name, width = "float", int(kind[2:]) // 8
    elif kind.lower() in (b"ulaw", b"alaw"):
        name, width = kind.lower().decode(), 1
    elif kind not in (b"NONE", b"sowt", b"twos"):
        raise Unreadable(f"encoding {kind!r}")
    first = place + 8 + offset
    needed = frames * channels * width
    if first + needed > len(data) or needed > length or not channels:
        raise Unreadable("cut")
    samples = _values(data[first : first + needed], name, width, order)
    return Stored(rate, (name, width), samples.reshape(-1, channels))


def _values(raw: bytes, name: str, width: int, order: str) -> np.ndarray:
    if name == "unsigned":
        return (np.frombuffer(raw, np.uint8) - 128.0) / 128
    if name == "float":
        return np.frombuffer(raw, f"{order}f{width}").astype(np.float64)
    if name in ("alaw", "ulaw"):
        return _LAWS[name][np.frombuffer(raw, np.uint8)]
    if width not in (1, 2, 3, 4) or len(raw) % width:
        raise Unreadable(f"{width} bytes a sample")
    parts = np.frombuffer(raw, np.uint8).reshape(-1, width).astype(np.int64)
    parts = parts if order == ">" else parts[:, ::-1]
    value = sum(parts[:, k] << 8 * (width - 1 - k) for k in range(width))
    value = np.asarray(value)
    full = 1 << 8 * width - 1
    return np.where(value >= full, value - 2 * full, value) / full


def _ulaw(code: int) -> float:
    """ITU-T G.711, mu-law, 14 bits, as 16."""
    code = ~code & 0xFF
    value = (((code & 15) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return (-value if code & 0x80 else value) / 32768


def _alaw(code: int) -> float:
    """ITU-T G.711, A-law, 13 bits, as 16."""
    code ^= 0x55
    segment, step = code >> 4 & 7, (code & 15) << 4
    value = step + 8 if segment == 0 else step + 0x108 << segment - 1
    return (value if code & 0x80 else -value) / 32768


_LAWS = {
    "ulaw": np.array([_ulaw(code) for code in range(256)]),
    "alaw": np.array([_alaw(code) for code in range(256)]),
}
