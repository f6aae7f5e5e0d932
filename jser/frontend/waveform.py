"""Sound files in, 16-bit mono samples at one rate out; refuses what is not speech audio.

The same function serves the building of records and prediction, so a model never hears audio that
was prepared in another way than its training data.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import soxr

from jser.errors import InputError, one_line
from jser.frontend import containers, decoding
from jser.frontend.damage import CONVERT, Damaged
from jser.frontend.decoding import Cut
from jser.frontend.opening import check_content, digest, opened, state, unchanged

SAMPLE_RATE = 16000
# 33 steps of 16 bits: noise of a converter, never a voice.
SILENCE_DB = -60.0
SILENCE = 10 ** (SILENCE_DB / 20)
SHORTEST_SECONDS = 0.025
# What rises above silence for less than this is a click.
SHORTEST_SOUND_SECONDS = 0.005
# Bytes that are read as samples of another size or order sound like this: louder than speech (at
# most 0.28 of full scale in EMO-DB and RAVDESS), each sample unlike the one before (speech: a
# correlation of at least 0.46 there), and yet not cut off at full scale like what was overdriven. A
# high tone has one of the two correlations.
NOISE_RMS = 0.25
NOISE_CORRELATION = 0.3
NOISE_NEXT_BUT_ONE = 0.7
NOISE_CLIPPED = 0.01
# Every so manieth sample is looked at first.
_FEW = 16
_TOO_LARGE = "does not fit into this machine's memory; cut it into utterances"
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")


class AudioError(InputError):
    """A sound file cannot be used.

    Attributes:
        path: of it.
        reason: what is wrong, without the file's name.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str):
        super().__init__(f"{one_line(path)}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True)
class Waveform:
    """One recording, ready for the front end.

    Attributes:
        pcm: int16 [samples], mono, at the rate asked for; ``pcm / 32768`` is full scale 1.
        sample_rate_in: Hz in the file.
        channels_in: channels in the file; more than one are averaged.
        pcm_sha256: hex sha256 of the little-endian bytes of `pcm`: equal audio, equal hash.
        peak_db: highest sample, dB relative to full scale.
        clipped: share of the file's samples at full scale, 0..1.
    """

    pcm: np.ndarray
    sample_rate_in: int
    channels_in: int
    pcm_sha256: str
    peak_db: float
    clipped: float

    def float32(self) -> np.ndarray:
        """Samples as float32 [samples] in -1..1."""
        return np.multiply(self.pcm, np.float32(2.0**-15), dtype=np.float32)


def load(
    path: str | os.PathLike[str],
    sample_rate: int = SAMPLE_RATE,
    max_seconds: float | None = None,
    sha256: str | None = None,
) -> Waveform:
    """Decode a sound file: mono, `sample_rate`, 16 bits.

    A mono 16-bit file at that rate passes bit by bit. Everything else is averaged over its
    channels, resampled (soxr, very high quality) and rounded.

    Args:
        path: wav, flac, ogg (Vorbis, Opus or FLAC), mp3 or aiff, whatever its suffix.
        sample_rate: Hz of the result.
        max_seconds: only the beginning of the recording is kept.
        sha256: hex, of the content that the file must have; None: whatever it has.

    Raises:
        AudioError: missing, empty, a pointer, not audio, truncated or damaged, not finite, silent,
            nothing but noise, shorter than 25 ms or absurdly long, or of an absurd sample rate or
            number of channels; or of another content.
    """
    try:
        with opened(path, "sound file", sha256) as file:
            decoded = decoding.decode(file, containers.check(file), max_seconds)
        return _waveform(decoded, sample_rate, max_seconds)
    except Damaged as error:
        raise AudioError(path, str(error)) from error
    except MemoryError as error:
        raise AudioError(path, _TOO_LARGE) from error


def passing(path: str | os.PathLike[str], sample_rate: int = SAMPLE_RATE) -> Iterator[np.ndarray]:
    """The samples of a sound file of any length, a piece after the other, as `load` makes them.

    What is in memory does not grow with the file, but for coded ones, which are looked through
    whole. Silence is let through, and so is noise: who listens has to judge stretches of it.

    Args:
        path: as in `load`, or Sun AU, Apple CAF, Sony W64 or NIST Sphere.
        sample_rate: Hz of the result.

    Yields:
        int16 [n], mono, about a minute each.

    Raises:
        AudioError: see `load`; where decoding fails part of the way, what lies before was given.
    """
    try:
        with opened(path, "sound file") as file, unchanged(file):
            resampler = None
            for decoded in decoding.decode_passing(file, containers.check(file, rare=True)):
                mono = _mono(decoded, silent=True)
                if decoded.rate == sample_rate:
                    yield _to_pcm(mono, sample_rate, sample_rate)
                    continue
                if resampler is None:
                    resampler = soxr.ResampleStream(
                        decoded.rate, sample_rate, 1, dtype="float32", quality="VHQ"
                    )
                yield _rounded(resampler.resample_chunk(_floats(mono)))
            if resampler is not None:
                yield _rounded(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    except Damaged as error:
        raise AudioError(path, str(error)) from error
    except MemoryError as error:
        raise AudioError(path, _TOO_LARGE) from error


def is_heard(pcm: np.ndarray, sample_rate: int = SAMPLE_RATE) -> bool:
    """Whether int16 [n] is more than silence with a click in it."""
    if not len(pcm):
        return False
    try:
        _check_heard(pcm, sample_rate, *_span(pcm))
    except Damaged:
        return False
    return True


def load_cuts(
    path: str | os.PathLike[str],
    cuts: Sequence[Cut],
    sample_rate: int = SAMPLE_RATE,
    sha256: str | None = None,
) -> list[Waveform | AudioError]:
    """Decode segments of one sound file, each as `load` does a whole one.

    The file is opened once, and only what the segments need is decoded. A segment is cut at the
    file's own rate and resampled by itself.

    Args:
        path: see `load`.
        cuts: segments in seconds; an end up to 50 ms behind the file's is taken for it.
        sample_rate: Hz of the result.
        sha256: see `load`.

    Returns:
        One entry a cut: its waveform, or why it cannot be used.
    """
    made: list[Waveform | AudioError] = []
    try:
        with opened(path, "sound file") as file, unchanged(file):
            for decoded in decoding.decode_cuts(file, _container(path, file, sha256), cuts):
                if isinstance(decoded, Damaged):
                    made.append(AudioError(path, str(decoded)))
                    continue
                try:
                    made.append(_waveform(decoded, sample_rate, None))
                except Damaged as error:
                    made.append(AudioError(path, str(error)))
    except Damaged as error:
        if len(made) == len(cuts):
            made = []  # The file has changed: nobody knows which of them are of the old content.
        made += [AudioError(path, str(error))] * (len(cuts) - len(made))
    except MemoryError:
        made += [AudioError(path, _TOO_LARGE)] * (len(cuts) - len(made))
    return made


# Path and state -> what `containers.check` said of a file that is cut, and its hash, '' where none
# was asked for: a table with thousands of segments of a long recording must not have it looked
# through as often.
_checked: dict[tuple[str, tuple[int, ...]], tuple[containers.Container, str]] = {}
_MOST_CHECKED = 1024
# Two batches of one file are decoded at once: the second waits for what the first finds.
_checking = threading.Lock()


def _container(
    path: str | os.PathLike[str], file: BinaryIO, sha256: str | None
) -> containers.Container:
    key = (os.fspath(path), state(file))
    with _checking:
        container, found = _checked.get(key, (None, ""))
        if sha256 is not None and not found:
            found = digest(file)
        check_content(found, sha256)
        container = container or containers.check(file)
        if len(_checked) >= _MOST_CHECKED:
            _checked.clear()
        _checked[key] = container, found
    return container


def _waveform(decoded: decoding.Decoded, sample_rate: int, max_seconds: float | None) -> Waveform:
    mono = _mono(decoded)
    pcm = _to_pcm(mono, decoded.rate, sample_rate)
    if max_seconds is not None:
        pcm = pcm[: round(max_seconds * sample_rate)]
    pcm = np.ascontiguousarray(pcm)
    if len(pcm) < SHORTEST_SECONDS * sample_rate:
        raise Damaged(
            f"is too short: {1000 * len(pcm) / sample_rate:.1f} ms, at least "
            f"{1000 * SHORTEST_SECONDS:.0f} ms are needed; leave it out"
        )
    # Most are stored as they will be: one array, which is looked through once.
    stored = _span(mono)
    lowest, highest = stored if pcm is mono else _span(pcm)
    _check_heard(pcm, sample_rate, lowest, highest)
    clipped = _clipped(decoded, stored)
    _check_noise(mono, stored, clipped)
    return Waveform(
        pcm=pcm,
        sample_rate_in=decoded.rate,
        channels_in=decoded.channels,
        pcm_sha256=hashlib.sha256(pcm.astype("<i2", copy=False).data).hexdigest(),
        peak_db=_decibels(max(highest, -lowest)),
        clipped=clipped,
    )


def _span(x: np.ndarray) -> tuple[float, float]:
    """The lowest and the highest sample."""
    return x.min().item(), x.max().item()


def _clipped(decoded: decoding.Decoded, stored: tuple[float, float]) -> float:
    x = decoded.samples
    if x.dtype == np.int16:
        if stored[1] < 32767 and stored[0] > -32768:
            return 0.0
        return (np.count_nonzero(x == 32767) + np.count_nonzero(x == -32768)) / x.size
    return float(np.mean(np.abs(x) >= decoded.full_scale))


def _mono(decoded: decoding.Decoded, silent: bool = False) -> np.ndarray:
    """Samples [n]: int16 as they are stored, or float32, the average of the channels.

    Channels that cancel each other are refused, unless `silent` lets silence through.
    """
    if decoded.samples.dtype == np.int16:
        return decoded.samples
    mono = decoded.samples.mean(axis=1, dtype=np.float32)
    if silent:
        return mono
    if decoded.channels > 1 and np.ptp(mono) < SILENCE < np.ptp(decoded.samples, axis=0).max():
        raise Damaged(
            f"is silent once its {decoded.channels} channels are averaged, because they cancel "
            "each other; keep one of them"
        )
    return mono


def _to_pcm(mono: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    """Samples [n] int16 or float32 -> int16 [m] at `sample_rate`."""
    if mono.dtype == np.int16 and rate == sample_rate:
        return mono
    mono = _floats(mono)
    if rate != sample_rate:
        mono = soxr.resample(mono, rate, sample_rate, quality="VHQ")
    return _rounded(mono)


def _floats(mono: np.ndarray) -> np.ndarray:
    return mono.astype(np.float32) / 32768.0 if mono.dtype == np.int16 else mono


def _rounded(mono: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(mono * 32768.0), -32768, 32767).astype(np.int16)


def _check_heard(pcm: np.ndarray, sample_rate: int, lowest: float, highest: float) -> None:
    """Refuse silence, with or without a click in it."""
    if lowest == highest:
        raise Damaged("is silent: every sample has the same value; leave it out or record it again")
    # Around its own mean: a constant offset is not sound. The values that are silence lie side by
    # side, so that integers are compared instead of the samples' distances.
    # The sum of so many cannot leave 32 bits, in which it takes half as long.
    total = pcm.sum(dtype=np.int32 if len(pcm) <= 1 << 16 else np.int64)
    mean = np.float32(total / len(pcm))
    near = np.arange(int(mean) - 40, int(mean) + 41)
    silence = near[np.abs(near.astype(np.float32) - mean) < np.float32(32768 * SILENCE)].tolist()
    # In speech a few of the samples say enough.
    for some in (pcm[::_FEW], pcm):
        heard = np.count_nonzero(some < silence[0]) + np.count_nonzero(some > silence[-1])
        if heard >= SHORTEST_SOUND_SECONDS * sample_rate:
            return
    if not heard:
        raise Damaged(
            f"is silent: it stays within {_decibels((highest - lowest) / 2):.0f} dB of full scale, "
            f"speech lies above {SILENCE_DB:.0f} dB; leave it out or record it again"
        )
    raise Damaged(
        f"is silent but for {1000 * heard / sample_rate:.1f} ms above {SILENCE_DB:.0f} dB; leave "
        "it out or record it again"
    )


def _check_noise(mono: np.ndarray, stored: tuple[float, float], clipped: float) -> None:
    """Refuse bytes that are no samples; see `NOISE_RMS`."""
    # Most recordings are soon seen to be less loud: no power is above the highest sample's, or
    # higher once the mean is taken off.
    scale = 32768.0 if mono.dtype == np.int16 else 1.0
    if max(stored[1], -stored[0]) < NOISE_RMS * scale:
        return
    x = mono.astype(np.float32)
    if scale != 1.0:
        x /= scale
    if np.vdot(x, x) < 0.99 * NOISE_RMS**2 * len(x):
        return
    x -= x.mean()
    power = float(np.mean(np.square(x)))
    if power < NOISE_RMS**2 or clipped > NOISE_CLIPPED:
        return
    next_one, next_but_one = (abs(float(np.mean(x[lag:] * x[:-lag]))) / power for lag in (1, 2))
    if next_one < NOISE_CORRELATION and next_but_one < NOISE_NEXT_BUT_ONE:
        raise Damaged(
            "is nothing but loud noise: its bytes are probably samples of another size or order "
            f"than its header says; fetch it again or {CONVERT} from the original"
        )


def _decibels(peak: float) -> float:
    return float(20 * np.log10(peak / 32768))
