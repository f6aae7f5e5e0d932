"""Features that do not fit on the device: the rows of each call are sent ahead of it.

What a compiled step sees is `Features` as ever, but its frames are those of a few batches alone,
whose rows are named, and its offsets point into them: a **window**. So a training by stream is the
training of features that lie on the device, bit for bit. Grain's threads cut windows out of the
host's arrays, or of records on disk, while the device computes, and the next window is on its way
before the one in use is done with.

Each device has a window of its own, with the rows of its own members, and where several devices
share a member with its own part of each batch; a host cuts, and reads, those of its own devices
alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import grain.python as grain
import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jser.computing import ROWS
from jser.training import hosts
from jser.training.population import Features

# Windows that threads have ready on the host, beside the one on its way and the one in use.
AHEAD = 2
THREADS = 2

# Of a device on the mesh: among the members, and among the devices that share one.
Place = tuple[int, int]


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

    What a window brings has a leading axis over the mesh's members on the devices, see
    `in_windows`; where devices share a member, a second one over these.

    Attributes:
        resident: on the devices for good: all but the frames, of which there is one that is zero.
    """

    def __init__(self, features: Features, mesh: Mesh):
        """Rows of `features` to the devices of `mesh`.

        Args:
            features: of the host; `frames` may be memory-mapped, or made when a row is read (see
                `records.rows`).
            mesh: of whom they are sent to.
        """
        self._features = features
        self._mesh = mesh
        self._shards, self._parts = mesh.shape["member"], mesh.shape.get(ROWS, 1)
        rest = features.replace(frames=None, offset=None)
        sets, _, width = features.frames.shape
        nothing = np.zeros((sets, 1, width), features.frames.dtype)
        own = {"frames": nothing, "offset": np.zeros(1, np.int32)}
        by_member = NamedSharding(mesh, PartitionSpec("member"))
        everyone = {
            name: np.broadcast_to(array, (self._shards, *array.shape))
            for name, array in own.items()
        }
        self.resident: Features = hosts.put(rest, NamedSharding(mesh, PartitionSpec())).replace(
            **hosts.put(everyone, by_member)
        )

    def _axes(self) -> tuple[int, ...]:
        """Of a window's places: members, and the devices that share one."""
        return (self._shards,) if self._parts == 1 else (self._shards, self._parts)

    def _where(self, shape: tuple[int, ...]) -> tuple[NamedSharding, dict[jax.Device, Place]]:
        """How windows lie on the devices, and the place of each of this host's."""
        axes = ("member", ROWS)[: len(self._axes())]
        sharding = NamedSharding(self._mesh, PartitionSpec(*axes))
        found = sharding.addressable_devices_indices_map(shape)
        where = {}
        for device, index in found.items():
            assert index, "a window has an axis over the devices"
            starts = [part.start or 0 for part in index[: len(axes)]]
            where[device] = starts[0], starts[1] if len(axes) > 1 else 0
        return sharding, where

    def _sent(self, windows: Mapping[Place, np.ndarray]) -> jax.Array:
        """Arrays by their place on the mesh, each on its own device of this host."""
        axes, own = self._axes(), next(iter(windows.values())).shape
        sharding, where = self._where((*axes, *own))
        pieces = [
            jax.device_put(windows[place][(None,) * len(axes)], device)
            for device, place in where.items()
        ]
        return jax.make_array_from_single_device_arrays((*axes, *own), sharding, pieces)

    def window(
        self, rows: np.ndarray, group: np.ndarray, room: int, slots: int = 0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Frames of some rows, where each row begins in them, and which rows they are.

        Args:
            rows: int [members, ...], of each of some members; -1 for none.
            group: int [members], the set of frames that a member reads.
            room: frames of a window.
            slots: rows that a window can name; 0: as many as `rows` has.

        Returns:
            (frames [G, room, D], offset int32 [slots], named int32 [slots]); behind the last row
            that is named stand numbers that no row has.
        """
        features = self._features
        sets = np.minimum(group, features.frames.shape[0] - 1)
        everyone = _of(rows)
        length = features.length[everyone]
        slots = slots or rows.size
        offset = np.zeros(slots, np.int32)
        offset[: len(everyone)] = np.cumsum(length) - length
        named = np.full(slots, np.iinfo(np.int32).max, np.int32)
        named[: len(everyone)] = everyone
        shape = (features.frames.shape[0], room, features.frames.shape[-1])
        frames = np.zeros(shape, features.frames.dtype)
        for number in np.unique(sets):
            for row in _of(rows[sets == number]):
                start, end = features.offset[row], features.offset[row] + features.length[row]
                place = offset[np.searchsorted(everyone, row)]
                frames[number, place : place + end - start] = features.frames[number, start:end]
        return frames, offset, named

    def windows(self, rows: Sequence[np.ndarray], group: np.ndarray) -> Iterator[Features]:
        """Features on the devices with windows for each of `rows`, in their order.

        All windows have one capacity, so that one program serves them.

        Args:
            rows: each int [block, ..., B], at least one.
            group: int [block].
        """
        most = max(some.size for some in rows) // (self._shards * self._parts)
        room = capacity(self._features, most)
        width = len(group) // self._shards
        ours = sorted(set(self._where(self._axes())[1].values()))

        def cut(index: int) -> dict[Place, tuple[np.ndarray, ...]]:
            share = rows[index].shape[-1] // self._parts

            def of(m: int, r: int) -> tuple[np.ndarray, ...]:
                its = slice(m * width, (m + 1) * width)
                own = rows[index][its, ..., r * share : (r + 1) * share]
                return self.window(own, group[its], room, most)

            return {place: of(*place) for place in ours}

        made = (
            grain.MapDataset.range(len(rows))
            .map(cut)
            .to_iter_dataset(grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=AHEAD))
        )
        following: Features | None = None
        for cuts in made:
            sent = [
                self._sent(dict(zip(cuts, arrays, strict=True)))
                for arrays in zip(*cuts.values(), strict=True)
            ]
            if following is not None:
                yield following
            frames, offset, named = sent
            following = self.resident.replace(frames=frames, offset=offset, named=named)
        assert following is not None
        yield following


def in_windows(features: Features) -> Features:
    """What a device sees of `Source.resident`, or of a window: its own, without the leading axis.

    To be called where each device sees its own part, see `parts`.
    """
    own = {name: getattr(features, name)[0] for name in _brought(features)}
    return features.replace(**own)


def _brought(features: Features) -> tuple[str, ...]:
    """What has an axis over the members: a window has names, and what stays on the device none."""
    return ("frames", "offset") if features.named is None else ("frames", "offset", "named")


def parts(features: Features) -> Features:
    """How the leaves of such features lie on a mesh: as partition specs."""
    specs = jax.tree.map(lambda _: PartitionSpec(), features)
    return specs.replace(**dict.fromkeys(_brought(features), PartitionSpec("member")))


def _of(rows: np.ndarray) -> np.ndarray:
    """The rows that are named, each once, rising."""
    found = np.unique(rows)
    return found[found >= 0]
