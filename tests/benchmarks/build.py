"""Time to build a corpus' records, against a plain loop over librosa on the same files.

  jser      `jser.records.builder.build`: hashes, decoding, log-Mel, audit, shards; the data folder
            holds nothing but the compiled front end of an earlier build of any corpus
  first     the same without it, as the first build of all in a data folder
  librosa   the loop a researcher writes: librosa.load at 16 kHz, melspectrogram with the same
            window, hop and 64 bands, logarithm, and one .npz at the end; what librosa compiles
            and keeps beside its package is there

Each run is a fresh process with an empty folder to write to, kept on so many cores; runs take
turns, in reversed order every second time. `call` is the work alone; `process` has the start of
Python and its imports in it. Neither starts processes of its own, so the peak memory of the process
is that of its tree.

example: python tests/benchmarks/build.py ravdess --corpus_dir=DIR --repeats=3 --cores=1,2
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import arguments
import timing

# The synthetic corpus has to be made before it can be built; that is not measured.
FILES = """
import sys
from pathlib import Path
from jser.datasets import builder_class
from jser.records.files import Utterance
name, source, scratch = sys.argv[1:]
cls = builder_class(name)
root = Path(source).resolve() if source else cls.fetch(Path(scratch) / "source")
found = [str(u.path) for u in cls.find(root) if isinstance(u, Utterance)]
(Path(scratch) / "files.txt").write_text("\\n".join(found))
print(root)
"""
JSER = """
import json, sys
from jser.records.builder import build
name, source, data, variant, partial = sys.argv[1:]
done = build(name, source, data, variant, partial == "True")
assert not done.already_built and not done.resumed
print(json.dumps({"call": done.seconds, "audio": done.audio_seconds, "recordings": done.computed}))
"""
LIBROSA = """
import json, sys, time
from pathlib import Path
import librosa
import numpy as np
started = time.monotonic()
arrays, audio = {}, 0.0
for path in map(Path, Path(sys.argv[1]).read_text().splitlines()):
    y, sr = librosa.load(path, sr=16000)
    mel = librosa.feature.melspectrogram(
        y=y, sr=sr, n_fft=512, win_length=400, hop_length=160, window="hamming", center=False,
        n_mels=64, fmin=20, fmax=8000,
    )
    arrays[path.stem] = np.log(np.maximum(mel, 1e-6)).T
    audio += len(y) / sr
np.savez(sys.argv[2], **arrays)
seconds = time.monotonic() - started
print(json.dumps({"call": seconds, "audio": audio, "recordings": len(arrays)}))
"""


def measured(child: str, words: list[str], cores: int) -> dict[str, Any]:
    """One process' wall times, processor time, peak memory, and what it did."""
    os.sync()  # What was written before is not written to disk meanwhile.
    with timing.on_cores(cores):
        done = timing.run([sys.executable, "-c", child, *words])
    answer = json.loads(done.stdout.splitlines()[-1])
    return {
        "call": round(answer["call"], 3),
        "process": round(done.seconds, 3),
        "cpu": round(done.cpu_seconds, 3),
        "peak_mb": round(done.peak_mb, 1),
        "audio": round(answer["audio"], 1),
        "recordings": answer["recordings"],
    }


def main() -> None:
    parser = arguments.parser(__doc__, repeats=3)
    parser.add_argument("corpus", nargs="?", default="synthetic")
    parser.add_argument("--corpus_dir", metavar="DIR", help="not needed for synthetic")
    parser.add_argument("--variant", choices=("log_mel", "waveform"), default="log_mel")
    parser.add_argument("--allow_partial", action="store_true")
    parser.add_argument("--cores", default="1,2", help="numbers of cores, default: 1,2")
    arguments.add_scratch(parser)
    args = parser.parse_args()
    if args.corpus != "synthetic" and not args.corpus_dir:
        parser.error(f"{args.corpus}: give --corpus_dir=DIR; downloading is not what is measured")
    there = len(os.sched_getaffinity(0))
    try:
        cores = [int(n) for n in args.cores.split(",")]
    except ValueError:
        parser.error(f"--cores={args.cores}: numbers with commas between")
    if not all(1 <= n <= there for n in cores):
        parser.error(f"--cores={args.cores}: this process may use 1 to {there}")
    machine = timing.machine()
    how = [args.variant, str(args.allow_partial)]
    ways = [(name, n) for n in cores for name in ("jser", "first", "librosa")]
    runs: dict[tuple[str, int], list[dict[str, Any]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        found = [sys.executable, "-c", FILES, args.corpus, args.corpus_dir or "", scratch]
        source = timing.run(found).stdout.strip().splitlines()[-1]
        # librosa compiles some of itself in its first run ever, and keeps it beside the package.
        few = Path(scratch) / "few.txt"
        few.write_text("\n".join((Path(scratch) / "files.txt").read_text().splitlines()[:3]))
        measured(LIBROSA, [str(few), f"{scratch}/few.npz"], max(cores))
        # The compiled program is found again in the same folder only.
        again = Path(scratch) / "again"
        measured(JSER, [args.corpus, source, str(again), *how], max(cores))
        for repeat in range(args.repeats):
            for name, n in ways if repeat % 2 == 0 else reversed(ways):
                target = f"{scratch}/{name}-{n}-{repeat}"
                if name != "librosa":
                    if name == "jser":
                        for folder in again.iterdir():
                            if folder.name != "cache":
                                shutil.rmtree(folder)
                        target = str(again)
                    words = [args.corpus, source, target, *how]
                    runs[name, n].append(measured(JSER, words, n))
                else:
                    words = [f"{scratch}/files.txt", f"{target}.npz"]
                    runs[name, n].append(measured(LIBROSA, words, n))
    rows = []
    for name, n in ways:
        mine = runs[name, n]
        middle = {field: timing.median([run[field] for run in mine]) for field in mine[0]}
        middle["x_real_time"] = round(middle["audio"] / middle["process"])
        middle["recordings_a_second"] = round(middle["recordings"] / middle["process"], 1)
        for field in ("call", "process", "cpu"):
            middle[f"librosa_over_this_{field}"] = timing.paired_ratio(
                [run[field] for run in runs["librosa", n]], [run[field] for run in mine]
            )
        timing.emit(
            {
                "benchmark": "build",
                "machine": machine,
                "corpus": args.corpus,
                "variant": args.variant,
                "way": name,
                "cores": n,
                "median": middle,
                "runs": mine,
            }
        )
        fields = ("call", "process", "cpu", "recordings_a_second", "x_real_time")
        ratios = [middle[f"librosa_over_this_{field}"] for field in ("call", "process")]
        rows.append([name, n, *(middle[field] for field in fields), *ratios, middle["peak_mb"]])
    head = ["call, s", "process, s", "CPU, s", "recordings/s", "x real time"]
    timing.table(
        [args.corpus, "cores", *head, "librosa's call / this", "process", "peak, MiB"], rows
    )
    print("\nRecordings a second and real time are of the whole process.")


if __name__ == "__main__":
    main()
