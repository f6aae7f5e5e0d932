"""Copies of recordings that are not there any more: known by marks that were kept of them.

An artefact is shown recordings whose training corpus nobody has. Of each training recording it
keeps what `jser.audit.fingerprints` finds resemblances with, the patches around its three
liveliest moments, in 8 bits; a recording is a copy of one where two moments or more resemble its at
one distance in time. Nobody can make sound of that.

On EMO-DB's 339 recordings copies by MP3, a telephone's band, 20 dB less and noise at 10 dB are
found to 98, 100, 100 and 90 %, of halves 31 %; of the 57,291 pairs that are no copies, one is taken
for one, and of made speech none.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jser.audit import fingerprints
from jser.frontend.log_mel import LogMelSpec

# Patches that resemble each other less say nothing.
_ALIKE = 0.6
# A copy's moments, at one lag, sum up to more; of two or three, whose correlations are at most 1.
_ENOUGH = 1.8
_SLACK = 2  # frames between lags that are one
_RECORDINGS = 1024  # of which patches are multiplied at a time


class Marks(NamedTuple):
    """Marks of recordings.

    Attributes:
        patches: int8 [R, D], three a recording at most.
        owner: int32 [R], whose they are, rising.
        moment: int32 [R], their frames.
    """

    patches: np.ndarray
    owner: np.ndarray
    moment: np.ndarray


def marks(statics: Sequence[np.ndarray], spec: LogMelSpec | None = None) -> Marks:
    """Marks of log-Mels [T_i, M] of whole recordings; of very short ones there are none."""
    smooth = (fingerprints.smoothed(static, spec) for static in statics)
    found, _, owner, moment = fingerprints.moment_patches(smooth, len(statics), wide=False)
    scale = 127 / np.maximum(np.abs(found).max(1, keepdims=True, initial=0), 1e-9)
    return Marks(
        np.round(found * scale).astype(np.int8), owner.astype(np.int32), moment.astype(np.int32)
    )


def save(path: Path, kept: Marks) -> None:
    """Write marks as ``.npz``."""
    with path.open("wb") as file:
        np.savez_compressed(file, **kept._asdict())


def load(path: Path) -> Marks:
    """Marks that `save` wrote.

    Raises:
        OSError, ValueError, KeyError: they are not there, or are none.
    """
    with np.load(path, allow_pickle=False) as file:
        found = Marks(*(file[name] for name in Marks._fields))
    patches, owner, moment = found
    if (patches.dtype, patches.ndim, owner.dtype, moment.dtype) != (np.int8, 2, np.int32, np.int32):
        raise ValueError("holds no marks")
    if owner.shape != (len(patches),) or moment.shape != owner.shape or (np.diff(owner) < 0).any():
        raise ValueError("holds marks that do not fit each other")
    return found


def copied(known: Marks, asked: Marks, n: int) -> np.ndarray:
    """Which recordings are copies of known ones.

    Args:
        known: marks of those.
        asked: marks of others.
        n: how many the others are.

    Returns:
        bool [n].
    """
    found = np.zeros(n, bool)
    if not len(known.owner) or not len(asked.owner):
        return found
    theirs = _unit(known.patches)
    for start in range(0, n, _RECORDINGS):
        first, stop = np.searchsorted(asked.owner, (start, start + _RECORDINGS)).tolist()
        i, j = np.nonzero((likeness := _unit(asked.patches[first:stop]) @ theirs.T) > _ALIKE)
        weight = likeness[i, j]
        i += first
        lag = known.moment[j].astype(np.int64) - asked.moment[i]
        for pair in _by_pair(asked.owner[i], known.owner[j]):
            if _most(lag[pair], i[pair], weight[pair]) > _ENOUGH:
                found[asked.owner[i[pair[0]]]] = True
    return found


def _unit(patches: np.ndarray) -> np.ndarray:
    x = patches.astype(np.float32)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)


def _by_pair(one: np.ndarray, other: np.ndarray) -> list[np.ndarray]:
    """Places of resemblances [n] by the pair of recordings that they are of; lone ones left out."""
    order = np.lexsort((other, one))
    new = (np.diff(one[order]) != 0) | (np.diff(other[order]) != 0)
    groups = np.split(order, np.flatnonzero(new) + 1)
    return [group for group in groups if len(group) > 1]


def _most(lag: np.ndarray, moment: np.ndarray, weight: np.ndarray) -> float:
    """The largest sum of weights of different moments that resemble at one lag."""
    most = 0.0
    for one in lag:
        best: dict[int, float] = {}
        for k in np.flatnonzero(np.abs(lag - one) <= _SLACK):
            best[int(moment[k])] = max(best.get(int(moment[k]), 0.0), float(weight[k]))
        most = max(most, sum(best.values()) if len(best) > 1 else 0.0)
    return most
