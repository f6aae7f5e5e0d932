"""Compiled programs kept from one command to the next."""

from __future__ import annotations

import os
from pathlib import Path

import jax

# The front end's program, the quickest that is worth keeping, takes two tenths of a second.
SHORTEST_SECONDS = 0.1


def keep(data_dir: str | os.PathLike[str]) -> None:
    """Keep what this process compiles beside the records, so that the second run starts at once.

    Where ``JAX_COMPILATION_CACHE_DIR`` names another place, as on machines that share one, it is
    kept there.
    """
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", str(Path(data_dir) / "cache" / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", SHORTEST_SECONDS)
