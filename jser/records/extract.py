"""Recordings -> log-Mel: decoding in threads, the front end in batches, finished ones cached."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from jser import progress
from jser.frontend import waveform
from jser.frontend.log_mel import LogMelSpec, log_mel_batch
from jser.frontend.waveform import AudioError, Waveform
from jser.records.cache import Facts, Finished, PackCache

BATCH_FILES = 64
# A batch is decoded into memory: long recordings travel in smaller batches.
BATCH_BYTES = 64 << 20
# Batches decoded ahead of the one that the front end works on.
AHEAD = 2


def threads() -> int:
    """Decoding threads: more than eight only wait for the front end."""
    return max(1, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4))


def extract(
    todo: dict[str, Path],
    cache: PackCache,
    spec: LogMelSpec,
    max_seconds: float | None,
    keep_pcm: bool,
    what: str,
) -> dict[str, str]:
    """Run the front end over files and leave the results in the cache.

    Args:
        todo: key in the cache -> file, for those that the cache lacks.
        cache: gets one pack a batch, so that an interrupt loses one batch at most.
        spec: the front end's specification.
        max_seconds: only the beginning of each recording is kept.
        keep_pcm: store the waveform beside the features.
        what: label of the progress bar.

    Returns:
        Key -> what is wrong with its file; empty when all are good.
    """
    broken: dict[str, str] = {}
    if not todo:
        return broken
    seconds = 0.0
    started = time.monotonic()
    pool = ThreadPoolExecutor(threads())
    try:
        with progress.bar(len(todo), what, unit="utterance") as tick:
            for batch in _decoded(todo, pool, spec.sample_rate, max_seconds):
                good: list[tuple[str, Waveform]] = []
                for key, future in batch:
                    try:
                        good.append((key, future.result()))
                    except AudioError as error:
                        broken[key] = error.reason
                frames = log_mel_batch([wave.float32() for _, wave in good], spec)
                cache.put(
                    [
                        Finished(key, _facts(wave), mel, wave.pcm if keep_pcm else None)
                        for (key, wave), mel in zip(good, frames, strict=True)
                    ]
                )
                seconds += sum(len(wave.pcm) for _, wave in good) / spec.sample_rate
                speed = seconds / max(time.monotonic() - started, 1e-9)
                tick(len(batch), speed=f"{speed:,.0f} x real time")
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return broken


def _decoded(
    todo: dict[str, Path], pool: ThreadPoolExecutor, sample_rate: int, max_seconds: float | None
) -> Iterator[list[tuple[str, Future[Waveform]]]]:
    """Batches of keys with their decoding under way, a few batches ahead of the reader."""
    ahead: deque[list[tuple[str, Future[Waveform]]]] = deque()
    for batch in _batches(todo):
        ahead.append(
            [
                (key, pool.submit(waveform.load, path, sample_rate, max_seconds))
                for key, path in batch
            ]
        )
        if len(ahead) > AHEAD:
            yield ahead.popleft()
    yield from ahead


def _batches(todo: dict[str, Path]) -> Iterator[list[tuple[str, Path]]]:
    batch: list[tuple[str, Path]] = []
    size = 0
    for key, path in todo.items():
        batch.append((key, path))
        size += path.stat().st_size if path.exists() else 0
        if len(batch) == BATCH_FILES or size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _facts(wave: Waveform) -> Facts:
    return Facts(
        n_samples=len(wave.pcm),
        sample_rate_in=wave.sample_rate_in,
        channels_in=wave.channels_in,
        pcm_sha256=wave.pcm_sha256,
        peak_db=wave.peak_db,
        clipped=wave.clipped,
    )


def example(utterance_fields: dict[str, str], done: Finished) -> dict[str, object]:
    """The TFDS example of one utterance: `utterance_fields` and what the front end made."""
    fields: dict[str, object] = {
        **utterance_fields,
        "n_frames": np.int32(len(done.log_mel)),
        "pcm_sha256": done.facts.pcm_sha256,
        "log_mel": done.log_mel,
    }
    if done.pcm is not None:
        fields["waveform"] = done.pcm
    return fields
