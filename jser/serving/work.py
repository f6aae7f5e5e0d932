"""Recordings -> answers, in steps, one step of all requests at a time.

A step is a call of the model: a long recording lets others in between, and one whose client has
gone is given up.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from jser.artefact import listening, predicting
from jser.artefact.listening import Answers, Cutting, Said, Summary
from jser.artefact.loader import SHORTEST_SECONDS, padded
from jser.evaluation.page.spectrogram import flac
from jser.frontend.waveform import AudioError, passing
from jser.serving import drawing
from jser.serving.limits import Refused
from jser.serving.uploads import Form, Upload

T = TypeVar("T")
# Steps of a piece of work, with what it comes to.
Steps = Generator[None, None, T]
# Requests whose recordings are decoded in turn; each has a minute or two of sound in memory.
AT_ONCE = 4
# Of the network's client: it has closed the connection.
GONE = 499


@dataclass(frozen=True)
class Heard:
    """What answers.

    Attributes:
        artefact: of recordings.
        info: of it.
        cut: how long recordings are cut.
        max_seconds: of a recording.
    """

    artefact: Answers
    info: Mapping[str, Any]
    cut: Cutting
    max_seconds: float

    @property
    def classes(self) -> Sequence[str]:
        """Of the answers."""
        return self.info["classes"]


def warm(heard: Heard) -> Iterator[str]:
    """Compile what recordings of any length need; yields what comes next, for who waits."""
    rate = heard.info["sample_rate"]
    lengths = {padded(heard.cut.window, rate)}
    samples = round(SHORTEST_SECONDS * rate)
    while samples <= padded(heard.cut.whole, rate):
        lengths.add(samples)
        samples = padded(samples + 1, rate)
    shapes = [(n, 1) for n in sorted(lengths)] + [(heard.cut.window, listening.BATCH)]
    rng = np.random.default_rng(0)
    for number, (samples, rows) in enumerate(shapes, 1):
        what = f"{samples / rate:g} s" if rows == 1 else f"{rows} windows at once"
        yield f"{number} of {len(shapes)}, recordings of {what}"
        pcm = rng.integers(-3000, 3000, samples).astype(np.int16)
        windows = [listening.Window(0, pcm)] * rows
        for _ in listening.answer(windows, heard.artefact, heard.info, rows):
            pass


def predict(form: Form, heard: Heard, timeline: bool, sure: float) -> Steps[dict[str, Any]]:
    """Rows as `jser predict --json` has them, and a sentence for each file that is broken."""
    rows: list[dict[str, Any]] = []
    errors: list[dict[str, str]] = []
    for upload in form.uploads:
        summary = Summary()
        try:
            for said in _windows(form, upload, heard, lambda _: None):
                summary.add(said)
                if timeline:
                    rows.append(_row(upload, said, heard, sure))
                yield
        except AudioError as error:
            errors.append(
                {"path": upload.name, "error": str(AudioError(upload.name, error.reason))}
            )
            continue
        if not timeline:
            rows.append(_row(upload, summary.said(), heard, sure))
        yield
    return {"rows": rows, "errors": errors}


def look(form: Form, heard: Heard, sure: float, sound: bool) -> Steps[dict[str, Any]]:
    """What the page draws of one recording.

    Raises:
        Refused: 413, it is too long; 422, it cannot be read.
    """
    (upload,) = form.uploads
    summary, pieces = Summary(), list[np.ndarray]()
    windows: list[Said] = []
    try:
        for said in _windows(form, upload, heard, pieces.append):
            summary.add(said)
            windows.append(said)
            yield
    except _TooLong as error:
        raise Refused(413, str(AudioError(upload.name, error.reason))) from error
    except AudioError as error:
        raise Refused(422, str(AudioError(upload.name, error.reason))) from error
    pcm = np.concatenate([np.zeros(0, np.int16), *pieces])
    rate = heard.info["sample_rate"]
    made = {
        "path": upload.name,
        "seconds": round(len(pcm) / rate, 3),
        "answer": _row(upload, summary.said(), heard, sure),
        "windows": [
            _row(upload, said, heard, sure) | {"attention": drawing.steps(said)} for said in windows
        ],
        "waveform": drawing.waveform(pcm, rate),
        "log_mel": drawing.log_mel(pcm, windows),
        "sound": None,
    }
    yield
    if sound:
        made["sound"] = base64.b64encode(flac(pcm, rate)).decode("ascii")
    return made


def _row(upload: Upload, said: Said, heard: Heard, sure: float) -> dict[str, Any]:
    return predicting.as_json(predicting.row(upload.name, said, heard.info, sure), heard.classes)


class _TooLong(AudioError):
    """A recording is longer than the server takes."""


def _windows(
    form: Form, upload: Upload, heard: Heard, take: Callable[[np.ndarray], None]
) -> Iterator[Said]:
    """What is said of an upload's windows; `take` gets int16 [n] as it is decoded."""
    rate = heard.info["sample_rate"]

    def pieces(path: str) -> Iterator[np.ndarray]:
        samples = 0
        for piece in passing(path, rate):
            samples += len(piece)
            if samples > heard.max_seconds * rate:
                raise _TooLong(
                    upload.name,
                    f"is longer than {heard.max_seconds:g} s, the most that this server takes; cut "
                    "it, or start the server with another --max_seconds",
                )
            take(piece)
            yield piece

    with form.path(upload) as path:
        yield from listening.answer(
            listening.windows(pieces(path), heard.cut), heard.artefact, heard.info
        )


class Worker:
    """A thread in which all work is done, so that the server answers meanwhile."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="jser-model")
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def run(self, steps: Steps[T], has_gone: Callable[[], Awaitable[bool]]) -> T:
        """All steps, between those of others.

        Args:
            steps: closed at the end, whatever happens.
            has_gone: whether nobody waits for it any more.

        Raises:
            Refused: by a step; or `GONE`.
        """
        loop = asyncio.get_running_loop()
        async with self._turns:
            try:
                while True:
                    if await has_gone():
                        raise Refused(GONE, "the client has closed the connection")
                    done, made = await loop.run_in_executor(self._thread, _step, steps)
                    if done:
                        return made
            finally:
                # In the thread too: a step that was cancelled may still be in work there.
                with contextlib.suppress(RuntimeError):
                    self._thread.submit(steps.close)

    def close(self, seconds: float) -> bool:
        """Take no more work; whether what was taken has ended within some seconds.

        A step cannot be stopped, and may last longer than who ends the program has patience.
        """
        last = self._thread.submit(lambda: None)
        self._thread.shutdown(wait=False)
        return bool(wait([last], seconds).done)


def _step(steps: Steps[T]) -> tuple[bool, Any]:
    try:
        next(steps)
    except StopIteration as end:
        return True, end.value
    return False, None
