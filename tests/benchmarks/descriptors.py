"""Acoustic descriptors and their functionals of many recordings, compiled before the measuring.

The audio is the synthetic corpus' speech, repeated with silence between to the length asked for.

example: python tests/benchmarks/descriptors.py --recordings=200 --repeats=5 --cores=2
"""

from __future__ import annotations

import time
from typing import Any

import arguments
import timing


def speech(count: int, seconds: float) -> list[Any]:
    """Float32 recordings of about `seconds`, of all speakers and emotions in turn."""
    import numpy as np

    from jser.datasets.synthetic import speech

    rng = np.random.default_rng(0)
    made = []
    for i in range(count):
        speaker = list(speech.SPEAKERS)[i % 6]
        emotion = speech.EMOTIONS[i % 5]
        one = speech.utterance(speaker, emotion, i % 8, seed=i).astype(np.float32) / 32768
        made.append(np.resize(one, int(16000 * seconds * rng.uniform(0.5, 1.5))))
    return made


def main() -> None:
    parser = arguments.parser(__doc__, repeats=5)
    parser.add_argument("--recordings", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=3.0, help="mean length of a recording")
    arguments.add_cores(parser)
    args = parser.parse_args()
    timing.pin(args.cores)
    import jax

    from jser.frontend.descriptors import DescriptorSpec, descriptors
    from jser.frontend.functionals import functionals

    machine = timing.machine()
    spec = DescriptorSpec()
    waveforms = speech(args.recordings, args.seconds)
    audio = sum(map(len, waveforms)) / spec.sample_rate
    started = time.monotonic()
    frames = descriptors(waveforms, spec)
    functionals(frames, spec)
    first = time.monotonic() - started
    wall: dict[str, list[float]] = {"descriptors": [], "functionals": []}
    processor: dict[str, list[float]] = {"descriptors": [], "functionals": []}
    for _ in range(args.repeats):
        for name, work in (
            ("descriptors", lambda: descriptors(waveforms, spec)),
            ("functionals", lambda: functionals(frames, spec)),
        ):
            started, used = time.monotonic(), time.process_time()
            work()
            wall[name].append(time.monotonic() - started)
            processor[name].append(time.process_time() - used)
    rows = []
    for name in wall:
        seconds, cpu = timing.median(wall[name]), timing.median(processor[name])
        rows.append([name, seconds, audio / seconds, cpu])
    seconds, cpu = sum(row[1] for row in rows), sum(row[3] for row in rows)
    rows.append(["both", seconds, audio / seconds, cpu])
    timing.emit(
        {
            "benchmark": "descriptors",
            "machine": {**machine, "device": jax.devices()[0].device_kind},
            "recordings": args.recordings,
            "audio": round(audio, 1),
            "first_call": round(first, 2),
            "seconds": {name: [round(v, 4) for v in values] for name, values in wall.items()},
            "cpu_seconds": {
                name: [round(v, 4) for v in values] for name, values in processor.items()
            },
        }
    )
    timing.table(["what", "s", "x real time", "CPU s"], rows)


if __name__ == "__main__":
    main()
