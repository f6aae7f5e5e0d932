"""Ten good sound files, made in memory: what is damaged in `tests.frontend.damage`."""

import io
import struct

import numpy as np
import soundfile

RATE = 16000
SAMPLES = 4800
TIMES = np.arange(SAMPLES) / RATE


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
    if (peak := data.find(b"PEAK", 0, 200)) > 0:
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
