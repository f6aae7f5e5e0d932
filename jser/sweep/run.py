"""`jser sweep`: one worker of a sweep, from claiming trials to the run of what they chose.

There is one Optuna study an outer fold, in one storage: its trials are judged by that fold's dev
speakers alone, and its sampler and pruner see nothing else. (An average over outer folds would show
every test label to the sampler, since each test speaker is a dev speaker elsewhere.) The last
worker to finish has each fold trained with its own winner, and the test scored once.
"""

from __future__ import annotations

import contextlib
import dataclasses
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
from jser.sweep.budget import Budget
from jser.sweep.pulse import Pulse
from jser.sweep.storage import default_url, open_storage, optuna
from jser.sweep.training import Asked, Result, Trainer

FILES = ("sweep.txt", "sweep.json", "sweep.html")
BEST = "best"
# Of a study: what a sweep is, which every worker must agree in.
SETTINGS = "jser"
# Seconds between two looks, where there is nothing to do at the moment.
LOOK = 1.0


@dataclasses.dataclass(frozen=True)
class Options:
    """A sweep, as the command line gives it.

    Attributes:
        trials: of each fold; None: as many as an explicit list has, or `DEFAULT_TRIALS`.
        storage: an address; None: a file in the sweep's folder.
        name: of the sweep in its storage; None: the folder's.
        sampler: of `samplers.SAMPLERS`.
        pruner: of `samplers.PRUNERS`.
        batch: trials that a worker claims at once; None: as many as fill a block.
        seed: of the sampler.
        heartbeat: seconds between two signs of life of a worker.
    """

    trials: int | None = None
    storage: str | None = None
    name: str | None = None
    sampler: str = "tpe"
    pruner: str = "halving"
    batch: int | None = None
    seed: int = 0
    heartbeat: int = 60


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
        InputError: the storage cannot be used, has another sweep under this name, or a trial is
            impossible.
    """
    n = check(options, found)
    name = options.name or workdir.resolve().name
    url = options.storage or default_url(workdir)
    storage = open_storage(url, options.heartbeat, budget.again)
    prepared = _prepared(config, allow_leak)
    names = [fold.name for fold in prepared.protocol.folds]
    settings = _settings(config, found, options, n, prepared)
    worker = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:6]}"
    with Pulse(storage, options.heartbeat) as pulse:
        studies = _Studies(storage, pulse, name, settings, found, options, n, len(names))
        trainer = Trainer(prepared, config, allow_leak, options.pruner != "none")
        batch = options.batch or trainer.capacity()
        progress.say(
            f"sweep {name}: {n} trials in each of {len(names)} folds, {batch} at once; this is "
            f"worker {worker}"
        )
        _work(studies, trainer, workdir / "work" / worker.replace(":", "-"), worker, batch)
        with contextlib.suppress(OSError):  # another worker's folder is in it
            (workdir / "work").rmdir()
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


class _Studies:
    """The studies of a sweep: one a fold, and one whose only trial is the run of the winners."""

    def __init__(
        self,
        storage: Any,
        pulse: Pulse,
        name: str,
        settings: dict[str, Any],
        found: space.Space,
        options: Options,
        n: int,
        n_folds: int,
    ):
        self.name = name
        self.space = found
        self.options = options
        self.n = n
        self.settings = settings
        self.storage = storage
        self.folds: list[Budget] = []
        epochs = settings["config"]["epochs"]
        for k in range(n_folds):
            fixed = samplers.fixed(found, options.sampler, n, options.seed, k)
            self.folds.append(self._made(f"{name}/fold-{k + 1}", pulse, n, fixed, epochs))
        self.best = self._made(f"{name}/{BEST}", pulse, 1, None, epochs)

    def _made(self, name: str, pulse: Pulse, n: int, fixed: Any, epochs: int) -> Budget:
        pruner = samplers.pruner(self.options.pruner, epochs)
        study, is_new = budget.made(self.storage, name, pruner=pruner)
        if is_new:
            study.set_user_attr(SETTINGS, self.settings)
        made = Budget(study, self.storage, pulse, n, fixed)
        self.check(made)
        made.fill(at_once=is_new)
        return made

    def check(self, one: Budget) -> None:
        """Refuse to work on a sweep of another kind that has the same name.

        Raises:
            InputError: see above.
        """
        there = one.study.user_attrs.get(SETTINGS)
        if there is None:  # who made the study is about to say it, or died before
            one.study.set_user_attr(SETTINGS, self.settings)
            return
        if there != self.settings:
            ours, theirs = _flat(self.settings), _flat(there)
            differ = [f for f in ours | theirs if ours.get(f) != theirs.get(f)]
            said = "; ".join(
                f"{f.removeprefix('config.')} is {theirs.get(f)!r} there, {ours.get(f)!r} here"
                for f in differ[:3]
            )
            raise InputError(
                f"--storage: has another sweep named {self.name} ({said}); give its options to "
                "join it, or choose another --workdir or --name"
            )

    def claim(self, worker: str, most: int) -> list[Asked]:
        """Claim some trials, evenly from folds, those first that have the most left."""
        for one in self.folds:
            self.check(one)
        waiting = optuna().trial.TrialState.WAITING
        left = {
            k: sum(t.state == waiting for t in one.fill().active.values())
            for k, one in enumerate(self.folds)
        }
        claimed: list[Asked] = []
        try:
            while len(claimed) < most and any(left.values()):
                k = max(left, key=lambda k: left[k])
                trial_id = self.folds[k].claim(worker)
                left[k] = 0 if trial_id is None else left[k] - 1
                if trial_id is not None:
                    claimed.append(Asked(None, trial_id, k, {}))
                    claimed[-1] = self._asked(k, trial_id)
        except BaseException:
            self.give_back(claimed)
            raise
        return claimed

    def _asked(self, k: int, trial_id: int) -> Asked:
        study = self.folds[k].study
        slot = self.storage.get_trial(trial_id).user_attrs[budget.SLOT]
        study.sampler = samplers.sampler(self.options.sampler, self.options.seed, k, slot)
        trial = optuna().trial.Trial(study, trial_id)
        return Asked(trial, trial_id, k, samplers.ask(trial, self.space))

    def give_back(self, asked: list[Asked]) -> None:
        """Let others have what this worker will not finish."""
        for one in asked:
            # Where the storage itself is the fault, these trials come back with the next beats.
            with contextlib.suppress(Exception):
                self.folds[one.fold].give_back(one.trial_id)

    def left(self) -> dict[str, int]:
        """Who has how many trials still; '' are those that nobody has."""
        found: dict[str, int] = {}
        for one in self.folds:
            seen = budget.view(one.study)
            running = optuna().trial.TrialState.RUNNING
            whose = [
                t.user_attrs.get(budget.WORKER, "") if t.state == running else ""
                for t in seen.active.values()
            ]
            whose += [""] * (self.n - len(seen.settled) - len(seen.active))
            for worker in whose:
                found[worker] = found.get(worker, 0) + 1
        return found


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {prefix.rstrip("."): tree}
    return {f: x for name in tree for f, x in _flat(tree[name], f"{prefix}{name}.").items()}


def _still(left: dict[str, int]) -> str:
    held = ", ".join(f"{n} with {worker or 'nobody yet'}" for worker, n in sorted(left.items()))
    return (
        f"nothing is left to claim; trials at work: {held}. The last worker to finish scores the "
        "winners; should it die, the same command goes on"
    )


def _work(studies: _Studies, trainer: Trainer, folder: Path, worker: str, batch: int) -> None:
    """Claim and train until nothing waits, and those who run what is left are seen to be alive."""
    idle_since = None
    while True:
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
        interrupt.check()


@contextlib.contextmanager
def _held(studies: _Studies, claimed: list[Asked]) -> Iterator[list[Asked]]:
    """Trials that are given back where they are not settled, whatever ends the training."""
    held = list(claimed)
    try:
        yield held
    finally:
        studies.give_back(held)


def _train(studies: _Studies, trainer: Trainer, held: list[Asked], folder: Path) -> None:
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

    trainer.train(list(held), folder, prune, settle)


def _finish(
    studies: _Studies,
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
