"""Principal components of frozen stem features, fitted on a fold's training utterances.

Thousands of correlated maps become a few hundred directions, once a fold, instead of being learnt
down by every member at every step. The components are not whitened: the large ones carry what
generalises to other speakers.
"""

from __future__ import annotations

import dataclasses

import numpy as np

# Rows that the components are fitted on; more change nothing that can be measured.
FIT_ROWS = 3072
OVERSAMPLING = 16
POWER_ITERATIONS = 1
CHUNK = 4096


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

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[F, D] -> [F, d], float32."""
        matrix = self.scale[:, None] * self.basis
        shift = self.mean @ matrix
        out = np.empty((len(frames), matrix.shape[1]), np.float32)
        for i in range(0, len(frames), CHUNK):
            out[i : i + CHUNK] = frames[i : i + CHUNK].astype(np.float32) @ matrix - shift
        return out


def standard(frames: np.ndarray, rows: np.ndarray, standardise: bool = True) -> Projection:
    """Mean and scale alone, of all `rows` of [F, D]; the basis has no direction."""
    x = frames[rows].astype(np.float32)
    mean, deviation = x.mean(0), x.std(0)
    scale = 1.0 / (deviation + 0.01 * deviation.mean() + 1e-12)
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
    x = frames[rows].astype(np.float32)
    mean = x.mean(0)
    deviation = x.std(0)
    # A map that hardly ever fires must not be blown up to the size of the others.
    scale = 1.0 / (deviation + 0.01 * deviation.mean() + 1e-12)
    if not standardise:
        scale = np.ones_like(scale)
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
