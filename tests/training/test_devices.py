"""Eight simulated devices give the bits of one."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np

from tests.training.conftest import make_members, make_program


def test_eight_devices_are_one(fit, tmp_path, xla_cache):
    env = os.environ | {
        "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(xla_cache),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.training.eight_devices", str(tmp_path)],
        env=env,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    here = jax.tree.leaves(fit(make_program(), make_members(11)))
    there = np.load(tmp_path / "final.npz")
    assert len(there.files) == len(here)
    for name, leaf in zip(there.files, here, strict=True):
        assert there[name].dtype == leaf.dtype
        assert there[name].tobytes() == np.asarray(leaf).tobytes(), name
