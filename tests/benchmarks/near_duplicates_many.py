"""Time and memory of the search for near-duplicates among very many utterances, made ones.

An utterance is syllables: the log-Mel of a vowel with formants at a speaker's own place, swelling
and fading, in a little noise. `resemble` is the share of pairs of patches that look alike at a
moment, which decides how much has to be looked at: 3 to 6 in 10,000 of real speech (RAVDESS,
EMO-DB). Some are there twice, at another level, cut by a frame or more, and with other noise.

example: python tests/benchmarks/near_duplicates_many.py --utterances=100000
"""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

import arguments
import numpy as np
import timing

MELS, FRAMES = 64, 180
VOWELS = 14
SAMPLED_EVERY = 0.2  # seconds


def utterance(rng: np.random.Generator, vowels: np.ndarray) -> np.ndarray:
    """Log-Mel float32 [FRAMES, MELS] of a speaker's syllables."""
    mel, t = np.arange(MELS), np.arange(FRAMES)
    tract = rng.uniform(-5, 5)  # bands by which all formants are moved
    made = np.full((FRAMES, MELS), -9.0, np.float32)
    at = rng.uniform(0, 8)
    while at < FRAMES:
        long = rng.uniform(8, 24)
        shape = sum(
            height * np.exp(-0.5 * np.square((mel - place - tract - rng.normal(0, 1)) / 3))
            for place, height in vowels[rng.integers(VOWELS)]
        )
        rise, fall = rng.uniform(1, 4, 2)
        swell = 1 / (1 + np.exp(-(t - at) / rise)) / (1 + np.exp((t - at - long) / fall))
        heard = np.outer(swell, shape + rng.normal(0, 0.5)).astype(np.float32)
        made = np.maximum(made, heard - 9)
        at += long + rng.uniform(0, 6)
    return made + np.float32(0.25) * rng.standard_normal(made.shape, np.float32)


def anonymous_mb() -> float:
    """Memory of this process that is no file's, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def main() -> None:
    parser = arguments.parser(__doc__, repeats=1)
    parser.add_argument("--utterances", type=int, default=100_000)
    parser.add_argument("--copies", type=int, default=1000, help="that are there twice")
    parser.add_argument("--whole", action="store_true", help="compare every patch with every other")
    arguments.add_scratch(parser)
    arguments.add_cores(parser)
    args = parser.parse_args()
    timing.pin(args.cores)
    from jser.audit import fingerprints

    fingerprints.FEW = 10**9 if args.whole else fingerprints.FEW
    rng = np.random.default_rng(0)
    formants = np.stack(
        [rng.uniform(4, 14, VOWELS), rng.uniform(15, 34, VOWELS), rng.uniform(35, 45, VOWELS)], 1
    )
    vowels = np.stack([formants, rng.uniform(3, 7, formants.shape)], 2)
    n, many = args.utterances, args.utterances + args.copies
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        # On disk: what is measured is the search, not the corpus that it is given.
        frames = np.memmap(Path(folder) / "frames", np.float32, "w+", shape=(many * FRAMES, MELS))
        for k in range(n):
            frames[k * FRAMES : (k + 1) * FRAMES] = utterance(rng, vowels)
        origin = rng.choice(n, args.copies, replace=False)
        for k, i in enumerate(origin, start=n):
            own = np.array(frames[i * FRAMES : (i + 1) * FRAMES])
            cut = int(rng.integers(0, 8))
            copy = np.concatenate([own[cut:], own[len(own) - cut :]]) + rng.normal(0, 1)
            frames[k * FRAMES : (k + 1) * FRAMES] = copy + rng.normal(0, 0.1, copy.shape)
        offset = np.arange(many, dtype=np.int64) * FRAMES
        length = np.full(many, FRAMES)

        few = range(min(n, 3000))
        patches, _, owner, _ = fingerprints.moment_patches(
            (fingerprints.smoothed(frames[k * FRAMES : (k + 1) * FRAMES]) for k in few),
            len(few),
            wide=False,
        )
        alike = np.triu(patches @ patches.T > fingerprints.PATCH_SIMILAR, 1)
        alike &= owner[:, None] < owner[None]
        resemble = alike.sum() / (len(patches) ** 2 / 2)

        before, peak, done = anonymous_mb(), [0.0], threading.Event()

        def watch() -> None:
            while not done.wait(SAMPLED_EVERY):
                peak[0] = max(peak[0], anonymous_mb())

        watcher = threading.Thread(target=watch)
        watcher.start()
        started = time.monotonic()
        cpu = time.process_time()
        found = fingerprints.near_duplicates(frames, offset, length)
        seconds, cpu = time.monotonic() - started, time.process_time() - cpu
        done.set()
        watcher.join()
    planted = {(int(i), k) for k, i in enumerate(origin, start=n)}
    pairs = {(p.first, p.second) for p in found}
    timing.emit(
        {
            "benchmark": "near_duplicates_many",
            "utterances": many,
            "resemble": float(resemble),
            "seconds": round(seconds, 1),
            "cpu_seconds": round(cpu, 1),
            "peak_mb_beside_frames": round(peak[0] - before),
            "planted": len(planted),
            "found": len(planted & pairs),
            "others": len(pairs - planted),
            **timing.machine(),
        }
    )


if __name__ == "__main__":
    main()
