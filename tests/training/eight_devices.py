"""Trains the small problem on 1, 2 and 8 simulated devices; test_devices.py runs and reads it."""

import sys
from pathlib import Path

import jax
import numpy as np

from jser.training import loop
from jser.training.plan import Plan
from tests.training import conftest

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    assert len(jax.devices()) == 8
    for count in (1, 2, 8):
        (folder / str(count)).mkdir()
        plan = Plan(1, 1, tuple(jax.devices()[:count]))
        assert plan.block == count
        final = loop.fit(
            conftest.make_program(),
            conftest.make_features(),
            conftest.make_members(11),
            plan,
            folder / str(count),
            "select",
            1e9,
        )
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(final)]
        np.savez(folder / f"{count}.npz", *leaves)
