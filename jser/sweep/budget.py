"""The budget of a study, exact with any number of workers: N slots, each settled by one trial.

Trials are made beforehand and wait; a worker claims one that waits, which a storage grants to one
worker only. A trial of a worker that died, or gave it back, ends as failed, which a storage too
grants once, and its slot gets another with the same values. So no trial's number stands for the
budget, but its slot: settled is a slot of which one trial has come to its end. Where a worker died
just between two of these steps, others find a slot without a trial, and fill it after a while;
should two do so at once, the trial that was made first counts, and the other is never run.
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

from jser.sweep.pulse import Pulse
from jser.sweep.storage import optuna, reading

# Attributes of a trial. A claim has a worker; a failure that settles says why.
SLOT, WORKER, FAILED, DEATHS, GIVEN_BACK = "slot", "worker", "failed", "deaths", "given_back"
SURPLUS = "surplus"
# Workers that may die of one trial, one after the other, before it is held to be impossible.
MOST_DEATHS = 5


@dataclasses.dataclass(frozen=True)
class View:
    """What a study's slots are at a moment.

    Attributes:
        settled: slot -> the trial that settles it.
        active: slot -> the trial that waits or runs, of several the first.
        last: slot -> its last trial, where it has neither.
        surplus: trials that wait and will not be run.
        made: trials, of all states.
    """

    settled: dict[int, Any]
    active: dict[int, Any]
    last: dict[int, Any]
    surplus: list[Any]
    made: int


def settles(trial: Any) -> bool:
    """Whether a trial has come to an end that counts."""
    states = optuna().trial.TrialState
    if trial.state in (states.COMPLETE, states.PRUNED):
        return True
    known = trial.user_attrs
    return trial.state == states.FAIL and (
        bool(known.get(FAILED)) or (known.get(DEATHS, 0) + 1 >= MOST_DEATHS and died(trial))
    )


def died(trial: Any) -> bool:
    """Whether a trial failed because its worker was gone."""
    known = trial.user_attrs
    return not (known.get(FAILED) or known.get(GIVEN_BACK) or known.get(SURPLUS))


def view(study: Any) -> View:
    """The slots of a study, now."""
    settled: dict[int, Any] = {}
    active: dict[int, Any] = {}
    last: dict[int, Any] = {}
    with reading():
        trials = [t for t in study.get_trials(deepcopy=False) if SLOT in t.user_attrs]
    for trial in trials:
        slot = trial.user_attrs[SLOT]
        last[slot] = trial
        if settles(trial):
            settled.setdefault(slot, trial)
        elif not trial.state.is_finished():
            active.setdefault(slot, trial)
    active = {slot: trial for slot, trial in active.items() if slot not in settled}
    waiting = optuna().trial.TrialState.WAITING
    surplus = [t for t in trials if t.state == waiting and t.user_attrs[SLOT] in settled]
    rest = {slot: t for slot, t in last.items() if slot not in settled and slot not in active}
    return View(settled, active, rest, surplus, len(trials))


def again(study: Any, trial: Any) -> None:
    """Make another trial for the slot of one that failed and does not count: the same values.

    Also what `open_storage` wants for trials whose workers are dead.
    """
    if SLOT not in trial.user_attrs or settles(trial):
        return
    deaths = trial.user_attrs.get(DEATHS, 0) + int(died(trial))
    fixed = trial.system_attrs.get("fixed_params")
    study.add_trial(
        optuna().trial.create_trial(
            state=optuna().trial.TrialState.WAITING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={SLOT: trial.user_attrs[SLOT], DEATHS: deaths},
            system_attrs={} if fixed is None else {"fixed_params": fixed},
        )
    )


class Budget:
    """The slots of one study, as one worker sees them."""

    def __init__(
        self,
        study: Any,
        storage: Any,
        pulse: Pulse,
        n: int,
        fixed: Sequence[Mapping[str, Any]] | None = None,
    ):
        """Nothing is made yet; see `fill`.

        Args:
            study: of Optuna.
            storage: of the study.
            pulse: beats for claimed trials.
            n: slots.
            fixed: of each slot its trial's values, in Optuna's words; None: a sampler chooses.
        """
        self.study = study
        self.n = n
        self._storage = storage
        self._pulse = pulse
        self._fixed = fixed
        self._empty_since: dict[int, float] = {}
        self._made = 0

    def fill(self, at_once: bool = False) -> View:
        """Give a trial to slots that have none, and end trials that nobody needs.

        Args:
            at_once: this worker has made the study. Others wait a while: as a rule one who is
                alive is about to do it.

        Returns:
            The slots, after that.
        """
        self._pulse.dead(self.study, self._fail)
        seen = view(self.study)
        empty = [s for s in range(self.n) if s not in seen.settled and s not in seen.active]
        now = time.monotonic()
        if seen.made != self._made:  # somebody is filling them at this moment
            self._empty_since = {}
        self._made = seen.made
        self._empty_since = {s: self._empty_since.get(s, now) for s in empty}
        due = [s for s in empty if at_once or now - self._empty_since[s] > self._pulse.grace]
        for slot in due:
            if slot in seen.last:
                again(self.study, seen.last[slot])
            else:
                fixed = {} if self._fixed is None else dict(self._fixed[slot])
                self.study.enqueue_trial(fixed, user_attrs={SLOT: slot})
        for trial in seen.surplus:
            self._end(trial, SURPLUS)
        return view(self.study) if due else seen

    def claim(self, worker: str) -> int | None:
        """Claim a trial that waits, the first slot's; None where none waits.

        Args:
            worker: who will hold it.

        Returns:
            The trial's id in the storage.
        """
        states = optuna().trial.TrialState
        seen = self.fill()
        waiting = [t for _, t in sorted(seen.active.items()) if t.state == states.WAITING]
        # Where the first is gone, others have seen the same: each goes on with another one.
        for trial in waiting[:1] + random.sample(waiting[1:], max(len(waiting) - 1, 0)):
            if self._take(trial._trial_id):
                self._pulse.hold(trial._trial_id)
                self._storage.set_trial_user_attr(trial._trial_id, WORKER, worker)
                return int(trial._trial_id)
        return None

    def _take(self, trial_id: int) -> bool:
        with reading():
            if self._storage.get_trial(trial_id).state != optuna().trial.TrialState.WAITING:
                return False
        self._pulse.first(trial_id)
        try:
            state = optuna().trial.TrialState.RUNNING
            return bool(self._storage.set_trial_state_values(trial_id, state=state))
        except optuna().exceptions.UpdateFinishedTrialError:
            return False

    def give_back(self, trial_id: int) -> None:
        """Let others have a claimed trial that this worker will not finish."""
        self._pulse.let_go(trial_id)
        trial = self._storage.get_trial(trial_id)
        if not trial.state.is_finished() and self._end(trial, GIVEN_BACK):
            again(self.study, self._storage.get_trial(trial_id))

    def _fail(self, trial: Any) -> None:
        """End a trial whose worker is dead, and make another for its slot."""
        if self._end(trial, None):
            again(self.study, self._storage.get_trial(trial._trial_id))

    def _end(self, trial: Any, why: str | None) -> bool:
        """Fail a trial; of several workers who do, one is told True."""
        try:
            if why is not None:
                self._storage.set_trial_user_attr(trial._trial_id, why, True)
            state = optuna().trial.TrialState.FAIL
            return bool(self._storage.set_trial_state_values(trial._trial_id, state=state))
        except optuna().exceptions.UpdateFinishedTrialError:
            return False

    def settle(
        self, trial_id: int, value: float | None, pruned: bool, known: Mapping[str, Any]
    ) -> bool:
        """Write down what a claimed trial gave.

        Args:
            trial_id: in the storage.
            value: of the study; None: the trial failed, and `known` has `FAILED`.
            pruned: it was ended before its last epoch, with this value.
            known: attributes of the trial.

        Returns:
            False where the trial was taken from this worker, who was thought dead: then another
            has it, and nothing is written.
        """
        states = optuna().trial.TrialState
        self._pulse.let_go(trial_id)
        try:
            for name, what in known.items():
                self._storage.set_trial_user_attr(trial_id, name, what)
            state = states.FAIL if value is None else states.PRUNED if pruned else states.COMPLETE
            values = None if value is None else [float(value)]
            return bool(self._storage.set_trial_state_values(trial_id, state=state, values=values))
        except optuna().exceptions.UpdateFinishedTrialError:
            return False


def made(storage: Any, name: str, **how: Any) -> tuple[Any, bool]:
    """A study by name, and whether it is this worker who has made it."""
    library = optuna()
    try:
        study = library.create_study(storage=storage, study_name=name, direction="maximize", **how)
        return study, True
    except library.exceptions.DuplicatedStudyError:
        return library.load_study(storage=storage, study_name=name, **how), False
