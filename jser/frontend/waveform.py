"""Sound files in, 16-bit mono samples at one rate out; refuses what is not speech audio.

The same function serves the building of records and prediction, so a model never hears audio that
was prepared in another way than its training data.
"""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from jser.errors import InputError

SAMPLE_RATE = 16000
# Telephone speech (8 kHz) is speech; below that the second formant is gone, and a header that says
# so is more likely wrong than true. Above 384 kHz no sound card records.
LOWEST_RATE = 8000
HIGHEST_RATE = 384000
# 33 steps of 16 bits: noise of a converter, never a voice.
SILENCE_DB = -60.0
SHORTEST_SECONDS = 0.025
# Float files should lie in -1..1. A little over is a loud recording, that much over is an integer
# range stored as float.
HIGHEST_FLOAT = 8.0
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff")

_LFS_HEAD = b"version https://git-lfs.github.com/spec/"
_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
# Formats whose header gives the exact number of samples.
_COUNTED = ("WAV", "WAVEX", "FLAC", "AIFF", "RF64")


class AudioError(InputError):
    """A sound file cannot be used.

    Attributes:
        reason: what is wrong, without the file's name.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str):
        super().__init__(f"{os.fspath(path)}: {reason}")
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
        return self.pcm.astype(np.float32) / 32768.0


def load(
    path: str | os.PathLike[str],
    sample_rate: int = SAMPLE_RATE,
    max_seconds: float | None = None,
) -> Waveform:
    """Decode a sound file: mono, `sample_rate`, 16 bits.

    A mono 16-bit file at that rate passes bit by bit. Everything else is averaged over its
    channels, resampled (soxr, very high quality) and rounded.

    Args:
        path: wav, flac, or anything else that libsndfile reads.
        sample_rate: Hz of the result.
        max_seconds: only the beginning of the recording is kept.

    Raises:
        AudioError: missing, empty, a Git LFS pointer, not audio, truncated or damaged, not finite,
            silent, shorter than 25 ms, or of an absurd sample rate.
    """
    _check_file(path)
    samples, rate, channels, full_scale = _decode(path, max_seconds)
    if len(samples) == 0:
        raise AudioError(path, "holds no samples")
    if samples.dtype == np.int16:
        clipped = float(np.mean((samples == 32767) | (samples == -32768)))
    else:
        if not np.isfinite(samples).all():
            raise AudioError(path, "holds samples that are not finite (NaN or infinity)")
        highest = float(np.abs(samples).max())
        if highest > HIGHEST_FLOAT:
            raise AudioError(
                path,
                f"float samples reach {highest:.4g} where -1..1 is full scale; "
                "convert it to 16 bits",
            )
        clipped = float(np.mean(np.abs(samples) >= full_scale))
    pcm = _to_pcm(samples, rate, sample_rate)
    if max_seconds is not None:
        pcm = pcm[: round(max_seconds * sample_rate)]
    if len(pcm) < SHORTEST_SECONDS * sample_rate:
        raise AudioError(
            path,
            f"too short: {1000 * len(pcm) / sample_rate:.1f} ms, at least "
            f"{1000 * SHORTEST_SECONDS:.0f} ms are needed",
        )
    pcm = np.ascontiguousarray(pcm)
    return Waveform(
        pcm=pcm,
        sample_rate_in=rate,
        channels_in=channels,
        pcm_sha256=hashlib.sha256(pcm.astype("<i2", copy=False).tobytes()).hexdigest(),
        peak_db=_peak_db(path, pcm),
        clipped=clipped,
    )


def _check_file(path: str | os.PathLike[str]) -> None:
    try:
        if Path(path).is_dir():
            raise AudioError(path, "is a folder, not a sound file")
        with open(path, "rb") as file:
            head = file.read(len(_LFS_HEAD))
    except FileNotFoundError:
        raise AudioError(path, "no such file") from None
    except OSError as error:
        raise AudioError(path, f"cannot be read ({error.strerror})") from error
    if not head:
        raise AudioError(path, "is empty (0 bytes); fetch it again")
    if head == _LFS_HEAD:
        raise AudioError(
            path, "is a Git LFS pointer, not audio; fetch the audio with `git lfs pull`"
        )


def _decode(
    path: str | os.PathLike[str], max_seconds: float | None
) -> tuple[np.ndarray, int, int, float]:
    """Samples [n] int16 as stored, or [n, channels] float32; rate; channels; full scale."""
    try:
        file = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, TypeError) as error:
        # soundfile takes a name that ends in .raw for headerless audio and raises TypeError.
        raise AudioError(
            path,
            "is not a sound file that can be read (wav, flac, ogg, mp3); "
            "convert it, for example with `ffmpeg -i FILE -ar 16000 -ac 1 FILE.wav`",
        ) from error
    with file:
        rate, promised = file.samplerate, file.frames
        if not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise AudioError(
                path,
                f"sample rate {rate} Hz is outside {LOWEST_RATE} to {HIGHEST_RATE} Hz; "
                "is the header right?",
            )
        if file.format in ("WAV", "WAVEX"):
            _check_wav_size(path)
        wanted = promised
        if max_seconds is not None:
            # A tenth of a second more, so that the resampler's end effect falls off the cut.
            wanted = min(promised, int((max_seconds + 0.1) * rate) + 1)
        exact = file.subtype == "PCM_16" and file.channels == 1
        try:
            samples = file.read(wanted, dtype="int16" if exact else "float32", always_2d=not exact)
        except soundfile.LibsndfileError as error:
            raise AudioError(
                path, "is truncated or damaged: decoding fails part of the way; fetch it again"
            ) from error
        if file.format in _COUNTED and len(samples) < wanted:
            raise AudioError(
                path,
                f"is truncated: its header promises {promised} samples, {len(samples)} are there",
            )
        full_scale = 1.0 - 2.0 ** (1 - _BITS.get(file.subtype, 16))
        return samples, rate, file.channels, full_scale


def _check_wav_size(path: str | os.PathLike[str]) -> None:
    """Compare a wav file's data chunk with the file: libsndfile shortens a cut file silently."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        if file.read(4) != b"RIFF":
            return  # RIFX and other relatives: libsndfile's word has to do.
        file.seek(12)
        while len(head := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", head)
            if name == b"data":
                there = size - file.tell()
                # Programs that write to a pipe cannot know the length and leave one of these.
                streamed = length == 0 or length >= 0x7FFFFFFF - 64
                if there < length and not streamed:
                    raise AudioError(
                        path,
                        f"is truncated: its header promises {length} bytes of audio, "
                        f"{there} are there",
                    )
                return
            file.seek(length + length % 2, os.SEEK_CUR)


def _to_pcm(samples: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    """Samples [n] int16 or [n, channels] float32 -> int16 [m] at `sample_rate`."""
    if samples.dtype == np.int16:
        if rate == sample_rate:
            return samples
        mono = samples.astype(np.float32) / 32768.0
    else:
        mono = samples.mean(axis=1, dtype=np.float32)
    if rate != sample_rate:
        mono = soxr.resample(mono, rate, sample_rate, quality="VHQ")
    return np.clip(np.rint(mono * 32768.0), -32768, 32767).astype(np.int16)


def _peak_db(path: str | os.PathLike[str], pcm: np.ndarray) -> float:
    lowest, highest = int(pcm.min()), int(pcm.max())
    peak = max(-lowest, highest)
    if lowest == highest:
        raise AudioError(path, "is silent: every sample has the same value")
    peak_db = float(20 * np.log10(peak / 32768))
    if peak_db < SILENCE_DB:
        raise AudioError(
            path, f"is silent: its peak is {peak_db:.0f} dB, speech lies above {SILENCE_DB:.0f} dB"
        )
    return peak_db
