"""Single utterances of a test, chosen before anyone looks, with what a page shows of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from jser.evaluation.predictions import Judged

MOST = 16  # examples on a page
HOW = (
    "For each emotion one test utterance that was recognised and one that was not: of all there "
    "are, the one whose id has the smallest SHA-256. Nobody chose them by their looks."
)


@dataclass(frozen=True)
class Choice:
    """A test utterance and its answer, seeds averaged.

    Attributes:
        utterance_id, speaker, fold: of the utterance.
        truth, predicted: class names; predicted by the mean posterior over seeds.
        posterior: [K], mean over seeds.
        attention: [S], mean over seeds, 0 behind the utterance's last step; None without attention.
    """

    utterance_id: str
    speaker: str
    fold: str
    truth: str
    predicted: str
    posterior: np.ndarray
    attention: np.ndarray | None

    @property
    def right(self) -> bool:
        """It was recognised."""
        return self.truth == self.predicted


@dataclass(frozen=True)
class Example:
    """A choice with its picture and its sound.

    Frame t of the spectrogram covers the recording from ``t * hop`` for ``window`` seconds.

    Attributes:
        choice: utterance and answer.
        log_mel: [T, M], natural logarithm of Mel power.
        band_hz: [M], centre frequencies.
        hop, window: seconds.
        steps: [S, 2] int, first frame and one past the last frame of each step; they may overlap.
        waveform: int16 [samples], or None.
        sample_rate: Hz.
    """

    choice: Choice
    log_mel: np.ndarray
    band_hz: np.ndarray
    hop: float
    window: float
    steps: np.ndarray
    waveform: np.ndarray | None
    sample_rate: int

    @property
    def seconds(self) -> float:
        """Length of the recording, as far as the spectrogram tells where there is no waveform."""
        if self.waveform is not None:
            return len(self.waveform) / self.sample_rate
        return (len(self.log_mel) - 1) * self.hop + self.window


@dataclass(frozen=True)
class Shown:
    """The examples of a page, and what has to be said of them.

    Attributes:
        examples: in the order to show them.
        remarks: sentences, for example why there is nothing to hear.
    """

    examples: tuple[Example, ...]
    remarks: tuple[str, ...] = ()


def choose(judged: Judged, most: int = MOST) -> list[Choice]:
    """For each class one utterance that was right and one that was wrong, by hash of the id.

    The order is that of the classes, right before wrong. Where there are more classes than `most`
    has room for, the classes with the smallest hashes are taken.
    """
    ids, first, row_of = np.unique(judged.utterance_id, return_index=True, return_inverse=True)
    averaged = _mean_by(row_of, judged.posterior, len(ids))
    attention = None if judged.attention is None else _mean_by(row_of, judged.attention, len(ids))
    predicted = averaged.argmax(1)
    truth = judged.truth[first]
    order = sorted(range(len(ids)), key=lambda i: _hash(str(ids[i])))
    found: dict[tuple[int, bool], int] = {}
    for i in order:
        found.setdefault((int(truth[i]), bool(predicted[i] == truth[i])), i)
    shown = sorted({k for k, _ in found}, key=lambda k: _hash(judged.classes[k]))[: most // 2]
    chosen = []
    for k, right in sorted(found, key=lambda key: (key[0], not key[1])):
        if k not in shown:
            continue
        i = found[k, right]
        chosen.append(
            Choice(
                utterance_id=str(ids[i]),
                speaker=str(judged.speaker[first[i]]),
                fold=str(judged.fold[first[i]]),
                truth=judged.classes[k],
                predicted=judged.classes[int(predicted[i])],
                posterior=averaged[i],
                attention=None if attention is None else attention[i],
            )
        )
    return chosen


def _mean_by(group: np.ndarray, rows: np.ndarray, n_groups: int) -> np.ndarray:
    """Mean of the rows [R, D] of each group, [G, D]."""
    total = np.zeros((n_groups, rows.shape[1]))
    np.add.at(total, group, rows)
    return total / np.bincount(group, minlength=n_groups)[:, None]


def relative_attention(weights: np.ndarray, steps: np.ndarray, n_frames: int) -> np.ndarray:
    """How much more a frame weighs than it would if all steps weighed alike, [T].

    Each step's weight is spread evenly over its frames. A frame's share is divided by the share
    that it would have under equal weights, so 1 is even, whatever the overlap of the steps and
    however few of them reach the utterance's ends.

    Args:
        weights: [S], of any sum.
        steps: [S, 2], frames from and up to; an empty step counts nowhere.
        n_frames: T.

    Returns:
        [T], NaN where no step lies.
    """
    length = steps[:, 1] - steps[:, 0]
    true = length > 0
    mean = float(weights[true].mean()) if true.any() else 0.0
    if mean <= 0:
        return np.full(n_frames, np.nan)
    own, even = np.zeros(n_frames), np.zeros(n_frames)
    for weight, (start, stop) in zip(weights[true], steps[true], strict=True):
        own[start:stop] += weight / mean / (stop - start)
        even[start:stop] += 1 / (stop - start)
    with np.errstate(invalid="ignore"):
        return np.where(even > 0, own / even, np.nan)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
