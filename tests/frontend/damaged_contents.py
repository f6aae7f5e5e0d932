"""Damage to what a file holds, to its name and to its place: samples, other files, no files."""

import io
import os
import socket
import struct
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from tests.frontend.cases import REFUSED, SAME, SANE, Case, Maker
from tests.frontend.good_files import RATE, SAMPLES, TIMES, encoded, speech


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
        file.writestr(zipfile.ZipInfo("03a01Fa.wav"), make.good["pcm16.wav"])
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
        "matlab": (encoded(speech(), "MAT4"), "not a sound file"),
    }
    for number, (what, (content, word)) in enumerate(contents.items()):
        suffix = (".wav", ".flac", ".mp3")[number % 3]
        make.add(f"not audio: {what}", "", REFUSED, (word,), content, suffix)
    for suffix in (".wav", ".flac", ".ogg", ".mp3", ".aiff"):
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
    verdict = SAME if reads_everything() else REFUSED
    make.add("no file: locked", "pcm16.wav", verdict, ("Permission denied",), b"", write=locked)


def reads_everything() -> bool:
    """Whether rights do not bind this user, as they do not bind most administrators."""
    with tempfile.NamedTemporaryFile() as file:
        os.chmod(file.name, 0)
        return os.access(file.name, os.R_OK)
