"""A sweep from its storage to plain data: trials, each fold's winner, what tuning is worth."""

from __future__ import annotations

import contextlib
import warnings
from typing import Any

from jser.errors import InputError
from jser.evaluation.best_of import expected_best
from jser.evaluation.report import installed_versions
from jser.sweep import budget, samplers
from jser.sweep.storage import optuna

# Of the report of the winners' run.
OF_REPORT = (
    "system", "corpus", "fingerprint", "protocol", "protocol_description", "n_utterances",
    "n_speakers", "unit", "things", "seeds", "marks", "uar", "wa", "macro_f1", "configs_scored",
    "configs_total", "chance_uar",
)  # fmt: skip


def build(studies: Any, config: Any, names: list[str]) -> dict[str, Any]:
    """What sweep.json holds, but for the winners' run.

    Args:
        studies: of the sweep, all settled.
        config: of the sweep.
        names: of folds.

    Returns:
        `name`, `tried` (trials a fold), `sampler`, `pruner`, `seed`, `fields` (each field's
        distribution), `folds` (each `name`, `study`, `trials`, `chosen` (the winner's number),
        `best_of` (see `expected_best`) and `importance` (field -> share, None where it cannot be
        said)), `chosen` (each fold's values), `dev_uar` (the winners'), `seconds` of all trials.

    Raises:
        InputError: all trials of a fold failed.
    """
    folds, chosen, dev = [], [], []
    for k, (one, name) in enumerate(zip(studies.folds, names, strict=True)):
        settled = budget.view(one.study).settled
        trials = [_row(settled[slot], studies.space) for slot in sorted(settled)]
        best = winner(trials)
        if best is None:
            raise InputError(
                f"sweep: every trial of fold {name} failed, a member's loss stopped being finite; "
                "lower the learning rates of the space, in another --workdir"
            )
        # Who failed is worth nothing, and has cost a trial.
        values = [0.0 if t["dev_uar"] is None else t["dev_uar"] for t in trials]
        folds.append(
            {
                "name": name,
                "study": f"{studies.name}/fold-{k + 1}",
                "chosen": best["number"],
                "trials": trials,
                "best_of": expected_best(values),
                "importance": _importance(one.study),
            }
        )
        chosen.append(best["values"])
        dev.append(best["dev_uar"])
    settings = studies.settings
    return {
        "name": studies.name,
        "tried": studies.n,
        "sampler": settings["sampler"],
        "pruner": settings["pruner"],
        "seed": settings["seed"],
        "epochs": config.epochs,
        "fields": settings["space"]["fields"],
        "folds": folds,
        "chosen": chosen,
        "dev_uar": dev,
        "seconds": sum(t["seconds"] or 0.0 for fold in folds for t in fold["trials"]),
        "versions": installed_versions() | {"optuna": optuna().__version__},
    }


def winner(trials: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The trial that a fold takes.

    Of those that were trained to their end the one with the highest dev UAR; ties go to the lower
    dev loss, then to the earlier slot. One that was pruned is taken where no other is left.
    """
    there = [t for t in trials if t["dev_uar"] is not None]
    whole = [t for t in there if t["state"] == "complete"]

    def rank(t: dict[str, Any]) -> tuple[float, float, int]:
        loss = float("inf") if t["dev_loss"] is None else t["dev_loss"]
        return -t["dev_uar"], loss, t["slot"]

    return min(whole or there, key=rank, default=None)


def _row(trial: Any, found: Any) -> dict[str, Any]:
    """A settled trial."""
    known = trial.user_attrs
    failed = trial.state == optuna().trial.TrialState.FAIL
    losses = known.get("dev_loss") or [None]
    return {
        "number": trial.number,
        "slot": known[budget.SLOT],
        "values": samplers.values_of(trial, found),
        "state": "failed" if failed else trial.state.name.lower(),
        "why": known.get(budget.FAILED, "its workers died") if failed else None,
        "dev_uar": None if failed else trial.value,
        "dev_loss": None if None in losses else sum(losses) / len(losses),
        "by_seed": {name: known.get(name) for name in ("seeds", "dev_uar", "dev_loss",
                                                       "best_epoch")},
        "epochs": known.get("epochs"),
        "seconds": known.get("seconds"),
        "worker": known.get(budget.WORKER),
    }  # fmt: skip


def _importance(study: Any) -> dict[str, float] | None:
    """Each field's share of what makes trials differ, as Optuna's PED-ANOVA has it."""
    with warnings.catch_warnings(), contextlib.suppress(ValueError, RuntimeError):
        warnings.simplefilter("ignore")
        states = (optuna().trial.TrialState.COMPLETE,)
        if len(study.get_trials(deepcopy=False, states=states)) < 4:
            return None
        found = optuna().importance.get_param_importances(study)
        return {field: float(share) for field, share in found.items()}
    return None
