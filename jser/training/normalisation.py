"""The five named ways to normalise features; the report names the one that was used.

`train` uses the member's training utterances alone and is the default. The two speaker modes see
a test speaker's own recordings (without labels) and are different, easier tasks.
"""

from __future__ import annotations

import numpy as np

from jser.errors import InputError

MODES = ("none", "train", "utterance", "speaker_transductive", "speaker_enrol:n")


def parse(mode: str) -> tuple[str, int]:
    """('speaker_enrol', n) of ``speaker_enrol:n``, or (mode, 0).

    Raises:
        InputError: an unknown mode, or n is not a positive number.
    """
    kind, _, number = mode.partition(":")
    if kind == "speaker_enrol" and number.isdecimal() and int(number) > 0:
        return kind, int(number)
    if mode in MODES[:-1]:
        return mode, 0
    raise InputError(f"normalisation: {mode!r} is none of {', '.join(MODES)}")


def check_speakers(mode: str, speaker: np.ndarray) -> None:
    """Refuse the modes by speaker where speakers str [N] are unknown ('').

    Raises:
        InputError: see above; together the unknown would be normalised as one.
    """
    if parse(mode)[0].startswith("speaker") and (unknown := np.count_nonzero(speaker == "")):
        raise InputError(
            f"normalisation: {mode} needs to know who speaks, and {unknown} of {len(speaker)} "
            "utterances have no speaker; use train"
        )


# Columns that are looked at in one go, so that no float32 copy of all of them is made.
COLUMNS = 1024


def moments(x: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale of some rows, by column.

    Args:
        x: [R, D] of any float type.
        rows: int [n]; no other row is read.

    Returns:
        (mean float32 [D], scale float32 [D]): 1 / deviation, but that a value which hardly ever
        changes is not blown up to the size of the others.
    """
    mean = np.empty(x.shape[1], np.float32)
    deviation = np.empty_like(mean)
    for i in range(0, x.shape[1], COLUMNS):
        block = x[rows, i : i + COLUMNS].astype(np.float32)
        mean[i : i + COLUMNS], deviation[i : i + COLUMNS] = block.mean(0), block.std(0)
    return mean, 1 / (deviation + 0.01 * deviation.mean() + 1e-12)


def by_group(
    frames: np.ndarray,
    length: np.ndarray,
    speaker: np.ndarray,
    mode: str,
    originals: int | None = None,
) -> np.ndarray:
    """Apply the modes that do not depend on a fold; `none` and `train` return the input.

    Args:
        frames: [F, D], steps of all rows one behind the other.
        length: int [R], steps of a row.
        speaker: str [R].
        mode: a name of `MODES`.
        originals: the first so many rows are recordings, those behind them augmented copies, with
            which nobody enrols; None: all are.

    Returns:
        [F, D]; each group (utterance or speaker) at mean 0 and deviation 1. With
        ``speaker_enrol:n`` the figures come from n of the speaker's rows, drawn
        by a fixed seed: file names count by emotion, so the first ones would tell the label.
    """
    kind, n = parse(mode)
    if kind in ("none", "train"):
        return frames
    group = np.arange(len(length)) if kind == "utterance" else np.unique(speaker, True, True)[2]
    out = np.empty(frames.shape, np.float32)
    drawn = np.random.default_rng(0).permutation(originals or len(length))
    of_step = np.repeat(group, length)
    row_of_step = np.repeat(np.arange(len(length)), length)
    for g in np.unique(group):
        mine = of_step == g
        seen = mine
        if n:
            seen = mine & np.isin(row_of_step, drawn[group[drawn] == g][:n])
        x = frames[seen].astype(np.float32)
        deviation = x.std(0)
        out[mine] = (frames[mine].astype(np.float32) - x.mean(0)) / (
            deviation + 0.01 * deviation.mean() + 1e-12
        )
    return out
