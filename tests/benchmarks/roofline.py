"""What share of the device the training steps reach: FLOP/s and bytes/s over what it can do.

What it can do is measured in the same run: a large matrix product, and a large copy. What a step
does is XLA's own count of its floating-point operations and of the bytes it touches (before caches:
bytes that stay in a cache are counted all the same, so that share may pass 1). The steps:

  sequence  the main system's sequence part, a whole training step of one member
  alexnet   value and gradient of AlexNet's convolutions on pictures of 224 pixels
  acrnn     a training step of 3-D ACRNN at the packaged config's sizes

example: python tests/benchmarks/roofline.py --repeats=9
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import arguments
import step as made
import systems_step
import timing

# float32; a product of 4096 x 4096 matrices is beyond every cache, as is a copy of 512 MiB.
SIDE, COPIED = 4096, 2**27
Counted = tuple[Callable[[], None], float, float]


def counted(function: Any, *args: Any) -> Counted:
    """A call of a compiled function that waits, its FLOP and the bytes that it touches."""
    import jax

    compiled = jax.jit(function).lower(*args).compile()
    cost = compiled.cost_analysis()
    args = jax.device_put(args)
    return (
        lambda: jax.block_until_ready(compiled(*args)),
        float(cost.get("flops", 0)),
        float(cost.get("bytes accessed", 0)),
    )


def limits() -> dict[str, Counted]:
    import jax.numpy as jnp

    square, line = jnp.ones((SIDE, SIDE)), jnp.ones(COPIED)
    product, _, _ = counted(lambda a, b: a @ b, square, square)
    copy, _, _ = counted(lambda a: a + 1, line)
    return {
        "matrix product": (product, 2.0 * SIDE**3, 3 * 4.0 * SIDE**2),
        "copy": (copy, float(COPIED), 2 * 4.0 * COPIED),
    }


def sequence() -> Counted:
    import jax
    import numpy as np

    from jser import config as configs
    from jser.models.dcnn_blstm import DcnnBlstm
    from jser.training import one_member, population

    config = configs.load("dcnn_blstm:ravdess")
    program = population.Program(
        model=DcnnBlstm(n_classes=8, **config.model.to_dict()),
        n_classes=8,
        batch_size=config.batch_size,
        mixup=True,
    )
    features = made.make_features(320, 8, config.components, config.pooled_components)
    members = made.make_members(1, 320, 8, config.hyper.to_dict(), config.components)
    member = jax.tree.map(lambda a: np.asarray(a[0]), members)
    state = jax.jit(lambda f, m: one_member.init_member(program, f, m))(features, member)
    rows = np.arange(config.batch_size, dtype=np.int32)
    return counted(
        lambda f, m, s, r: one_member.train_step(program, f, m, s, r, 0),
        features, member, state, rows,
    )  # fmt: skip


def alexnet() -> Counted:
    import jax
    import jax.numpy as jnp
    import numpy as np

    from jser.models import stems

    net = stems.get("alexnet")
    params = net.random(0, net.needed(("conv5",)))
    x = np.random.default_rng(0).standard_normal((16, 224, 224, 3), dtype=np.float32)

    def loss(p: Any, x: Any) -> Any:
        return jnp.sum(net.apply(p, x, None, taps=("conv5",), pooled=True)[0][0] ** 2)

    return counted(jax.value_and_grad(loss), params, x)


def acrnn() -> Counted:
    import jax
    import jax.numpy as jnp

    model, columns, config = systems_step.model_of("acrnn", 8)
    x, length = systems_step.segments(config.batch_size, config.segments.frames, columns)
    hyper = config.hyper.to_dict()
    variables = model.init(jax.random.key(0), x[:1], length[:1], None, hyper, False)

    def loss(params: Any, x: Any) -> Any:
        given = {**variables, "params": params}
        (logits, _), _ = model.apply(
            given, x, length, None, hyper, True,
            rngs={"dropout": jax.random.key(1)}, mutable=["batch_stats"],
        )  # fmt: skip
        return jnp.sum(logits**2)

    return counted(jax.value_and_grad(loss), variables["params"], x)


STEPS = {"sequence": sequence, "alexnet": alexnet, "acrnn": acrnn}


def main() -> None:
    parser = arguments.parser(__doc__, repeats=9)
    parser.add_argument("--steps", default=",".join(STEPS), help=f"of {', '.join(STEPS)}")
    arguments.add_cores(parser)
    args: argparse.Namespace = parser.parse_args()
    chosen = arguments.names(parser, "steps", args.steps, STEPS)
    timing.as_training(args.cores)
    import jax

    found = limits() | {name: STEPS[name]() for name in chosen}
    seconds = timing.alternate({name: run for name, (run, _, _) in found.items()}, args.repeats)
    middle = {name: timing.median(values) for name, values in seconds.items()}
    rate = {
        name: (flop / middle[name], touched / middle[name])
        for name, (_, flop, touched) in found.items()
    }
    timing.emit(
        {
            "benchmark": "roofline",
            "machine": {**timing.machine(), "device": jax.devices()[0].device_kind},
            "flop_per_s": {name: flop for name, (flop, _) in rate.items()},
            "bytes_per_s": {name: touched for name, (_, touched) in rate.items()},
        }
    )
    most_flop, most_bytes = rate["matrix product"][0], rate["copy"][1]
    timing.table(
        ["step", "ms", "GFLOP", "GFLOP/s", "of the product's", "GB/s", "of the copy's"],
        [
            [
                name,
                1000 * middle[name],
                found[name][1] / 1e9,
                rate[name][0] / 1e9,
                rate[name][0] / most_flop,
                rate[name][1] / 1e9,
                rate[name][1] / most_bytes,
            ]
            for name in found
        ],
    )


if __name__ == "__main__":
    main()
