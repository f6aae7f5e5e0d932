"""Sequences that are read, or computed, when they are asked for: what does not fit into memory.

They stand where arrays of all utterances one behind the other stand, and are cut in the same way,
`frames[offset : offset + length]`; but a cut lies within one utterance.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Sequence

import numpy as np


class Frames(typing.Protocol):
    """[F, D]: an array, or `Rows`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(F, D)."""

    @property
    def dtype(self) -> np.dtype:
        """Of a number."""

    def __getitem__(self, key: slice, /) -> np.ndarray: ...

    def __len__(self) -> int: ...


class Rows:
    """Ragged rows [T_i, D], one behind the other, of which one at a time is read.

    Attributes:
        key: says all that decides the numbers: for caches, and to hold machines against each other.
        length: int32 [R], of each row, at least 1.
        offset: int64 [R], first frame of each row.
        shape: (sum of lengths, D).
        dtype: of the frames.
    """

    def __init__(
        self,
        read: Callable[[int], np.ndarray],
        length: np.ndarray,
        width: int,
        key: str,
        dtype: np.dtype | None = None,
    ):
        """`read` gives a row [T_i, D]; it is called from several threads at once."""
        self._read = read
        self.key = key
        self.length = length.astype(np.int32)
        end = np.cumsum(length, dtype=np.int64)
        self.offset = end - length
        self.shape = (int(end[-1]), width)
        self.dtype = dtype or np.dtype(np.float32)

    def __len__(self) -> int:
        return self.shape[0]

    def row(self, i: int) -> np.ndarray:
        """[T_i, D] of a row."""
        return self._read(int(i))

    def __getitem__(self, key: slice, /) -> np.ndarray:
        """Frames of one row, or of a part of it.

        Raises:
            IndexError: they are of several rows, which would have to be read whole.
        """
        start, stop, step = key.indices(len(self))
        i = int(np.searchsorted(self.offset, start, "right")) - 1
        first = int(self.offset[i])
        if step != 1 or stop > first + self.length[i]:
            raise IndexError(f"frames {start} to {stop} are not a part of one row")
        return self.row(i)[start - first : stop - first]


class OneSet:
    """`Rows` as the one set of frames of all folds, [1, F, D]; see `population.Features`."""

    def __init__(self, rows: Rows):
        self.rows = rows
        self.shape = (1, *rows.shape)
        self.dtype = rows.dtype

    def __getitem__(self, key: tuple[int, slice], /) -> np.ndarray:
        number, frames = key
        if number != 0:
            raise IndexError(f"there is one set of frames, and no number {number}")
        return self.rows[frames]


class ByNeed(Sequence[np.ndarray]):
    """N arrays, of which one at a time is read."""

    def __init__(self, read: Callable[[int], np.ndarray], n: int):
        """`read` gives an array by its place; it is called from several threads at once."""
        self._read = read
        self._n = n

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self._read, range(self._n))

    @typing.overload
    def __getitem__(self, key: int) -> np.ndarray: ...

    @typing.overload
    def __getitem__(self, key: slice) -> list[np.ndarray]: ...

    def __getitem__(self, key: int | slice) -> np.ndarray | list[np.ndarray]:
        if isinstance(key, slice):
            return [self._read(i) for i in range(*key.indices(self._n))]
        if not -self._n <= key < self._n:
            raise IndexError(f"there is no array {key} of {self._n}")
        return self._read(int(key) % self._n)
