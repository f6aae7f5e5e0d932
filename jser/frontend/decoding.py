"""A whole sound file -> samples as they are stored, refused where decoding goes astray."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

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
# A table of segments may round to hundredths, and an mp3 encoder pads: so far behind the end of
# the file is still its end.
END_TOLERANCE = 0.05
# After a seek, the first frames of Vorbis and MP3 are not what they are in one go: so many samples
# are thrown away.
_PREROLL = 1 << 14


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


class Cut(NamedTuple):
    """A segment of a recording, in seconds from its beginning; `end` None: to its end."""

    start: float
    end: float | None


def decode(raw: BinaryIO, container: Container, max_seconds: float | None) -> Decoded:
    """Decode a file that `jser.frontend.containers.check` has let through.

    Args:
        raw: open for reading.
        container: what `check` said.
        max_seconds: a little more than this is decoded; None: everything.

    Raises:
        Damaged: see the messages.
    """
    with _opened(raw, container) as (file, errors):
        decoded = _read(file, container, max_seconds)
    _check_errors(errors)
    return decoded


def decode_cuts(
    raw: BinaryIO, container: Container, cuts: Sequence[Cut]
) -> Iterator[Decoded | Damaged]:
    """Decode segments of a file, seeking from one to the next; what cannot be had says why.

    The samples are those of the whole file between the rounded times. What only the whole file can
    tell, a FLAC's MD5, is not looked at.

    Args:
        raw: open for reading.
        container: what `jser.frontend.containers.check` said.
        cuts: ascending starts are fastest.

    Raises:
        Damaged: the file cannot be opened at all.
    """
    with _opened(raw, container) as (file, errors):
        for cut in cuts:
            try:
                decoded = _read_cut(file, container, cut)
                _check_errors(errors)
            except (Damaged, soundfile.LibsndfileError) as error:
                yield error if isinstance(error, Damaged) else _undecodable(container)
            else:
                yield decoded


def decode_passing(raw: BinaryIO, container: Container) -> Iterator[Decoded]:
    """Decode a file of any length, a piece after the other; what is in memory does not grow.

    What only the whole file can tell, a FLAC's MD5, is not looked at where it has several pieces.

    Args:
        raw: open for reading.
        container: what `jser.frontend.containers.check` said.

    Raises:
        Damaged: see the messages; pieces before the damage have been given.
    """
    with _opened(raw, container) as (file, errors):
        _check_layout(file)
        total = _frames(file, container)
        for start in range(0, max(total, 1), _BLOCK):
            before = min(start, 0 if container.kind in _COUNTED else _PREROLL)
            if start:
                if not file.seekable():  # GSM 6.10
                    raise Damaged(
                        f"is in an encoding in which no place can be looked up; {CONVERT}"
                    )
                file.seek(start - before)
            yield _samples(file, container, min(_BLOCK, total - start), before)
            _check_errors(errors)
    _check_errors(errors)  # of what was said as the file was closed


@contextlib.contextmanager
def _opened(raw: BinaryIO, container: Container) -> Iterator[tuple[soundfile.SoundFile, list[str]]]:
    """The file, open in libsndfile, and a list that mpg123's errors are put into."""
    os.lseek(raw.fileno(), 0, os.SEEK_SET)
    listening: contextlib.AbstractContextManager[list[str]] = (
        compressed.mpg123_errors() if container.kind == "mp3" else contextlib.nullcontext([])
    )
    try:
        # By descriptor: soundfile takes a name that ends in .raw for headerless audio.
        with listening as errors, soundfile.SoundFile(raw.fileno(), closefd=False) as file:
            yield file, errors
    except soundfile.LibsndfileError as error:
        raise _undecodable(container) from error


def _undecodable(container: Container) -> Damaged:
    return Damaged(
        f"is truncated or damaged: decoding it as {container.kind} fails; fetch it again or "
        f"{CONVERT}"
    )


def _check_errors(errors: list[str]) -> None:
    if errors:
        raise Damaged(f"is damaged: decoding fails part of the way ({errors[0]}); fetch it again")


