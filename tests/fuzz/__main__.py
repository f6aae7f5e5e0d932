"""At least 2,000 damaged sound files and manifests through the real builder.

Each must be refused with a sentence that names it, or built as it is. WRONG is everything else: a
traceback, a crash, a hang, more than 1,500 MiB, a report that does not name the file or the way
out, a half-written data folder, records that are neither those of the undamaged file nor those
that an independent reader finds. `cannot be known` counts damage where the format has no
redundancy (docs/files.md, "Sound files"). The same seed makes the same files. Exits with 1 if
anything is WRONG. With --artefact the sound files go through `jser predict` in place of the
builder.

example: python -m tests.fuzz --cases=2400 --seed=0
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz import predict_trial, sound_trial, sounds, table_trial
from tests.fuzz.sound_trial import REFUSED, SAME, UNKNOWABLE, WRONG, Fate
from tests.fuzz.table_trial import BUILT

BATCH = 800
# Of all cases; the rest are manifests.
SOUNDS = 2 / 3


def sound_fates(
    n: int, seed: int, files: dict[str, bytes], folder: Path, artefact: Path | None = None
) -> list[Fate]:
    """What becomes of a seed's first `n` damaged sound files, in a corpus or at an artefact."""
    fates: list[Fate] = []
    for first in range(0, n, BATCH):
        started = time.monotonic()
        cases = [sounds.case(seed, k, files) for k in range(first, min(first + BATCH, n))]
        here = folder / f"sounds{first}"
        if artefact is None:
            made, peak = sound_trial.run(cases, files, here)
        else:
            made, peak = predict_trial.run(cases, files, artefact, here)
        fates += made
        _progress(f"sound files to {first + len(cases)}", made, started, peak)
    return fates


def table_fates(n: int, seed: int, folder: Path) -> list[Fate]:
    """What becomes of the first `n` damaged manifests of a seed."""
    fates: list[Fate] = []
    for first in range(0, n, BATCH):
        started = time.monotonic()
        made, peak = table_trial.run(
            seed, range(first, min(first + BATCH, n)), folder / f"tables{first}"
        )
        fates += made
        _progress(f"manifests to {first + len(made)}", made, started, peak)
    return fates


def _progress(what: str, made: list[Fate], started: float, peak: int) -> None:
    wrong = sum(fate.verdict == WRONG for fate in made)
    print(
        f"{what}: {time.monotonic() - started:.0f} s, {peak} MiB, {wrong} wrong",
        file=sys.stderr,
        flush=True,
    )


def table(fates: list[Fate]) -> str:
    """Kinds of damage against what became of them, as a table in Markdown."""
    heads = ("files", REFUSED, SAME, BUILT, UNKNOWABLE, WRONG)
    counts: dict[str, Counter[str]] = {}
    for fate in fates:
        counts.setdefault(fate.kind, Counter())[fate.verdict] += 1
        counts[fate.kind]["files"] += 1
    total: Counter[str] = Counter()
    for row in counts.values():
        total.update(row)
    lines = ["| damage | " + " | ".join(heads) + " |", "| --- |" + " ---: |" * len(heads)]
    for kind, row in [*counts.items(), ("all", total)]:
        lines.append(f"| {kind} | " + " | ".join(str(row[head]) for head in heads) + " |")
    return "\n".join(lines)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=2400, help="default: 2400")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus_dir", metavar="DIR", help="damage some of its recordings too")
    parser.add_argument("--only", choices=("sounds", "manifests"))
    parser.add_argument("--artefact", metavar="DIR", help="ask it about the sound files instead")
    parser.add_argument(
        "--details", action="store_true", help="say what cannot be known, case by case"
    )
    parser.add_argument("--scratch", metavar="DIR", help="where temporary folders are made")
    args = parser.parse_args()
    files = sounds.good()
    if args.corpus_dir:
        files |= sounds.real(Path(args.corpus_dir), 12, args.seed)
    only = "sounds" if args.artefact else args.only
    n = {"sounds": args.cases, "manifests": 0}.get(only, round(args.cases * SOUNDS))
    artefact = Path(args.artefact) if args.artefact else None
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        fates = sound_fates(n, args.seed, files, Path(scratch), artefact)
        fates += table_fates(args.cases - n, args.seed, Path(scratch))
    print(table(fates))
    print(f"\nseed {args.seed}, {len(fates)} cases, {time.monotonic() - started:.0f} s")
    if args.details:
        for fate in fates:
            if fate.verdict == UNKNOWABLE:
                print(f"cannot be known: {fate.kind}: {fate.detail}")
    wrong = [fate for fate in fates if fate.verdict == WRONG]
    for fate in wrong:
        print(f"WRONG: {fate.kind}: {fate.detail}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
