"""Wav and aiff: chunks with a name and a length, which must fit together.

libsndfile shortens a cut file without a word, and believes a sample rate or a number of channels
that the rest of the header contradicts. Formats: Microsoft, Multimedia Programming Interface and
Data Specifications 1.0; Apple, Audio Interchange File Format 1.3 and AIFF-C draft 1991; EBU 3306
(RF64).
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from typing import BinaryIO

from jser.frontend.damage import CONVERT, Damaged, check_rest, truncated

# Format tags of wav: samples of a fixed size, and block codes, which have their own rule.
_PCM, _FLOAT, _ALAW, _MULAW = 1, 3, 6, 7
_MS_ADPCM, _IMA_ADPCM, _GSM = 2, 0x11, 0x31
_EXTENSIBLE = 0xFFFE
_GSM_BYTES, _GSM_SAMPLES = 65, 320
# The header of a block code rounds its bytes a second.
_BYTE_RATE_TOLERANCE = 0.02
# Bytes of a sample in the encodings of AIFF-C where they do not follow from the bit depth.
_AIFC_BYTES = {
    b"fl32": 4, b"FL32": 4, b"in32": 4, b"in24": 3, b"fl64": 8, b"FL64": 8,
    b"ulaw": 1, b"ULAW": 1, b"alaw": 1, b"ALAW": 1,
}  # fmt: skip
# Programs that write to a pipe cannot know a length, and leave about the highest number.
_NO_LENGTH = 0x7FFFFFFF - 64
# Bytes of a description that are looked at, and chunks: no program writes more.
_DESCRIPTION = 64
_MOST_CHUNKS = 10000
# What follows the audio is looked at in such pieces: zeros may be as many as a disk holds.
_ZEROS = bytes(1 << 20)


def check_wav(file: BinaryIO, size: int) -> int | None:
    """Check a RIFF, RIFX or RF64 file whose first byte is the next to be read.

    Returns:
        Samples of a channel that its audio holds; None where its length is not known.

    Raises:
        Damaged: truncated, or its parts do not fit together.
    """
    order = ">" if file.read(12)[:4] == b"RIFX" else "<"
    bytes_per_sample, samples_per_block, counted = 0, 1, None
    long_length: int | None = None
    for name, length, at in _chunks(file, order, size):
        if name == b"fmt ":
            content = file.read(min(length, _DESCRIPTION))
            bytes_per_sample, samples_per_block = _check_format(content, order)
        elif name == b"fact" and length >= 4:
            counted = _number(file.read(4), order)
        elif name == b"ds64" and length >= 16:
            long_length = struct.unpack("<Q", file.read(16)[8:])[0]
        elif name == b"data":
            if not bytes_per_sample:
                raise Damaged(
                    "is damaged: nothing describes its audio (chunk 'fmt ' is missing); fetch it "
                    "again"
                )
            if length == 0xFFFFFFFF and long_length is not None:
                length = long_length
            elif length >= _NO_LENGTH:
                return None
            if length > size - at:
                raise truncated(length, size - at)
            if length % bytes_per_sample:
                raise Damaged(
                    f"is damaged: its header promises {length} bytes of audio, which are no whole "
                    f"samples of {bytes_per_sample} bytes; fetch it again"
                )
            _check_behind(file, order, at + length, size)
            frames = length // bytes_per_sample * samples_per_block
            # What fills up a last block is no sound. Some programs count wrongly, but not so.
            return counted if counted and 0 <= frames - counted < samples_per_block else frames
        elif length > size - at:
            raise truncated(length, size - at, f"bytes of chunk {name.decode('ascii')!r}")
    raise Damaged("is truncated: it ends before its audio; fetch it again")


def check_aiff(file: BinaryIO, size: int) -> None:
    """Check an AIFF or AIFF-C file whose first byte is the next to be read.

    Raises:
        Damaged: truncated, or its parts do not fit together.
    """
    is_aifc = file.read(12)[8:12] == b"AIFC"
    described, needed, held = False, None, None
    for name, length, at in _chunks(file, ">", size):
        if length > size - at:
            what = "bytes of audio" if name == b"SSND" else f"bytes of chunk {name.decode()!r}"
            raise truncated(length, size - at, what)
        if name == b"COMM":
            described, needed = True, _aiff_bytes(file.read(min(length, _DESCRIPTION)), is_aifc)
        elif name == b"SSND":
            held = length - 8 - int.from_bytes(file.read(4), "big")
        if described and held is not None:
            # Some writers count the byte that pads an odd length.
            if needed is not None and not 0 <= held - needed <= 1:
                raise Damaged(
                    f"contradicts itself: its samples take {needed} bytes and {held} are there; "
                    "fetch it again"
                )
            _check_behind(file, ">", at + length, size)
            return
    raise Damaged("is truncated: it ends before its audio; fetch it again")


def _chunk(file: BinaryIO, order: str) -> tuple[bytes, int] | None:
    """Name and length of the chunk at the file's place; None where no chunk lies there."""
    head = file.read(8)
    if len(head) < 8 or not all(32 <= c < 127 for c in head[:4]):
        return None
    name, length = struct.unpack(f"{order}4sI", head)
    return name, length


