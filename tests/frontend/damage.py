"""500 damaged sound files, made from ten good ones by named kinds of damage; the same every time.

`cases()` lists them. A kind says what must happen to its files:

- REFUSED: one sentence, which holds one of the kind's words;
- SAME: the damage is harmless, the samples are those of the undamaged file bit by bit;
- SANE: nobody can know, as the format has no redundancy there: audio of the right length;
- combinations, where it depends on which bit was hit.
"""

import io
import os
import socket
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

REFUSED, SAME, SANE = frozenset({"refused"}), frozenset({"same"}), frozenset({"sane"})
RATE = 16000
SAMPLES = 4800
TIMES = np.arange(SAMPLES) / RATE


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


def speech() -> np.ndarray:
    """0.3 s of a gliding, trembling voice with breath, about -10 dB; float64 in -1..1."""
    phase = 2 * np.pi * (140 * TIMES + 60 * TIMES**2)
    tone = sum(np.sin(k * phase + k * k) / k for k in range(1, 20))
    noise = np.random.default_rng(1).normal(size=SAMPLES)
    return 0.1 * tone * (1.2 + np.sin(2 * np.pi * 9 * TIMES)) + 0.003 * noise


def encoded(samples: np.ndarray, format: str, subtype: str | None = None, rate=RATE) -> bytes:
    """A sound file's bytes, without what differs from one moment to the next."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=format, subtype=subtype)
    data = bytearray(file.getvalue())
    if (peak := data.find(b"PEAK", 0, 80)) > 0:
        data[peak + 12 : peak + 16] = bytes(4)  # the time of writing
    return bytes(own_serial(data)) if format == "OGG" else bytes(data)


def own_serial(data: bytearray) -> bytearray:
    """An Ogg file with serial number 7 in the place of a random one."""
    at = 0
    while at < len(data):
        table = data[at + 27 : at + 27 + data[at + 26]]
        end = at + 27 + len(table) + sum(table)
        data[at + 14 : at + 18] = struct.pack("<I", 7)
        data[at + 22 : at + 26] = bytes(4)
        data[at + 22 : at + 26] = struct.pack("<I", ogg_crc(data[at:end]))
        at = end
    return data


def ogg_crc(page: bytes) -> int:
    """RFC 3533's checksum as it is written there, bit by bit."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc


def recordings() -> dict[str, bytes]:
    """The good files: name -> content."""
    x = speech()
    wide = np.interp(np.arange(3 * SAMPLES) / 3, np.arange(SAMPLES), x)
    return {
        "pcm16.wav": encoded(x, "WAV", "PCM_16"),
        "pcm24.wav": encoded(x, "WAV", "PCM_24"),
        "float.wav": encoded(x, "WAV", "FLOAT"),
        "ulaw.wav": encoded(x, "WAV", "ULAW"),
        "stereo48.wav": encoded(np.stack([wide, 0.5 * wide], 1), "WAV", "PCM_16", 48000),
        "pcm16.flac": encoded(x, "FLAC"),
        "pcm24.flac": encoded(x, "FLAC", "PCM_24"),
        "vorbis.ogg": encoded(x, "OGG", "VORBIS"),
        "lame.mp3": encoded(x, "MP3"),
        "pcm16.aiff": encoded(x, "AIFF", "PCM_16"),
    }


# Where the header of each ends and its audio begins.
HEADER = {
    "pcm16.wav": 44,
    "pcm24.wav": 44,
    "float.wav": 80,
    "ulaw.wav": 58,
    "stereo48.wav": 44,
    "pcm16.flac": 86,
    "pcm24.flac": 86,
    "vorbis.ogg": 58,
    "lame.mp3": 144,
    "pcm16.aiff": 54,
}
PCM = ("pcm16.wav", "pcm24.wav", "float.wav", "ulaw.wav", "stereo48.wav", "pcm16.aiff")
CODED = ("pcm16.flac", "pcm24.flac", "vorbis.ogg")


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


def cases() -> list[Case]:
    """All 500, in a fixed order."""
    maker = Maker()
    for part in (
        truncations,
        bit_flips,
        blocks,
        wrong_lengths,
        wrong_descriptions,
        samples_out_of_range,
        silences,
        lengths,
        not_audio,
        transfers,
        wrong_names,
        checksums,
        two_in_one,
        chunks_and_tags,
        misread_samples,
        no_files,
    ):
        part(maker, np.random.default_rng(len(part.__name__)))
    return maker.cases


