"""The read-outs of a run: they need no trained network, so they are fitted before it trains.

What is wrong with a view is then found in minutes, not after hours. A tuned stem changes nothing
here: views are of the frozen stem, before and after its tuning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jser.preparation import Ready
from jser.training import fusion
from jser.training.readout import Readout


@dataclass(frozen=True)
class Readouts:
    """What stands beside the network, each a sequence of one a fold.

    Attributes:
        together: view -> its read-out in the system's sum; empty where the config names no view.
        alone: view -> sequence of ``{view: its read-out by itself}``, of the views of the sum and
            of the inputs' baseline in any case.
    """

    together: tuple[Mapping[str, Readout], ...]
    alone: Mapping[str, tuple[Mapping[str, Readout], ...]]


def fit(prepared: Ready, run_dir: Path) -> Readouts:
    """Fit the read-outs that a config asks for, or take them from an interrupted run.

    Args:
        prepared: from `preparation.prepare`.
        run_dir: gets ``readouts.npz``, and ``baseline.npz`` where the baseline is not in the sum.

    Raises:
        InputError: the disk is full.
    """
    config = prepared.config

    def fitted(views: tuple[str, ...], file: str) -> list[fusion.FoldReadouts]:
        return fusion.fit(
            {view: prepared.inputs.views[view] for view in views},
            prepared.corpus.label,
            prepared.corpus.speaker,
            len(prepared.corpus.classes),
            prepared.protocol,
            with_dev=config.refit,
            penalties=config.readout.penalties,
            run_dir=run_dir,
            name=file,
        )

    used = tuple(config.readout.views)
    baseline = prepared.inputs.baseline
    folds = fitted(used, "readouts") if used else []
    alone = {view: tuple({view: fold.alone[view]} for fold in folds) for view in used}
    if baseline not in used:
        alone[baseline] = tuple(dict(fold.alone) for fold in fitted((baseline,), "baseline"))
    return Readouts(tuple(fold.together for fold in folds), alone)


def fit_on_train(prepared: Ready, run_dir: Path) -> tuple[Mapping[str, Readout], ...]:
    """The read-outs of the sum, fitted on train alone: what dev speakers are strangers to.

    Args:
        prepared: from `preparation.prepare`.
        run_dir: gets ``readouts_on_train.npz`` where the run's own have heard the dev speakers.

    Returns:
        One ``view -> read-out`` a fold; empty where the config names no view.

    Raises:
        InputError: the disk is full.
    """
    config = prepared.config
    if not config.readout.views:
        return ()
    folds = fusion.fit(
        {view: prepared.inputs.views[view] for view in config.readout.views},
        prepared.corpus.label,
        prepared.corpus.speaker,
        len(prepared.corpus.classes),
        prepared.protocol,
        with_dev=False,
        penalties=config.readout.penalties,
        run_dir=run_dir,
        name="readouts_on_train" if config.refit else "readouts",
    )
    return tuple(fold.together for fold in folds)
