"""One training step of system A on AlexNet, by how many of its blocks are tuned.

Random maps of the shapes that utterances of --seconds give at scale 2, taps=conv5; a repeat is one
call of every way in turn. A way is BLOCK/CALL:

  BLOCK     frozen, or the first tuned block: conv5, conv4, conv3, conv2
  host      the host calls a compiled step (steps_per_call = 1), as on a CPU
  scan      one compiled call scans over --scanned steps, as on an accelerator

example: python tests/benchmarks/tuned_step.py --repeats=5 --ways=frozen/host,conv5/host,conv5/scan
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import arguments
import timing
from step import make_members

DEFAULT = "frozen/host,conv5/host,conv4/host,conv3/host,conv5/scan"


def population_on(block: str, args: argparse.Namespace) -> tuple[Any, Any, Any]:
    """(features, program, members) of random rows that are all equally long."""
    import numpy as np

    from jser import config as configs
    from jser.models import stems
    from jser.models.dcnn_blstm import DcnnBlstm
    from jser.training import population, tuning
    from jser.training.projection import Projection
    from jser.training.stem_features import StepFeatures, steps_of
    from jser.training.stem_spec import StemSpec

    config = configs.load("dcnn_blstm:ravdess")
    rng = np.random.default_rng(0)
    spec = StemSpec(weights="random", taps=("conv5",))
    net = stems.get("alexnet")
    frames = round(100 * args.seconds) - 2
    n_steps = steps_of(frames, spec)
    h, _, c = net.shape("conv5", 128, 2 * frames)
    width = len(spec.pool) * h * c
    d = min(config.components, width)

    def rows(length: int, size: int, dtype: Any) -> StepFeatures:
        x = np.abs(rng.standard_normal((args.utterances * length, size), np.float32)).astype(dtype)
        count = np.full(args.utterances, length, np.int32)
        offset = np.arange(args.utterances, dtype=np.int32) * length
        return StepFeatures(x, offset, count, np.zeros((args.utterances, 0), np.float16))

    steps = rows(n_steps, d, np.float32)
    pooled = rng.standard_normal((1, args.utterances, 512), np.float32)
    source = np.arange(args.utterances, dtype=np.int32)
    features = population.Features(
        steps.frames[None], steps.offset, steps.length, pooled, source, n_steps
    )
    model: Any = DcnnBlstm(n_classes=8, **config.model.to_dict())
    if block != "frozen":
        before = net.before(block)
        h, w, c = net.shape(before, 128, 2 * frames)
        basis = rng.standard_normal((width, d)).astype(np.float32) / width**0.5
        fitted = [Projection(np.zeros(width), np.ones(width), basis)]
        on_stem = tuning.lay_out(
            spec,
            tuning.Tuning(block),
            rows(w, h * c, np.float16),
            steps,
            features,
            fitted,
            d,
            precision=args.precision,
            weights_dir=None,  # random weights need none
            n_mels=64,
        )
        features, model = on_stem.features, on_stem.model(model)
    program = population.Program(
        model=model,
        n_classes=8,
        batch_size=args.batch,
        mixup=config.mixup,
    )
    members = make_members(1, args.utterances, 8, config.hyper.to_dict(), features.frames.shape[-1])
    return features, program, members


def steps_of_way(way: str, args: argparse.Namespace) -> Callable[[], None]:
    """A function that runs one call of this way and waits for its end."""
    import jax
    import numpy as np

    from jser.training import blocks

    block, called = way.split("/")
    features, program, members = population_on(block, args)
    mesh = blocks.member_mesh(jax.devices()[:1])
    from_host = called == "host"
    compiled = blocks.compile_block(program, mesh, 1, from_host)
    (table,) = blocks.to_blocks(members, 1, mesh)
    features = jax.device_put(features)
    orders = compiled.shuffle(features, jax.device_put(np.int32(0)), table)
    first, end = jax.device_put((np.int32(0), np.int32(1 if from_host else args.scanned)))
    state = compiled.init(features, table)

    def run() -> None:
        nonlocal state
        state, loss = compiled.train(features, first, end, table, state, orders)
        jax.block_until_ready((state, loss))
        assert np.isfinite(loss).all()

    return run


def main() -> None:
    parser = arguments.parser(__doc__, repeats=5)
    parser.add_argument("--ways", default=DEFAULT)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3.0, help="of every utterance")
    parser.add_argument("--utterances", type=int, default=64)
    parser.add_argument("--scanned", type=int, default=2, help="steps of a scan")
    parser.add_argument("--precision", default="auto", help="auto, float32, bfloat16")
    arguments.add_cores(parser)
    args = parser.parse_args()
    ways = args.ways.split(",")
    if args.scanned * args.batch > args.utterances:
        parser.error("--utterances must be at least --scanned times --batch")
    timing.as_training(args.cores)
    import jax

    machine = timing.machine()
    functions = {way: steps_of_way(way, args) for way in ways}
    seconds = timing.alternate(functions, args.repeats)
    calls = {way: args.scanned if way.endswith("scan") else 1 for way in ways}
    ms = {way: [1000 * s / calls[way] for s in values] for way, values in seconds.items()}
    middle = {way: timing.median(values) for way, values in ms.items()}
    over = {way: timing.paired_ratio(values, ms[ways[0]]) for way, values in ms.items()}
    timing.emit(
        {
            "benchmark": "tuned_step",
            "machine": {**machine, "device": jax.devices()[0].device_kind},
            "batch": args.batch,
            "seconds_an_utterance": args.seconds,
            "precision": args.precision,
            "ms_a_step": middle,
            f"ratio_to_{ways[0]}": over,
            "all_ms": {way: [round(v, 1) for v in values] for way, values in ms.items()},
        }
    )
    timing.table(
        ["way", "ms a step", f"ratio to {ways[0]}"],
        [[way, middle[way], over[way]] for way in ways],
    )


if __name__ == "__main__":
    main()