def truncations(make: Maker, rng) -> None:
    words = ("truncated", "is text", "is damaged", "is not a sound file")
    for name, data in make.good.items():
        header = HEADER[name]
        for at in (3, 17, header - 5, header):
            make.add("cut in the header", name, REFUSED, words, data[:at])
        for share in (0.02, 0.5, 0.9):
            at = header + int(share * (len(data) - header))
            make.add("cut in the audio", name, REFUSED, ("truncated",), data[:at])
        for missing in (1, 7):
            make.add("last bytes missing", name, REFUSED, ("truncated",), data[:-missing])


def bit_flips(make: Maker, rng) -> None:
    words = ("contradicts itself", "damaged", "truncated", "not a sound file", "sample rate", "tag")
    rate_of_aiff = range(28, 38)
    for name, data in make.good.items():
        verdict = REFUSED | (SANE if name == "lame.mp3" else SAME)
        places = [at for at in range(HEADER[name]) if "aiff" not in name or at not in rate_of_aiff]
        for at in rng.choice(places, 5, replace=False):
            flipped = flip(data, at, rng.integers(8))
            make.add("bit flipped in the header", name, verdict, (*words, "two rec"), flipped)
    for at in (28, 29, 30, 31):
        words = ("sample rate", "truncated or damaged")
        flipped = flip(make.good["pcm16.aiff"], at, 2)
        make.add("bit flipped in an aiff's rate", "pcm16.aiff", REFUSED | SANE, words, flipped)
    for name in make.good:
        data = make.good[name]
        for at in rng.integers(HEADER[name] + 8, len(data), 3 if name in CODED else 2):
            flipped = flip(data, at, rng.integers(8))
            if name in CODED:
                make.add("bit flipped in coded audio", name, REFUSED, ("damaged",), flipped)
            elif name == "lame.mp3":
                make.add("bit flipped in an mp3", name, REFUSED | SANE, ("is damaged",), flipped)
            else:
                words = ("float samples", "not finite")
                make.add("bit flipped in samples", name, SANE | REFUSED, words, flipped)
    # What mpg123 notices: the lengths in a frame's side information, behind its four bytes.
    changed = (make.good["lame.mp3"].index(b"\xff\xf3", 1000) + 4, b"\xff" * 9)
    make.add_changed(
        "side information lost", "lame.mp3", REFUSED, ("decoding fails part",), changed
    )


def blocks(make: Maker, rng) -> None:
    """512 bytes lost to a bad sector: zeros, or something else."""
    for name in make.good:
        size = len(make.good[name])
        shares = (0.6,) if name in PCM else (0.2, 0.7)
        places = [HEADER[name] + int(share * (size - HEADER[name] - 512)) for share in shares]
        words = ("zeros", "not a sound file", "contradicts itself", "damaged", "truncated")
        make.add_changed("header zeroed", name, REFUSED, words, (0, bytes(HEADER[name])))
        for at in places:
            for what, block in (("zeros", bytes(512)), ("noise", rng.bytes(512))):
                coded = name in CODED or name == "lame.mp3"
                kind = f"sector of {what} in {'coded audio' if coded else 'samples'}"
                verdict = REFUSED if coded else SANE | REFUSED
                words = ("damaged", "truncated") if coded else ("float samples", "not finite")
                make.add_changed(kind, name, verdict, words, (at, block))


def wrong_lengths(make: Maker, rng) -> None:
    def number(n):
        return struct.pack("<I", n)

    for more in (1, 2, 1000, 9600, 1 << 24, (1 << 31) - 10000):
        words = ("truncated", "no whole samples")
        changed = (40, number(9600 + more))
        make.add_changed("promises more audio", "pcm16.wav", REFUSED, words, changed)
    for less in (1, 2, 100, 4800, 9598, 9600):
        words = ("does not know", "no whole samples")
        changed = (40, number(9600 - less))
        make.add_changed("promises less audio", "pcm16.wav", REFUSED, words, changed)
    for unknown in (0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFF + 1):
        make.add_changed("length not known", "pcm16.wav", SAME, (), (40, number(unknown)))
    for size in (0, 1, 0xFFFFFFFF, 5000):
        make.add_changed("wrong size of the whole", "pcm16.wav", SAME, (), (4, number(size)))
    for promised in (0, 100, 4799, 4801, 1 << 30):
        changed = (22, struct.pack(">I", promised))
        words = ("contradicts itself",)
        make.add_changed("wrong number of samples", "pcm16.aiff", REFUSED, words, changed)
    flac = make.good["pcm16.flac"]
    for promised in (1, 100, 4799, 4801, 1 << 35, 0):
        changed = (21, ((flac[21] & 0xF0) << 32 | promised).to_bytes(5, "big"))
        words = ("MD5", "truncated", "how many", "hours")
        make.add_changed("wrong number of samples", "pcm16.flac", REFUSED, words, changed)
    counts = make.good["lame.mp3"].index(b"Xing") + 8
    for promised in (1, 5, 14, 1 << 31):
        changed = (counts, struct.pack(">I", promised))
        words = ("truncated", "two recordings")
        make.add_changed("wrong number of samples", "lame.mp3", REFUSED, words, changed)