def _chunks(file: BinaryIO, order: str, size: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, length, place of the content) of all chunks, in turn."""
    at = file.tell()
    for number in itertools.count():
        if at >= size:
            return
        file.seek(at)
        found = _chunk(file, order)
        if found is None or number > _MOST_CHUNKS:
            raise Damaged(
                f"is damaged: its header breaks off at byte {at}, before its audio; fetch it again"
            )
        yield *found, at + 8
        at += 8 + found[1] + found[1] % 2


def _check_format(content: bytes, order: str) -> tuple[int, int]:
    """Bytes of a block, and samples of a channel in it, of a 'fmt ' chunk that fits together.

    Where samples are not coded together, a block is one sample of each channel.
    """
    if len(content) < 16:
        raise Damaged("is truncated within its header; fetch it again")
    tag, channels, rate, byte_rate, block, bits = struct.unpack(f"{order}HHIIHH", content[:16])
    if tag == _EXTENSIBLE:
        tag = _number(content[24:26], order)
    samples = 1
    if tag in (_PCM, _FLOAT, _ALAW, _MULAW):
        right_bits = bits == 8 if tag in (_ALAW, _MULAW) else bits >= 8
        fits = right_bits and block == channels * -(-bits // 8) and byte_rate == rate * block
    elif tag in (_MS_ADPCM, _IMA_ADPCM, _GSM):
        samples = _samples_per_block(tag, channels, block)
        said = _GSM_SAMPLES if tag == _GSM else _number(content[18:20], order)
        expected = rate * block / max(samples, 1)
        fits = samples == said and abs(byte_rate - expected) <= _BYTE_RATE_TOLERANCE * expected
    else:
        raise Damaged(f"is wav in an encoding that is not read here (tag 0x{tag:04x}); {CONVERT}")
    if not fits or block < 1:
        raise Damaged(
            f"contradicts itself: {channels} channels of {bits} bits at {rate} Hz do not make "
            f"{block} bytes a sample and {byte_rate} bytes a second; fetch it again"
        )
    return int(block), samples


def _samples_per_block(tag: int, channels: int, block: int) -> int:
    """Samples of a channel in a block of so many bytes: a head with the first ones, then nibbles;
    0 where no block has that size.
    """
    if tag == _GSM:
        return _GSM_SAMPLES if block == _GSM_BYTES and channels == 1 else 0
    head, first = (7, 2) if tag == _MS_ADPCM else (4, 1)
    nibbles = 2 * (block // max(channels, 1) - head)
    return nibbles + first if nibbles > 0 else 0


def _number(content: bytes, order: str) -> int:
    return int.from_bytes(content, "little" if order == "<" else "big")


def _aiff_bytes(content: bytes, is_aifc: bool) -> int | None:
    """Bytes of audio that a COMM chunk promises; None where its encoding does not say."""
    if len(content) < 18:
        raise Damaged("is truncated within its header; fetch it again")
    channels, frames, bits = struct.unpack(">HIH", content[:8])
    encoding = content[18:22] if is_aifc else b"NONE"
    if encoding in (b"NONE", b"sowt", b"twos"):
        return frames * channels * -(-bits // 8)
    return frames * channels * _AIFC_BYTES[encoding] if encoding in _AIFC_BYTES else None


def _check_behind(file: BinaryIO, order: str, end: int, size: int) -> None:
    """What follows the audio: chunks, then a tag or zeros."""
    # Some writers leave out the byte that pads an odd length.
    try:
        _check_rest(file, order, end + end % 2, size)
    except Damaged:
        if end % 2 == 0:
            raise
        _check_rest(file, order, end, size)


def _check_rest(file: BinaryIO, order: str, at: int, size: int) -> None:
    for _ in range(_MOST_CHUNKS):
        if at >= size:
            return
        file.seek(at)
        found = _chunk(file, order)
        if found is None or found[0] in (b"RIFF", b"FORM") or found[1] > size - at - 8:
            break
        at += 8 + found[1] + found[1] % 2
    file.seek(at)
    rest = file.read(len(_ZEROS))
    while rest == _ZEROS:
        rest = file.read(len(_ZEROS))
    check_rest(rest, size - at)
