"""`jser train` on a corpus of hours that stays on disk: memory, pace, and a preemption within.

    python tests/benchmarks/train_hours.py --hours=10,100,1000 --minutes=3

For each number of hours there are records in shards of 50 minutes: utterances of 1 to 5 s, cut out
of the synthetic corpus' log-Mel. --distinct shards are written; a larger corpus has links to them
again and again, and an index that gives each its own names and speakers, so that 1,000 hours need
no disk of 90 GB. What is read comes from the system's cache then, not from a disk.

Then a small convolutional LSTM trains on them as a user would train it, one epoch at most. After
--minutes it gets SIGTERM, has to end with 75, and the same command goes on from there. At the
fewest hours it also trains with all records in memory. Printed are

  index, statistics   s, what is found out once, and kept in the cache; the index where no shard
                      is a link
  ms                  a step of the training, and against that with records in memory
  own, growth         MiB of the process that are not mapped files, and by how much they grow from
                      the first minute of training to the last
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

BASE = 1000  # utterances of a shard
SECONDS = (1.0, 5.0)
FRAMES_A_SECOND = 100
FIELDS = {
    "protocol": "published_split",
    "epochs": 1,
    "seeds": 0,
    "refit": False,
    "segments.frames": 0,
    "frames.by_length": False,
    "model.maps": "(8,8)",
    "model.pool_time": "(4,4)",
    "model.pool_bands": "(4,4)",
    "model.units": 16,
    "model.dense": "(16,)",
    "population.stream": "always",
    "checkpoint.every_seconds": 30,
}


def base(folder: Path) -> list[dict[str, Any]]:
    """Records of `BASE` utterances, cut out of the synthetic corpus' frames in a row."""
    import numpy as np

    from jser.datasets.synthetic import fake
    from jser.records import corpus as records
    from jser.records.builder import build

    build("synthetic", fake.make(folder / "source"), folder / "small", allow_partial=True)
    small = records.load("synthetic", folder / "small")
    rng = np.random.default_rng(0)
    low, high = (int(FRAMES_A_SECOND * s) for s in SECONDS)
    whole = np.asarray(small.frames)
    made = []
    for i in range(BASE):
        n = int(rng.integers(low, high + 1))
        start = int(rng.integers(0, len(whole) - n))
        made.append(
            {
                "log_mel": whole[start : start + n],
                "n_frames": n,
                "label": int(small.label[np.searchsorted(small.offset, start, "right") - 1]),
                "place": i,
            }
        )
    return made


def records_of(utterances: list[dict[str, Any]], k: int) -> list[dict[str, Any]]:
    """What is said of the recordings of shard k."""
    import hashlib

    found = []
    for u in utterances:
        name = f"{k:05d}-{u['place']:04d}"
        found.append(
            {
                "utterance_id": name,
                "speaker": f"{k:05d}-{u['place'] % 10}",
                "session": "",
                "text_id": "",
                "split": {0: "dev", 1: "test"}.get(k, "train"),
                "pcm_sha256": hashlib.sha256(name.encode()).hexdigest(),
                "label": u["label"],
                "n_frames": u["n_frames"],
            }
        )
    return found


def make(folder: Path, hours: float, distinct: int) -> Path:
    """A data folder with a corpus of so many hours; returns it."""
    import hashlib

    import numpy as np

    from jser.audit import duplicates, kept
    from jser.datasets import builder_class
    from jser.frontend.log_mel import LogMelSpec
    from jser.records import cache as caching
    from jser.records import corpus as records
    from jser.records import feature_cache, features, on_disk, places, shards, sidecar
    from jser.records.example import serialize

    cls, spec = builder_class("synthetic"), LogMelSpec()
    utterances = base(folder)
    described = features.describe(cls.INFO.classes, cls.KIND.features(spec, "log_mel"))
    an_hour = sum(u["n_frames"] for u in utterances) / FRAMES_A_SECOND / 3600
    n = max(3, round(hours / an_hour))
    staging = folder / "staging"
    staging.mkdir()
    written, n_bytes = [], 0
    for k in range(n):
        path = staging / f"{k}.array_record"
        if k >= distinct:
            path.hardlink_to(written[k % distinct][0])
            written.append((path, BASE))
            continue
        shard = shards.Shard(path)
        for u, said in zip(utterances, records_of(utterances, k), strict=True):
            shard.write(serialize(described.encode_example({**said, "log_mel": u["log_mel"]})))
        shard.close()
        written.append((path, shard.n_records))
        n_bytes += shard.n_bytes
    laid = shards.lay_out(cls, staging, "log_mel", spec, written, n_bytes, os.rename)
    hashes: dict[str, str] = {}
    for k, path in enumerate(sorted(laid.glob("*.array_record*"))):
        own = k if k < distinct else k % distinct
        hashes[path.name] = (
            list(hashes.values())[own] if k >= distinct else caching.file_sha256(path)
        )
    small = sidecar.read(places.records_dir(folder / "small", "synthetic", "log_mel"))
    assert small is not None
    audit = dict(small["audit"])
    audit["seconds"] = {**audit["seconds"], "total": n * an_hour * 3600}
    sidecar.write(
        laid,
        {
            **{k: v for k, v in small.items() if k not in ("sha256", "described_by")},
            "n_utterances": n * BASE,
            "fingerprint": hashlib.sha256(f"{n}".encode()).hexdigest(),
            "sex": {},
            "shards": hashes,
            "audit": audit,
        },
    )
    data = folder / "data"
    final = places.records_dir(data, "synthetic", "log_mel")
    final.parent.mkdir(parents=True)
    laid.rename(final)
    for k, (name, sha256) in enumerate(hashes.items()):
        if k >= distinct:
            said = records_of(utterances, k)
            kinds = dict.fromkeys(on_disk.TEXTS, np.str_) | dict.fromkeys(on_disk.NUMBERS, np.int32)
            arrays = {name: np.array([s[name] for s in said], kinds[name]) for name in kinds}
            key = on_disk.index_key(name, sha256)
            feature_cache.load_or_make(
                places.index_dir(data), key, on_disk.SAID, lambda arrays=arrays: arrays, "index"
            )
    # They are copies of one another, which a search would find and find: it is given as done.
    corpus = records.load("synthetic", data, where="disk")
    kept.write(data, duplicates.key(corpus), {"pairs": []})
    if n <= distinct:
        shutil.rmtree(places.index_dir(data))
    return data


