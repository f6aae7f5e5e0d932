"""Many workers on one study of a sweep, each a process of its own: is each trial run once?

    python tests/benchmarks/sweep_workers.py --workers=20 --trials=60 [--storage=URL]

A trial is a number that the sampler draws; nothing is trained. So this is the time that the storage
and its locks take, with all workers asking at once.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections import Counter
from pathlib import Path

from jser.sweep import budget, samplers, space
from jser.sweep.pulse import Pulse
from jser.sweep.storage import open_storage, optuna

STUDY = "workers/fold-1"
HEARTBEAT = 30
FOUND = space.Space({"hyper.dropout": space.uniform(0.0, 0.6)})


def work(url: str, trials: int, results: multiprocessing.Queue) -> None:
    """One worker: claims and settles until all is settled; says how many it has done."""
    storage = open_storage(url, HEARTBEAT, budget.again)
    done = 0
    with Pulse(storage, HEARTBEAT) as pulse:
        study, is_new = budget.made(storage, STUDY)
        own = budget.Budget(study, storage, pulse, trials)
        own.fill(at_once=is_new)
        while len(budget.view(study).settled) < trials:
            trial_id = own.claim(f"worker {multiprocessing.current_process().name}")
            if trial_id is None:
                time.sleep(0.2)
                continue
            slot = storage.get_trial(trial_id).user_attrs[budget.SLOT]
            study.sampler = samplers.sampler("tpe", 0, 0, slot)
            values = samplers.ask(optuna().trial.Trial(study, trial_id), FOUND)
            done += own.settle(trial_id, values["hyper.dropout"], False, {})
    results.put(done)


def measure(url: str, workers: int, trials: int) -> None:
    """Start the workers, wait for them, and read the study as Optuna alone does."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    began = time.monotonic()
    running = [context.Process(target=work, args=(url, trials, results)) for _ in range(workers)]
    for process in running:
        process.start()
    each = sorted(results.get(timeout=600) for _ in running)
    for process in running:
        process.join()
    seconds = time.monotonic() - began
    study = optuna().load_study(study_name=STUDY, storage=open_storage(url, HEARTBEAT))
    slots = Counter(t.user_attrs[budget.SLOT] for t in study.trials if budget.settles(t))
    states = Counter(t.state.name for t in study.trials)
    values = len({t.value for t in study.trials})
    print(
        f"{url.partition(':')[0]:<12}{seconds:6.1f} s  {workers} workers, {each[0]} to {each[-1]} "
        f"trials each; {len(study.trials)} trials, {dict(states)}, {values} values; "
        f"once each: {slots == dict.fromkeys(range(trials), 1)}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, default=20)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--storage", help="one more, for example postgresql://me@host/sweeps")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for url in (f"sqlite:///{Path(folder) / 'a.db'}", f"journal:///{Path(folder) / 'a.log'}"):
            measure(url, args.workers, args.trials)
        if args.storage:
            measure(args.storage, args.workers, args.trials)


if __name__ == "__main__":
    main()
