"""A finished run, brought back to memory as it answered: its experiment, read-outs and members."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jser import answering, grid, readouts, run_directory, trainings, two_stage
from jser.errors import InputError
from jser.preparation import Prepared, Ready, prepare


@dataclass(frozen=True)
class Restored:
    """What a finished run answers with.

    Attributes:
        config: of the run.
        prepared: its experiment; of a grid, of the first group.
        beside: read-outs that stand beside the network.
        trained: the members, one a compiled program that has some; empty where nothing is trained.
        behind: read-outs that answer behind their networks, one a part of `trained`, None where
            the networks answer; where nothing is trained, one, of the view.
    """

    config: Any
    prepared: Ready
    beside: readouts.Readouts
    trained: list[trainings.Trained]
    behind: list[answering.Behind | None]


def check_finished(run_dir: Path) -> Any:
    """The config of a run of which report and checkpoints are there.

    Raises:
        InputError: there is no finished run.
    """
    config = run_directory.config_of(run_dir)
    n = 2 if config.get("refit") else 1
    stages = list(trainings.STAGES[:n]) if config.get("epochs") else []
    if "grid" in config:  # which of its groups were trained again, dev has chosen
        stages = [group.stage(trainings.STAGES[0]) for group in grid.groups(config)]
    elif "by_fold" in config:
        stages = [g.stage(name) for g in grid.groups(config) for name in trainings.STAGES[:n]]
    if two_stage.is_on(config):
        stages += [n for s in stages for n in two_stage.stage_names(s, config.stem.cross_fit)]
    if not run_directory.is_finished(run_dir) or any(
        not any((run_dir / "checkpoints" / stage).glob("[0-9]*")) for stage in stages
    ):
        raise InputError(
            f"{run_dir}: the run is not finished; go on with it with `jser train` and the same "
            "--config and --workdir"
        )
    return config


def restore(run_dir: Path) -> Restored:
    """Bring a finished run back; its records must be there, and are those that it was trained on.

    Raises:
        InputError: there is no finished run, its records are not there, or are others.
    """
    config = check_finished(run_dir)
    groups = grid.groups(config)
    leak = run_directory.leak_of(run_dir)
    prepared = prepare(groups[0].config, leak, groups[0].points, groups[0].folds)
    run_directory.check_same_records(run_dir, prepared.certificate.to_json())
    beside = readouts.fit(prepared, run_dir)
    trained: list[trainings.Trained] = []
    if isinstance(prepared, Prepared):
        trained, _ = trainings.train(prepared, config, run_dir, leak)
    behind: list[answering.Behind | None] = [
        answering.behind(part.prepared, part.state, trainings.plan_of(part.prepared))
        for part in trained
    ]
    if not trained:
        behind = [answering.behind_view(prepared)]
    return Restored(config, prepared, beside, trained, behind)
