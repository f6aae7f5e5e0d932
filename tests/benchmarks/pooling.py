"""Max-pooling, value and gradient: ours against XLA's.

  alexnet    windows of 3 x 3 that overlap, on the maps of 16 pictures of 224 pixels that AlexNet
             pools: `pooling.max_pool` against `flax.linen.max_pool`, whose gradient is XLA's
             select-and-scatter
  masked     windows of 2 x 4 side by side, on segments of 3 s, maps [40, 300, 40, 16]:
             `masked_conv.max_pool` against `jnp.max` over a reshaped array and XLA's windows

example: python tests/benchmarks/pooling.py --repeats=7
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import arguments
import timing

ALEXNET = ((16, 55, 55, 64), (16, 27, 27, 192), (16, 13, 13, 256))
MASKED = (40, 300, 40, 16)
WINDOW = (2, 4)

Pool = Callable[[Any], Any]


def alexnet() -> dict[str, dict[str, Callable[[], None]]]:
    """Case -> way -> a call."""
    import flax.linen as nn
    import jax
    import numpy as np

    from jser.models.pooling import max_pool

    rng = np.random.default_rng(0)
    ways: dict[str, Pool] = {
        "ours": lambda x: max_pool(x, (3, 3), (2, 2)),
        "flax": lambda x: nn.max_pool(x, (3, 3), (2, 2)),
    }
    made = {}
    for shape in ALEXNET:
        x = jax.device_put(np.maximum(rng.standard_normal(shape, dtype=np.float32), 0))
        name = "alexnet, " + " x ".join(map(str, shape))
        made[name] = {way: gradient(pool, x) for way, pool in ways.items()}
    return made


def masked() -> dict[str, dict[str, Callable[[], None]]]:
    """Case -> way -> a call."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from jser.models.masked_conv import max_pool, true_steps

    b, steps, bands, maps = MASKED
    t, f = WINDOW
    rng = np.random.default_rng(0)
    length = jax.device_put(rng.integers(steps // 2, steps + 1, b).astype(np.int32))
    x = jax.device_put(rng.standard_normal(MASKED, dtype=np.float32))

    def blanked(x: Any) -> Any:
        return jnp.where(true_steps(length, steps), x, -jnp.inf)

    def windowed(x: Any) -> Any:
        window = (1, t, f, 1)
        return jax.lax.reduce_window(blanked(x), -jnp.inf, jax.lax.max, window, window, "VALID")

    ways: dict[str, Pool] = {
        "ours": lambda x: max_pool(x, length, WINDOW)[0],
        "jnp.max": lambda x: blanked(x).reshape(b, steps // t, t, bands // f, f, maps).max((2, 4)),
        "reduce_window": windowed,
    }
    return {"masked": {way: gradient(pool, x) for way, pool in ways.items()}}


def gradient(pool: Pool, x: Any) -> Callable[[], None]:
    """A call of the compiled gradient of a sum over what is pooled."""
    import jax
    import jax.numpy as jnp

    def value(x: Any) -> Any:
        pooled = pool(x)
        return jnp.sum(jnp.where(jnp.isfinite(pooled), jnp.sin(pooled), 0.0))

    compiled = jax.jit(jax.grad(value))
    return lambda: jax.block_until_ready(compiled(x))


def main() -> None:
    parser = arguments.parser(__doc__, repeats=7)
    arguments.add_cores(parser)
    args = parser.parse_args()
    timing.as_training(args.cores)
    rows = []
    for case, ways in (alexnet() | masked()).items():
        seconds = timing.alternate(ways, args.repeats)
        timing.emit(
            {
                "benchmark": "pooling",
                "case": case,
                "machine": timing.machine(),
                "all_seconds": {k: [round(v, 6) for v in values] for k, values in seconds.items()},
            }
        )
        for way, values in seconds.items():
            rows.append(
                [
                    case,
                    way,
                    1000 * timing.median(values),
                    timing.paired_ratio(values, seconds["ours"]),
                ]
            )
    timing.table(["value and gradient", "way", "ms", "ratio to ours"], rows)


if __name__ == "__main__":
    main()
