"""A whole sound file -> samples as they are stored, refused where decoding goes astray."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import soundfile

from jser.frontend import compressed
from jser.frontend.containers import Container
from jser.frontend.damage import CONVERT, Damaged, truncated

# Telephone speech (8 kHz) is speech; below that the second formant is gone, and a header that says
# so is more likely wrong than true. Above 384 kHz no sound card records.
LOWEST_RATE = 8000
HIGHEST_RATE = 384000
# 7.1 surround; what has more is an array of microphones, whose average is no recording.
MOST_CHANNELS = 8
# Of all channels: nine hours at 16 kHz, 2 GiB in memory. A header that promises more is damaged,
# or the file is no utterance.
MOST_SAMPLES = 1 << 29
# Float files should lie in -1..1. A little over is a loud recording, that much over is an integer
# range stored as float.
HIGHEST_FLOAT = 8.0
# A float of a recording is 0 or one of these; 32-bit integers that are read as floats are not.
_FLOATS = (1e-9, HIGHEST_FLOAT)

_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
# Kinds whose header gives the exact number of samples.
_COUNTED = ("wav", "flac", "aiff")
# Samples of a channel that are decoded at a time: a header may promise more than memory holds.
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Decoded:
    """Samples of a file.

    Attributes:
        samples: int16 [n] where the file is mono and has 16 bits, else float32 [n, channels].
        rate: Hz.
        channels: of the file.
        full_scale: the highest value that its encoding can hold.
    """

    samples: np.ndarray
    rate: int
    channels: int
    full_scale: float


def decode(raw: BinaryIO, container: Container, max_seconds: float | None) -> Decoded:
    """Decode a file that `jser.frontend.containers.check` has let through.

    Args:
        raw: open for reading.
        container: what `check` said.
        max_seconds: a little more than this is decoded; None: everything.

    Raises:
        Damaged: see the messages.
    """
    os.lseek(raw.fileno(), 0, os.SEEK_SET)
    listening: contextlib.AbstractContextManager[list[str]] = (
        compressed.mpg123_errors() if container.kind == "mp3" else contextlib.nullcontext([])
    )
    try:
        # By descriptor: soundfile takes a name that ends in .raw for headerless audio.
        with listening as errors, soundfile.SoundFile(raw.fileno(), closefd=False) as file:
            decoded = _read(file, container, max_seconds)
    except soundfile.LibsndfileError as error:
        raise Damaged(
            f"is truncated or damaged: decoding it as {container.kind} fails; fetch it again or "
            f"{CONVERT}"
        ) from error
    if errors:
        raise Damaged(f"is damaged: decoding fails part of the way ({errors[0]}); fetch it again")
    return decoded


def _read(file: soundfile.SoundFile, container: Container, max_seconds: float | None) -> Decoded:
    rate, channels, promised = file.samplerate, file.channels, file.frames
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise Damaged(
            f"sample rate {rate} Hz is outside {LOWEST_RATE} to {HIGHEST_RATE} Hz; is its header "
            "right?"
        )
    if channels > MOST_CHANNELS:
        raise Damaged(f"has {channels} channels, at most {MOST_CHANNELS} are averaged; choose one")
    wanted = promised
    if max_seconds is not None:
        # A tenth of a second more, so that the resampler's end effect falls off the cut.
        wanted = min(promised, int((max_seconds + 0.1) * rate) + 1)
    if wanted * channels > MOST_SAMPLES:
        raise Damaged(
            f"promises {wanted / rate / 3600:.0f} hours of audio, which is no utterance; cut it, "
            "or fetch it again if its header is wrong"
        )
    exact = file.subtype == "PCM_16" and channels == 1
    integers = container.flac is not None or file.subtype == "PCM_32"
    dtype = "int16" if exact else "int32" if integers else "float32"
    samples = _blocks(file, wanted, dtype, one_dimension=exact)
    if len(samples) == 0:
        raise Damaged("holds no samples; fetch it again")
    if container.kind in _COUNTED and len(samples) < wanted:
        raise truncated(wanted, len(samples), "samples")
    if container.flac is not None and wanted == promised:
        _check_md5(samples, container.flac)
    if file.subtype == "PCM_32":
        _check_integers(samples)
    if samples.dtype == np.int32:
        samples = samples.astype(np.float32) * np.float32(2.0**-31)
    if samples.dtype == np.float32:
        _check_floats(samples, container.kind)
    return Decoded(samples, rate, channels, 1.0 - 2.0 ** (1 - _BITS.get(file.subtype, 16)))


def _blocks(file: soundfile.SoundFile, wanted: int, dtype: str, one_dimension: bool) -> np.ndarray:
    blocks = [np.zeros((0,) if one_dimension else (0, file.channels), dtype)]
    there = 0
    while there < wanted:
        block = file.read(min(_BLOCK, wanted - there), dtype=dtype, always_2d=not one_dimension)
        if not len(block):
            break
        blocks.append(block)
        there += len(block)
    return blocks[1] if len(blocks) == 2 else np.concatenate(blocks)


def _check_md5(samples: np.ndarray, flac: compressed.FlacInfo) -> None:
    """Hold the samples, int16 [n] or left-justified int32 [n, C], against the encoder's MD5."""
    if not any(flac.md5):
        return
    if samples.dtype == np.int32:
        right = (samples >> (32 - flac.bits)).astype("<i4")
        width = -(-flac.bits // 8)
        stored = right.reshape(-1, 1).view(np.uint8)[:, :width]
    else:
        stored = samples.astype("<i2", copy=False)
    if hashlib.md5(stored.tobytes(), usedforsecurity=False).digest() != flac.md5:
        raise Damaged(
            "is damaged: its samples do not have the MD5 that its header gives; fetch it again"
        )


def _check_integers(samples: np.ndarray) -> None:
    """Floats whose header calls them integers are a buzz of two levels."""
    floats = np.abs(samples.view(np.float32))
    floats = floats[samples != 0]
    if len(floats) and np.mean((floats > _FLOATS[0]) & (floats < _FLOATS[1])) > 0.99:
        raise Damaged(
            f"holds floats where its header promises 32-bit integers; {CONVERT} from the original"
        )


def _check_floats(samples: np.ndarray, kind: str) -> None:
    highest = float(np.abs(samples).max())
    if highest <= HIGHEST_FLOAT:
        return
    if kind in ("mp3", "ogg"):
        raise Damaged(
            f"is damaged: it decodes to samples of {highest:.4g} where -1..1 is full scale; fetch "
            "it again"
        )
    if not np.isfinite(highest):
        raise Damaged(f"holds samples that are not finite (NaN or infinity); {CONVERT}")
    raise Damaged(
        f"holds float samples up to {highest:.4g} where -1..1 is full scale; store it in 16 bits"
    )
