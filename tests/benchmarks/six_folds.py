"""Time of a whole cross-validation from built records, as a user starts it.

Each repeat has a data folder of its own, in which the records are a link and the caches are
empty, and two runs of `jser train`, each a fresh process with a fresh run directory:

  first    neither stem features nor compiled programs are cached
  second   both are, by the first

RAVDESS under its default protocol has six folds, which is where the name comes from. Fields of the
config can be set as in `jser train`: --config.epochs=2.

example: python tests/benchmarks/six_folds.py --corpus=ravdess --data_dir=DIR --repeats=3
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import arguments
import timing

CORPORA = ("ravdess", "emodb_4class", "synthetic")
# `load` and `features` are in the run's seconds.json; report.json holds the others.
PARTS = ("load", "features", "compile", "train", "evaluate")


def link_records(corpus: str, data_dir: Path, target: Path) -> None:
    """A data folder with the records of `corpus` and nothing else."""
    built = (data_dir / corpus).resolve()
    if not any(built.glob("log_mel/*/jser_corpus.json")):
        raise SystemExit(
            f"{built}: no records of {corpus}; build them with "
            f"`jser build {corpus} --data_dir={data_dir}`"
        )
    target.mkdir()
    (target / corpus).symlink_to(built, target_is_directory=True)


def train(corpus: str, data: Path, run_dir: Path, fields: list[str]) -> dict[str, Any]:
    """One `jser train`: its wall time, peak memory, parts and result."""
    done = timing.run(
        [
            sys.executable,
            "-m",
            "jser",
            "train",
            f"--config=dcnn_blstm:{corpus}",
            "--config.seeds=0",
            f"--config.data_dir={data}",
            f"--workdir={run_dir}",
            *fields,
        ]
    )
    report = json.loads((run_dir / "report.json").read_text())
    seconds = json.loads((run_dir / "seconds.json").read_text())["seconds"] | report["seconds"]
    parts = {part: seconds.get(part) for part in PARTS}
    return {
        "process": round(done.seconds, 2),
        "cpu": round(done.cpu_seconds, 2),
        "peak_mb": round(done.peak_mb, 1),
        **{part: None if value is None else round(value, 2) for part, value in parts.items()},
        "folds": len(report["folds"]),
        "uar": report["uar"]["mean"],
    }


def middle(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians of the fields that all runs have."""
    return {
        field: timing.median([run[field] for run in runs])
        for field in runs[0]
        if all(run[field] is not None for run in runs)
    }


def main() -> None:
    parser = arguments.parser(__doc__, repeats=3)
    parser.add_argument("--corpus", choices=CORPORA, default="ravdess")
    arguments.add_data_dir(parser)
    arguments.add_cores(parser)
    arguments.add_scratch(parser)
    args, fields = parser.parse_known_args()
    strange = [word for word in fields if not word.startswith("--config.")]
    if strange:
        parser.error(f"unrecognised argument: {strange[0]}")
    timing.pin(args.cores)
    machine = timing.machine()
    first, second = [], []
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        for repeat in range(args.repeats):
            data = Path(scratch) / f"data{repeat}"
            link_records(args.corpus, args.data_dir, data)
            for runs, name in ((first, "first"), (second, "second")):
                run_dir = Path(scratch) / f"{name}{repeat}"
                runs.append(train(args.corpus, data, run_dir, fields))
                timing.emit({"benchmark": "six_folds", "run": name, "repeat": repeat, **runs[-1]})
    rows = {"first": middle(first), "second": middle(second)}
    timing.emit(
        {
            "benchmark": "six_folds",
            "machine": machine,
            "corpus": args.corpus,
            "fields": fields,
            "repeats": args.repeats,
            "median": rows,
        }
    )
    timing.table(
        [f"{args.corpus}, run", "process, s", *(f"{part}, s" for part in PARTS), "peak, MiB"],
        [
            [name, row["process"], *(row.get(part) for part in PARTS), row["peak_mb"]]
            for name, row in rows.items()
        ],
    )
    print("\n`compile` lies within `features`, `train` and `evaluate`; it is no part of its own.")


if __name__ == "__main__":
    main()
