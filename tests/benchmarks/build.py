"""Time to build a corpus' records: decoding, log-Mel, audit, shards.

Each repeat is a fresh process with a fresh, empty data folder. `call` is `jser.records.builder
.build` alone; `process` has the start of Python and its imports in it.

example: python tests/benchmarks/build.py ravdess --corpus_dir=DIR --repeats=5
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import timing

CHILD = """
import json, sys
from jser.records.builder import build
name, source, data, variant, partial = sys.argv[1:]
done = build(name, source, data, variant, partial == "True")
print(json.dumps({"call": done.seconds, "audio": done.audio_seconds, "computed": done.computed,
                  "already_built": done.already_built}))
"""
# The synthetic corpus has to be made before it can be built; that is not measured.
MAKE = """
import sys
from pathlib import Path
from jser.datasets import builder_class
print(builder_class(sys.argv[1]).fetch(Path(sys.argv[2])))
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", nargs="?", default="synthetic")
    parser.add_argument("--corpus_dir", metavar="DIR", help="not needed for synthetic")
    parser.add_argument("--variant", choices=("log_mel", "waveform"), default="log_mel")
    parser.add_argument("--allow_partial", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cores", type=int, default=0, help="use only so many; 0: all")
    parser.add_argument("--scratch", metavar="DIR", help="where the data folders are made")
    args = parser.parse_args()
    if args.corpus != "synthetic" and not args.corpus_dir:
        parser.error(f"{args.corpus}: give --corpus_dir=DIR; downloading is not what is measured")
    timing.pin(args.cores)
    machine = timing.machine()
    runs = []
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        source = args.corpus_dir
        if source is None:
            made = timing.run([sys.executable, "-c", MAKE, args.corpus, f"{scratch}/source"])
            source = made.stdout.strip().splitlines()[-1]
        for repeat in range(args.repeats):
            words = (args.corpus, Path(source).resolve(), f"{scratch}/{repeat}", args.variant)
            done = timing.run(
                [sys.executable, "-c", CHILD, *map(str, words), str(args.allow_partial)]
            )
            answer = json.loads(done.stdout.splitlines()[-1])
            assert not answer["already_built"]
            runs.append(
                {
                    "call": round(answer["call"], 3),
                    "process": round(done.seconds, 3),
                    "cpu": round(done.cpu_seconds, 3),
                    "peak_mb": round(done.peak_mb, 1),
                    "audio": round(answer["audio"], 1),
                    "recordings": answer["computed"],
                }
            )
    middle = {field: timing.median([run[field] for run in runs]) for field in runs[0]}
    timing.emit(
        {
            "benchmark": "build",
            "machine": machine,
            "corpus": args.corpus,
            "variant": args.variant,
            "median": {**middle, "x_real_time": round(middle["audio"] / middle["call"])},
            "runs": runs,
        }
    )
    timing.table(
        ["corpus", "recordings", "audio, s", "call, s", "process, s", "x real time", "peak, MiB"],
        [
            [
                args.corpus,
                int(middle["recordings"]),
                middle["audio"],
                middle["call"],
                middle["process"],
                middle["audio"] / middle["call"],
                middle["peak_mb"],
            ]
        ],
    )


if __name__ == "__main__":
    main()
