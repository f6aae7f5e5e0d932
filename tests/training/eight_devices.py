"""Trains the small problem on eight simulated devices; test_devices.py runs and reads it."""

import sys
from pathlib import Path

import jax
import numpy as np

from jser.training import loop
from tests.training import conftest

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    assert len(jax.devices()) == 8
    features = conftest.make_features()
    plan = loop.choose_plan(11, 3, 1, 1)
    assert plan.block == 8
    program = conftest.make_program()
    final = loop.fit(program, features, conftest.make_members(11), plan, folder, "select", 1e9)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(final)]
    np.savez(folder / "final.npz", *leaves)
