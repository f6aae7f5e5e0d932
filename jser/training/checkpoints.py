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

# A checkpoint of n bytes is written with that much room on the disk: what Orbax adds, and merges.
ROOM = 1.5
LEAST_ROOM = 1 << 20
# Parts younger than checkpoints that are about, and what was in their place before.
FORMERLY = {"average_stats": "stats"}
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


class Checkpoints:
    """Checkpoints of one stage of a run, the newest two kept.

    A checkpoint holds host arrays [P, ...] without dummies, so it can be resumed with another
    number of devices. Orbax writes under a temporary name and renames, so a kill never leaves a
    checkpoint that looks whole and is not.
    """

    def __init__(self, directory: Path, every_seconds: float):
        self._every = every_seconds
        self._last = time.monotonic()
        self._broken = False
        for name in ("absl", "asyncio"):
            # Of an error that is raised anyway they print a page an array.
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._manager = ocp.CheckpointManager(
            directory.resolve(),
            options=ocp.CheckpointManagerOptions(max_to_keep=2, create=True),
            # Named here, so that what a checkpoint holds can be asked before it is read.
            item_handlers={
                "state": ocp.StandardCheckpointHandler(),
                "extra": ocp.JsonCheckpointHandler(),
            },
        )

    def due(self) -> bool:
        """Whether the last save is long enough ago."""
        return time.monotonic() - self._last >= self._every

    def save(self, epoch: int, state: Any, extra: dict[str, Any]) -> None:
        """Save `state` (host tree) and `extra` (JSON) as of the end of `epoch`."""
        if epoch in self._manager.all_steps():
            return
        directory = Path(self._manager.directory)
        size = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(state))
        if shutil.disk_usage(directory).free < ROOM * size + LEAST_ROOM:
            # Asked before, since a write that fails in Orbax' threads fails loudly and late.
            raise InputError(
                f"{directory}: a checkpoint of {size / 2**20:.1f} MiB does not fit on the disk; "
                "free some space and give the same command to go on from the checkpoint before"
            )
        extra = {**extra, "crc32": _crc32(state)}
        with self._disk_errors():
            self._manager.save(
                epoch,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(state), extra=ocp.args.JsonSave(extra)
                ),
            )
        self._last = time.monotonic()

    def latest(self) -> int | None:
        """Epoch of the newest whole checkpoint, or None."""
        return self._manager.latest_step()

    def restore(self, like: Any) -> tuple[int, Any, dict[str, Any]]:
        """Newest checkpoint: (epoch, host tree shaped as `like`, extra).

        Raises:
            InputError: the checkpoint is damaged or of another shape.
        """
        epoch = self.latest()
        assert epoch is not None
        younger = self._younger(epoch, like)
        stood = younger & set(FORMERLY)
        target = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        if younger:
            target = {n: value for n, value in _parts(target).items() if n not in younger}
        try:
            found = self._manager.restore(
                epoch,
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
            raise self._damaged(epoch, what) from error
        # TensorStore verifies how its files hang together, not what is in them.
        if extra.pop("crc32", None) not in (None, _crc32(state)):
            raise self._damaged(epoch, "its numbers do not have their checksum")
        if stood:
            state = state.replace(**{name: getattr(state, FORMERLY[name]) for name in stood})
        return epoch, state, extra

    def _younger(self, epoch: int, like: Any) -> set[str]:
        """Parts of `like` that are younger than the checkpoint, and hold nothing of their own.

        Raises:
            InputError: one holds something, which the version that wrote the checkpoint had not.
        """
        try:
            there = set(dict(self._manager.item_metadata(epoch)["state"]))
        except Exception:
            return set()  # what is damaged is found by reading it
        younger = {name: part for name, part in _parts(like).items() if there and name not in there}
        for name, part in younger.items():
            if jax.tree.leaves(part) and name not in FORMERLY:
                raise InputError(
                    f"{self._manager.directory}/{epoch}: was written by another version of jser, "
                    f"whose checkpoints have no '{name}'; train again in another --workdir"
                )
        return set(younger)

    def _damaged(self, epoch: int, what: str) -> InputError:
        return InputError(
            f"{self._manager.directory}/{epoch}: the checkpoint cannot be read ({what}); delete "
            "this folder to go on from the one before"
        )

    def close(self) -> None:
        """Wait until everything is on disk."""
        if self._broken:
            return  # Orbax's own threads hang or fail again after a write that failed.
        with self._disk_errors():
            self._manager.wait_until_finished()
            self._manager.close()

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
                f"{self._manager.directory}: the checkpoint cannot be written, the disk is full; "
                "free some space and give the same command to go on from the checkpoint before"
            ) from error
