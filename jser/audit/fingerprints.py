"""The same recording twice: at another level, rate, codec or cut, found by what its log-Mel does.

A *pattern* is the log-Mel spectrogram between 300 and 3300 Hz, differenced over time and then over
bands: a level, a microphone's or a line's response and a slow fade leave it as it is. Two
recordings of one sentence by one speaker differ in it, since no two utterances move alike to the
hundredth of a second; two copies of one recording hardly do.

1. Each utterance gives the *patches* of its pattern around its three most lively moments. One
   matrix product finds the patches that resemble each other, whatever was cut off before them.
   Among more than ten thousand utterances only patches that share one of their four nearest
   *pivots*, patches drawn among all, are multiplied, and a pair goes on where what lies around its
   moments, 1.2 s each way, is alike too.
2. Each such pair is laid over each other at that lag, and the correlation of the two patterns is
   taken over all that they share: the *similarity*.

After the signs of energy differences of Haitsma and Kalker, "A highly robust audio fingerprinting
system", ISMIR 2002; correlation instead of bits, since a corpus is small enough for it and
repetitions of one sentence ask for more than bits tell.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import convolve1d, maximum_filter1d
from threadpoolctl import threadpool_limits

from jser.frontend.log_mel import LogMelSpec, band_centres
from jser.records.rows import Frames

# Another number of this makes cached findings of earlier ones void.
VERSION = 1
# Measured on RAVDESS and EMO-DB with copies made of them, see docs/believable.md: copies have 0.90
# and more, two recordings of one sentence by one speaker in one emotion 0.75 and less.
SIMILAR = 0.85
# Patches that correlate less are not looked at again; copies have 0.8 and more.
PATCH_SIMILAR = 0.75
# A telephone line's band; all codecs keep it.
LOW_HZ, HIGH_HZ = 300.0, 3300.0

_NATS_PER_DB = np.log(10) / 10
# What lies further below the loudest band and moment is noise or the codec's business.
_RANGE = 22 * _NATS_PER_DB
# The same within a patch, where the copy's own floor is not known yet.
_PATCH_RANGE = 17 * _NATS_PER_DB
# Less room than this between the loudest and the log-Mel's floor holds no pattern, nor do fewer
# frames that move at all.
_LEAST_RANGE = 3 * _NATS_PER_DB
_LEAST_FRAMES = 30
# So far above the floor that rounding by smoothing does not matter.
_ABOVE_FLOOR = 3 * _NATS_PER_DB
_SMOOTH = np.hanning(7)[1:-1] / np.hanning(7)[1:-1].sum()  # 5 frames
_REACH = 3  # frames each way of the difference over time
_MOMENTS = 3
_MOMENT_FRAMES = 11  # over which liveliness is gathered
_APART = 9  # frames between moments, at least
_PATCH_REACH, _PATCH_STEP, _PATCH_BANDS = 21, 3, 3
# Two utterances share at least this much: of the shorter one, and in frames.
_SHARED_PART = 0.5
_SHARED_FRAMES = 30
_SLACK = 2  # frames around a patch's lag
# A frame or two of shift cost a copy less than what lies between this and SIMILAR.
_WORTH_SHIFTING = 0.65
_BLOCK = 2048  # patches multiplied at a time
# Up to so many utterances every patch is compared with every other.
FEW = 10_000
# Pivots for the square root of the patches; of a copy's three patches at 0.95 each 99 % share one.
_PIVOTS_PER_ROOT = 4.0
_NEAREST = 4
# Copies have 0.7 and more around their moments; one in thirty of other pairs that resemble, 0.6.
_WIDE_REACH = 120
_WIDE_SIMILAR = 0.65


@dataclass(frozen=True)
class Pair:
    """Two utterances, by their place in the corpus, that are one recording.

    Attributes:
        first, second: places, `first` < `second`.
        similarity: correlation of their patterns over what they share, up to 1.
        lag: seconds by which the second starts later in the recording than the first.
        level_db: level of the second over the first, in the bands and moments that are loud.
    """

    first: int
    second: int
    similarity: float
    lag: float
    level_db: float


def near_duplicates(
    frames: Frames,
    offset: np.ndarray,
    length: np.ndarray,
    spec: LogMelSpec | None = None,
    tick: Callable[[int], None] | None = None,
) -> list[Pair]:
    """Every pair of utterances that is one recording, by place.

    Memory beside the frames is 2.3 kB an utterance, 9 kB where they are more than `FEW`. Up to
    there time grows with the square of their number, above with its power of 1.5 and with how many
    pairs look alike at a moment.

    Args:
        frames: float32 [sum T, n_mels], log-Mel frames of all utterances one behind the other.
        offset: [N], first row of an utterance.
        length: [N], its frames.
        spec: the front end's specification that made the frames; None: the default.
        tick: is told as utterances are done with, N in all.
    """
    spec = spec or LogMelSpec()
    tick = tick or (lambda n: None)
    floor = float(np.log(spec.floor))

    @functools.lru_cache(maxsize=4096)
    def smooth(i: int) -> np.ndarray:
        return smoothed(frames[offset[i] : offset[i] + length[i]], spec)

    n = len(length)
    patches, around, owner, moment = moment_patches(map(smooth, range(n)), n, wide=n > FEW)
    best: dict[tuple[int, int], tuple[float, int]] = {}
    pairs = _resembling(patches, around, owner, n // 2, tick)
    told = n // 2
    for k, (i, j) in enumerate(pairs):
        if (now := n // 2 + (n - n // 2) * k // len(pairs)) > told:
            tick(now - told)
            told = now
        a, b = int(owner[i]), int(owner[j])
        lag = int(moment[i] - moment[j])
        found = best.get((a, b), (-1.0, 0))
        if found[0] < SIMILAR:  # Three moments of one pair say the same.
            score = _aligned(smooth(a), smooth(b), lag, floor)
            if score[0] >= SIMILAR:
                best[a, b] = score
    tick(n - told)
    step = spec.hop / spec.sample_rate
    return [
        Pair(a, b, min(similarity, 1.0), lag * step, _level(smooth(a), smooth(b), lag, floor))
        for (a, b), (similarity, lag) in sorted(best.items())
    ]


def smoothed(frames: np.ndarray, spec: LogMelSpec | None = None) -> np.ndarray:
    """Log-Mel [T, n_mels] -> [T, B], smoothed over time, bands between LOW_HZ and HIGH_HZ."""
    low, high = _edges(spec or LogMelSpec())
    return convolve1d(frames[:, low:high], _SMOOTH, axis=0, mode="nearest")


@functools.cache
def _edges(spec: LogMelSpec) -> tuple[int, int]:
    low, high = np.searchsorted(band_centres(spec), (LOW_HZ, HIGH_HZ)).tolist()
    return low, high


def _pattern(smooth: np.ndarray, reach_down: float) -> np.ndarray:
    """Smoothed log-Mel [T, B] -> [T - 6, B - 1], without what lies `reach_down` below its top."""
    x = np.maximum(smooth, smooth.max() - reach_down)
    over_time = x[2 * _REACH :] - x[: -2 * _REACH]
    return over_time[:, 1:] - over_time[:, :-1]


# ------------------------------------------------------------------------------------ candidates


def moment_patches(
    smooth: Iterable[np.ndarray], n: int, wide: bool
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, np.ndarray]:
    """Patches [R, D] of unit length, those around them, the utterance of each and its frame there.

    Args:
        smooth: smoothed log-Mel of each utterance.
        n: how many.
        wide: also give what lies around each moment, float16 [R, W] of unit length.
    """
    patches = around = None
    count = np.zeros(n, np.int64)
    moment = np.zeros(n * _MOMENTS, np.int64)
    stop = 0
    for i, x in enumerate(smooth):
        pooled, moments = _moments(x)
        if not len(moments):
            continue
        start, stop = stop, stop + len(moments)
        count[i], moment[start:stop] = len(moments), moments
        near = _patches(pooled, moments, _PATCH_REACH)
        if patches is None:
            patches = np.empty((n * _MOMENTS, near.shape[1]), np.float32)
        patches[start:stop] = near
        if wide:
            far = _patches(pooled, moments, _WIDE_REACH)
            if around is None:
                around = np.empty((n * _MOMENTS, far.shape[1]), np.float16)
            around[start:stop] = far
    if patches is None:
        patches = np.zeros((0, 0), np.float32)
    return (
        patches[:stop],
        None if around is None else around[:stop],
        np.repeat(np.arange(n), count),
        moment[:stop],
    )


def _moments(smooth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The pattern of one utterance in fewer bands, and its liveliest moments [m]."""
    if len(smooth) < _SHARED_FRAMES:  # Too short to be told from another.
        return np.zeros((0, 0), np.float32), np.zeros(0, np.int64)
    pattern = _pattern(smooth, _PATCH_RANGE)
    window = np.hanning(_MOMENT_FRAMES + 2)[1:-1]
    lively = np.convolve(np.square(pattern).sum(1), window, mode="same")
    top = maximum_filter1d(lively, 2 * _APART + 1, mode="nearest")
    moments = np.flatnonzero((lively == top) & (lively > 0))
    moments = moments[np.argsort(-lively[moments], kind="stable")][:_MOMENTS]
    bands = pattern.shape[1] // _PATCH_BANDS
    pooled = pattern[:, : bands * _PATCH_BANDS].reshape(len(pattern), bands, _PATCH_BANDS).mean(2)
    return pooled, moments


