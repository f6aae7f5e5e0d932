"""What this installation has: devices, versions, weights, caches."""

from __future__ import annotations

import platform
from importlib import metadata

import jax

from jser.models.stems import weights
from jser.records import places
from jser.store import urls

PACKAGES = (
    "jax", "flax", "optax", "orbax-checkpoint", "tensorflow-datasets", "librosa", "numpy",
)  # fmt: skip


def show() -> None:
    """Print one line a finding."""
    print(f"python    {platform.python_version()}")
    for name in PACKAGES:
        print(f"{name:<22}{metadata.version(name)}")
    for device in jax.devices():
        print(f"device    {device.platform}: {device.device_kind}")
    root = places.default_data_dir()
    for net, blocks, state in weights.status(places.weights_dir(root)):
        print(f"weights   {net} {blocks}: {state}")
    built = sorted(str(p.parent.relative_to(root)) for p in root.glob(f"*/*/*/{places.SIDECAR}"))
    print(f"data      {urls.shown(root)}: {', '.join(built) or 'nothing built yet'}")
