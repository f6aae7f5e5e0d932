"""A cross-validation with its seeds as one population, against the loops that one would write.

The main system's sequence part at its config's sizes, on random features; 10 folds x 5 seeds by
default, each selected on dev after every epoch. The ways:

  population  `loop.fit` on all members at once: what `jser train` does
  loop        `loop.fit` on one member after the other, in the same process, compiled once
  torch       PyTorch's training of one member after the other, with its dev rows after each epoch

--points=64 --folds=1 --seeds=1 is a sweep of 64 learning rates, against 64 trainings.

PyTorch is left out where it is not installed: pip install '.[bench]'
example: python tests/benchmarks/cross_validation.py --repeats=3 --epochs=3
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import arguments
import step as made
import timing

CLASSES = 8


def members_of(args: argparse.Namespace, hyper: dict[str, float], width: int) -> Any:
    """Points x folds x seeds: a fold's test is one part of the utterances, its dev the next."""
    import numpy as np

    n_parts = max(args.folds, 5)
    whole = made.make_members(1, args.utterances, CLASSES, hyper, width)
    part = np.arange(args.utterances) % n_parts
    label = whole.label[0]
    rows: list[dict[str, Any]] = []
    for point in range(args.points):
        for fold in range(args.folds):
            for seed in range(args.seeds):
                train = np.flatnonzero((part != fold) & (part != (fold + 1) % n_parts))
                dev = np.flatnonzero(part == (fold + 1) % n_parts)
                rows.append(
                    {"point": point, "fold": fold, "seed": seed, "train": train, "dev": dev}
                )

    def padded(name: str) -> Any:
        table = np.full((len(rows), max(len(row[name]) for row in rows)), -1, np.int32)
        for p, row in enumerate(rows):
            table[p, : len(row[name])] = row[name]
        return table

    p = len(rows)
    column = {k: np.array([row[k] for row in rows], np.int32) for k in ("point", "fold", "seed")}
    rate = hyper["learning_rate"] * np.logspace(-0.5, 0.5, args.points)
    own = np.stack([np.where(part == row["fold"], -1, label) for row in rows]).astype(np.int32)
    return whole.replace(
        **column,
        bag=np.zeros(p, np.int32),
        group=np.zeros(p, np.int32),
        hyper={k: np.full(p, v, np.float32) for k, v in hyper.items()}
        | {"learning_rate": rate[column["point"]].astype(np.float32)},
        train_index=padded("train"),
        dev_index=padded("dev"),
        label=own,
        mean=np.zeros((p, width), np.float32),
        scale=np.ones((p, width), np.float32),
        class_weight=np.ones(p, np.float32),
        epochs=np.full(p, args.epochs, np.int32),
        horizon=np.full(p, args.epochs, np.int32),
        patience=np.zeros(p, np.int32),
    )


def ways(args: argparse.Namespace) -> tuple[dict[str, Callable[[], Any]], int]:
    """The ways, and the number of members."""
    import jax

    from jser import config as configs
    from jser.models.dcnn_blstm import DcnnBlstm
    from jser.training import loop, population
    from jser.training.plan import choose_plan

    config = configs.load("dcnn_blstm:ravdess")
    hyper, width = config.hyper.to_dict(), config.components
    program = population.Program(
        model=DcnnBlstm(n_classes=CLASSES, **config.model.to_dict()),
        n_classes=CLASSES,
        batch_size=config.batch_size,
        mixup=True,
    )
    features = made.make_features(args.utterances, args.steps, width, 1)
    members = members_of(args, hyper, width)
    on_device = jax.device_put(features)

    def fit(some: Any) -> Any:
        plan = choose_plan(program, on_device, some, args.width)
        with tempfile.TemporaryDirectory() as folder:
            return loop.fit(program, on_device, some, plan, Path(folder), "select", 1e9)

    def one_by_one() -> None:
        for p in range(len(members)):
            fit(jax.tree.map(lambda a: a[p : p + 1], members))  # noqa: B023

    found: dict[str, Callable[[], Any]] = {
        "population": lambda: fit(members),
        "loop": one_by_one,
    }
    if importlib.util.find_spec("torch"):
        found["torch"] = in_torch(args, config, features, members)
    return found, len(members)


def in_torch(
    args: argparse.Namespace, config: Any, features: Any, members: Any
) -> Callable[[], None]:
    import jax
    import numpy as np
    import torch
    import torch_twins

    from jser.models.dcnn_blstm import DcnnBlstm
    from jser.training import population

    hyper = config.hyper.to_dict()
    model = DcnnBlstm(n_classes=CLASSES, **config.model.to_dict())
    first = jax.tree.map(lambda a: a[0], members)
    x, length, pooled = population.gather(features, first, np.arange(2, dtype=np.int32))
    params = model.init(jax.random.key(0), x, length, pooled, hyper, False)["params"]

    def run() -> None:
        for p in range(len(members)):
            member = jax.tree.map(lambda a: a[p], members)  # noqa: B023
            own = {name: float(value) for name, value in member.hyper.items()}
            learner = torch_twins.DcnnBlstm(params, config.components, own)
            training = torch_twins.Training(
                learner, features, member, own, config.batch_size, args.epochs
            )
            dev = torch_twins.tensor(member.dev_index[member.dev_index >= 0]).long()
            for _ in range(args.epochs):
                learner.train()
                training.epoch()
                training.answers(dev)

    torch.manual_seed(0)
    return run


def main() -> None:
    parser = arguments.parser(__doc__, repeats=3)
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--points", type=int, default=1, help="of a sweep of the learning rate")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--utterances", type=int, default=535)
    parser.add_argument("--steps", type=int, default=8, help="S, the longest sequence")
    parser.add_argument("--width", type=int, default=0, help="members of a block; 0: by device")
    arguments.add_cores(parser)
    args = parser.parse_args()
    timing.as_training(args.cores)
    import jax

    machine = {**timing.machine(), "device": jax.devices()[0].device_kind}
    functions, count = ways(args)
    seconds = timing.alternate(functions, args.repeats)
    timing.emit(
        {
            "benchmark": "cross_validation",
            "machine": machine,
            "members": count,
            "epochs": args.epochs,
            "all_seconds": {way: [round(v, 3) for v in values] for way, values in seconds.items()},
        }
    )
    own = seconds["population"]
    timing.table(
        ["way", "members", "s", "member-epochs/s", "ratio to the population"],
        [
            [
                way,
                count,
                timing.median(values),
                count * args.epochs / timing.median(values),
                timing.paired_ratio(values, own),
            ]
            for way, values in seconds.items()
        ],
    )


if __name__ == "__main__":
    main()