def _patches(pooled: np.ndarray, moments: np.ndarray, reach: int) -> np.ndarray:
    """Patches [m, D] of unit length around moments [m], `reach` frames each way."""
    grid = np.arange(-reach, reach + 1, _PATCH_STEP)
    around = np.pad(pooled, ((reach, reach), (0, 0)))[reach + moments[:, None] + grid]
    patch = around.reshape(len(moments), len(grid) * pooled.shape[1]).astype(np.float32)
    size = np.linalg.norm(patch, axis=1, keepdims=True)
    return patch / np.maximum(size, 1e-12)


def _resembling(
    patches: np.ndarray,
    around: np.ndarray | None,
    owner: np.ndarray,
    n_ticks: int,
    tick: Callable[[int], None],
) -> list[tuple[int, int]]:
    """Places (i, j), i < j, of patches of two utterances that correlate, in order.

    Args:
        patches: [R, D].
        around: what lies around each [R, W]; None: every patch is compared with every other.
        owner: utterance of each [R].
        n_ticks: that `tick` is told in all.
        tick: is told how many more are done.
    """
    groups = [np.arange(len(patches))] if around is None else _groups(patches)
    total = sum(len(group) for group in groups)
    pairs: list[np.ndarray] = []
    done = told = 0
    # Groups are small: more threads than one wait for each other longer than they work.
    with threadpool_limits(None if around is None else 1, user_api="blas"):
        for group in groups:
            for row in range(0, len(group), _BLOCK):
                one = group[row : row + _BLOCK]
                for column in range(row, len(group), _BLOCK):
                    other = group[column : column + _BLOCK]
                    x, y = np.nonzero(patches[one] @ patches[other].T > PATCH_SIMILAR)
                    i, j = one[x], other[y]
                    keep = owner[i] < owner[j]
                    i, j = i[keep], j[keep]
                    if around is not None:
                        alike = _alike(around, i, j)
                        i, j = i[alike], j[alike]
                    pairs.append(i * len(patches) + j)
                done += len(one)
                tick(n_ticks * done // total - told)
                told = n_ticks * done // total
    tick(n_ticks - told)
    # Of several groups a pair comes more than once.
    found = np.unique(np.concatenate(pairs)) if pairs else np.zeros(0, np.int64)
    return list(zip(*(part.tolist() for part in np.divmod(found, len(patches))), strict=True))


def _groups(patches: np.ndarray) -> list[np.ndarray]:
    """Places of patches that share one of their nearest pivots, rising; a patch is in several."""
    rng = np.random.default_rng(0)
    n = min(len(patches), int(_PIVOTS_PER_ROOT * len(patches) ** 0.5))
    pivots = patches[np.sort(rng.choice(len(patches), n, replace=False))]
    most = min(_NEAREST, n)
    near = np.empty((len(patches), most), np.int32)
    for row in range(0, len(patches), _BLOCK):
        likeness = patches[row : row + _BLOCK] @ pivots.T
        near[row : row + _BLOCK] = np.argpartition(-likeness, most - 1, axis=1)[:, :most]
    order = np.argsort(near.ravel(), kind="stable")
    edges = np.searchsorted(near.ravel()[order], np.arange(1, n))
    return [group for group in np.split(order // most, edges) if len(group) > 1]


def _alike(around: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Whether what lies around patches `i` and `j` [n] correlates [n]."""
    found = np.zeros(len(i), bool)
    for start in range(0, len(i), _BLOCK):
        part = slice(start, start + _BLOCK)
        a, b = (around[k[part]].astype(np.float32) for k in (i, j))
        found[part] = np.einsum("nd,nd->n", a, b) > _WIDE_SIMILAR
    return found


# ---------------------------------------------------------------------------------- verification


def _shared(a: np.ndarray, b: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray] | None:
    """What two utterances share when frame t of `b` lies on frame t + `lag` of `a`."""
    start, stop = max(lag, 0), min(lag + len(b), len(a))
    if stop - start < max(_SHARED_FRAMES, _SHARED_PART * min(len(a), len(b))):
        return None
    return a[start:stop], b[start - lag : stop - lag]


def _similarity(a: np.ndarray, b: np.ndarray, floor: float) -> float:
    """Correlation of the patterns of two smoothed log-Mels [T, B] that lie frame on frame.

    The quieter one has less room above the log-Mel's floor, so both are cut off where it ends.
    """
    room = min(float(a.max()), float(b.max())) - floor - _ABOVE_FLOOR
    if room < _LEAST_RANGE:
        return 0.0
    x, y = (_pattern(s, min(room, _RANGE)) for s in (a, b))
    if min(int((p != 0).any(1).sum()) for p in (x, y)) < _LEAST_FRAMES:
        return 0.0
    # Not BLAS: its threads cost more than so few numbers do.
    power = float((x * x).sum()) * float((y * y).sum())
    return float((x * y).sum()) / power**0.5 if power > 0 else 0.0


def _aligned(a: np.ndarray, b: np.ndarray, lag: int, floor: float) -> tuple[float, int]:
    """The highest similarity around `lag`, and the lag that has it."""

    def score(at: int) -> float:
        parts = _shared(a, b, at)
        return _similarity(*parts, floor) if parts else 0.0

    here = score(lag)
    if here < _WORTH_SHIFTING:
        return here, lag
    others = [(score(at), at) for at in range(lag - _SLACK, lag + _SLACK + 1) if at != lag]
    return max([(here, lag), *others], key=lambda found: (found[0], -abs(found[1] - lag)))


def _level(a: np.ndarray, b: np.ndarray, lag: int, floor: float) -> float:
    """Level of `b` over `a` in dB, where both are loud."""
    parts = _shared(a, b, lag)
    assert parts is not None
    x, y = parts
    room = min(float(x.max()), float(y.max())) - floor - _ABOVE_FLOOR
    loud = (x > x.max() - min(room, _RANGE)) & (y > y.max() - min(room, _RANGE))
    return float(np.median((y - x)[loud]) / _NATS_PER_DB) if loud.any() else 0.0
