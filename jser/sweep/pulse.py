"""Signs of life of the trials that a worker holds, and trials of workers that give none any more.

A database keeps Optuna's own heartbeats, by the database's clock. A journal has none: there a
trial's attribute counts beats, and who waits watches whether it still counts. So no two machines'
clocks are ever compared.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

from jser.sweep.storage import optuna, quiet

BEAT = "beat"


class Pulse:
    """Beats for the trials that are held, in a thread of its own, for as long as it is entered."""

    def __init__(self, storage: Any, seconds: int):
        """Nobody is held yet.

        Args:
            storage: from `open_storage`.
            seconds: between two beats; who misses two is dead.
        """
        self.seconds = seconds
        self.grace = 2 * seconds
        self._storage = storage
        self._database = optuna().storages._heartbeat.is_heartbeat_enabled(storage)
        self._held: set[int] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="pulse", daemon=True)
        self._seen: dict[int, tuple[Any, float]] = {}  # a trial's last beat, and when it was new
        self._beats = 0

    def __enter__(self) -> Pulse:
        self._thread.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self._stop.set()
        self._thread.join()

    def first(self, trial_id: int) -> None:
        """Beat for a trial that is about to be claimed: a claim without a beat is never missed."""
        if self._database:
            self._storage.record_heartbeat(trial_id)

    def hold(self, trial_id: int) -> None:
        """Go on beating for a trial."""
        with self._lock:
            self._held.add(trial_id)

    def let_go(self, trial_id: int) -> None:
        """Beat for it no more."""
        with self._lock:
            self._held.discard(trial_id)

    def dead(self, study: Any, fail: Any) -> None:
        """Have the trials failed whose workers are dead.

        Args:
            study: whose trials.
            fail: is given such a trial; of a database Optuna fails them itself, and calls what
                `open_storage` was given.
        """
        if self._database:
            with quiet():
                optuna().storages.fail_stale_trials(study)
            return
        running = optuna().trial.TrialState.RUNNING
        now = time.monotonic()
        for trial in study.get_trials(deepcopy=False, states=(running,)):
            beat = trial.user_attrs.get(BEAT)
            known = self._seen.get(trial._trial_id)
            if known is None or known[0] != beat:
                self._seen[trial._trial_id] = beat, now
            elif now - known[1] > self.grace:
                fail(trial)

    def _beat_on(self) -> None:
        while not self._stop.wait(self.seconds):
            with self._lock:
                held = sorted(self._held)
            self._beats += 1
            for trial_id in held:
                # A storage that is away for a moment is there at the next beat; a trial that has
                # ended meanwhile needs none.
                with contextlib.suppress(Exception):
                    if self._database:
                        self._storage.record_heartbeat(trial_id)
                    else:
                        self._storage.set_trial_user_attr(trial_id, BEAT, self._beats)
