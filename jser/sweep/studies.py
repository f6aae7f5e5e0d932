"""The studies of a sweep in a storage, as one worker sees them."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

from jser.errors import InputError
from jser.sweep import budget, samplers, space
from jser.sweep.budget import Budget
from jser.sweep.pulse import Pulse
from jser.sweep.storage import optuna, reading
from jser.sweep.training import Asked

BEST = "best"
# Of a study: what a sweep is, which every worker must agree in.
SETTINGS = "jser"


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


class Studies:
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
        with reading():
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
