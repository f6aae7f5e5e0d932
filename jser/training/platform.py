"""What kind of device trainings run on."""

from __future__ import annotations

import jax


def on_cpu() -> bool:
    """Whether trainings run on a CPU: members one by one, steps from the host, no scans of them."""
    return jax.devices()[0].platform == "cpu"