def train(data: Path, run: Path, where: str, minutes: float) -> dict[str, Any]:
    """Train as a user would, watch it, stop it, and say what was seen."""
    words = [sys.executable, "-m", "jser", "train", "--config=conv_lstm:synthetic"]
    words += [f"--workdir={run}", "--no_sound", f"--config.data_dir={data}"]
    fields = FIELDS | {"population.records": where}
    words += [f"--config.{name}={value}" for name, value in fields.items()]
    log = run.with_suffix(".log").open("a")
    started = time.monotonic()
    process = subprocess.Popen(words, stdout=log, stderr=log)
    seen: list[tuple[float, int, float]] = []  # seconds, step, MiB
    parts: dict[str, float] = {}
    while process.poll() is None:
        time.sleep(0.5)
        now = time.monotonic() - started
        said = _progress(run)
        label = str(said.get("label", "load"))
        parts[label] = parts.get(label, 0.0) + 0.5
        training = label.startswith("train") and said.get("pid") == process.pid
        step = said.get("figures", {}).get("step") if training else None
        if step:
            seen.append((now, int(step.split("/")[0].replace(",", "")), _own(process.pid)))
        if seen and now - seen[0][0] > 60 * minutes:
            process.send_signal(signal.SIGTERM)
            break
    code = process.wait()
    log.close()
    if code not in (0, 75) or len(seen) < 3:
        raise SystemExit(f"exit {code}\n" + run.with_suffix(".log").read_text()[-3000:])
    first = next(s for s in seen if s[0] > seen[0][0] + min(20, 10 * minutes))
    last = seen[-1]
    return {
        "code": code,
        "step": last[1],
        "first": seen[0][1],
        "ms": 1000 * (last[0] - first[0]) / max(1, last[1] - first[1]),
        "own": last[2],
        "growth": last[2] - first[2],
        "parts": parts,
    }


def _progress(run: Path) -> dict[str, Any]:
    try:
        return json.loads((run / "progress.json").read_text())
    except (OSError, ValueError):
        return {}


def _own(pid: int) -> float:
    """MiB of a process' own memory, without mapped files."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    own = [int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon")]
    return own[0] if own else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", default="10,100")
    parser.add_argument("--minutes", type=float, default=2.0, help="of training before SIGTERM")
    parser.add_argument("--distinct", type=int, default=12, help="shards that are written")
    parser.add_argument("--scratch", metavar="DIR", help="where the corpora are made")
    args = parser.parse_args()
    print("hours  utterances  made s  index s  statistics s  ms  own MiB  growth MiB")
    for k, hours in enumerate(map(float, args.hours.split(","))):
        with tempfile.TemporaryDirectory(dir=args.scratch) as name:
            folder = Path(name)
            began = time.monotonic()
            data = make(folder, hours, args.distinct)
            made = time.monotonic() - began
            n = json.loads(next(data.rglob("jser_corpus.json")).read_text())["n_utterances"]
            wheres = ("memory", "disk") if k == 0 else ("disk",)
            for where in wheres:
                run = folder / f"run-{where}"
                found = train(data, run, where, args.minutes)
                parts = found["parts"]
                index, counted = (
                    sum(s for label, s in parts.items() if label.startswith(what))
                    for what in ("index", "statistics")
                )
                print(
                    f"{hours:5g}  {n:10,}  {made:6.0f}  {index:7.0f}  {counted:12.0f}"
                    f"  {found['ms']:5.1f}  {found['own']:7.0f}  {found['growth']:+10.1f}"
                    f"   records in {'memory' if where == 'memory' else 'place'}",
                    flush=True,
                )
            if found["code"] == 75:
                again = train(data, run, "disk", 0.3)
                print(
                    f"       last seen at step {found['step']:,}, and then at {again['first']:,}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