def _read(file: soundfile.SoundFile, container: Container, max_seconds: float | None) -> Decoded:
    _check_layout(file)
    wanted = _frames(file, container)
    if max_seconds is not None:
        # A tenth of a second more, so that the resampler's end effect falls off the cut.
        wanted = min(wanted, int((max_seconds + 0.1) * file.samplerate) + 1)
    return _samples(file, container, wanted)


def _read_cut(file: soundfile.SoundFile, container: Container, cut: Cut) -> Decoded:
    _check_layout(file)
    rate, frames = file.samplerate, _frames(file, container)
    seconds = frames / rate
    if cut.start >= seconds or (cut.end is not None and cut.end > seconds + END_TOLERANCE):
        what, when = ("ends", cut.end) if cut.end is not None else ("starts", cut.start)
        raise Damaged(
            f"has {seconds:.3f} s, and the segment {what} at {when:.10g} s; correct its times"
        )
    first = round(cut.start * rate)
    last = frames if cut.end is None else min(frames, round(cut.end * rate))
    before = min(first, 0 if container.kind in _COUNTED else _PREROLL)
    if not file.seekable():  # GSM 6.10
        raise Damaged(f"is in an encoding in which no segment can be looked up; {CONVERT}")
    file.seek(first - before)
    return _samples(file, container, last - first, before)


def _frames(file: soundfile.SoundFile, container: Container) -> int:
    """Samples of a channel. libsndfile takes the byte behind a GSM file's audio, and what fills up
    the last block of ADPCM, for sound.
    """
    if container.frames is None:
        return int(file.frames)
    if file.frames < container.frames:
        raise truncated(container.frames, file.frames, "samples")
    return container.frames


def _check_layout(file: soundfile.SoundFile) -> None:
    if not LOWEST_RATE <= file.samplerate <= HIGHEST_RATE:
        raise Damaged(
            f"sample rate {file.samplerate} Hz is outside {LOWEST_RATE} to {HIGHEST_RATE} Hz; is "
            "its header right?"
        )
    if file.channels > MOST_CHANNELS:
        raise Damaged(
            f"has {file.channels} channels, at most {MOST_CHANNELS} are averaged; choose one"
        )


def _samples(
    file: soundfile.SoundFile, container: Container, wanted: int, before: int = 0
) -> Decoded:
    """`wanted` samples of each channel behind the next `before`, held against what is known."""
    rate, channels = file.samplerate, file.channels
    if wanted * channels > MOST_SAMPLES:
        raise Damaged(
            f"promises {wanted / rate / 3600:.0f} hours of audio, which is no utterance; cut it, "
            "or fetch it again if its header is wrong"
        )
    exact = file.subtype == "PCM_16" and channels == 1
    integers = container.flac is not None or file.subtype == "PCM_32"
    dtype = "int16" if exact else "int32" if integers else "float32"
    # soundfile seeks after every reading, which is exact in these kinds alone.
    block = _BLOCK if container.kind in _COUNTED else before + wanted
    samples = _blocks(file, before + wanted, dtype, exact, block)[before:]
    if len(samples) == 0:
        raise Damaged("holds no samples; fetch it again")
    if container.kind in _COUNTED and len(samples) < wanted:
        raise truncated(wanted, len(samples), "samples")
    if container.flac is not None and wanted == file.frames:
        _check_md5(samples, container.flac)
    if file.subtype == "PCM_32":
        _check_integers(samples)
    if samples.dtype == np.int32:
        samples = samples.astype(np.float32) * np.float32(2.0**-31)
    if samples.dtype == np.float32:
        _check_floats(samples, container.kind)
    return Decoded(samples, rate, channels, 1.0 - 2.0 ** (1 - _BITS.get(file.subtype, 16)))


def _blocks(
    file: soundfile.SoundFile, wanted: int, dtype: str, one_dimension: bool, at_once: int
) -> np.ndarray:
    blocks = [np.zeros((0,) if one_dimension else (0, file.channels), dtype)]
    there = 0
    while there < wanted:
        block = file.read(min(at_once, wanted - there), dtype=dtype, always_2d=not one_dimension)
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
    if hashlib.md5(np.ascontiguousarray(stored).data, usedforsecurity=False).digest() != flac.md5:
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
