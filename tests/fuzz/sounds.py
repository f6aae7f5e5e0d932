"""Damaged sound files without end, made from good ones by number and seed."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.frontend.good_files import encoded

RATE = 16000
SECONDS = 0.6
MOST_REAL_BYTES = 1 << 20


class Damaged(NamedTuple):
    """One file.

    Attributes:
        number: of the case; with the seed it decides everything.
        kind: of damage.
        original: key of the good file that was damaged; '' for none.
        name: of the file, unique, as it stands in the manifest.
        data: its bytes.
        harmless: whether it must be built, with the samples of the original.
    """

    number: int
    kind: str
    original: str
    name: str
    data: bytes
    harmless: bool = False


def voice(seed: int, seconds: float = SECONDS, rate: int = RATE) -> np.ndarray:
    """A gliding, trembling vowel with breath; float64 [n] in -0.6..0.6."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * (110 * t + 15 * seed % 70 * t + 50 * t**2)
    tone = sum(np.sin(k * phase + k * k) / k for k in range(1, 16))
    tremble = 1.2 + np.sin(2 * np.pi * (5 + seed % 5) * t)
    return 0.1 * tone * tremble + 0.003 * rng.normal(size=len(t))


def good() -> dict[str, bytes]:
    """One file of each kind that is read: name -> content."""
    mono, other = voice(1), voice(2)
    wide = voice(3, rate=48000)
    stereo = np.stack([wide, 0.5 * np.roll(wide, 5)], 1)
    pcm16 = encoded(mono, "WAV", "PCM_16")
    return {
        "pcm16.wav": pcm16,
        "other16.wav": encoded(other, "WAV", "PCM_16"),
        "u8.wav": encoded(mono, "WAV", "PCM_U8"),
        "pcm24.wav": encoded(mono, "WAV", "PCM_24"),
        "pcm32.wav": encoded(mono, "WAV", "PCM_32"),
        "float.wav": encoded(mono, "WAV", "FLOAT"),
        "double.wav": encoded(mono, "WAV", "DOUBLE"),
        "alaw.wav": encoded(mono, "WAV", "ALAW"),
        "ulaw.wav": encoded(mono, "WAV", "ULAW"),
        "ima.wav": encoded(mono, "WAV", "IMA_ADPCM"),
        "ms.wav": encoded(mono, "WAV", "MS_ADPCM"),
        "gsm.wav": encoded(voice(1, rate=8000), "WAV", "GSM610", 8000),
        "phone.wav": encoded(voice(4, rate=8000), "WAV", "PCM_16", 8000),
        "stereo48.wav": encoded(stereo, "WAV", "PCM_16", 48000),
        "extensible.wav": encoded(stereo, "WAVEX", "PCM_24", 48000),
        "rf64.wav": encoded(mono, "RF64", "PCM_16"),
        "rifx.wav": _big_endian(pcm16),
        "pcm16.aiff": encoded(mono, "AIFF", "PCM_16"),
        "pcm24.aiff": encoded(mono, "AIFF", "PCM_24"),
        "float.aifc": encoded(mono, "AIFF", "FLOAT"),
        "ulaw.aifc": encoded(mono, "AIFF", "ULAW"),
        "pcm16.flac": encoded(mono, "FLAC"),
        "pcm24.flac": encoded(mono, "FLAC", "PCM_24"),
        "stereo48.flac": encoded(stereo, "FLAC", "PCM_16", 48000),
        "vorbis.ogg": encoded(mono, "OGG", "VORBIS"),
        "stereo48.ogg": encoded(stereo, "OGG", "VORBIS", 48000),
        "opus.ogg": encoded(mono, "OGG", "OPUS"),
        "mono.mp3": encoded(mono, "MP3"),
        "stereo48.mp3": encoded(stereo, "MP3", rate=48000),
    }


def _big_endian(wav: bytes) -> bytes:
    """A canonical 16-bit wav as RIFX."""
    size, length = struct.unpack("<I", wav[4:8])[0], struct.unpack("<I", wav[40:44])[0]
    fmt = struct.pack(">HHIIHH", *struct.unpack("<HHIIHH", wav[20:36]))
    samples = np.frombuffer(wav[44:], "<i2").astype(">i2").tobytes()
    head = b"RIFX" + struct.pack(">I", size) + b"WAVEfmt " + struct.pack(">I", 16) + fmt
    return head + b"data" + struct.pack(">I", length) + samples


def real(folder: Path, n: int, seed: int) -> dict[str, bytes]:
    """Some recordings below a folder, named by number: nothing of their names is printed."""
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in (".wav", ".flac", ".ogg", ".mp3", ".aiff")
        and path.is_file()
        and path.stat().st_size < MOST_REAL_BYTES
    )
    chosen = random.Random(seed).sample(found, min(n, len(found)))
    return {f"real{k}{path.suffix.lower()}": path.read_bytes() for k, path in enumerate(chosen)}


