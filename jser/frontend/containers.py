"""What kind of file this is, and whether it is whole: before anything is decoded.

libsndfile reads what it can: a cut file as far as it goes, a header that contradicts itself, text
as MP3. Here a file is refused where its parts do not fit together, so that what is decoded later
is what was once written.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO

from jser.frontend import chunks, compressed
from jser.frontend.damage import CONVERT, Damaged, after_id3

_HEAD_BYTES = 64
# FLAC, Ogg and MP3 are looked through in memory; nine hours at 16 kHz are about 0.6 GiB of FLAC.
MOST_CODED_BYTES = 1 << 30
# Kinds that libsndfile reads and records are not made of, for which nothing but libsndfile says
# whether they are whole: first bytes -> kind.
_RARE = {b".snd": "au", b"caff": "caf", b"riff\x2e\x91\xcf\x11": "w64", b"NIST_1A": "nist"}
_POINTERS = {
    b"version https://git-lfs.github.com/spec/": (
        "is a Git LFS pointer, not audio; fetch the audio with `git lfs pull`"
    ),
    b"/annex/objects/": "is a git-annex pointer, not audio; fetch the audio with `git annex get`",
}
# What else is saved under a sound file's name: its first bytes -> what it is.
_OTHERS = {
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a rar archive",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"%PDF": "a PDF document",
    b"{": "JSON text",
    b"[": "JSON text",
    b"<": "a web page or XML",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"\xef\xbb\xbf": "text",
    b"NIST_1A": "NIST Sphere audio",
    b".snd": "Sun AU audio",
    b"caff": "Apple CAF audio",
    b"riff\x2e\x91\xcf\x11": "Sony W64 audio",
    b"\x1a\x45\xdf\xa3": "Matroska or WebM",
    b"#!AMR": "AMR audio",
    b"MThd": "MIDI",
}


@dataclass(frozen=True)
class Container:
    """What a file says it is.

    Attributes:
        kind: ``wav``, ``aiff``, ``flac``, ``ogg`` or ``mp3``, or a rare one, whatever the name's
            suffix.
        flac: its header, where it is FLAC.
        frames: samples of a channel, where a wav's chunks say it.
    """

    kind: str
    flac: compressed.FlacInfo | None = None
    frames: int | None = None


def check(file: BinaryIO, rare: bool = False) -> Container:
    """Look through a file without decoding it.

    Args:
        file: a regular file, open for reading, at its beginning.
        rare: let Sun AU, Apple CAF, Sony W64 and NIST Sphere through too.

    Raises:
        Damaged: it is none of the known kinds, truncated, or contradicts itself.
    """
    size = os.fstat(file.fileno()).st_size
    head = file.read(_HEAD_BYTES)
    start = 0
    if head.startswith(b"ID3"):
        start = after_id3(head)
        file.seek(start)
        head = file.read(_HEAD_BYTES)
        if not head:
            raise Damaged("is truncated within its ID3 tag; fetch it again")
    if not head:
        raise Damaged("is empty (0 bytes); fetch it again")
    if not head.strip(b"\0"):
        raise Damaged("begins with zeros: it was never written whole; fetch it again")
    for first, sentence in _POINTERS.items():
        if head.startswith(first):
            raise Damaged(sentence)
    file.seek(start)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
        return Container("wav", frames=chunks.check_wav(file, size))
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        chunks.check_aiff(file, size)
        return Container("aiff")
    if head[:4] == b"fLaC":
        return Container("flac", compressed.check_flac(_whole(file, size)))
    if head[:4] == b"OggS":
        compressed.check_ogg(_whole(file, size))
        return Container("ogg")
    if compressed.is_mp3(head):
        compressed.check_mp3(_whole(file, size))
        return Container("mp3")
    for first, kind in _RARE.items():
        if rare and head.startswith(first):
            return Container(kind)
    raise Damaged(_what_else(head))


def _whole(file: BinaryIO, size: int) -> bytes:
    """The rest of a coded file, which must fit into memory."""
    if size > MOST_CODED_BYTES:
        raise Damaged(
            f"is too large: {size / (1 << 30):.1f} GiB, and coded audio is read up to "
            f"{MOST_CODED_BYTES >> 30} GiB; cut it into utterances, or {CONVERT}"
        )
    return file.read()


def _what_else(head: bytes) -> str:
    for first, what in _OTHERS.items():
        if head.lstrip().startswith(first):
            return f"is {what}, not wav, flac, ogg, mp3 or aiff; fetch the audio again or {CONVERT}"
    if head[4:8] == b"ftyp":
        return f"is MP4 or M4A, not wav, flac, ogg, mp3 or aiff; {CONVERT}"
    if len(head) < 12 and head[:4] in (b"RIFF", b"FORM"):
        return "is truncated within its header; fetch it again"
    if all(32 <= c < 127 or c in b"\t\r\n" for c in head):
        return "is text, not a sound file; fetch the audio again"
    return f"is not a sound file that can be read (wav, flac, ogg, mp3, aiff); {CONVERT}"
