"""Frozen features of many utterances through several stems, in utterances a second.

Each stem up to the blocks that are tapped, whole utterances as pictures, as a run computes them
(`stem_features.compute`); the spectrograms are generated noise with the ups and downs of speech.
Programs are compiled before the measuring; the stems take turns. Weights are random, which costs
the same as trained ones.

--depthwise instead: EfficientNet's depthwise convolution as a sum of shifted maps, as it is done,
against XLA's convolution of as many groups as maps, forward and with its gradient.

example: python tests/benchmarks/stems.py --utterances=200 --repeats=3
"""

from __future__ import annotations

import argparse
import functools
import tempfile
from pathlib import Path
from typing import Any

import arguments
import timing

# Name -> net, taps.
WAYS = {
    "alexnet conv1,conv2": ("alexnet", ("conv1", "conv2")),
    "vgg16 conv3_3": ("vgg16", ("conv3_3",)),
    "resnet18 layer2.1": ("resnet18", ("layer2.1",)),
    "efficientnet_lite0 mb4": ("efficientnet_lite0", ("mb4",)),
    "efficientnet_lite0 mb4,mb10": ("efficientnet_lite0", ("mb4", "mb10")),
}
# Maps of EfficientNet-Lite0 for a picture of 128 x 600 pixels: (h, w, maps, kernel, stride).
DEPTHWISE = ((64, 300, 32, 3, 1), (64, 300, 96, 3, 2), (32, 150, 144, 5, 2), (16, 75, 240, 5, 1))


def spectrograms(count: int, frames: int) -> list[Any]:
    """Static log-Mel [frames, 64] of noise under a syllable's envelope."""
    import numpy as np

    rng = np.random.default_rng(0)
    envelope = 2 * np.sin(2 * np.pi * 4 * np.arange(frames) / 100)[:, None]
    slope = np.linspace(0, -4, 64)[None, :]
    return [
        (envelope + slope - 4 + rng.standard_normal((frames, 64))).astype(np.float32)
        for _ in range(count)
    ]


def features(args: argparse.Namespace, machine: dict[str, Any]) -> None:
    from jser.models import stems
    from jser.training import stem_features
    from jser.training.stem_spec import StemSpec

    utterances = spectrograms(args.utterances, round(100 * args.seconds) - 2)
    names = args.ways.split(",,") if args.ways else list(WAYS)
    nowhere = Path("no weights are needed")

    def run(name: str, count: int) -> None:
        net, taps = WAYS[name]
        spec = StemSpec(net=net, weights="random", taps=taps, scale=args.scale)
        stem_features.compute(utterances[:count], spec, nowhere, name)

    few = max(1, stem_features.CALL_FRAMES // len(utterances[0]))
    for name in names:
        run(name, few)
    seconds = timing.alternate(
        {name: functools.partial(run, name, len(utterances)) for name in names},
        args.repeats,
        warm=False,
    )
    rows = []
    for name in names:
        net, taps = WAYS[name]
        middle = timing.median(seconds[name])
        stem = stems.get(net)
        count = stem.count(stem.needed(taps))
        shapes = [stem.shape(tap, 64 * args.scale, len(utterances[0]) * args.scale) for tap in taps]
        rows.append([name, f"{count:,}", shapes, middle, len(utterances) / middle])
        timing.emit(
            {
                "benchmark": "stems",
                "machine": machine,
                "way": name,
                "utterances": len(utterances),
                "seconds_each": args.seconds,
                "scale": args.scale,
                "parameters": count,
                "maps": shapes,
                "seconds": [round(v, 3) for v in seconds[name]],
                "utterances_a_second": len(utterances) / middle,
            }
        )
    timing.table(["stem", "parameters", "maps h x w x C", "s", "utterances/s"], rows)


def depthwise(args: argparse.Namespace, machine: dict[str, Any]) -> None:
    import jax
    import jax.numpy as jnp
    import numpy as np

    from jser.models.stems import efficientnet, layers

    def grouped(x: Any, kernel: Any, stride: int, padding: tuple[int, int]) -> Any:
        return jax.lax.conv_general_dilated(
            x,
            kernel,
            (stride, stride),
            (padding, padding),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=x.shape[-1],
        )

    def calls_of(convolve: Any, x: Any, kernel: Any, stride: int) -> dict[str, Any]:
        padding = efficientnet.same(kernel.shape[0], stride)

        def forward(x: Any, kernel: Any) -> Any:
            return convolve(x, kernel, stride, padding)

        def loss(x: Any, kernel: Any) -> Any:
            return jnp.square(forward(x, kernel)).sum()

        compiled = {"forward": jax.jit(forward), "gradient": jax.jit(jax.grad(loss, (0, 1)))}
        return {
            what: functools.partial(lambda f: jax.block_until_ready(f(x, kernel)), f)
            for what, f in compiled.items()
        }

    rng = np.random.default_rng(0)
    rows = []
    for h, w, maps, size, stride in DEPTHWISE:
        x = rng.standard_normal((4, h, w, maps)).astype(np.float32)
        kernel = rng.standard_normal((size, size, 1, maps)).astype(np.float32)
        shifts = calls_of(layers.depthwise, x, kernel, stride)
        groups = calls_of(grouped, x, kernel, stride)
        apart = float(np.abs(shifts["forward"]() - groups["forward"]()).max())
        if apart > 1e-3:
            raise SystemExit(f"the two differ by {apart:.3g}: not the same computation")
        row: list[Any] = [f"{h}x{w}x{maps}, {size}x{size}/{stride}"]
        for what in ("forward", "gradient"):
            seconds = timing.alternate(
                {"shifts": shifts[what], "groups": groups[what]}, args.repeats
            )
            ratio = timing.paired_ratio(seconds["groups"], seconds["shifts"])
            row += [*(1e3 * timing.median(v) for v in seconds.values()), ratio]
            timing.emit(
                {
                    "benchmark": "depthwise",
                    "machine": machine,
                    "maps": (h, w, maps),
                    "kernel": size,
                    "stride": stride,
                    "what": what,
                    "largest_difference": apart,
                    "seconds": {k: [round(v, 5) for v in vs] for k, vs in seconds.items()},
                    "groups_over_shifts": ratio,
                }
            )
        rows.append(row)
    head = ["maps, kernel/stride"]
    for what in ("forward", "gradient"):
        head += [f"{what}: shifts, ms", "groups, ms", "ratio"]
    timing.table(head, rows)


def main() -> None:
    parser = arguments.parser(__doc__, repeats=3)
    parser.add_argument("--utterances", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of an utterance")
    parser.add_argument("--scale", type=int, default=2, help="pixels a band and frame")
    parser.add_argument("--ways", default="", help=f"separated by ',,'; of: {'; '.join(WAYS)}")
    parser.add_argument("--depthwise", action="store_true", help="the depthwise convolution alone")
    arguments.add_cores(parser)
    args = parser.parse_args()
    timing.as_training(args.cores)
    import jax

    machine = {**timing.machine(), "device": jax.devices()[0].device_kind}
    if args.depthwise:
        depthwise(args, machine)
        return
    with tempfile.TemporaryDirectory() as folder:
        # `compute` compiles anew in each call: from here it gets the program of the first.
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        features(args, machine)


if __name__ == "__main__":
    main()
