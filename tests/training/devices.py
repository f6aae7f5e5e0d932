"""Trains the small problem on devices of one or several hosts; `test_devices.py` runs and reads it.

    python -m tests.training.devices FOLDER NAME:DEVICES:SPREAD:STREAM:STOP ...

`NAME.npz` in the folder gets the leaves of the final state and the answers, and NAME-read-P.txt how
many rows process P read for windows. STREAM is 0 or 1. With
a STOP other than 0, SIGTERM is played in the last process behind so many calls, and all end with
the exit status 75.
"""

import sys
from pathlib import Path

import jax
import numpy as np

from jser import interrupt
from jser.computing import Computing
from jser.training import hosts, loop
from jser.training.alive import Block
from jser.training.plan import Plan
from jser.training.stream import Source
from tests.training import conftest

MEMBERS = 11


def train(folder, name, devices, spread, stream):
    plan = Plan(1, 1, tuple(jax.devices()[:devices]), Computing(spread=spread), bool(stream))
    assert plan.block == devices // spread
    run_dir = folder / (name if hosts.is_first() else f"{name}-other")
    run_dir.mkdir(exist_ok=True)
    features = jax.tree.map(np.asarray, conftest.make_features())
    args = conftest.make_program(), features, conftest.make_members(MEMBERS)
    read = counted_rows()
    final = loop.fit(*args, plan, run_dir, "select", 0)
    rows = np.tile(np.arange(18, 24, dtype=np.int32), (MEMBERS, 1))
    answers = loop.predict(*args, final, rows, plan)
    Source.window = read.pop()
    (folder / f"{name}-read-{jax.process_index()}.txt").write_text(str(sum(read)))
    if hosts.is_first():
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves((final, answers))]
        np.savez(folder / f"{name}.npz", *leaves)


def counted_rows():
    """How many rows each window has from now on, and behind them the function that counts not."""
    window = Source.window
    read = []

    def counted(self, rows, *how):
        read.insert(0, int((rows >= 0).sum()))
        return window(self, rows, *how)

    Source.window = counted
    read.append(window)
    return read


def stop_at(n):
    trained, count = Block.trained, 0

    def counted(self, *args):
        nonlocal count
        trained(self, *args)
        count += 1
        if count == n:
            interrupt._ending.set()

    Block.trained = counted


def main(folder, *jobs):
    hosts.join()
    for job in jobs:
        name, *numbers = job.split(":")
        devices, spread, stream, stop = map(int, numbers)
        if stop and jax.process_index() == jax.process_count() - 1:
            stop_at(stop)
        train(Path(folder), name, devices, spread, stream)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except interrupt.Preempted:
        sys.exit(75)