def wrong_descriptions(make: Maker, rng) -> None:
    def described(rate=RATE, channels=1, bits=16, tag=1, consistent=True):
        block = channels * -(-bits // 8)
        content = struct.pack(
            "<HHIIHH",
            tag,
            channels,
            rate,
            (rate * block) & 0xFFFFFFFF if consistent else 32000,
            block & 0xFFFF if consistent else 2,
            bits,
        )
        return (20, content)

    words = ("sample rate", "truncated or damaged")
    for rate in (1, 100, 3999, 7999, 384001, 1 << 24, 1 << 30):
        make.add_changed("absurd rate", "pcm16.wav", REFUSED, words, described(rate=rate))
    make.add_changed("absurd rate", "pcm16.wav", REFUSED, (*words, "contra"), described(rate=0))
    words = ("contradicts itself",)
    for rate in (8000, 11025, 22050, 44100, 48000):
        changed = described(rate=rate, consistent=False)
        make.add_changed("another rate", "pcm16.wav", REFUSED, words, changed)
    flac = make.good["pcm16.flac"]
    for rate in (8000, 22050, 48000):
        changed = (18, (rate << 4 | flac[20] & 15).to_bytes(3, "big"))
        make.add_changed("another rate", "pcm16.flac", REFUSED, words, changed)
    words = ("contradicts itself", "channels", "whole samples", "damaged")
    for channels in (0, 9, 12, 150, 1024):
        changed = described(channels=channels)
        make.add_changed("absurd channels", "pcm16.wav", REFUSED, words, changed)
    for channels in (2, 3, 255):
        changed = described(channels=channels, consistent=False)
        make.add_changed("absurd channels", "pcm16.wav", REFUSED, words, changed)
    words = ("contradicts itself", "truncated or damaged", "whole samples", "noise")
    for bits in (0, 1, 7, 33, 64, 255):
        make.add_changed("absurd bits", "pcm16.wav", REFUSED, words, described(bits=bits))
    for bits in (8, 24, 32):
        changed = described(bits=bits, consistent=False)
        make.add_changed("absurd bits", "pcm16.wav", REFUSED, words, changed)
    for tag in (0, 0x40, 0x55, 0xFF, 0x161):
        words = ("encoding that is not read here",)
        make.add_changed("unknown encoding", "pcm16.wav", REFUSED, words, described(tag=tag))


def samples_out_of_range(make: Maker, rng) -> None:
    x = speech()
    for format in ("WAV", "AIFF"):
        for subtype in ("FLOAT", "DOUBLE"):
            for value in (np.nan, np.inf, -np.inf):
                bad = x.copy()
                bad[rng.integers(SAMPLES, size=3)] = value
                data = encoded(bad, format, subtype)
                make.add("not finite", "", REFUSED, ("not finite",), data, f".{format.lower()}")
    for factor in (32768.0, 1e9, 1e30):
        data = encoded(x * factor, "WAV", "FLOAT")
        make.add("float in another range", "", REFUSED, ("full scale",), data)
    for factor in (1e-4, 1e-20, 1e-42):
        data = encoded(x * factor, "WAV", "FLOAT")
        make.add("float in another range", "", REFUSED, ("silent",), data)


def silences(make: Maker, rng) -> None:
    x = speech()
    hum = 10 / 32768 * np.sin(2 * np.pi * 50 * TIMES)
    click = np.zeros(SAMPLES)
    click[1000:1003] = 0.5
    quiet = {
        "zeros": 0 * x,
        "constant": 0 * x + 0.25,
        "hum": hum,
        "hum on an offset": hum + 0.3,
        "click": click,
        "click on an offset": click - 0.3,
    }
    for what, samples in quiet.items():
        for format, subtype in (("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("AIFF", "PCM_24")):
            data = encoded(samples, format, subtype)
            make.add(f"silence: {what}", "", REFUSED, ("silent",), data, f".{format.lower()}")
    for format in ("WAV", "FLAC"):
        data = encoded(np.stack([x, -x], 1), format)
        make.add("channels that cancel", "", REFUSED, ("cancel",), data, f".{format.lower()}")
        data = encoded(x + 0.3, format)
        make.add("speech on an offset", "", SANE, (), data, f".{format.lower()}")
        data = encoded(x * 0.02, format)
        make.add("quiet speech", "", SANE, (), data, f".{format.lower()}")


def lengths(make: Maker, rng) -> None:
    x = speech()
    for format in ("WAV", "AIFF", "FLAC"):
        for n in (0, 1, 100, 399):
            words = ("too short", "no samples", "before its audio", "is empty")
            data = encoded(x[:n], format, "PCM_16")
            make.add("too short", "", REFUSED, words, data, f".{format.lower()}")
    make.add("longer than memory", "", REFUSED, ("hours",), b"", write=ten_hours)


def ten_hours(path: Path) -> None:
    """A telephone's wav (GSM 6.10) of ten hours, which takes no room on the disk."""
    size = 10 * 3600 * RATE // 320 * 65
    head = struct.pack("<4sI4s4sIHHIIHHHH4sI", b"RIFF", 40 + size, b"WAVE", b"fmt ", 20, 0x31, 1,
                       RATE, RATE * 65 // 320, 65, 0, 2, 320, b"data", size)  # fmt: skip
    path.write_bytes(head)
    os.truncate(path, len(head) + size)


def not_audio(make: Maker, rng) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("03a01Fa.wav", make.good["pcm16.wav"])
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9644\n"
    contents = {
        "empty": (b"", "is empty"),
        "lfs pointer": (pointer.encode(), "git lfs pull"),
        "annex pointer": (b"/annex/objects/SHA256E-s9644--4d7a.wav\n", "git annex get"),
        "html": (b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n", "web page"),
        "html after a blank": (b"\r\n\r\n<html>Log in to your account</html>", "web page"),
        "xml": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML"),
        "json": (b'{"message": "API rate limit exceeded"}\n', "JSON"),
        "text": (b"speaker 03, sentence a01, happiness, version a, take 2, good quality\n", "text"),
        "csv": (b"file,emotion\n03a01Fa.wav,happiness\n", "text"),
        "utf-8 with a mark": ("\ufeffGrüße".encode(), "text"),
        "utf-16": ("03a01Fa.wav;Freude\n".encode("utf-16"), "UTF-16"),
        "zip": (archive.getvalue(), "zip archive"),
        "gzip": (b"\x1f\x8b\x08\x00" + rng.bytes(500), "gzip archive"),
        "png": (b"\x89PNG\r\n\x1a\n" + rng.bytes(500), "PNG"),
        "jpeg": (b"\xff\xd8\xff\xe0\x00\x10JFIF" + rng.bytes(500), "JPEG"),
        "pdf": (b"%PDF-1.7\n" + rng.bytes(500), "PDF"),
        "m4a": (b"\x00\x00\x00\x20ftypM4A \x00" + rng.bytes(500), "M4A"),
        "webm": (b"\x1aE\xdf\xa3" + rng.bytes(500), "WebM"),
        "sphere": (b"NIST_1A\n   1024\n".ljust(1024) + rng.bytes(500), "Sphere"),
        "aac": (b"\xff\xf1\x50\x80" + rng.bytes(500), "not a sound file"),
        "au": (encoded(speech(), "AU"), "AU"),
        "caf": (encoded(speech(), "CAF"), "CAF"),
        "w64": (encoded(speech(), "W64"), "W64"),
        "zeros": (bytes(9644), "zeros"),
        "samples without a header": (make.good["pcm16.wav"][44:], "not a sound file"),
        "matlab": (encoded(speech(), "MAT5"), "not a sound file"),
    }
    for number, (what, (content, word)) in enumerate(contents.items()):
        suffix = (".wav", ".flac", ".mp3")[number % 3]
        make.add(f"not audio: {what}", "", REFUSED, (word,), content, suffix)
    for suffix in (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".WAV"):
        words = ("not a sound file", "damaged")
        make.add("not audio: random bytes", "", REFUSED, words, rng.bytes(5000), suffix)


def transfers(make: Maker, rng) -> None:
    """Binary files that were sent as text."""
    words = ("damaged", "truncated", "contradicts", "not a sound file", "does not know")
    for name in make.good:
        data = make.good[name]
        for sent in (
            data.replace(b"\n", b"\r\n"),
            data.decode("utf-8", "replace").encode(),
            data.decode("latin-1").encode("utf-8"),
        ):
            if sent != data:
                make.add("sent as text", name, REFUSED, words, sent)


def wrong_names(make: Maker, rng) -> None:
    for name, suffix in (
        ("pcm16.wav", ".flac"),
        ("pcm16.wav", ".raw"),
        ("pcm24.wav", ".mp3"),
        ("pcm16.flac", ".wav"),
        ("pcm16.flac", ".mp3"),
        ("vorbis.ogg", ".wav"),
        ("lame.mp3", ".wav"),
        ("lame.mp3", ".flac"),
        ("pcm16.aiff", ".wav"),
        ("ulaw.wav", ".WAV"),
        ("float.wav", ""),
    ):
        make.add("another suffix", name, SAME, (), make.good[name], suffix or ".")
    cut = make.good["pcm16.wav"][:5000]
    for odd in (
        "new\nline",
        "return\rtab\t",
        "escape\x1b[31mred",
        "nicht \udce4 utf-8",
        "Ünïcödé 录音 🎙",
        " blanks  within ",
        "-rf",
        "x" * 240,
        "back\\slash 'quote' \"quotes\"",
        "\u202eright to left",
        "line\u2028separator",
    ):
        for kind, verdict, content in (
            ("odd name, cut", REFUSED, cut),
            ("odd name, whole", SAME, make.good["pcm16.wav"]),
        ):
            words = ("truncated",)
            made = Case(kind, f"{odd}{verdict == SAME:d}.wav", "pcm16.wav", verdict, words,
                        lambda path, content=content: path.write_bytes(content))  # fmt: skip
            make.cases.append(made)


def checksums(make: Maker, rng) -> None:
    for name in ("pcm16.flac", "pcm24.flac"):
        data = make.good[name]
        for at in (26, 33, 41):
            flipped = flip(data, at, 0)
            make.add("wrong MD5", name, REFUSED, ("MD5",), flipped)
        make.add_changed("no MD5", name, SAME, (), (26, bytes(16)))
        make.add("wrong CRC of a frame", name, REFUSED, ("damaged",), flip(data, len(data) - 1, 3))
    ogg = make.good["vorbis.ogg"]
    for at in (22, 80, len(ogg) - 1):
        make.add("wrong CRC of a page", "vorbis.ogg", REFUSED, ("checksum",), flip(ogg, at, 5))
    second = ogg.index(b"OggS", 4)
    third = ogg.index(b"OggS", second + 4)
    missing = ogg[:second] + ogg[third:]
    make.add("page missing", "vorbis.ogg", REFUSED, ("page 1 is missing",), missing)


def two_in_one(make: Maker, rng) -> None:
    words = ("two recordings", "does not know")
    for name, data in make.good.items():
        make.add("two in one", name, REFUSED, words, data + data)
    for a, b in (("pcm16.wav", "pcm16.flac"), ("pcm16.flac", "pcm24.flac"),
                 ("vorbis.ogg", "pcm16.wav"), ("pcm16.aiff", "vorbis.ogg")):  # fmt: skip
        make.add("two in one", a, REFUSED, words, make.good[a] + make.good[b])


def chunks_and_tags(make: Maker, rng) -> None:
    wav, aiff = make.good["pcm16.wav"], make.good["pcm16.aiff"]

    def chunk(name, length, content=b""):
        return name + struct.pack("<I", length) + content

    for length in (1 << 31, 0xFFFFFFFF, 20000):
        data = wav[:36] + chunk(b"JUNK", length) + wav[36:]
        make.add("huge chunk before the audio", "pcm16.wav", REFUSED, ("truncated",), data)
        data = wav + chunk(b"LIST", length)
        make.add("huge chunk after the audio", "pcm16.wav", REFUSED, ("does not know",), data)
        data = aiff[:12] + b"COMT" + struct.pack(">I", length) + aiff[12:]
        make.add("huge chunk before the audio", "pcm16.aiff", REFUSED, ("truncated",), data)
    make.add("many chunks", "pcm16.wav", REFUSED, ("header breaks off",),
             wav[:36] + chunk(b"JUNK", 0) * 20000 + wav[36:])  # fmt: skip
    make.add("chunk missing", "pcm16.wav", REFUSED, ("nothing describes",), wav[:12] + wav[36:])
    make.add("chunk missing", "pcm16.aiff", REFUSED, ("before its audio",), aiff[:12] + aiff[38:])
    make.add("chunk missing", "pcm16.wav", REFUSED, ("before its audio",), wav[:36])
    info = chunk(b"LIST", 16, b"INFOISFT\x04\0\0\0abc\0")
    id3 = b"ID3\x03\x00\x00\x00\x00\x02\x00" + bytes(256)
    for data in (
        wav[:36] + chunk(b"JUNK", 28, bytes(28)) + wav[36:],
        wav[:36] + info + wav[36:],
        wav + info,
        wav + info + bytes(100),
        wav + b"TAG" + bytes(125),
        wav + bytes(512),
        id3 + wav,
    ):
        make.add("harmless chunks and tags", "pcm16.wav", SAME, (), data)
    for name in ("pcm16.flac", "lame.mp3", "pcm16.aiff"):
        make.add("harmless chunks and tags", name, SAME, (), id3 + make.good[name])
        tagged = make.good[name] + b"TAG" + bytes(125)
        make.add("harmless chunks and tags", name, SAME, (), tagged)
    tag_alone = b"ID3\x03\x00\x00\x00\x7f\x7f\x7f" + bytes(256)
    make.add("tag without audio", "", REFUSED, ("ID3", "truncated"), tag_alone, ".mp3")
    make.add(
        "junk behind the audio", "pcm16.wav", REFUSED, ("does not know",), wav + b"\x01\xff" * 9
    )


def misread_samples(make: Maker, rng) -> None:
    """Whole files whose header describes other samples than theirs."""
    pcm = np.rint(speech() * 32767).astype("<i2")
    raw = pcm.tobytes()
    floats = speech().astype("<f4").tobytes()
    head = make.good["pcm16.wav"][:40]
    contents = {
        "of the other byte order": pcm.byteswap().tobytes(),
        "a byte too late": raw[1:-1],
        "of 24 bits": make.good["pcm24.wav"][44:-44],
        "floats": floats,
        "coded as mp3": (make.good["lame.mp3"][144:] * 5)[:9600],
        "encrypted": rng.bytes(9600),
        "compressed": make.good["pcm16.flac"][90:6000],
    }
    for what, data in contents.items():
        data = data[: len(data) // 2 * 2]
        content = head + struct.pack("<I", len(data)) + data
        make.add("misread samples", f"pcm16.wav {what}", REFUSED, ("noise",), content, ".wav")
    swapped = encoded(pcm.byteswap().view("<i2"), "FLAC")
    make.add("misread samples", "pcm16.flac swapped", REFUSED, ("noise",), swapped, ".flac")
    format32 = struct.pack("<HHIIHH", 1, 1, RATE, 4 * RATE, 4, 32)
    content = head[:20] + format32 + b"data" + struct.pack("<I", len(floats)) + floats
    make.add("misread samples", "pcm16.wav floats", REFUSED, ("holds floats",), content, ".wav")


def no_files(make: Maker, rng) -> None:
    def link(target):
        return lambda path: path.symlink_to(target)

    def loop(path):
        other = path.with_name(f"{path.stem}-back.link")
        other.symlink_to(path.name)
        path.symlink_to(other.name)

    def locked(path):
        path.write_bytes(make.good["pcm16.wav"])
        path.chmod(0)

    def listening(path):
        here = os.getcwd()
        os.chdir(path.parent)  # a socket's path must be short
        try:
            with socket.socket(socket.AF_UNIX) as end:
                end.bind(path.name)
        finally:
            os.chdir(here)

    annex = "../.git/annex/objects/3x/Kq/SHA256E-s9644--4d7a.wav/SHA256E-s9644--4d7a.wav"
    for what, write, word in (
        ("folder", Path.mkdir, "is a folder"),
        ("pipe", os.mkfifo, "a pipe"),
        ("socket", listening, "a socket"),
        ("device", link("/dev/zero"), "a device"),
        ("broken link", link("nowhere.wav"), "not there"),
        ("annex link", link(annex), "git annex get"),
        ("link to itself", loop, "cannot be read"),
        ("link to a folder", link("."), "is a folder"),
    ):
        make.add(f"no file: {what}", "", REFUSED, (word,), b"", write=write)
    if os.geteuid() != 0:
        make.add("no file: locked", "", REFUSED, ("Permission denied",), b"", write=locked)
