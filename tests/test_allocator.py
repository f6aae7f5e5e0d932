"""Freed memory is met again, without the system's fresh pages."""

import os
import subprocess
import sys

import pytest

from jser import allocator

# Pages that ten arrays of 64 MB, one after the other, are given by the system.
COUNT = """
import resource, sys
import numpy as np
from jser import allocator
if sys.argv[1] == "kept":
    assert allocator.keep_freed({})
np.ones(8_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(8_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
PAGES = 64_000_000 // 4096


def _pages(what: str) -> int:
    return int(_printed(COUNT, what))


def _printed(script: str, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    # Huge pages would be counted as one each.
    run = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment | {"NUMPY_MADVISE_HUGEPAGE": "0"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return run.stdout


@pytest.mark.skipif(not allocator._gnu(), reason="the GNU allocator's settings")
def test_freed_memory_is_met_again():
    assert _pages("kept") < PAGES / 10
    # What it is good for: without, the system gives fresh pages each time.
    assert _pages("plain") > 9 * PAGES


LARGE = """
import resource
import numpy as np
from jser import allocator
before = allocator.kept()
assert allocator.keep_freed({})
np.ones(2_300_000_000, np.uint8)
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(2_300_000_000, np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults, allocator.kept() - before)
"""


@pytest.mark.skipif(not allocator._gnu(), reason="the GNU allocator's settings")
def test_blocks_above_two_gigabytes_stay_and_count_as_free():
    faults, kept = map(int, _printed(LARGE).split())
    assert faults < 1000
    assert kept > 2_300_000_000


@pytest.mark.parametrize(
    "environment", [{"MALLOC_ARENA_MAX": "2"}, {"GLIBC_TUNABLES": "glibc.malloc.check=1"}]
)
def test_settings_of_the_users_own_stay(environment):
    assert not allocator.keep_freed(environment)
