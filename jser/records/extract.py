"""Recordings -> log-Mel: decoding in threads, the front end in batches, finished ones handed on."""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from jser import progress
from jser.frontend import waveform
from jser.frontend.log_mel import LogMelSpec, log_mel_batch
from jser.frontend.waveform import AudioError, Waveform
from jser.records.cache import Facts, Finished
from jser.records.kind import Sink, Source

BATCH_FILES = 64
# A batch is decoded into memory: long recordings travel in smaller batches.
BATCH_BYTES = 64 << 20
# A second of a segment: CD quality, as nobody has looked into its file yet.
SEGMENT_BYTES = 44100 * 4
# Batches decoded ahead of the one that the front end works on.
AHEAD = 2


def threads() -> int:
    """Decoding threads: more than eight only wait for the front end."""
    return max(1, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4))


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
        sink: gets each batch when it is done, in a thread of its own.
        spec: the front end's specification.
        max_seconds: only the beginning of each recording is kept.
        keep_pcm: store the waveform beside the features.
        what: label of the progress bar; None: no bar.

    Returns:
        Key -> what is wrong with its file; empty when all are good.
    """
    broken: dict[str, str] = {}
    if not todo:
        return broken
    seconds = 0.0
    started = time.monotonic()
    pool = ThreadPoolExecutor(threads())
    # One batch is written while the next is computed.
    writer, written = ThreadPoolExecutor(1), None
    try:
        with progress.maybe(len(todo), what, unit="utterance") as tick:
            for batch in _decoded(todo, pool, spec.sample_rate, max_seconds):
                good: list[tuple[str, Waveform]] = []
                decoded = 0
                for keys, future in batch:
                    for key, wave in zip(keys, future.result(), strict=True):
                        decoded += 1
                        if isinstance(wave, AudioError):
                            broken[key] = wave.reason
                        else:
                            good.append((key, wave))
                frames = log_mel_batch([wave.float32() for _, wave in good], spec)
                if written:
                    written.result()
                done = [
                    Finished(
                        key,
                        _facts(wave),
                        {"log_mel": mel} | ({"waveform": wave.pcm} if keep_pcm else {}),
                    )
                    for (key, wave), mel in zip(good, frames, strict=True)
                ]
                written = writer.submit(sink.put, done)
                seconds += sum(len(wave.pcm) for _, wave in good) / spec.sample_rate
                speed = seconds / max(time.monotonic() - started, 1e-9)
                tick(decoded, speed=f"{speed:,.0f} x real time")
            if written:
                written.result()
    finally:
        writer.shutdown(wait=True)
        pool.shutdown(wait=True, cancel_futures=True)
    return broken


# Keys, and what becomes of them: whole files by themselves, the segments of a file together.
_Job = tuple[list[str], Future[list[Waveform | AudioError]]]


def _decoded(
    todo: Mapping[str, Source],
    pool: ThreadPoolExecutor,
    sample_rate: int,
    max_seconds: float | None,
) -> Iterator[list[_Job]]:
    """Batches of keys with their decoding under way, a few batches ahead of the reader."""
    ahead: deque[list[_Job]] = deque()
    for batch in _batches(todo):
        jobs: list[_Job] = []
        # Whole files differ in their number, so that each has a thread of its own.
        numbered = enumerate(batch)
        for (path, _), group in itertools.groupby(
            numbered, lambda item: (item[1][1].path, -1 if item[1][1].cut else item[0])
        ):
            keys, sounds = zip(*(item for _, item in group), strict=True)
            cuts = [sound.cut for sound in sounds if sound.cut is not None]
            if cuts:
                future = pool.submit(waveform.load_cuts, path, cuts, sample_rate)
            else:
                future = pool.submit(_whole, path, sample_rate, max_seconds)
            jobs.append((list(keys), future))
        ahead.append(jobs)
        if len(ahead) > AHEAD:
            yield ahead.popleft()
    yield from ahead


def _whole(path: Path, sample_rate: int, max_seconds: float | None) -> list[Waveform | AudioError]:
    try:
        return [waveform.load(path, sample_rate, max_seconds)]
    except AudioError as error:
        return [error]


def _batches(todo: Mapping[str, Source]) -> Iterator[list[tuple[str, Source]]]:
    batch: list[tuple[str, Source]] = []
    size = 0
    for key, sound in _neighbours(todo):
        batch.append((key, sound))
        size += _bytes(sound)
        if len(batch) == BATCH_FILES or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _neighbours(todo: Mapping[str, Source]) -> list[tuple[str, Source]]:
    """The segments of a file one behind the other in time, at the place of its first."""
    first: dict[Path, int] = {}
    for number, sound in enumerate(todo.values()):
        first.setdefault(sound.path, number)

    def place(item: tuple[str, Source]) -> tuple[int, float]:
        path, cut = item[1]
        return first[path], 0.0 if cut is None else cut.start

    return sorted(todo.items(), key=place)


def _bytes(sound: Source) -> int:
    """What decoding an utterance takes, roughly."""
    path, cut = sound
    if cut is not None and cut.end is not None:
        return int((cut.end - cut.start) * SEGMENT_BYTES)
    return path.stat().st_size if path.exists() else 0


def _facts(wave: Waveform) -> Facts:
    return Facts(
        n_samples=len(wave.pcm),
        sample_rate_in=wave.sample_rate_in,
        channels_in=wave.channels_in,
        pcm_sha256=wave.pcm_sha256,
        peak_db=wave.peak_db,
        clipped=wave.clipped,
    )
