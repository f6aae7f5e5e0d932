"""What kind of device trainings run on."""

from __future__ import annotations

import os

import jax


def on_cpu() -> bool:
    """Whether trainings run on a CPU: members one by one, steps from the host, no scans of them."""
    return jax.devices()[0].platform == "cpu"


def device_name() -> str:
    """What this process computes with, for people."""
    if on_cpu():
        return f"CPU, {len(os.sched_getaffinity(0))} cores"
    devices = jax.devices()
    return f"{len(devices)} x {devices[0].device_kind}"
