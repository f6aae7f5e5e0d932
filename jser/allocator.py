"""Memory that a computation has given back is kept for the next, on a CPU under Linux.

XLA asks for a step's intermediate results anew in each step, in blocks of many megabytes. The GNU
allocator takes such blocks from the system and gives them back at once, so that each step meets
fresh pages, which the system has to clear: a quarter of the time of a step with convolutions
(tests/benchmarks/README.md). PyTorch's kernels suffer the same.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping

# Of malloc.h: parameters of mallopt.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
# Blocks of any size come from the heap, which grows by 64 MiB and never shrinks; and all threads
# share it, since the heap of a thread cannot hold large blocks.
_SETTINGS = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_TOP_PAD, 64 << 20), (_ARENA_MAX, 1))


class _Info(ctypes.Structure):
    """struct mallinfo2 of malloc.h."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
            "fordblks", "keepcost",
        )
    ]  # fmt: skip


def keep_freed(environment: Mapping[str, str] = os.environ) -> bool:
    """Let this process keep what it frees; to be called before it has other threads.

    Left alone where the environment has settings of its own for the allocator (``MALLOC_*_``,
    ``GLIBC_TUNABLES``), and where there is no GNU C library.

    Returns:
        Whether it is done.
    """
    own = [name for name in environment if name.startswith("MALLOC_")]
    if own or "glibc.malloc" in environment.get("GLIBC_TUNABLES", ""):
        return False
    if not _gnu():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    done = [mallopt(parameter, value) for parameter, value in _SETTINGS]
    return all(done)


def kept() -> int:
    """Bytes that this process has freed and still holds, which the system counts as taken."""
    try:
        mallinfo = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError, TypeError):  # not the GNU C library, or before its 2.33
        return 0
    mallinfo.restype = _Info
    return int(mallinfo().fordblks)


def _gnu() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (AttributeError, ValueError):  # not a system of that kind
        return False
