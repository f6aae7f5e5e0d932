"""What this installation has: devices, versions, weights, caches."""

from __future__ import annotations

import platform
from importlib import metadata

import jax

from jser.errors import InputError
from jser.models import imagenet
from jser.records import places

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
    try:
        imagenet.load_alexnet()
        print(
            f"weights   AlexNet's convolutions, ImageNet, hash as it should be: "
            f"{imagenet.alexnet_weights_path()}"
        )
    except InputError as error:
        print(f"weights   {error}")
    root = places.default_data_dir()
    built = sorted(str(p.parent.relative_to(root)) for p in root.glob(f"*/*/*/{places.SIDECAR}"))
    print(f"data      {root}: {', '.join(built) or 'nothing built yet'}")
