"""The bidirectional LSTM: by scan, by cuDNN, and by scan of several members at once.

  scan      one network, `blstm.BLSTM` as it is
  cudnn     one network, the same weights by cuDNN; on an NVIDIA GPU alone
  mapped    W networks (--width) in one program, which cuDNN cannot do

Forward and gradient, milliseconds a network. Where cuDNN is there, both are first held against each
other (1e-3: cuDNN's products may be in TF32). `population.lstm=auto` is chosen by these figures.

example: python tests/benchmarks/blstm.py --repeats=15 --width=50
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import arguments
import timing


def calls(args: Any) -> tuple[dict[str, Callable[[], Any]], dict[str, int]]:
    """Case -> a call, and networks of a call."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from jser import computing
    from jser.computing import Computing
    from jser.models import cudnn
    from jser.models.blstm import BLSTM

    rng = np.random.default_rng(0)
    x = jax.device_put(rng.standard_normal((args.batch, args.steps, args.inputs), dtype=np.float32))
    length = jax.device_put(
        rng.integers(args.steps // 2, args.steps + 1, args.batch).astype(np.int32)
    )
    model = BLSTM(args.units)
    params = jax.jit(model.init)(jax.random.key(0), x, length)
    many = jax.tree.map(lambda p: jnp.stack([p] * args.width), params)

    def forward(params: Any, x: Any) -> Any:
        return model.apply(params, x, length)

    def gradient(params: Any, x: Any) -> Any:
        return jax.grad(lambda p, x: jnp.sum(forward(p, x) ** 2), (0, 1))(params, x)

    made: dict[str, Callable[[], Any]] = {}
    size: dict[str, int] = {}
    ways = {"scan": Computing(), "mapped": Computing()}
    if cudnn.available():
        ways["cudnn"] = Computing(lstm="cudnn")
    for what, function in (("forward", forward), ("gradient", gradient)):
        found = {}
        for way, choice in ways.items():
            mapped = way == "mapped"
            # A function of its own: JAX knows a traced function by its identity.
            each = jax.vmap(function, in_axes=(0, None)) if mapped else function
            compiled = jax.jit(lambda p, x, each=each: each(p, x))
            with computing.by(choice):
                found[way] = compiled(many if mapped else params, x)
            name = f"{way}, {what}"
            given = many if mapped else params
            made[name] = functools.partial(
                lambda f, p: jax.block_until_ready(f(p, x)), compiled, given
            )
            size[name] = args.width if mapped else 1
        if "cudnn" in found:
            pairs = zip(*map(jax.tree.leaves, (found["scan"], found["cudnn"])), strict=True)
            apart = max(float(jnp.abs(a - b).max() / jnp.abs(a).max()) for a, b in pairs)
            if apart > 1e-3:
                raise SystemExit(f"{what}: the two differ by {apart:g} of the largest")
    return made, size


def main() -> None:
    parser = arguments.parser(__doc__, repeats=15)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--inputs", type=int, default=256)
    parser.add_argument("--units", type=int, default=128, help="a direction")
    parser.add_argument("--width", type=int, default=10, help="networks of `mapped`")
    arguments.add_cores(parser)
    args = parser.parse_args()
    timing.as_training(args.cores)
    import jax

    from jser.models import cudnn

    machine = {**timing.machine(), "device": jax.devices()[0].device_kind}
    made, size = calls(args)
    seconds = timing.alternate(made, args.repeats)
    timing.emit(
        {
            "benchmark": "blstm",
            "machine": machine,
            "shape": [args.batch, args.steps, args.inputs, args.units],
            "width": args.width,
            "all_seconds": {k: [round(v, 6) for v in values] for k, values in seconds.items()},
        }
    )
    rows: list[list[Any]] = []
    for name, values in seconds.items():
        what = name.split(", ")[1]
        each = [v / size[name] for v in values]
        over = timing.paired_ratio(each, seconds[f"scan, {what}"])
        rows.append([name, 1000 * timing.median(each), over])
    if not cudnn.available():
        rows.append(["cudnn", "not measured: no NVIDIA GPU", ""])
    timing.table(["way", "ms a network", "ratio to scan"], rows)


if __name__ == "__main__":
    main()
