"""One training step of the main system, cut in different ways: the evidence for the loop's form.

Random features of the main config's shapes; a repeat is one epoch of every way in turn. The ways:

  host      the host calls a compiled step for each step of the epoch (steps_per_call = 1)
  scan      one compiled call scans over all steps of the epoch
  plain     a block of one member, not mapped: what width 1 means in jser
  vmap1     a block of one member under vmap, what one would write first
  vmapW     a block of W members under vmap (--width)
  single    no population at all: one network's training written by hand (`single.py`), from the
            host; held against `plain` by the losses of the same weights and batches

example: python tests/benchmarks/step.py --repeats=9 --ways=plain/host,plain/scan
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import arguments
import timing

ALL = (
    "plain/host",
    "single/host",
    "plain/scan",
    "vmap1/host",
    "vmap1/scan",
    "vmapW/host",
    "vmapW/scan",
)


def make_features(rows: int, steps: int, width: int, pooled: int) -> Any:
    """Random `Features` of one set: every row has half to all of `steps`."""
    import numpy as np

    from jser.training import population

    rng = np.random.default_rng(0)
    length = rng.integers(max(1, steps // 2), steps + 1, rows).astype(np.int32)
    length[0] = steps
    return population.Features(
        rng.standard_normal((1, int(length.sum()), width), dtype=np.float32),
        (np.cumsum(length) - length).astype(np.int32),
        length,
        rng.standard_normal((1, rows, pooled), dtype=np.float32),
        np.arange(rows, dtype=np.int32),
        steps,
    )


def make_members(count: int, rows: int, classes: int, hyper: dict[str, float], width: int) -> Any:
    """`count` members that differ by their seed and train on all rows."""
    import numpy as np

    from jser.training import population

    label = np.random.default_rng(1).integers(0, classes, rows).astype(np.int32)
    return population.Members(
        fold=np.zeros(count, np.int32),
        seed=np.arange(count, dtype=np.int32),
        bag=np.zeros(count, np.int32),
        point=np.zeros(count, np.int32),
        group=np.zeros(count, np.int32),
        hyper={name: np.full(count, value, np.float32) for name, value in hyper.items()},
        train_index=np.tile(np.arange(rows, dtype=np.int32), (count, 1)),
        dev_index=np.full((count, 1), -1, np.int32),
        label=np.tile(label, (count, 1)),
        mean=np.zeros((count, width), np.float32),
        scale=np.ones((count, width), np.float32),
        class_weight=np.ones(count, np.float32),
        epochs=np.full(count, 10**6, np.int32),
        horizon=np.full(count, 10**6, np.int32),
        patience=np.zeros(count, np.int32),
    )


def epoch(way: str, program: Any, features: Any, members: Any) -> Callable[[], None]:
    """A function that trains one epoch of a block in this way and waits for its end."""
    import jax
    import numpy as np

    from jser.training import blocks

    mapped, called = way.split("/")
    if mapped == "single":
        return alone(program, features, members)
    n_steps = -(-members.train_index.shape[1] // program.batch_size)
    from_host = called == "host"
    per_call = 1 if from_host else n_steps
    mesh = blocks.member_mesh(jax.devices()[:1])
    # compile_block maps from a width of 2 on, whatever the leading axis is: so vmap over one.
    width = {"plain": 1, "vmap1": 2, "vmapW": 2}[mapped]
    compiled = blocks.compile_block(program, mesh, width, from_host)
    (table,) = blocks.to_blocks(members, len(members), mesh)
    features = jax.device_put(features)
    orders = compiled.shuffle(features, jax.device_put(np.int32(0)), table)
    calls = [
        jax.device_put((np.int32(i), np.int32(i + per_call))) for i in range(0, n_steps, per_call)
    ]
    state = compiled.init(features, table)

    def run() -> None:
        nonlocal state
        for first, end in calls:
            state, loss = compiled.train(features, first, end, table, state, orders)
        jax.block_until_ready((state, loss))
        assert np.isfinite(loss).all()

    return run


def alone(program: Any, features: Any, members: Any) -> Callable[[], None]:
    """A function that trains an epoch of one network without a population."""
    import jax
    import numpy as np
    import single

    from jser.training import one_member, population

    member = jax.tree.map(lambda a: a[0], members)
    hyper = {name: float(value) for name, value in member.hyper.items()}
    n_steps = len(member.train_index) // program.batch_size
    state = jax.jit(one_member.init_member, static_argnums=0)(program, features, member)
    step, (own, data) = single.training(
        program.model,
        features,
        member.label,
        hyper,
        program.batch_size,
        int(member.horizon) * n_steps,
        state.params,
        population.member_key(member, 0),
    )
    order = one_member.shuffle(program, features, member, np.int32(0))
    numbers = [jax.device_put(np.int32(i)) for i in range(n_steps)]
    ours = state
    train = jax.jit(one_member.train_step, static_argnums=0)
    for i in numbers[:3]:
        ours, loss = train(program, features, member, ours, order[i], i)
        own, beside = step(own, data, order[i], i)
        if abs(float(loss) - float(beside)) > 1e-4:
            raise SystemExit(f"losses of step {i} are {loss} and {beside}: this compares nothing")

    @jax.jit
    def shuffle(key: Any, order: Any) -> Any:
        return jax.random.permutation(key, order.reshape(-1)).reshape(order.shape)

    key = jax.random.key(0)

    def run() -> None:
        nonlocal own
        rows = shuffle(key, order)
        for i in numbers:
            own, loss = step(own, data, rows[i], i)
        jax.block_until_ready((own, loss))
        assert np.isfinite(loss).all()

    return run


def main() -> None:
    parser = arguments.parser(__doc__, repeats=9)
    parser.add_argument("--ways", default=",".join(ALL), help=f"of {', '.join(ALL)}")
    parser.add_argument("--width", type=int, default=6, help="members of vmapW")
    parser.add_argument("--utterances", type=int, default=320)
    parser.add_argument("--steps", type=int, default=8, help="S, the longest sequence")
    parser.add_argument("--classes", type=int, default=8)
    parser.add_argument("--units", type=int, default=0, help="of the BLSTM; 0: the config's")
    parser.add_argument("--components", type=int, default=0, help="0: the config's")
    arguments.add_cores(parser)
    args = parser.parse_args()
    ways = arguments.names(parser, "ways", args.ways, ALL)
    timing.as_training(args.cores)
    import jax

    from jser import config as configs
    from jser.models.dcnn_blstm import DcnnBlstm
    from jser.training import population

    machine = timing.machine()
    config = configs.load("dcnn_blstm:ravdess")
    components = args.components or config.components
    settings = config.model.to_dict()
    if args.units:
        settings["units"] = args.units
    program = population.Program(
        model=DcnnBlstm(n_classes=args.classes, **settings),
        n_classes=args.classes,
        batch_size=config.batch_size,
        mixup=config.mixup,
    )
    features = make_features(args.utterances, args.steps, components, config.pooled_components)
    sizes = {way: args.width if way.startswith("vmapW") else 1 for way in ways}
    functions = {
        way: epoch(
            way,
            program,
            features,
            make_members(
                sizes[way], args.utterances, args.classes, config.hyper.to_dict(), components
            ),
        )
        for way in ways
    }
    seconds = timing.alternate(functions, args.repeats)
    n_steps = -(-args.utterances // config.batch_size)
    ms = {
        way: [1000 * s / (n_steps * sizes[way]) for s in values] for way, values in seconds.items()
    }
    middle = {way: timing.median(values) for way, values in ms.items()}
    over = {way: timing.paired_ratio(values, ms[ways[0]]) for way, values in ms.items()}
    timing.emit(
        {
            "benchmark": "step",
            "machine": {**machine, "device": jax.devices()[0].device_kind},
            "batch": config.batch_size,
            "steps": args.steps,
            "components": components,
            "units": settings["units"],
            "steps_per_epoch": n_steps,
            "width": args.width,
            "ms_a_member_step": middle,
            f"ratio_to_{ways[0]}": over,
            "all_ms": {way: [round(v, 3) for v in values] for way, values in ms.items()},
        }
    )
    timing.table(
        ["way", "members", "ms a member-step", f"ratio to {ways[0]}"],
        [[way, sizes[way], middle[way], over[way]] for way in ways],
    )


if __name__ == "__main__":
    main()
