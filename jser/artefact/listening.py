"""Sound of any length -> what an artefact says of it, window by window, in constant memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jser.artefact.loader import padded
from jser.errors import InputError
from jser.frontend import likeness
from jser.frontend.likeness import Range
from jser.frontend.log_mel import LogMelSpec, log_mel_batch
from jser.frontend.waveform import SHORTEST_SECONDS, is_heard

# Windows that go into one call where there are many: two compiled shapes serve everything.
BATCH = 8

# Recordings -> name -> array with a row each, as `loader.Artefact` answers.
Answers = Callable[[Sequence[np.ndarray]], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Cutting:
    """How long recordings are cut.

    Attributes:
        whole: samples up to which a recording is heard as a whole.
        window: samples of a window of a longer one.
        hop: samples from one window to the next, at most a window.
    """

    whole: int
    window: int
    hop: int


@dataclass(frozen=True)
class Window:
    """A stretch of a recording.

    Attributes:
        start: its first sample.
        pcm: int16 [n].
    """

    start: int
    pcm: np.ndarray


@dataclass(frozen=True)
class Said:
    """What was said of a stretch.

    Attributes:
        start, end: seconds.
        probabilities: float [K]; None: nothing was heard.
        warnings: in what it is unlike the training recordings, a sentence a measure.
        attention: float [S], where the members looked; None with `probabilities`.
        bounds: float [S, 2], seconds of each step from the recording's beginning.
    """

    start: float
    end: float
    probabilities: np.ndarray | None
    warnings: Mapping[str, str] = dataclasses.field(default_factory=dict)
    attention: np.ndarray | None = None
    bounds: np.ndarray | None = None


def cutting(
    info: Mapping[str, Any], window: float | None = None, hop: float | None = None
) -> Cutting:
    """How an artefact cuts, or as it is told to.

    Args:
        info: of the artefact; windows are about as long as its training recordings were.
        window, hop: seconds; None: by the artefact, and half a window.

    Raises:
        InputError: they are no lengths.
    """
    rate = info["sample_rate"]
    usual, longest = info["trained_on"]["seconds"]
    for name, value, most in (("window", window, 60.0), ("hop", hop, window or usual)):
        if value is not None and not 0.1 <= value <= most:
            raise InputError(f"--{name}={value:g}: give seconds between 0.1 and {most:g}")
    # As long as a shape that is compiled anyway, so that no window is padded.
    length = round(window * rate) if window else padded(usual * rate, rate)
    whole = length if window is not None else max(length, round(longest * rate))
    return Cutting(whole, length, round(hop * rate) if hop else max(1, length // 2))


def windows(pieces: Iterable[np.ndarray], cut: Cutting) -> Iterator[Window]:
    """Cut a recording that comes in pieces int16 [n]; the last window ends with it.

    Yields:
        One window of all of it, or windows `cut.hop` apart. No more than two pieces and a window
        are in memory.
    """
    held, start, long = np.zeros(0, np.int16), 0, False
    for piece in pieces:
        held = np.concatenate([held, piece])
        long = long or len(held) > cut.whole
        while long and len(held) > cut.window:
            yield Window(start, held[: cut.window])
            held, start = held[cut.hop :], start + cut.hop
    if len(held):
        yield Window(start, held)


def answer(
    windows: Iterable[Window], artefact: Answers, info: Mapping[str, Any], batch: int = BATCH
) -> Iterator[Said]:
    """What an artefact says of windows, in their order.

    Args:
        windows: perhaps of a recording that is still coming.
        artefact: what answers.
        info: of it.
        batch: windows of a call; where they are fewer, one a call.
    """
    known = {name: Range(*of) for name, of in info["trained_on"]["like"].items()}
    waiting: list[Window] = []
    for window in windows:
        waiting.append(window)
        if len(waiting) == batch:
            yield from _call(waiting, artefact, info, known, batch)
            waiting = []
    for window in waiting:
        yield from _call([window], artefact, info, known, 1)


def _call(
    some: Sequence[Window],
    artefact: Answers,
    info: Mapping[str, Any],
    known: Mapping[str, Range],
    size: int,
) -> Iterator[Said]:
    rate = info["sample_rate"]
    heard = [window for window in some if _is_sound(window, rate)]
    said: Mapping[str, np.ndarray] = {}
    if heard:
        sound = [window.pcm.astype(np.float32) / 32768 for window in heard]
        # Calls of one size, so that few shapes are compiled.
        said = artefact(sound + sound[:1] * (size - len(sound)))
        statics = log_mel_batch([window.pcm for window in heard], LogMelSpec())
    row = 0
    for window in some:
        start, end = window.start / rate, (window.start + len(window.pcm)) / rate
        if row >= len(heard) or heard[row] is not window:
            yield Said(start, end, None, {"silence": "nothing but silence"})
            continue
        steps = int(said["steps"][row])
        yield Said(
            start,
            end,
            said["probabilities"][row],
            likeness.warnings(likeness.measure(statics[row]), known)
            | likeness.distortion(window.pcm),
            said["attention"][row][:steps],
            start + said["bounds"][row][:steps] * info["hop_seconds"],
        )
        row += 1


def _is_sound(window: Window, rate: int) -> bool:
    return len(window.pcm) >= SHORTEST_SECONDS * rate and is_heard(window.pcm, rate)


class Summary:
    """One answer of a whole recording from those of its windows, without keeping them."""

    def __init__(self) -> None:
        self._sum: np.ndarray | float = 0.0
        self._seconds = self._end = 0.0
        self._warnings: dict[str, tuple[float, str]] = {}

    def add(self, said: Said) -> None:
        """Take one window in."""
        seconds = said.end - said.start
        self._end = max(self._end, said.end)
        if said.probabilities is not None:
            self._sum = self._sum + seconds * said.probabilities
            self._seconds += seconds
        for name, sentence in said.warnings.items():
            so_far, _ = self._warnings.get(name, (0.0, ""))
            self._warnings[name] = so_far + seconds, sentence

    def said(self) -> Said:
        """The windows' mean, by their length; a warning that half of what was heard has, stays."""
        if not self._seconds:
            return Said(0.0, self._end, None, {"silence": "nothing but silence"})
        most = {
            name: sentence
            for name, (seconds, sentence) in self._warnings.items()
            if name != "silence" and seconds >= self._seconds / 2
        }
        return Said(0.0, self._end, np.asarray(self._sum) / self._seconds, most)
