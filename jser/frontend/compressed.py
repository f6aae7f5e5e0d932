"""FLAC, Ogg and MP3: what their streams say of themselves, where libsndfile does not look.

Formats: RFC 9639 (FLAC), RFC 3533 (Ogg), ISO 11172-3 and 13818-3 (MP3), and the counts that Xing's
and LAME's encoders write into a first frame.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from jser.frontend.damage import CONVERT, Damaged, check_rest, truncated

# --- FLAC ----------------------------------------------------------------------------------------

_FLAC_START = b"fLaC\x00\x00\x00\x22"
_FLAC_RATES = (0, 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000)
_FLAC_BITS = {1: 8, 2: 12, 4: 16, 5: 20, 6: 24, 7: 32}


@dataclass(frozen=True)
class FlacInfo:
    """STREAMINFO of a FLAC file.

    Attributes:
        rate: Hz.
        channels: C.
        bits: of a sample.
        frames: samples of a channel.
        md5: of the samples, interleaved and little-endian, in whole bytes; zeros where the writer
            did not know.
    """

    rate: int
    channels: int
    bits: int
    frames: int
    md5: bytes


def check_flac(data: bytes) -> FlacInfo:
    """Check a FLAC file's header against its first frame.

    Raises:
        Damaged: truncated within the header, the two contradict each other, or a second recording
            follows.
    """
    if len(data) < 42:
        raise Damaged("is truncated within its header; fetch it again")
    if not data.startswith(_FLAC_START):
        raise Damaged("is damaged: its header is not FLAC's; fetch it again")
    at, last = 4, False
    while not last:
        if at + 4 > len(data):
            raise Damaged("is truncated within its header; fetch it again")
        last = bool(data[at] & 0x80)
        at += 4 + int.from_bytes(data[at + 1 : at + 4], "big")
    if at + 16 > len(data):
        raise Damaged("is truncated: it ends before its audio; fetch it again")
    packed = int.from_bytes(data[18:26], "big")
    info = FlacInfo(
        rate=packed >> 44,
        channels=(packed >> 41 & 7) + 1,
        bits=(packed >> 36 & 31) + 1,
        frames=packed & (1 << 36) - 1,
        md5=data[26:42],
    )
    if not info.frames:
        # Written to a pipe. libsndfile fails at its end.
        raise Damaged(f"does not say how many samples it holds; {CONVERT}")
    frame = data[at : at + 16]
    if frame[0] != 0xFF or frame[1] & 0xFE != 0xF8:
        raise Damaged("is damaged: no audio follows its header; fetch it again")
    rate, channels, bits = _flac_frame(frame)
    if rate not in (0, info.rate) or channels != info.channels or bits not in (0, info.bits):
        raise Damaged(
            f"contradicts itself: its header says {info.rate} Hz, {info.channels} channels, "
            f"{info.bits} bits, its audio {rate} Hz, {channels}, {bits}; fetch it again"
        )
    second = data.find(_FLAC_START, at)
    if second > 0:
        check_rest(data[second:])
    return info


def _flac_frame(frame: bytes) -> tuple[int, int, int]:
    """Rate, channels and bits of a frame's header; a rate or depth that it leaves open is 0."""
    size_code, rate_code = frame[2] >> 4, frame[2] & 15
    channel_code, bits_code = frame[3] >> 4, frame[3] >> 1 & 7
    # The frame's number is coded like a character of UTF-8; the size of its block may follow.
    first = frame[4]
    at = 4 + max(1, 8 - (first ^ 0xFF).bit_length())
    at += {6: 1, 7: 2}.get(size_code, 0)
    if rate_code == 12:
        rate = frame[at] * 1000
    elif rate_code in (13, 14):
        rate = int.from_bytes(frame[at : at + 2], "big") * (1 if rate_code == 13 else 10)
    else:
        rate = _FLAC_RATES[rate_code] if rate_code < 12 else 0
    return rate, channel_code + 1 if channel_code < 8 else 2, _FLAC_BITS.get(bits_code, 0)


# --- Ogg -----------------------------------------------------------------------------------------

