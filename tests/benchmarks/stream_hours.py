"""A training by stream on hours of log-Mel: does its memory stay the same, does the device wait?

Frames lie in one file, memory-mapped; --distinct hours of them are different, and the utterances of
a larger corpus point to them again and again, in an order of their own, so that 1,000 hours need no
disk of that size. For each number of hours one process trains --steps steps of a small BLSTM with
attention over 64 bands, one member, as `jser train` cuts them, and says

  resident  ms a step with --distinct hours of features on the device, where they fit
  stream    ms a step by stream, and the share of it over `resident`
  growth    how much resident memory grows from the tenth step to the last, without mapped files

example: python tests/benchmarks/stream_hours.py --hours=1,10,100,1000
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import arguments
import timing

FRAMES_AN_HOUR = 360_000
SECONDS = (1.0, 5.0)  # of an utterance
BANDS = 64


def write(path: Path, hours: float) -> None:
    """A file of `hours` of frames, float16, in pieces."""
    import numpy as np

    rng = np.random.default_rng(0)
    frames = np.lib.format.open_memmap(
        path, "w+", np.float16, (1, int(hours * FRAMES_AN_HOUR), BANDS)
    )
    for i in range(0, frames.shape[1], FRAMES_AN_HOUR):
        piece = frames[0, i : i + FRAMES_AN_HOUR]
        piece[:] = rng.standard_normal(piece.shape, np.float32)
    frames.flush()


def features_of(path: Path, hours: float) -> Any:
    """Features of utterances that are `hours` long together, on the frames of a file."""
    import numpy as np

    from jser.training import population

    frames = np.load(path, mmap_mode="r")
    rng = np.random.default_rng(1)
    low, high = (int(100 * s) for s in SECONDS)
    length = rng.integers(low, high + 1, int(hours * FRAMES_AN_HOUR / ((low + high) / 2)))
    offset = rng.integers(0, frames.shape[1] - high, len(length))
    return population.Features(
        frames,
        offset.astype(np.int32),
        length.astype(np.int32),
        np.zeros((1, len(length), 1), np.float32),
        np.arange(len(length), dtype=np.int32),
        high,
    )


def memory() -> dict[str, float]:
    """MiB of this process: its own, and of files that are mapped."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(fields[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile")}


def measure(path: Path, hours: float, steps: int, streams: bool) -> dict[str, float]:
    """Train so many steps; in this process."""
    import jax
    import numpy as np
    from step import make_members

    from jser import config as configs
    from jser.models.dcnn_blstm import DcnnBlstm
    from jser.training import blocks, population, stream

    config = configs.load("dcnn_blstm:ravdess")
    program = population.Program(
        model=DcnnBlstm(n_classes=8, **(config.model.to_dict() | {"units": 32})), n_classes=8,
        batch_size=32,
    )  # fmt: skip
    features = features_of(path, hours)
    members = make_members(1, len(features.length), 8, config.hyper.to_dict(), BANDS)
    mesh = blocks.member_mesh(jax.devices()[:1])
    compiled = blocks.compile_block(program, mesh, 1, True, windows=streams)
    (table,) = blocks.to_blocks(members, 1, mesh)
    if streams:
        source = stream.Source(features, mesh)
        resident = source.resident
    else:
        resident = jax.device_put(features.replace(frames=np.asarray(features.frames)))
    state = compiled.init(resident, table)
    orders = compiled.shuffle(resident, jax.device_put(np.int32(0)), table)
    order = jax.device_get(orders)
    rows = [order[:, i : i + 1] for i in range(steps)]
    windows = source.windows(rows, members.group) if streams else iter([resident] * steps)
    held = []
    for i, seen in enumerate(windows):
        first, end = jax.device_put((np.int32(i), np.int32(i + 1)))
        state, loss = compiled.train(seen, first, end, table, state, orders)
        jax.block_until_ready(loss)
        if i == 10:
            held.append(memory())
            whole = time.perf_counter()
    assert np.isfinite(loss).all()
    seconds = time.perf_counter() - whole
    held.append(memory())
    return {
        "utterances": len(features.length),
        "ms": 1000 * seconds / (steps - 11),
        "growth": held[1]["RssAnon"] - held[0]["RssAnon"],
        "own": held[1]["RssAnon"],
    }


def main() -> None:
    parser = arguments.parser(__doc__, repeats=3)
    parser.add_argument("--hours", default="1,10,100,1000")
    parser.add_argument("--distinct", type=float, default=10.0, help="hours of different frames")
    parser.add_argument("--steps", type=int, default=300)
    arguments.add_scratch(parser)
    arguments.add_cores(parser)
    parser.add_argument("--one", help="FILE,HOURS,STREAM: one measurement, in this process")
    args = parser.parse_args()
    if args.one:
        timing.as_training(args.cores)
        path, hours, streams = args.one.split(",")
        print(json.dumps(measure(Path(path), float(hours), args.steps, streams == "1")))
        return
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        path = Path(folder) / "frames.npy"
        write(path, args.distinct)

        def child(hours: float, streams: int) -> dict[str, float]:
            command = [sys.executable, __file__, f"--one={path},{hours},{streams}"]
            command += [f"--steps={args.steps}", f"--cores={args.cores}"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(done.stderr[-2000:])
            return json.loads(done.stdout.splitlines()[-1])

        print("hours  utterances  resident ms  stream ms  ratio  own MiB  growth MiB", flush=True)
        for text in args.hours.split(","):
            hours = float(text)
            pairs = [(child(args.distinct, 0), child(hours, 1)) for _ in range(args.repeats)]
            ratio = statistics.median(b["ms"] / a["ms"] for a, b in pairs)
            plain = statistics.median(a["ms"] for a, _ in pairs)
            ours = [b for _, b in pairs]
            ms, own, growth = (
                statistics.median(b[k] for b in ours) for k in ("ms", "own", "growth")
            )
            print(
                f"{hours:5g}  {ours[0]['utterances']:10,}  {plain:11.2f}  {ms:9.2f}  {ratio:5.2f}"
                f"  {own:7.0f}  {growth:10.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
