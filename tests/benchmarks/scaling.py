"""How a training epoch grows with members, with utterances and with the length of sequences.

The main system's sequence part at its config's sizes, on random features, in the plan of the
device (on a CPU one member after the other, steps from the host). From one base, each of the three
grows alone; a repeat is an epoch of every size in turn.

example: python tests/benchmarks/scaling.py --repeats=5
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import arguments
import step as made
import timing

BASE = {"members": 1, "utterances": 320, "steps": 8}
GROWN = {"members": (2, 4, 8, 16), "utterances": (640, 1280, 2560), "steps": (16, 32, 64, 128)}


def epoch(members: int, utterances: int, steps: int) -> Callable[[], None]:
    """An epoch of all members, and the wait for its end."""
    import jax
    import numpy as np

    from jser import config as configs
    from jser.models.dcnn_blstm import DcnnBlstm
    from jser.training import blocks, population
    from jser.training.plan import choose_plan

    config = configs.load("dcnn_blstm:ravdess")
    program = population.Program(
        model=DcnnBlstm(n_classes=8, **config.model.to_dict()),
        n_classes=8,
        batch_size=config.batch_size,
        mixup=config.mixup,
    )
    features = made.make_features(utterances, steps, config.components, config.pooled_components)
    table = made.make_members(members, utterances, 8, config.hyper.to_dict(), config.components)
    plan = choose_plan(program, features, table)
    mesh = blocks.member_mesh(list(plan.devices))
    compiled = blocks.compile_block(program, mesh, plan.width, plan.from_host)
    on_device = jax.device_put(features)
    cut = blocks.to_blocks(table, plan.block, mesh)
    states = [compiled.init(on_device, block) for block in cut]
    calls = jax.device_put(plan.calls(-(-utterances // config.batch_size)))
    number = jax.device_put(np.int32(0))

    def run() -> None:
        for b, block in enumerate(cut):
            orders = compiled.shuffle(on_device, number, block)
            for first, end in calls:
                states[b], _ = compiled.train(on_device, first, end, block, states[b], orders)
        jax.block_until_ready(states)

    return run


def main() -> None:
    parser = arguments.parser(__doc__, repeats=5)
    arguments.add_cores(parser)
    args = parser.parse_args()
    timing.as_training(args.cores)
    import jax

    sizes = {"base": dict(BASE)}
    for axis, values in GROWN.items():
        sizes |= {f"{axis} {value}": {**BASE, axis: value} for value in values}
    seconds = timing.alternate({name: epoch(**size) for name, size in sizes.items()}, args.repeats)
    timing.emit(
        {
            "benchmark": "scaling",
            "machine": {**timing.machine(), "device": jax.devices()[0].device_kind},
            "all_seconds": {k: [round(v, 4) for v in values] for k, values in seconds.items()},
        }
    )
    rows: list[list[Any]] = []
    for name, size in sizes.items():
        times = {axis: size[axis] / BASE[axis] for axis in BASE}
        grown = max(times.values())
        ratio = timing.paired_ratio(seconds[name], seconds["base"])
        rows.append([name, 1000 * timing.median(seconds[name]), grown, ratio, ratio / grown])
    timing.table(["epoch of", "ms", "times as much", "times as long", "long / much"], rows)


if __name__ == "__main__":
    main()
