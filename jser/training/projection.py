"""Principal components of frozen stem features, fitted on a fold's training utterances.

Thousands of correlated maps become a few hundred directions, once a fold, instead of being learnt
down by every member at every step. The components are not whitened: the large ones carry what
generalises to other speakers.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import threadpoolctl

from jser import progress
from jser.training import normalisation

# Rows that the components are fitted on; more change nothing that can be measured.
FIT_ROWS = 3072
OVERSAMPLING = 16
POWER_ITERATIONS = 1
# Rows that are made float32 in one go.
CHUNK = 1024


@dataclasses.dataclass(frozen=True)
class Projection:
    """x -> ((x - mean) * scale) @ basis.

    Attributes:
        mean: [D].
        scale: [D].
        basis: [D, d], the columns orthogonal, scaled so that the mean square of an output is 1.
    """

    mean: np.ndarray
    scale: np.ndarray
    basis: np.ndarray

    @property
    def matrix(self) -> np.ndarray:
        """[D, d], which scales and projects."""
        return self.scale[:, None] * self.basis

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[F, D] of any float type -> [F, d], float32."""
        matrix = self.matrix
        shift = self.mean @ matrix
        out = np.empty((len(frames), matrix.shape[1]), np.float32)
        for i in range(0, len(frames), CHUNK):
            out[i : i + CHUNK] = frames[i : i + CHUNK].astype(np.float32) @ matrix - shift
        return out


def standard(frames: np.ndarray, rows: np.ndarray, standardise: bool = True) -> Projection:
    """Mean and scale alone, of all `rows` of [F, D]; the basis has no direction."""
    mean, scale = normalisation.moments(frames, rows)
    if not standardise:
        mean, scale = np.zeros_like(mean), np.ones_like(scale)
    return Projection(mean, scale, np.zeros((len(mean), 0), np.float32))


def fit(
    frames: np.ndarray, rows: np.ndarray, components: int, standardise: bool = True
) -> Projection:
    """Standardise and find principal components by a randomised SVD.

    Source: Halko, Martinsson, Tropp 2011, algorithm 4.4 with one power iteration.

    Args:
        frames: [F, D] of any float type.
        rows: int [n], the rows of the training utterances; no other row is read.
        components: d; fewer where the data has fewer.
        standardise: bring each map to deviation 1 before.

    Returns:
        The projection, a function of the training rows alone.
    """
    rng = np.random.default_rng(0)
    if len(rows) > FIT_ROWS:
        rows = np.sort(rng.choice(rows, FIT_ROWS, replace=False))
    mean, scale = normalisation.moments(frames, rows)
    if not standardise:
        scale = np.ones_like(scale)
    x = frames[rows].astype(np.float32)
    x -= mean
    x *= scale
    d = min(components, *x.shape)
    sketch = min(d + OVERSAMPLING, *x.shape)
    q = np.linalg.qr(x @ rng.standard_normal((x.shape[1], sketch), dtype=np.float32))[0]
    for _ in range(POWER_ITERATIONS):
        q = np.linalg.qr(x @ (x.T @ q))[0]
    # The small side's eigenvectors give the singular vectors, at a tenth of an SVD's time.
    core = q.T @ x
    values, vectors = np.linalg.eigh(core @ core.T)
    values, vectors = values[::-1][:d], vectors[:, ::-1][:, :d]
    basis = core.T @ (vectors / np.sqrt(np.maximum(values, 1e-12 * values[0] + 1e-30)))
    size = np.sqrt(np.mean(values) / len(x))
    return Projection(mean, scale, np.ascontiguousarray(basis) / max(float(size), 1e-12))


def fit_folds(
    frames: np.ndarray,
    rows: Sequence[np.ndarray],
    components: int,
    standardise: bool,
    what: str,
) -> list[Projection]:
    """The components of each fold, fitted on that fold's rows alone.

    Args:
        frames: [F, D] of any float type; no float32 copy of all of it is made.
        rows: a fold's int [n], its training rows.
        components: d.
        standardise: see `fit`.
        what: label of the progress bar.

    Returns:
        One a fold; a small fold has fewer directions than asked for, and decides for all.
    """
    # A fold a core, one BLAS thread each: BLAS' own threads wait for each other by spinning, and
    # on a machine busy with other work one fit took 2.7 s with two threads and 0.8 s with one.
    with (
        threadpoolctl.threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
    ):
        fitted = []
        with progress.bar(len(rows), what, "fold") as tick:
            for one in pool.map(lambda own: fit(frames, own, components, standardise), rows):
                fitted.append(one)
                tick(1)
    least = min(one.basis.shape[1] for one in fitted)
    return [dataclasses.replace(one, basis=one.basis[:, :least]) for one in fitted]


def by_fold(
    frames: np.ndarray,
    rows: Sequence[np.ndarray],
    components: int,
    standardise: bool,
    what: str,
) -> np.ndarray:
    """Components of all rows by fold, see `fit_folds`: float32 [G, F, d]."""
    fitted = fit_folds(frames, rows, components, standardise, what)
    matrices = [one.matrix for one in fitted]
    shifts = [one.mean @ matrix for one, matrix in zip(fitted, matrices, strict=True)]
    out = np.empty((len(fitted), len(frames), matrices[0].shape[1]), np.float32)
    with (
        threadpoolctl.threadpool_limits(1, user_api="blas"),
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
    ):

        def project(start: int) -> int:
            x = frames[start : start + CHUNK].astype(np.float32)
            for g, (matrix, shift) in enumerate(zip(matrices, shifts, strict=True)):
                out[g, start : start + CHUNK] = x @ matrix - shift
            return len(x)

        with progress.bar(len(frames), f"{what}, applied", "row") as tick:
            for done in pool.map(project, range(0, len(frames), CHUNK)):
                tick(done)
    return out
