"""Saving and restoring a population's state: the only module that knows Orbax."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from jser.errors import InputError
from jser.store import pushing
from jser.training import hosts

# A checkpoint of n bytes is written with that much room on the disk: what Orbax adds, and merges.
ROOM = 1.5
LEAST_ROOM = 1 << 20
# Parts younger than checkpoints that are about, and what was in their place before.
FORMERLY = {"average_stats": "stats"}
# Behind the name of a folder: checkpoints within epochs.
WITHIN = "_within"
FULL_DISK = ("RESOURCE_EXHAUSTED", "No space left", "Disk quota exceeded")


def _crc32(state: Any) -> int:
    """Of all numbers of a host tree."""
    crc = 0
    for leaf in jax.tree.leaves(state):
        crc = zlib.crc32(np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data, crc)
    return crc


def _all_but_closed_loops(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Of a write that failed, TensorStore's threads report a closed loop once an array."""
    if "Event loop is closed" not in str(error):
        sys.__excepthook__(kind, error, trace)


def _parts(tree: Any) -> dict[str, Any]:
    """The fields of a state; nothing of a tree of another kind."""
    if not dataclasses.is_dataclass(tree):
        return {}
    return {field.name: getattr(tree, field.name) for field in dataclasses.fields(tree)}


def _manager(directory: Path) -> ocp.CheckpointManager:
    alone: dict[str, Any] = {}
    if hosts.several():
        directory.mkdir(parents=True, exist_ok=True)
        alone = {
            "create": False,
            "multiprocessing_options": ocp.options.MultiprocessingOptions(
                primary_host=0, active_processes={0}, barrier_sync_key_prefix=directory.name
            ),
        }
    return ocp.CheckpointManager(
        directory,
        options=ocp.CheckpointManagerOptions(**{"max_to_keep": 2, "create": True, **alone}),
        # Named here, so that what a checkpoint holds can be asked before it is read.
        item_handlers={
            "state": ocp.StandardCheckpointHandler(),
            "extra": ocp.JsonCheckpointHandler(),
        },
    )


def _epoch_of(manager: ocp.CheckpointManager, number: int) -> int:
    """Epochs behind a checkpoint within one."""
    place = Path(manager.directory) / str(number)
    try:
        extra = manager.restore(number, args=ocp.args.Composite(extra=ocp.args.JsonRestore()))
        return int(extra["extra"]["epoch"])
    except Exception as error:
        what = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:120]}"
        raise _damaged(place, what) from error


def _younger(manager: ocp.CheckpointManager, number: int, like: Any) -> set[str]:
    """Parts of `like` that are younger than a checkpoint, and hold nothing of their own.

    Raises:
        InputError: one holds something, which the version that wrote the checkpoint had not.
    """
    try:
        there = set(dict(manager.item_metadata(number)["state"]))
    except Exception:
        return set()  # what is damaged is found by reading it
    younger = {name: part for name, part in _parts(like).items() if there and name not in there}
    for name, part in younger.items():
        if jax.tree.leaves(part) and name not in FORMERLY:
            raise InputError(
                f"{manager.directory}/{number}: was written by another version of jser, "
                f"whose checkpoints have no '{name}'; train again in another --workdir"
            )
    return set(younger)


def _damaged(place: Path, what: str) -> InputError:
    return InputError(
        f"{place}: the checkpoint cannot be read ({what}); delete this folder to go on from the "
        "one before"
    )


