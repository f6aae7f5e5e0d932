"""Kill a training again and again, on several hosts, and compare what comes out in the end.

    python tests/benchmarks/soak.py --kills=50 --hosts=2

A small population trains on the synthetic corpus, each host a process of its own. At a random
instant a random one of them, the first too, is killed (SIGKILL, or SIGTERM one time in three); when
the others have ended too, the same command is given again to all. After the last kill the training
is left alone. Its log, its predictions and its report's figures have to be those of a training that
nobody disturbed, to the bit.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

FIELDS = {
    "dev_speakers": 1,
    "components": 8,
    "stem.weights": "random",
    "stem.net": "alexnet",
    "stem.taps": "conv1",
    "stem.scale": 1,
    "stem.pool": "mean",
    "augment.copies": "",
    "readout.views": "stem",
    "model.units": 4,
    "model.dense": 4,
    "checkpoint.every_seconds": 2,
}
# Who has heard that another is gone ends by himself within this time, or is counted as hanging.
PATIENCE = 120


def command(folder: Path, run: Path, epochs: int, seeds: int) -> list[str]:
    """Of each host."""
    fields = FIELDS | {
        "epochs": epochs,
        "seeds": ",".join(map(str, range(seeds))),
        "data_dir": folder / "data",
    }
    given = [f"--config.{name}={value}" for name, value in fields.items()]
    words = ["train", "--config=dcnn_blstm:synthetic", f"--workdir={run}", *given]
    return [sys.executable, "-m", "jser", *words]


def start(words: list[str], hosts: int, log: Path) -> list[subprocess.Popen]:
    """The same command as that many hosts."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    running = []
    for number in range(hosts):
        cluster = {
            "JSER_COORDINATOR": f"localhost:{port}",
            "JSER_PROCESSES": str(hosts),
            "JSER_PROCESS": str(number),
        }
        with log.with_suffix(f".{number}").open("a") as file:
            running.append(
                subprocess.Popen(words, env=os.environ | cluster, stdout=file, stderr=file)
            )
    return running


def wait(running: list[subprocess.Popen], seconds: float) -> bool:
    """Whether all end within so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if all(process.poll() is not None for process in running):
            return True
        time.sleep(0.05)
    return False


def figures(run: Path) -> tuple[list[str], bytes, dict]:
    """What has to be equal."""
    lines = sorted((run / "metrics.jsonl").read_text().splitlines())
    report = json.loads((run / "report.json").read_text())
    kept = {name: report[name] for name in ("uar", "wa", "confusion", "per_speaker", "folds")}
    return lines, (run / "predictions.csv").read_bytes(), kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--hosts", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument(
        "--longest", type=float, default=25.0, help="seconds before a kill, at most"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    chance = random.Random(args.seed)
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        build = ["build", "synthetic", f"--data_dir={folder / 'data'}"]
        subprocess.run([sys.executable, "-m", "jser", *build], check=True, capture_output=True)
        started = time.monotonic()
        whole = command(folder, folder / "whole", args.epochs, args.seeds)
        undisturbed = start(whole, args.hosts, folder / "whole.log")
        assert wait(undisturbed, 3600)
        assert not any(p.returncode for p in undisturbed)
        print(f"undisturbed: {time.monotonic() - started:.0f} s, {args.hosts} hosts", flush=True)
        started = time.monotonic()
        words = command(folder, folder / "cut", args.epochs, args.seeds)
        status: Counter[str] = Counter()
        killed: Counter[str] = Counter()
        hung = 0
        while sum(killed.values()) < args.kills:
            running = start(words, args.hosts, folder / "cut.log")
            if wait(running, chance.uniform(0, args.longest)):
                assert not any(p.returncode for p in running), [p.returncode for p in running]
                print("finished before the last kill: give more --epochs")
                break
            victim = chance.randrange(args.hosts)
            by = chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
            running[victim].send_signal(by)
            killed[f"{'first' if victim == 0 else 'other'} by {by.name}"] += 1
            if not wait(running, PATIENCE):
                hung += 1
                for process in running:
                    process.kill()
                wait(running, PATIENCE)
            status.update(str(p.returncode) for i, p in enumerate(running) if i != victim)
            done = (folder / "cut" / "metrics.jsonl").exists() and len(
                (folder / "cut" / "metrics.jsonl").read_text().splitlines()
            )
            print(
                f"kill {sum(killed.values())}: {by.name} of host {victim}, {done} lines", flush=True
            )
        else:
            running = start(words, args.hosts, folder / "cut.log")
            assert wait(running, 3600)
        ended = [process.returncode for process in running]
        same = ended == [0] * args.hosts and figures(folder / "cut") == figures(folder / "whole")
        print(f"killed: {dict(killed)}; the others then ended with {dict(status)}; hung: {hung}")
        print(f"then to the end with {ended}, {time.monotonic() - started:.0f} s in all")
        print(f"log, predictions and figures equal to the bit: {same}")
        if not same:
            for path in sorted(folder.glob("cut.*")):
                print(path.name, path.read_text()[-3000:], sep="\n")
    sys.exit(not same)


if __name__ == "__main__":
    main()
