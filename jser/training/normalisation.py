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


def of_whole(x: np.ndarray, speaker: np.ndarray, mode: str, one_unit: bool = True) -> np.ndarray:
    """`by_group` of vectors of whole utterances.

    Args:
        x: [R, D]; row ``c * N + u`` is copy c of utterance u, copy 0 the original.
        speaker: str [N].
        mode: a name of `MODES`. A single vector has no statistics of its own: ``utterance`` leaves
            it as it is.
        one_unit: see `by_group`.
    """
    kind = "train" if mode == "utterance" else mode
    speakers = np.tile(speaker, len(x) // len(speaker))
    return by_group(x, np.ones(len(x), np.int32), speakers, kind, len(speaker), one_unit)


# Columns that are looked at in one go, so that no float32 copy of all of them is made.
COLUMNS = 1024
# Rows whose statistics are looked at in one go.
ROWS = 65536


def moments(
    x: np.ndarray, rows: np.ndarray, one_unit: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale of some rows, by column.

    Args:
        x: [R, D] of any float type.
        rows: int [n]; no other row is read.
        one_unit: all columns are of one kind, so one whose deviation is below a hundredth of the
            mean deviation hardly ever changes, and is not blown up to the size of the others.
            Where each column has a unit of its own (hertz, decibels, shares), sizes say nothing:
            then only a column that does not change at all is left out (scale 0).

    Returns:
        (mean float32 [D], scale float32 [D]): 1 / deviation.
    """
    mean = np.empty(x.shape[1], np.float32)
    deviation = np.empty_like(mean)
    for i in range(0, x.shape[1], COLUMNS):
        block = x[rows, i : i + COLUMNS].astype(np.float32)
        mean[i : i + COLUMNS], deviation[i : i + COLUMNS] = block.mean(0), block.std(0)
    if one_unit:
        return mean, 1 / (deviation + 0.01 * deviation.mean() + 1e-12)
    return mean, _scale(mean, deviation)


def _scale(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """1 / deviation; 0 where a column does not change."""
    # Rounding alone gives a constant a deviation of some 1e-7 of its value.
    changes = deviation > 1e-6 * np.abs(mean) + 1e-30
    return np.where(changes, 1 / np.where(changes, deviation, 1), 0).astype(np.float32)


def moments_of_rows(
    pooled: np.ndarray, length: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`moments` over all frames of some rows, of columns with units of their own, to rounding.

    Args:
        pooled: [R, 2 D], each row's mean and deviation over its frames.
        length: int [R], frames of each row.
        rows: int [n]; no other row is read.

    Returns:
        (mean float32 [D], scale float32 [D]): 1 / deviation, or 0 of a column that never changes.
    """
    mean, deviation = over_rows(pooled, length, rows)
    return mean, _scale(mean, deviation)


def over_rows(
    pooled: np.ndarray, length: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation over all frames of some rows, from those of each row.

    Args:
        pooled: [R, 2 D], each row's mean and deviation over its frames.
        length: int [R], frames of each row.
        rows: int [n]; no other row is read.

    Returns:
        (mean, deviation), float32 [D].
    """
    width = pooled.shape[1] // 2
    frames = length[rows].sum(dtype=np.float64)
    total, square = np.zeros(width), np.zeros(width)
    # In pieces, since float64 copies of all rows' statistics would be most of the memory.
    pieces = [rows[i : i + ROWS] for i in range(0, len(rows), ROWS)]
    for some in pieces:
        total += length[some] / frames @ pooled[some, :width].astype(np.float64)
    for some in pieces:
        apart = pooled[some, :width].astype(np.float64) - total
        own = pooled[some, width:].astype(np.float64)
        square += length[some] / frames @ (own**2 + apart**2)
    return total.astype(np.float32), np.sqrt(square).astype(np.float32)


def groups(
    pooled: np.ndarray, length: np.ndarray, speaker: np.ndarray, mode: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """What `by_group` takes out of columns with units of their own, from each row's statistics.

    Args:
        pooled: [R, 2 D], each row's mean and deviation over its frames.
        length: int [R], frames of each row.
        speaker: str [R].
        mode: a name of `MODES`.

    Returns:
        (group of each row int [R], what is subtracted [G, D], what multiplies [G, D]), float32;
        None for the modes that take nothing out.
    """
    kind, n = parse(mode)
    if kind in ("none", "train"):
        return None
    least = 0.01 * over_rows(pooled, length, np.arange(len(length)))[1] + 1e-12
    width = pooled.shape[1] // 2
    if kind == "utterance":
        return np.arange(len(length)), pooled[:, :width], 1 / (pooled[:, width:] + least)
    group = np.unique(speaker, return_inverse=True)[1]
    drawn = np.random.default_rng(0).permutation(len(length))
    found = []
    for g in range(int(group.max()) + 1):
        seen = drawn[group[drawn] == g][: n or None]
        mean, deviation = over_rows(pooled, length, seen)
        found.append((mean, 1 / (deviation + least)))
    mean, scale = (np.stack(parts).astype(np.float32) for parts in zip(*found, strict=True))
    return group, mean, scale


def by_group(
    frames: np.ndarray,
    length: np.ndarray,
    speaker: np.ndarray,
    mode: str,
    originals: int | None = None,
    one_unit: bool = True,
) -> np.ndarray:
    """Apply the modes that do not depend on a fold; `none` and `train` return the input.

    Args:
        frames: [F, D], steps of all rows one behind the other.
        length: int [R], steps of a row.
        speaker: str [R].
        mode: a name of `MODES`.
        one_unit: all columns are of one kind: one that hardly ever changes is not blown up. Where
            each has a unit of its own, it is held against its own deviation over all frames.
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
    overall = frames.astype(np.float32).std(0) if not one_unit else np.zeros(0)
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
        least = 0.01 * (deviation.mean() if one_unit else overall)
        # A column that does not change anywhere is 0, and divided by anything.
        out[mine] = (frames[mine].astype(np.float32) - x.mean(0)) / (deviation + least + 1e-12)
    return out
