"""`jser listen`: sound as it comes, from a pipe or a microphone, and a running answer."""

from __future__ import annotations

import importlib
import queue
from collections.abc import Iterator, Mapping
from io import BufferedReader
from typing import Any

import numpy as np
import soxr

from jser.artefact import opening
from jser.artefact.listening import Said
from jser.artefact.loader import Artefact, Stream
from jser.errors import InputError
from jser.frontend import likeness
from jser.frontend.decoding import HIGHEST_RATE, LOWEST_RATE
from jser.frontend.likeness import Range
from jser.frontend.log_mel import LogMelSpec, log_mel_batch
from jser.frontend.waveform import is_heard

# Of 16-bit samples that are read at a time.
_BYTES = 4096
# With what sound files begin: heard as samples they would be noise that gets an answer.
_FILES = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"OggS", b"ID3", b"caff", b".snd", b"NIST")
_HEAD = 4


def check_rate(rate: int) -> None:
    """Refuse what is no rate of speech.

    Raises:
        InputError: see above.
    """
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise InputError(f"--rate={rate}: give {LOWEST_RATE} to {HIGHEST_RATE} Hz")


def from_pipe(pipe: BufferedReader) -> Iterator[np.ndarray]:
    """Pieces int16 [n] of headerless 16-bit little-endian mono samples, as soon as they are there.

    Who writes waits while nobody reads, so nothing piles up here.

    Raises:
        InputError: a sound file comes in place of samples.
    """
    left, begun = b"", False
    while some := pipe.read1(_BYTES):
        some = left + some
        if not begun and len(some) < _HEAD:
            left = some
            continue
        if not begun and some.startswith(_FILES):
            raise InputError(
                "standard input: is a sound file, and samples without a header are wanted; "
                "`ffmpeg -i FILE -f s16le -ac 1 -ar 16000 - | jser listen ARTEFACT`, or `jser "
                "predict ARTEFACT FILE`"
            )
        begun = True
        whole = len(some) - len(some) % 2
        left = some[whole:]
        yield np.frombuffer(some[:whole], "<i2")


def from_microphone(rate: int, most_seconds: float = 10.0) -> Iterator[np.ndarray]:
    """Pieces int16 [n] of the default microphone, for ever.

    Args:
        rate: Hz.
        most_seconds: held while nobody takes them; beyond that the oldest are lost.

    Raises:
        InputError: there is no microphone, or the package that knows it is not installed.
    """
    try:
        sounddevice = importlib.import_module("sounddevice")
    except (ImportError, OSError) as error:
        raise InputError(
            f"--microphone: the package sounddevice, or PortAudio behind it, is missing ({error}); "
            "pip install sounddevice, or pipe sound in: arecord -q -f S16_LE -r 16000 -t "
            "raw | jser listen ARTEFACT"
        ) from error
    block = rate // 10
    held: queue.Queue[np.ndarray] = queue.Queue(max(1, int(most_seconds * rate / block)))

    def take(samples: np.ndarray, *_: Any) -> None:
        if held.full():
            held.get_nowait()
        held.put_nowait(samples[:, 0].copy())

    try:
        with sounddevice.InputStream(
            samplerate=rate, channels=1, dtype="int16", blocksize=block, callback=take
        ):
            while True:
                yield held.get()
    except sounddevice.PortAudioError as error:
        raise InputError(f"--microphone: cannot be opened ({error})") from error


def listen(
    pieces: Iterator[np.ndarray], rate: int, artefact: Artefact, info: Mapping[str, Any]
) -> Iterator[Said]:
    """A running answer, one every hop of the artefact's stream and one at its end.

    Args:
        pieces: int16 [n] at `rate`, of one stream.
        rate: Hz.
        artefact: what answers.
        info: of it.

    Raises:
        InputError: the artefact's stream is missing or damaged.
    """
    # Here, not at the first piece: nobody speaks to what cannot answer.
    return _answers(_resampled(pieces, rate, info["sample_rate"]), opening.stream(artefact), info)


def _answers(
    pieces: Iterator[np.ndarray], stream: Stream, info: Mapping[str, Any]
) -> Iterator[Said]:
    known = {name: Range(*of) for name, of in info["trained_on"]["like"].items()}
    own = info["sample_rate"]
    heard = np.zeros(0, np.int16)
    first = 0  # of what is held here, in the stream

    def answers() -> Iterator[dict[str, Any]]:
        nonlocal heard
        for piece in pieces:
            heard = np.concatenate([heard, piece])
            yield from stream.feed(piece.astype(np.float32) / 32768)
        if not len(heard) and not first:
            raise InputError("standard input: is empty; pipe 16-bit mono samples in")
        yield from stream.finish()

    for answer in answers():
        window = heard[answer["start"] - first : answer["end"] - first]
        heard, first = heard[answer["start"] - first :], answer["start"]
        start, end = answer["start"] / own, answer["end"] / own
        if not is_heard(window, own):
            yield Said(start, end, None, {"silence": "nothing but silence"})
            continue
        static = log_mel_batch([window], LogMelSpec())[0]
        steps = int(answer["steps"])
        yield Said(
            start,
            end,
            answer["probabilities"],
            likeness.warnings(likeness.measure(static), known) | likeness.distortion(window),
            answer["attention"][:steps],
            start + answer["bounds"][:steps] * info["hop_seconds"],
        )


def _resampled(pieces: Iterator[np.ndarray], rate: int, own: int) -> Iterator[np.ndarray]:
    if rate == own:
        yield from pieces
        return
    resampler = soxr.ResampleStream(rate, own, 1, dtype="int16", quality="VHQ")
    for piece in pieces:
        yield resampler.resample_chunk(piece)
    yield resampler.resample_chunk(np.zeros(0, np.int16), last=True)
