"""One program on many hosts: who is in it, who writes, on what all agree, and arrays over devices.

Every host runs the same command and takes the same turns; a collective waits for all of them, so
whatever decides about a turn (a clock, a signal) is agreed on first. The first process alone writes
what a run leaves behind. On one host nothing here costs anything.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Sharding

from jser.errors import HostsUnreachable, InputError
from jser.records.rows import OneSet

# A cluster that JAX does not know is told by these three together.
NAMED = ("JSER_COORDINATOR", "JSER_PROCESSES", "JSER_PROCESS")
# Seconds that hosts wait for one another: at the start, for one that has gone silent, and for the
# first to score and to write its report.
START, SILENT, REPORT = 600, 100, 3600


def join(environment: Mapping[str, str] = os.environ) -> None:
    """Join the cluster that this process is started in, if it is; before anything asks for devices.

    A cluster is named by `NAMED`, or seen by JAX: of several tasks of Slurm or Open MPI, or TPUs
    of Kubernetes' engine at Google.

    Raises:
        InputError: the cluster is named in part or wrongly.
        HostsUnreachable: the others are not there, or not yet.
    """
    given = [name for name in NAMED if environment.get(name)]
    if given == ["JSER_PROCESSES"] and environment["JSER_PROCESSES"] == "1":
        return  # alone, whatever the cluster looks like
    if not given and not _several_are_seen(environment):
        return
    if given and len(given) < len(NAMED):
        missing = ", ".join(name for name in NAMED if name not in given)
        raise InputError(f"{given[0]} is set and {missing} is not; set all of {', '.join(NAMED)}")
    who: dict[str, Any] = {}
    if given:
        coordinator, *numbers = (environment[name] for name in NAMED)
        count, process = (_number(n, v) for n, v in zip(NAMED[1:], numbers, strict=True))
        if not 0 <= process < count:
            raise InputError(f"JSER_PROCESS={process}: is none of 0 to {count - 1}")
        if count == 1:
            return
        who = {"coordinator_address": coordinator, "num_processes": count, "process_id": process}
    # Its handler would take SIGTERM from `jser.interrupt`, which hears it at any time.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            **who,
            initialization_timeout=START,
            heartbeat_timeout_seconds=SILENT,
            shutdown_timeout_seconds=REPORT,
        )
    except (RuntimeError, ValueError) as error:
        what = str(error).partition("\n")[0][:200]
        raise HostsUnreachable(
            f"the other hosts cannot be reached ({what}); see that all are started and that "
            f"{environment.get(NAMED[0], 'the coordinator')} is open to them"
        ) from error


def _several_are_seen(environment: Mapping[str, str]) -> bool:
    """Whether JAX can find the others: what it asks for, with more than one process."""
    sizes = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE")
    if any(environment.get(name, "1") not in ("", "1") for name in sizes):
        return True
    return "," in environment.get("TPU_WORKER_HOSTNAMES", "")


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InputError(f"{name}={text}: is no whole number") from error


def is_first() -> bool:
    """Whether this process writes what a run leaves behind."""
    return jax.process_index() == 0


def several() -> bool:
    """Whether there are others."""
    return jax.process_count() > 1


def leave() -> None:
    """Part from the others, who leave at the same time, so that nobody is taken for dead."""
    if jax.distributed.is_initialized():
        jax.distributed.shutdown()


def of_first(tree: Any) -> Any:
    """The first process' host arrays, for all; the others give some of the same shapes."""
    if not several():
        return tree
    with jax.transfer_guard("allow"):
        return jax.tree.map(np.asarray, multihost_utils.broadcast_one_to_all(tree))


def text_of_first(text: str) -> str:
    """The first process' text, for all."""
    if not several():
        return text
    written = np.frombuffer(text.encode(), np.uint8)
    length = int(of_first(np.int32(len(written))))
    mine = written if is_first() else np.zeros(length, np.uint8)
    return of_first(mine).tobytes().decode()


def least_of(value: int) -> int:
    """The least of all processes' numbers, which are not negative."""
    if not several():
        return value
    # JAX has 32 bits for a number, and a device more bytes.
    return min((int(high) << 31) + int(low) for high, low in _of_all(divmod(value, 1 << 31)))


def any_of(flag: bool) -> bool:
    """Whether it is so for one of them."""
    return bool(_of_all(flag).any()) if several() else flag


def _of_all(value: Any) -> np.ndarray:
    """Small integers of each process, [processes, ...]."""
    with jax.transfer_guard("allow"):
        return np.asarray(multihost_utils.process_allgather(np.array(value, np.int32)))


def check_equal(tree: Any, what: str) -> None:
    """Check that all hosts have the same arrays: what differs would part them silently.

    Raises:
        InputError: they differ.
    """
    if not several():
        return
    found = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        if isinstance(leaf, OneSet):
            found.update(leaf.rows.key.encode())
            continue
        found.update(np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data)
    everyone = _of_all(np.frombuffer(found.digest(), np.int32))
    if (everyone != everyone[0]).any():
        raise InputError(
            f"{what} differ between the hosts; build the same records on all of them, or give them "
            "one data folder on a shared disk"
        )


def put(tree: Any, sharding: Sharding) -> Any:
    """A host tree on the devices; every process gives the same, and keeps its devices' part."""
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)

    def one(leaf: Any) -> jax.Array:
        array = np.asarray(leaf)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    with jax.transfer_guard("allow"):
        return jax.tree.map(one, tree)


def get(tree: Any) -> Any:
    """A device tree on the host, whole, in every process. Waits for the device."""
    if not several():
        return jax.device_get(tree)

    def one(leaf: Any) -> Any:
        if not isinstance(leaf, jax.Array) or leaf.is_fully_addressable:
            return jax.device_get(leaf)
        if leaf.is_fully_replicated:
            return np.asarray(leaf.addressable_data(0))
        return multihost_utils.process_allgather(leaf, tiled=True)

    with jax.transfer_guard("allow"):
        return jax.tree.map(one, tree)
