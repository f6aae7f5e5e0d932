"""Recordings -> log-Mel: batches decoded and run through the front end by threads, handed on."""

from __future__ import annotations

import gc
import itertools
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from jser import progress
from jser.frontend import waveform
from jser.frontend.log_mel import LogMelSpec, log_mel_batch
from jser.frontend.waveform import AudioError, Waveform
from jser.records.cache import Facts, Finished
from jser.records.kind import Sink, Source

# A batch is what a thread does in one go: of recordings of a few seconds one call of the front end.
BATCH_FILES = 32
# The last batches are small, so that all threads end at about the same time.
LAST_BATCH_FILES = 8
# A batch is decoded into memory: long recordings travel in smaller batches.
BATCH_BYTES = 16 << 20
# A second of a segment: CD quality, as nobody has looked into its file yet.
SEGMENT_BYTES = 44100 * 4
# Batches begun or finished ahead of the one whose results are handed on, beside one a thread.
AHEAD = 2


def threads() -> int:
    """Threads that decode: one a core, and one that works while another waits for the front end.

    More than eight only wait for the one that writes.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4
    return min(8, cores + (cores > 1))


def extract(
    todo: Mapping[str, Source],
    sink: Sink,
    spec: LogMelSpec,
    max_seconds: float | None,
    keep_pcm: bool,
    what: str | None,
) -> dict[str, str]:
    """Run the front end over files and hand on the results.

    Args:
        todo: key -> file or segment.
        sink: gets the batches in turn, in the caller's thread.
        spec: the front end's specification.
        max_seconds: only the beginning of each recording is kept.
        keep_pcm: store the waveform beside the features.
        what: label of the progress bar; None: no bar.

    Returns:
        Key -> what is wrong with its file; empty when all are good.
    """
    broken: dict[str, str] = {}
    seconds = 0.0
    started = time.monotonic()
    batches = _batches(todo)
    ahead: deque[Future[_Made]] = deque()
    pool = ThreadPoolExecutor(threads())
    # What imports have made stays: looking through it for garbage stops all threads.
    gc.freeze()
    try:
        with progress.maybe(len(todo), what, unit="utterance") as tick:
            while True:
                for batch in itertools.islice(batches, threads() + AHEAD - len(ahead)):
                    ahead.append(pool.submit(_make, batch, spec, max_seconds, keep_pcm))
                if not ahead:
                    break
                made = ahead.popleft().result()
                sink.put(made.finished)
                broken |= made.broken
                seconds += made.seconds
                speed = seconds / max(time.monotonic() - started, 1e-9)
                tick(len(made.finished) + len(made.broken), speed=f"{speed:,.0f} x real time")
    except BaseException:
        pool.shutdown(wait=True, cancel_futures=True)
        # What other threads have finished is not lost.
        for future in ahead:
            if not future.cancelled() and future.exception() is None:
                sink.put(future.result().finished)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        gc.unfreeze()
    return broken


class _Made(NamedTuple):
    """What came of a batch: finished utterances, reasons of broken ones, seconds of sound."""

    finished: list[Finished]
    broken: dict[str, str]
    seconds: float


def _make(
    batch: list[tuple[str, Source]], spec: LogMelSpec, max_seconds: float | None, keep_pcm: bool
) -> _Made:
    """Decode a batch and run the front end over it."""
    good: list[tuple[str, Waveform]] = []
    broken: dict[str, str] = {}
    for key, wave in _decoded(batch, spec.sample_rate, max_seconds):
        if isinstance(wave, AudioError):
            broken[key] = wave.reason
        else:
            good.append((key, wave))
    frames = log_mel_batch([wave.pcm for _, wave in good], spec)
    finished = [
        Finished(
            key,
            _facts(wave),
            {"log_mel": mel} | ({"waveform": wave.pcm} if keep_pcm else {}),
        )
        for (key, wave), mel in zip(good, frames, strict=True)
    ]
    return _Made(finished, broken, sum(len(wave.pcm) for _, wave in good) / spec.sample_rate)


def _decoded(
    batch: list[tuple[str, Source]], sample_rate: int, max_seconds: float | None
) -> Iterator[tuple[str, Waveform | AudioError]]:
    """Keys and their waveforms; the segments of a file are decoded in one go."""
    for path, group in itertools.groupby(batch, lambda item: item[1].path):
        cut = []
        for key, sound in group:
            if sound.cut is None:
                yield key, _whole(sound, sample_rate, max_seconds)
            else:
                cut.append((key, sound.cut))
                sha256 = sound.sha256
        if cut:
            keys, cuts = zip(*cut, strict=True)
            waves = waveform.load_cuts(path, cuts, sample_rate, sha256)
            yield from zip(keys, waves, strict=True)


def _whole(sound: Source, sample_rate: int, max_seconds: float | None) -> Waveform | AudioError:
    try:
        return waveform.load(sound.path, sample_rate, max_seconds, sound.sha256)
    except AudioError as error:
        return error


def _batches(todo: Mapping[str, Source]) -> Iterator[list[tuple[str, Source]]]:
    batch: list[tuple[str, Source]] = []
    size = 0
    left = len(todo)
    for key, sound in _neighbours(todo):
        batch.append((key, sound))
        size += _bytes(sound)
        most = BATCH_FILES if left > BATCH_FILES * threads() else LAST_BATCH_FILES
        if len(batch) >= most or size > BATCH_BYTES:
            yield batch
            left -= len(batch)
            batch, size = [], 0
    if batch:
        yield batch


def _neighbours(todo: Mapping[str, Source]) -> list[tuple[str, Source]]:
    """The segments of a file one behind the other in time, at the place of its first."""
    first: dict[Path, int] = {}
    for number, sound in enumerate(todo.values()):
        first.setdefault(sound.path, number)

    def place(item: tuple[str, Source]) -> tuple[int, float]:
        path, _, cut = item[1]
        return first[path], 0.0 if cut is None else cut.start

    return sorted(todo.items(), key=place)


def _bytes(sound: Source) -> int:
    """What decoding an utterance takes, roughly."""
    path, _, cut = sound
    if cut is not None and cut.end is not None:
        return int((cut.end - cut.start) * SEGMENT_BYTES)
    try:
        return path.stat().st_size
    except (OSError, ValueError):  # Decoding says what it is.
        return 0


def _facts(wave: Waveform) -> Facts:
    return Facts(
        n_samples=len(wave.pcm),
        sample_rate_in=wave.sample_rate_in,
        channels_in=wave.channels_in,
        pcm_sha256=wave.pcm_sha256,
        peak_db=wave.peak_db,
        clipped=wave.clipped,
    )