class Checkpoints:
    """Checkpoints of one stage of a run, the newest two kept.

    A checkpoint holds host arrays [P, ...] without dummies, so it can be resumed with another
    number of devices. Orbax writes under a temporary name and renames, so a kill never leaves a
    checkpoint that looks whole and is not.

    Of several hosts the first alone writes and reads; it sends the others what it has read.

    Those of whole epochs are numbered by the epoch. Others stand beside them, in a folder whose
    name ends in `WITHIN`, numbered by the steps that all members have done.
    """

    def __init__(self, directory: Path, every_seconds: float):
        self._every = every_seconds
        self._directory = directory.resolve()
        self._last = time.monotonic()
        self._broken = self._closed = False
        for name in ("absl", "asyncio"):
            # Of an error that is raised anyway they print a page an array.
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._whole = self._within = None
        if not hosts.is_first():
            return
        self._whole = _manager(self._directory)
        within = self._directory.with_name(self._directory.name + WITHIN)
        self._within = _manager(within) if within.exists() else None

    def due(self, within: bool = False) -> bool:
        """Whether the last save is long enough ago; `within` an epoch, where 0 means after each."""
        long_ago = time.monotonic() - self._last >= self._every
        return long_ago and (self._every > 0 or not within)

    def save(self, epoch: int, state: Any, extra: dict[str, Any]) -> None:
        """Save `state` (host tree) and `extra` (JSON) as of the end of `epoch`."""
        if self._whole:
            self._save(self._whole, epoch, state, extra)

    def save_within(self, epoch: int, steps: int, state: Any, extra: dict[str, Any]) -> None:
        """The same in the epoch behind `epoch`, when all members together have done `steps`."""
        if not hosts.is_first():
            return
        if self._within is None:
            self._within = _manager(self._directory.with_name(self._directory.name + WITHIN))
        self._save(self._within, steps, state, {**extra, "epoch": epoch})

    def _save(
        self, manager: ocp.CheckpointManager, number: int, state: Any, extra: dict[str, Any]
    ) -> None:
        if number in manager.all_steps():
            return
        if pushing.is_on():
            # What a kill may cost is one checkpoint, not two.
            manager.wait_until_finished()
            pushing.finish()
        directory = Path(manager.directory)
        size = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(state))
        if shutil.disk_usage(directory).free < ROOM * size + LEAST_ROOM:
            # Asked before, since a write that fails in Orbax' threads fails loudly and late.
            raise InputError(
                f"{directory}: a checkpoint of {size / 2**20:.1f} MiB does not fit on the disk; "
                "free some space and give the same command to go on from the checkpoint before"
            )
        extra = {**extra, "crc32": _crc32(state)}
        with self._disk_errors():
            manager.save(
                number,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(state), extra=ocp.args.JsonSave(extra)
                ),
            )
        self._last = time.monotonic()

    def latest(self) -> int | None:
        """Epochs behind the newest checkpoint, or None."""
        newest = self._newest()
        epoch = int(hosts.of_first(np.int32(newest[0] if newest else -1)))
        return None if epoch < 0 else epoch

    def _newest(self) -> tuple[int, ocp.CheckpointManager, int] | None:
        """Epochs behind it, where it is, and its number there."""
        found = []
        if self._whole is None:
            return None
        if (epoch := self._whole.latest_step()) is not None:
            found.append((epoch, False, self._whole, epoch))
        if self._within and (number := self._within.latest_step()) is not None:
            found.append((_epoch_of(self._within, number), True, self._within, number))
        if not found:
            return None
        epoch, _, manager, number = max(found, key=lambda one: one[:2])
        return epoch, manager, number

    def restore(self, like: Any) -> tuple[int, Any, dict[str, Any]]:
        """Newest checkpoint: (epochs behind it, host tree shaped as `like`, extra).

        Raises:
            InputError: the checkpoint is damaged or of another shape.
        """
        if hosts.is_first():
            epoch, state, extra = self._restore(like)
            told = json.dumps([epoch, extra])
        else:
            state = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), like)
            told = ""
        epoch, extra = json.loads(hosts.text_of_first(told))
        return epoch, hosts.of_first(state), extra

    def _restore(self, like: Any) -> tuple[int, Any, dict[str, Any]]:
        newest = self._newest()
        assert newest is not None
        epoch, manager, number = newest
        place = Path(manager.directory) / str(number)
        younger = _younger(manager, number, like)
        stood = younger & set(FORMERLY)
        target = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        if younger:
            target = {n: value for n, value in _parts(target).items() if n not in younger}
        try:
            found = manager.restore(
                number,
                args=ocp.args.Composite(
                    state=ocp.args.StandardRestore(target), extra=ocp.args.JsonRestore()
                ),
            )
            state = jax.device_get(found["state"])
            if younger:
                state = like.replace(**state, **{name: {} for name in stood})
            extra = dict(json.loads(json.dumps(found["extra"])))
        except Exception as error:
            what = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:120]}"
            raise _damaged(place, what) from error
        # TensorStore verifies how its files hang together, not what is in them.
        if extra.pop("crc32", None) not in (None, _crc32(state)):
            raise _damaged(place, "its numbers do not have their checksum")
        if stood:
            state = state.replace(**{name: getattr(state, FORMERLY[name]) for name in stood})
        return epoch, state, extra

    def close(self, done: bool = False) -> None:
        """Wait until all is on disk; of a training that is `done`, keep whole epochs only."""
        if self._broken or self._closed:
            return  # Orbax's own threads hang or fail again after a write that failed.
        self._closed = True
        with self._disk_errors():
            for manager in filter(None, (self._whole, self._within)):
                manager.wait_until_finished()
                manager.close()
        if done and self._within:
            shutil.rmtree(Path(self._within.directory), ignore_errors=True)

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        """Orbax and TensorStore wrap a full disk in errors of several kinds."""
        try:
            yield
        except Exception as error:
            self._broken = True
            sys.excepthook = _all_but_closed_loops
            if not any(sign in str(error) for sign in FULL_DISK):
                raise
            raise InputError(
                f"{self._directory}: the checkpoint cannot be written, the disk is full; "
                "free some space and give the same command to go on from the checkpoint before"
            ) from error
