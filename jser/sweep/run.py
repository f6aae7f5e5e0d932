"""`jser sweep`: one worker of a sweep, from claiming trials to the run of what they chose.

There is one Optuna study an outer fold, in one storage: its trials are judged by that fold's dev
speakers alone, and its sampler and pruner see nothing else. (An average over outer folds would show
every test label to the sampler, since each test speaker is a dev speaker elsewhere.) The last
worker to finish has each fold trained with its own winner, and the test scored once.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_collections

from jser import config as configs
from jser import experiment, interrupt, preparation, progress, run_directory, two_stage
from jser.errors import InputError
from jser.evaluation import atomic, page
from jser.evaluation import sweep as tables
from jser.preparation import Prepared
from jser.sweep import budget, reading, samplers, space, summary
from jser.sweep.pulse import Pulse
from jser.sweep.storage import default_url, open_storage, optuna, reached
from jser.sweep.studies import BEST, Options, Studies
from jser.sweep.training import Asked, Result, Trainer

FILES = ("sweep.txt", "sweep.json", "sweep.html")
# Seconds between two looks, where there is nothing to do at the moment.
LOOK = 1.0


DEFAULT_TRIALS = 20


def check(options: Options, found: space.Space) -> int:
    """Check a sweep's options; the trials of each fold.

    Raises:
        InputError: a number or a name is impossible.
    """
    samplers.check(options.sampler, options.pruner)
    for option, value in (
        ("--trials", options.trials), ("--batch", options.batch), ("--heartbeat", options.heartbeat)
    ):  # fmt: skip
        if value is not None and value < 1:
            raise InputError(f"{option}={value}: is less than 1; give 1 or more")
    if options.trials is not None and options.trials > reading.MOST_TRIALS:
        raise InputError(f"--trials={options.trials}: at most {reading.MOST_TRIALS} a fold")
    if found.points is None:
        return options.trials or DEFAULT_TRIALS
    if options.trials not in (None, len(found.points)):
        raise InputError(
            f"--trials={options.trials}: sweep() lists {len(found.points)} trials, and each is run "
            "once in each fold; leave --trials out"
        )
    return len(found.points)


def run(
    config: Any,
    found: space.Space,
    workdir: Path,
    options: Options,
    allow_leak: str | None = None,
    sound: bool = True,
) -> dict[str, Any] | None:
    """Work on a sweep until there is nothing left to claim, and finish it where all is done.

    Args:
        config: resolved, without a grid.
        found: its space.
        workdir: gets `FILES`, the run `BEST`, and by default the storage.
        options: of the command line.
        allow_leak: see `experiment.run`.
        sound: see `experiment.run`.

    Returns:
        The finished sweep, see `summary.build`; None where other workers are at work still.

    Raises:
        InputError: the storage cannot be used, or not any more, has another sweep under this name,
            or a trial is impossible.
    """
    n = check(options, found)
    name = options.name or workdir.resolve().name
    url = options.storage or default_url(workdir)
    storage = open_storage(url, options.heartbeat, budget.again)
    prepared = _prepared(config, allow_leak)
    names = [fold.name for fold in prepared.protocol.folds]
    settings = _settings(config, found, options, n, prepared)
    worker = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
    with reached(url), Pulse(storage, options.heartbeat) as pulse:
        studies = Studies(storage, pulse, name, settings, found, options, n, len(names))
        trainer = Trainer(prepared, config, allow_leak, options.pruner != "none")
        batch = options.batch or trainer.capacity()
        progress.say(
            f"sweep {name}: {n} trials in each of {len(names)} folds, {batch} at once; this is "
            f"worker {worker}"
        )
        folder = workdir / "work" / worker.replace(":", "-")
        try:
            _work(studies, trainer, folder, worker, batch)
        finally:
            with contextlib.suppress(OSError):  # there is none, or another worker's is in it
                folder.parent.rmdir()
        left = studies.left()
        if left:
            progress.say(_still(left))
            return None
        return _finish(studies, config, names, workdir, worker, url, allow_leak, sound)


def _prepared(config: Any, allow_leak: str | None) -> Prepared:
    if "epochs" not in config:
        raise InputError(
            f"sweep: {config.system} trains no network; its own fields have several values already"
        )
    if two_stage.is_on(config):
        raise InputError(
            "sweep: stem.tuning=two_stage tunes a stem for each fold before anything is swept; use "
            "--config.stem.tuning=end_to_end"
        )
    prepared = preparation.prepare(config, allow_leak)
    if not isinstance(prepared, Prepared):
        raise InputError(f"sweep: {config.system} trains no network")
    return prepared


def _settings(
    config: Any, found: space.Space, options: Options, n: int, prepared: Prepared
) -> dict[str, Any]:
    """What all workers of a sweep must have in common."""
    tree = json.loads(configs.to_json(config))
    for name in ("data_dir", "checkpoint"):
        tree.pop(name, None)  # places and habits of a machine
    return {
        "config": tree,
        "space": json.loads(json.dumps(found.to_json(), default=list)),
        "trials": n,
        "sampler": options.sampler if found.points is None else "list",
        "pruner": options.pruner,
        "seed": options.seed,
        "fingerprint": prepared.certificate.fingerprint,
        "folds": prepared.certificate.folds_hash,
    }


def _still(left: dict[str, int]) -> str:
    held = ", ".join(f"{n} with {worker or 'nobody yet'}" for worker, n in sorted(left.items()))
    return (
        f"nothing is left to claim; trials at work: {held}. The last worker to finish scores the "
        "winners; should it die, the same command goes on"
    )


def _work(studies: Studies, trainer: Trainer, folder: Path, worker: str, batch: int) -> None:
    """Claim and train until nothing waits, and those who run what is left are seen to be alive."""
    idle_since = None
    while True:
        interrupt.check()
        claimed = studies.claim(worker, batch)
        if claimed:
            idle_since = None
            with _held(studies, claimed) as held:
                _train(studies, trainer, held, folder)
            continue
        if not studies.left():
            return
        now = time.monotonic()
        idle_since = now if idle_since is None else idle_since
        # Who runs the rest may be dead: then his trials come back within the grace.
        if now - idle_since > 2 * studies.options.heartbeat + 2 * LOOK:
            return
        time.sleep(LOOK)


@contextlib.contextmanager
def _held(studies: Studies, claimed: list[Asked]) -> Iterator[list[Asked]]:
    """Trials that are given back where they are not settled, whatever ends the training."""
    held = list(claimed)
    try:
        yield held
    finally:
        studies.give_back(held)


def _train(studies: Studies, trainer: Trainer, held: list[Asked], folder: Path) -> None:
    """Train claimed trials, and settle them; settled ones leave `held`."""

    def prune(one: Asked, epoch: int, value: float) -> bool:
        if value == float("-inf"):
            return False
        try:
            one.trial.report(value, epoch)
            return bool(one.trial.should_prune())
        except optuna().exceptions.UpdateFinishedTrialError:
            return True  # another worker has it

    def settle(one: Asked, result: Result) -> None:
        known = dict(result.known)
        if result.value is None:
            known[budget.FAILED] = "a member's loss stopped being finite"
        theirs = not studies.folds[one.fold].settle(
            one.trial_id, result.value, result.pruned, known
        )
        held.remove(one)
        if theirs:
            progress.say("a trial was thought to be dead and is another worker's now; dropped")
            return
        ended = "failed" if result.value is None else "pruned" if result.pruned else "complete"
        value = "" if result.value is None else f", dev UAR {100 * result.value:.1f} %"
        progress.say(f"fold {one.fold + 1}, trial {one.trial.number}: {ended}{value}")

    trainer.train(list(held), folder, prune, settle)


def _finish(
    studies: Studies,
    config: Any,
    names: list[str],
    workdir: Path,
    worker: str,
    url: str,
    allow_leak: str | None,
    sound: bool,
) -> dict[str, Any] | None:
    """Have the winners scored, by one worker of all, and write what the sweep was."""
    result = summary.build(studies, config, names)
    best = workdir / BEST
    trial_id = studies.best.claim(worker)
    if trial_id is not None:
        try:
            final = best_config(config, result["chosen"], studies.n)
            with run_directory.only_here(best):
                report = experiment.run(final, best, allow_leak, sound)
            where = f"{socket.gethostname()}:{best.resolve()}"
            value = sum(result["dev_uar"]) / len(result["dev_uar"])
            known = {"run": where, "report": {f: report[f] for f in summary.OF_REPORT}}
            studies.best.settle(trial_id, value, False, known)
        finally:
            studies.best.give_back(trial_id)  # unless it is settled
    (done,) = budget.view(studies.best.study).settled.values() or (None,)
    if done is None:
        running = budget.view(studies.best.study).active.get(0)
        whose = running.user_attrs.get(budget.WORKER, "another worker") if running else "nobody yet"
        progress.say(
            f"all trials are done; {whose} has the winners scored. Should it die, the same command "
            "goes on"
        )
        return None
    result |= {"best": done.user_attrs["run"], "report": done.user_attrs["report"]}
    result["storage"] = url.partition("@")[2] or url
    atomic.write_text(workdir / FILES[0], tables.text(result))
    atomic.write_text(workdir / FILES[2], page.render_sweep(result))
    atomic.write_text(workdir / FILES[1], json.dumps(result, indent=1, allow_nan=False) + "\n")
    return result


def best_config(config: Any, chosen: list[dict[str, Any]], tried: int) -> Any:
    """The config of the run in which each fold has its own winner's values.

    Args:
        config: of the sweep.
        chosen: of each fold, field -> value.
        tried: trials of each fold.
    """
    tree = config.to_dict()
    own: dict[str, Any] = {}
    for field in chosen[0]:
        *parents, leaf = field.split(".")
        node = own
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = tuple(_tuples(values[field]) for values in chosen)
    tree |= {"by_fold": own, configs.TRIED: tried}
    return ml_collections.FrozenConfigDict(tree)


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
