"""Copies of a built corpus' recordings that `jser audit` finds, misses, or finds by mistake.

Of a draw of the recordings one copy each is made, at another level, rate, codec or cut, and put
beside the whole corpus. Found: pairs of a recording and its copy. False: any other pair that was
not found without copies too.

example: python tests/benchmarks/near_duplicates.py --corpus=ravdess --draw=300
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import arguments
import timing

sys.path.insert(0, str(Path(__file__).parents[2]))  # The tests' copies are made in one place.


def main() -> None:
    parser = arguments.parser(__doc__, repeats=1)
    parser.add_argument("--corpus", default="ravdess", help="with waveforms")
    parser.add_argument("--draw", type=int, default=300, help="recordings of which copies are made")
    parser.add_argument(
        "--as_many", action="store_true", help="search as among more than fingerprints.FEW"
    )
    arguments.add_data_dir(parser)
    arguments.add_cores(parser)
    args = parser.parse_args()
    timing.pin(args.cores)
    import numpy as np

    from jser.audit import fingerprints
    from jser.frontend.log_mel import LogMelSpec, log_mel_batch
    from jser.records import corpus as records
    from tests.audit.made import COPIES, floats, pcm

    fingerprints.FEW = 0 if args.as_many else fingerprints.FEW
    corpus = records.load(args.corpus, args.data_dir, "waveform")
    n = len(corpus.length)
    rng = np.random.default_rng(0)
    drawn = np.sort(rng.choice(n, min(n, args.draw), replace=False))

    def pairs(more: list[Any]) -> tuple[dict[tuple[int, int], float], float]:
        length = np.concatenate([corpus.length, [len(x) for x in more]]).astype(int)
        frames = np.concatenate([corpus.frames, *more])
        started = time.process_time()
        found = fingerprints.near_duplicates(frames, np.cumsum(length) - length, length)
        return {(p.first, p.second): p.similarity for p in found}, time.process_time() - started

    own, seconds = pairs([])
    print(f"{args.corpus}: {n} recordings, {len(own)} pairs without copies, {seconds:.1f} s of CPU")
    for a, b in own:
        print(f"  {corpus.utterance_id[a]} ~ {corpus.utterance_id[b]}: {own[a, b]:.3f}")
    rows = []
    for name, change in COPIES.items():
        heard = [pcm(change(floats(corpus.waveform[i]))) for i in drawn]
        found, _ = pairs(log_mel_batch([floats(x) for x in heard], LogMelSpec()))
        true = {(int(i), n + k) for k, i in enumerate(drawn)}
        # Two recordings that are one have one copy each: no mistake.
        twins = {frozenset(pair) for pair in own}
        origin = [*range(n), *drawn.tolist()]
        false = [
            (a, b) for a, b in found.keys() - true if frozenset((origin[a], origin[b])) not in twins
        ]
        hit = true & found.keys()
        lowest = min((found[pair] for pair in hit), default=float("nan"))
        row = [name, len(hit), len(true) - len(hit), len(false), lowest]
        rows.append(row)
        timing.emit(
            {
                "benchmark": "near_duplicates",
                "corpus": args.corpus,
                "copy": name,
                "found": row[1],
                "missed": row[2],
                "false": row[3],
                "lowest_similarity": lowest,
            }
        )
    timing.table(["copy", "found", "missed", "false", "lowest similarity"], rows)


if __name__ == "__main__":
    main()
