"""Features that do not fit on the device: the rows of each call are sent ahead of it.

What a compiled step sees is `Features` as ever, but its frames are those of a few batches alone and
its offsets point into them: a **window**. So a training by stream is the training of features that
lie on the device, bit for bit. Grain's threads cut windows out of the host's arrays, which may lie
on disk (memory-mapped), while the device computes, and the next window is on its way before the
one in use is done with.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import grain.python as grain
import jax
import numpy as np

from jser.training import hosts
from jser.training.population import Features

# Windows that threads have ready on the host, beside the one on its way and the one in use.
AHEAD = 2
THREADS = 2


def capacity(features: Features, rows: int) -> int:
    """Frames that a window of so many different rows has room for, whichever they are."""
    longest = np.sort(np.asarray(features.length))[::-1]
    return int(longest[:rows].sum())


def window_bytes(features: Features, rows: int) -> int:
    """Bytes of a window of so many rows."""
    sets, _, width = features.frames.shape
    return sets * capacity(features, rows) * width * features.frames.dtype.itemsize


class Source:
    """Host features from which windows are cut.

    Attributes:
        resident: on the device for good: all but the frames, of which there is one that is zero.
    """

    def __init__(self, features: Features, sharding: jax.sharding.Sharding):
        """`features` of the host, `frames` perhaps memory-mapped; `sharding` of what is sent."""
        self._features = features
        self._sharding = sharding
        nothing = np.zeros_like(features.frames[:, :1])
        self.resident: Features = hosts.put(features.replace(frames=nothing), sharding)

    def window(
        self, rows: np.ndarray, group: np.ndarray, room: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Frames of some rows, and where each row begins in them.

        Args:
            rows: int [block, ...], of each member of a block; -1 for none.
            group: int [block], the set of frames that a member reads.
            room: frames of a window.

        Returns:
            (frames [G, room, D], offset int32 [R], without a meaning for rows not named).
        """
        features = self._features
        sets = np.minimum(group, len(features.frames) - 1)
        everyone = _of(rows)
        length = features.length[everyone]
        offset = np.zeros_like(features.offset)
        offset[everyone] = np.cumsum(length) - length
        shape = (len(features.frames), room, features.frames.shape[-1])
        frames = np.zeros(shape, features.frames.dtype)
        for number in np.unique(sets):
            for row in _of(rows[sets == number]):
                start, end = features.offset[row], features.offset[row] + features.length[row]
                place = offset[row]
                frames[number, place : place + end - start] = features.frames[number, start:end]
        return frames, offset

    def windows(self, rows: Sequence[np.ndarray], group: np.ndarray) -> Iterator[Features]:
        """Features on the devices with a window for each of `rows`, in their order.

        All windows have one capacity, so that one program serves them.

        Args:
            rows: each int [block, ...], at least one.
            group: int [block].
        """
        room = capacity(self._features, max(some.size for some in rows))
        cut = functools.partial(self.window, group=group, room=room)
        made = (
            grain.MapDataset.range(len(rows))
            .map(lambda index: cut(rows[index]))
            .to_iter_dataset(grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=AHEAD))
        )
        following: Features | None = None
        for frames, offset in made:
            sent = hosts.put((frames, offset), self._sharding)
            if following is not None:
                yield following
            following = self.resident.replace(frames=sent[0], offset=sent[1])
        assert following is not None
        yield following


def _of(rows: np.ndarray) -> np.ndarray:
    """The rows that are named, each once, rising."""
    found = np.unique(rows)
    return found[found >= 0]