_OGG_HEAD = 27
_FIRST_PAGE, _LAST_PAGE = 2, 4
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def ogg_checksum(page: bytes) -> int:
    """Ogg's CRC-32 of a page whose checksum field is zero.

    It is zlib's polynomial with the bits of each byte, and of the result, the other way round, and
    without zlib's inversions.
    """
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def check_ogg(data: bytes) -> None:
    """Check the pages of an Ogg file: all there, whole, and of one stream.

    Raises:
        Damaged: they are not.
    """
    at, number, flags, serial = 0, 0, 0, b""
    while at < len(data) and not flags & _LAST_PAGE:
        head = data[at : at + _OGG_HEAD]
        table = data[at + _OGG_HEAD : at + _OGG_HEAD + head[-1]]
        end = at + _OGG_HEAD + head[-1] + sum(table)
        if head[:4] == b"OggS"[: len(head)] and (len(head) < _OGG_HEAD or end > len(data)):
            raise Damaged("is truncated in the midst of a page; fetch it again")
        page = data[at : at + 22] + bytes(4) + data[at + 26 : end]
        if head[:4] != b"OggS" or ogg_checksum(page) != int.from_bytes(head[22:26], "little"):
            raise Damaged(
                f"is damaged: the checksum of its page at byte {at} is wrong; fetch it again"
            )
        flags = head[5]
        if number and (head[14:18] != serial or flags & _FIRST_PAGE):
            raise Damaged("holds more than one stream; take them apart")
        if int.from_bytes(head[18:22], "little") != number:
            raise Damaged(f"is damaged: its page {number} is missing; fetch it again")
        at, number, serial = end, number + 1, head[14:18]
    if not flags & _LAST_PAGE:
        raise Damaged("is truncated: its last page is missing; fetch it again")
    check_rest(data[at:])


# --- MP3 -----------------------------------------------------------------------------------------

_KBPS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBPS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MP3_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def _mp3_frame(head: bytes) -> tuple[int, int] | None:
    """Bytes of the MP3 frame that begins with `head`, and its rate; None where none does."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    kbps_code, rate_code, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer != 1 or kbps_code in (0, 15) or rate_code == 3:
        return None
    rate = _MP3_RATES[version][rate_code]
    slots, kbps = (144, _KBPS_1) if version == 3 else (72, _KBPS_2)
    return slots * 1000 * kbps[kbps_code] // rate + padding, rate


def is_mp3(head: bytes) -> bool:
    """Whether a file's first bytes are an MP3 frame's."""
    return _mp3_frame(head) is not None


def check_mp3(data: bytes) -> None:
    """Check that an MP3 is one frame behind the other, and as many as its first one promises.

    Raises:
        Damaged: truncated, something else lies between the frames, or the rate changes.
    """
    at, frames, rate = 0, 0, 0
    while at < len(data):
        found = _mp3_frame(data[at : at + 4])
        if found is None or found[1] != (rate or found[1]):
            break
        if at + found[0] > len(data):
            raise Damaged("is truncated in the midst of a frame; fetch it again")
        at, frames, rate = at + found[0], frames + 1, found[1]
    check_rest(data[at:])
    place = max(data.find(b"Xing", 0, 64), data.find(b"Info", 0, 64))
    if place < 0:
        return
    flags = data[place + 7]
    promised = int.from_bytes(data[place + 8 : place + 12], "big") if flags & 1 else 0
    promised_bytes = int.from_bytes(data[place + 12 : place + 16], "big") if flags & 3 == 3 else 0
    if frames < promised:
        raise truncated(promised, frames, "frames")
    if at < promised_bytes:
        raise truncated(promised_bytes, at)
    # The frame that holds the counts is not always counted.
    if promised and frames > promised + 1:
        raise Damaged(
            f"holds {frames} frames where its header promises {promised}, as if two recordings "
            "lay one behind the other; take them apart"
        )


_MPG123 = (b"[src/libmpg123/", b"Warning: ", b"Note: ")
_one_at_a_time = threading.Lock()


def _scratch() -> BinaryIO:
    """A file for a few lines: in memory where the system can, as a disk may be full."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("mpg123"), "w+b")
    return tempfile.TemporaryFile()


@contextlib.contextmanager
def mpg123_errors() -> Iterator[list[str]]:
    """Gather what mpg123, inside libsndfile, prints while it decodes.

    It cannot be told to be quiet and goes on after an error with noise, so what it prints is the
    only sign of damaged data. It writes to file descriptor 2, which is the whole process': what
    others write meanwhile is passed on afterwards.

    Yields:
        A list that holds the errors once the block is left.
    """
    errors: list[str] = []
    with _one_at_a_time, _scratch() as file:
        if sys.stderr is not None:
            sys.stderr.flush()
        try:
            terminal = os.dup(2)
        except OSError:  # Closed: nobody sees what is printed there.
            yield errors
            return
        os.dup2(file.fileno(), 2)
        try:
            yield errors
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            file.seek(0)
            for line in file:
                if not line.startswith(_MPG123):
                    os.write(2, line)
                elif b" error: " in line:
                    errors.append(line.split(b" error: ", 1)[1].decode("ascii", "replace").strip())