def header_bytes(data: bytes) -> int:
    """Where a good file's audio begins, or a little before."""
    if data[:4] in (b"RIFF", b"RIFX", b"RF64"):
        return data.index(b"data") + 8
    if data[:4] == b"FORM":
        return data.index(b"SSND") + 16
    if data[:4] == b"fLaC":
        return data.index(b"\xff\xf8") if b"\xff\xf8" in data[:9000] else 42
    return min(200, len(data) // 4)


# --- damage to bytes ------------------------------------------------------------------------------

_Bytes = Callable[[random.Random, bytes], bytes]


def _truncated(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.choice((rng.randrange(len(data)), len(data) - rng.randrange(1, 9)))]


def _beginning_lost(rng: random.Random, data: bytes) -> bytes:
    return data[rng.choice((rng.randrange(1, len(data)), rng.randrange(1, 100))) :]


def _flipped(rng: random.Random, data: bytes) -> bytes:
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 3, 30))):
        made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    return bytes(made)


def _header_flipped(rng: random.Random, data: bytes) -> bytes:
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        made[rng.randrange(header_bytes(data))] ^= 1 << rng.randrange(8)
    return bytes(made)


def _header_bytes(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(header_bytes(data))
    new = rng.choice(
        (b"\0", b"\xff", b"\0\0", b"\xff\xff", bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff")
    )
    return data[:at] + new + data[at + len(new) :]


def _lost(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) - 1)
    return data[:at] + data[at + rng.choice((1, 2, 3, 4, 511, 512)) :]


def _inserted(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    new = rng.choice((b"\0", b"\n", b"\r\n", rng.randbytes(2), bytes(512), rng.randbytes(600)))
    return data[:at] + new + data[at:]


def _sector(rng: random.Random, data: bytes) -> bytes:
    size = rng.choice((512, 4096))
    at = rng.randrange(max(1, len(data) - size)) // 512 * 512
    there = len(data[at : at + size])
    new = rng.choice((bytes(there), b"\xff" * there, rng.randbytes(there)))
    return data[:at] + new + data[at + there :]


def _repeated(rng: random.Random, data: bytes) -> bytes:
    size = rng.choice((1, 2, 512, 4096))
    at = rng.randrange(len(data))
    return data[: at + size] + data[at:]


def _text_mode(rng: random.Random, data: bytes) -> bytes:
    return rng.choice((
        lambda: data.replace(b"\n", b"\r\n"),
        lambda: data.replace(b"\r\n", b"\n").replace(b"\r", b"\n"),
        lambda: bytes(byte & 0x7F for byte in data),
        lambda: data.decode("utf-8", "replace").encode(),
        lambda: data.decode("latin-1").encode(),
        lambda: data.split(b"\x1a")[0] or data[:1],
    ))()  # fmt: skip


def _swapped(rng: random.Random, data: bytes) -> bytes:
    body = np.frombuffer(data[: len(data) // 4 * 4], np.uint8)
    width = rng.choice((2, 4))
    return body.reshape(-1, width)[:, ::-1].tobytes()


_ON_BYTES: dict[str, _Bytes] = {
    "truncated": _truncated,
    "beginning lost": _beginning_lost,
    "bits flipped": _flipped,
    "bits flipped in the header": _header_flipped,
    "bytes of the header overwritten": _header_bytes,
    "bytes lost": _lost,
    "bytes inserted": _inserted,
    "sector overwritten": _sector,
    "block repeated": _repeated,
    "transferred as text": _text_mode,
    "bytes swapped": _swapped,
}

# --- damage to fields -----------------------------------------------------------------------------

_RATES = (0, 1, 2, 100, 7999, 384001, 1 << 24, (1 << 31) - 1, (1 << 32) - 1)
_CHANNELS = (0, 9, 64, 255, 256, 1024, 65535)
_BITS = (0, 1, 4, 7, 15, 17, 33, 64, 128, 255, 65535)
_SIZES = (0, 1, 3, 7, 1000, (1 << 31) - 1, 1 << 31, (1 << 32) - 9, (1 << 32) - 1)
WAVS = ("pcm16.wav", "u8.wav", "pcm24.wav", "float.wav", "alaw.wav", "stereo48.wav",
        "extensible.wav", "rf64.wav", "phone.wav", "ima.wav", "gsm.wav")  # fmt: skip
_AIFFS = ("pcm16.aiff", "pcm24.aiff", "float.aifc", "ulaw.aifc")
_FLACS = ("pcm16.flac", "pcm24.flac", "stereo48.flac")


def _field(rng: random.Random, data: bytes, what: str) -> bytes:
    """A file whose header says something absurd of its rate, channels, depth or sizes."""
    values = {"rate": _RATES, "channels": _CHANNELS, "bits": _BITS, "sizes": _SIZES}[what]
    return _put(rng, bytearray(data), what, rng.choice(values))


def _put(rng: random.Random, made: bytearray, what: str, value: int) -> bytes:
    if made[:4] == b"FORM":
        at = made.index(b"COMM") + 8
        if what == "rate":
            made[at + 8 : at + 18] = _extended(value)
        elif what == "sizes":
            place = rng.choice(
                (4, at - 4, at + 2, made.index(b"SSND") + 4, made.index(b"SSND") + 8)
            )
            made[place : place + 4] = struct.pack(">I", value)
        else:
            place = at if what == "channels" else at + 6
            made[place : place + 2] = struct.pack(">H", value & 0xFFFF)
        return bytes(made)
    if made[:4] == b"fLaC":
        packed = int.from_bytes(made[18:26], "big")
        low, width = {"rate": (44, 20), "channels": (41, 3), "bits": (36, 5), "sizes": (0, 36)}[
            what
        ]
        mask = (1 << width) - 1
        packed = packed & ~(mask << low) | (value & mask) << low
        made[18:26] = packed.to_bytes(8, "big")
        return bytes(made)
    order = ">" if made[:4] == b"RIFX" else "<"
    at = made.index(b"fmt ") + 8
    if what == "sizes":
        places = [4, at - 4, made.index(b"data") + 4]
        if b"ds64" in made[:20]:
            places += [20, 28, 36]
        place = rng.choice(places)
        made[place : place + 4] = struct.pack(f"{order}I", value)
        return bytes(made)
    tag, channels, rate, byte_rate, block, bits = struct.unpack(
        f"{order}HHIIHH", made[at : at + 16]
    )
    channels = value if what == "channels" else channels
    rate = value if what == "rate" else rate
    bits = value if what == "bits" else bits
    if rng.random() < 0.6:  # the fields agree with each other
        block = (channels * -(-bits // 8)) & 0xFFFF
        byte_rate = (rate * block) & 0xFFFFFFFF
    made[at : at + 16] = struct.pack(
        f"{order}HHIIHH", tag, channels & 0xFFFF, rate, byte_rate, block, bits & 0xFFFF
    )
    return bytes(made)


def _extended(value: int) -> bytes:
    """A whole number as the 80-bit float of AIFF."""
    if not value:
        return bytes(10)
    exponent = value.bit_length() - 1
    return struct.pack(">HQ", 16383 + exponent, value << (63 - exponent))


# --- whole files ----------------------------------------------------------------------------------


def _samples(rng: random.Random) -> tuple[bytes, str]:
    """Float files with values that no sample has."""
    x = voice(rng.randrange(5))
    value = rng.choice((np.nan, np.inf, -np.inf, 1e30, -1e30, 3e38, 100.0))
    x[rng.sample(range(len(x)), rng.choice((1, 3, len(x))))] = value
    format = rng.choice(("WAV", "AIFF", "WAVEX", "RF64"))
    suffix = ".aiff" if format == "AIFF" else ".wav"
    with np.errstate(over="ignore"):
        return encoded(x, format, rng.choice(("FLOAT", "DOUBLE"))), suffix


def _unheard(rng: random.Random) -> tuple[bytes, str]:
    """Too short, or silent."""
    format = rng.choice(("WAV", "AIFF", "FLAC"))
    x = rng.choice((
        voice(1)[: rng.choice((0, 1, 2, 100, 399))],
        0 * voice(1),
        0 * voice(1) + rng.uniform(-0.9, 0.9),
        voice(1) * 10 ** rng.uniform(-6, -4),
    ))  # fmt: skip
    return encoded(x, format, "PCM_16"), f".{format.lower()}"


_FIRST = (b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt ", b"FORM", b"FORM\0\0\0\0AIFF",
          b"fLaC", b"fLaC\x00\x00\x00\x22", b"OggS", b"OggS\0\2", b"\xff\xfb\x90\x00", b"ID3\4\0\0",
          b"ID3\4\0\0\x7f\x7f\x7f\x7f", b"RF64", b"caff", b".snd", b"\0" * 64,
          b"RIFF\xff\xff\xff\xffWAVEdata\xff\xff\xff\xff")  # fmt: skip


def _noise(rng: random.Random) -> tuple[bytes, str]:
    data = rng.choice(_FIRST) + rng.randbytes(rng.choice((0, 1, 10, 300, 5000)))
    return data, rng.choice((".wav", ".flac", ".ogg", ".mp3", ".aiff"))


def _id3(rng: random.Random) -> bytes:
    size = rng.choice((11, 100, 127, 128, 3000))  # a tag has a frame, which has ten bytes at least
    return b"ID3\x03\x00\x00" + bytes((0, 0, size >> 7, size & 127)) + bytes(size)


def _spliced(rng: random.Random, files: Mapping[str, bytes], one: str) -> bytes:
    """Parts of two files in one."""
    a, b = files[one], files[rng.choice(sorted(files))]
    way = rng.randrange(4)
    if way == 0:
        return a + b
    if way == 1:
        return a[: header_bytes(a)] + b[header_bytes(b) :]
    if way == 2:
        return a[: len(a) // 2] + b[len(b) // 2 :]
    return a[: header_bytes(a)] + b


def _tagged(rng: random.Random, data: bytes) -> bytes:
    """Harmless: tags and chunks that writers leave; an odd length is padded."""
    ways: list[Callable[[], bytes]] = [
        lambda: _id3(rng) + data,
        lambda: data + b"TAG" + bytes(125),
    ]
    if data[:4] == b"RIFF":
        at = data.index(b"fmt ")
        n = rng.choice((0, 1, 3, 28, 1001))
        extra = rng.choice((b"JUNK", b"bext", b"LIST", b"PAD ", b"iXML", b"abcd"))
        chunk = extra + struct.pack("<I", n) + rng.randbytes(n) + bytes(n % 2)
        ways += [lambda: data[:at] + chunk + data[at:], lambda: data + chunk]
    return rng.choice(ways)()


# Names as they are given, all in one folder. A manifest is UTF-8; other bytes
# are in tests/fuzz/test_fuzz.py.
_NAMES = (
    "näme {n}.wav", "名前 {n}.wav", "💥{n}.wav", "اسم{n}.wav", "\u202egnp{n}.wav",
    "a\u0308 {n}.wav",
    "new\nline {n}.wav", "tab\t{n}.wav", "quote\"{n}.wav", "comma,{n}.wav", "semi;{n}.wav",
    "'{n}'.wav", "{n}%s%d.wav", "{n} {{}}.wav", "-{n}.wav", "CASE {n}.WAV", "case {n}.wav",
    "x{n}.wav", "x{n}.wav.wav", "dots..{n}...wav", "\x1b[31m{n}.wav", "\u200b{n}.wav", "#{n}.wav",
    "back\\slash{n}.wav", "{n}" + "ü" * 120 + ".wav", "[bold red]{n}.wav", "{n}\u2028.wav",
)  # fmt: skip


def kinds() -> list[str]:
    """All kinds of damage, in the order in which the cases take turns."""
    fields = [f"absurd {what}" for what in ("rate", "channels", "bits", "sizes")]
    return [*_ON_BYTES, *fields, "not finite or out of range", "too short or silent", "noise",
            "parts of two files", "tags and chunks (harmless)", "another suffix (harmless)",
            "odd names (harmless)", "odd names, truncated"]  # fmt: skip


def case(seed: int, number: int, files: Mapping[str, bytes]) -> Damaged:
    """The case of a number: always the same of a seed and good files."""
    rng = random.Random(f"{seed} {number}")
    kind = kinds()[number % len(kinds())]
    original = rng.choice(sorted(files))
    harmless = kind.endswith("(harmless)")
    if kind in _ON_BYTES:
        data = _ON_BYTES[kind](rng, files[original])
    elif kind.startswith("absurd"):
        what = kind.split()[1]
        original = rng.choice((*WAVS, *_AIFFS, *_FLACS))
        data = _field(rng, files[original], what)
    elif kind in ("not finite or out of range", "too short or silent", "noise"):
        made = {"noise": _noise, "not finite or out of range": _samples}.get(kind, _unheard)
        data, suffix = made(rng)
        return Damaged(number, kind, "", f"{number:05d}{suffix}", data)
    elif kind == "parts of two files":
        data = _spliced(rng, files, original)
    elif kind.startswith("tags"):
        # libsndfile reads neither Ogg nor RF64 behind a tag.
        names = [n for n in sorted(files) if not n.endswith("ogg") and n != "rf64.wav"]
        original = rng.choice(names)
        data = _tagged(rng, files[original])
    else:
        data = files[original]
    if data == files[original] and not harmless and not kind.startswith("odd"):
        harmless = True  # the damage hit nothing
    name = f"{number:05d}{os.path.splitext(original)[1]}"
    if kind.startswith("another"):
        name = f"{number:05d}{rng.choice(('.wav', '.flac', '.mp3', '.ogg', '.raw', '.WAV', ''))}"
    if kind.startswith("odd"):
        name = rng.choice(_NAMES).format(n=number)
        if kind.endswith("truncated"):
            data = data[: rng.randrange(len(data) // 2)]
    return Damaged(number, kind, original, name, data, harmless)
