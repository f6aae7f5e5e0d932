"""The end of an experiment: predict each fold's test utterances, and have the ledger score them.

What is scored is the system, and beside it each of its parts alone: the sequence part, and the
read-out of each view. A part is written down and is no configuration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jser import config as configs
from jser.answering import Answered
from jser.evaluation import ledger
from jser.evaluation.predictions import Predictions
from jser.preparation import Ready
from jser.readouts import Readouts
from jser.records import places
from jser.training import fusion
from jser.training.readout import Readout

SEQUENCE = "sequence part alone"


@dataclass(frozen=True)
class Results:
    """What the test gave.

    Attributes:
        system: the configuration's scores.
        baseline: of a ridge read-out of the inputs' baseline view: what the system has to beat.
        parts: name -> scores, of the system's parts alone, where there is more than one.
        view: the baseline's.
    """

    system: ledger.Scores
    baseline: ledger.Scores
    parts: dict[str, ledger.Scores]
    view: str

    def each_alone(self) -> dict[str, ledger.Scores]:
        """All that two runs may have in common: the sequence part, and each view's read-out."""
        parts = self.parts or {SEQUENCE: self.system}
        return {**parts, fusion.VIEWS[self.view]: self.baseline}


def shared_ledger(prepared: Ready) -> Path:
    """The ledger of the experiment's corpus and protocol in its data folder."""
    folder = places.of_config(prepared.config) / "ledger"
    return ledger.shared_path(folder, prepared.corpus.fingerprint, prepared.protocol.name)


def score(prepared: Ready, readouts: Readouts, answered: Answered, run_dir: Path) -> Results:
    """Score the answers on each fold's test utterances once, with what stands beside them."""
    config, protocol = prepared.config, prepared.protocol
    sequence, weights_hash = answered.predictions, answered.content

    def scores_of(by_fold: Sequence[Mapping[str, Readout]]) -> dict[str, np.ndarray]:
        return fusion.scores(
            by_fold,
            prepared.inputs.views,
            sequence.fold,
            sequence.utterance_index,
            len(prepared.corpus.classes),
        )

    def judge(predictions: Predictions, hashed: str, role: ledger.Role) -> ledger.Scores:
        return ledger.score(
            predictions,
            prepared.corpus,
            protocol,
            run_dir,
            places.of_config(config) / "ledger",
            configs.config_hash(config),
            hashed,
            role,
            config.get(configs.TRIED) if role == "system" else None,
        )

    # A read-out knows no seed: its rows are those of the first.
    once = sequence.seed == sequence.seed.min()

    def judge_alone(view: str, role: ledger.Role) -> ledger.Scores:
        predictions = Predictions(
            utterance_index=sequence.utterance_index[once],
            fold=sequence.fold[once],
            seed=np.zeros(int(once.sum()), np.int64),
            posterior=fusion.shares(scores_of(readouts.alone[view])[view][once]),
        )
        return judge(predictions, fusion.digest(readouts.alone[view]), role)

    of_baseline = prepared.inputs.baseline
    baseline = judge_alone(of_baseline, "baseline")
    if not readouts.together:
        parts = {
            name: judge(part, f"{weights_hash} {name}", "part")
            for name, part in answered.parts.items()
        }
        return Results(judge(sequence, weights_hash, "system"), baseline, parts, of_baseline)
    fused = Predictions(
        utterance_index=sequence.utterance_index,
        fold=sequence.fold,
        seed=sequence.seed,
        posterior=fusion.fused(
            sequence.posterior,
            readouts.together,
            prepared.inputs.views,
            sequence.fold,
            sequence.utterance_index,
            config.readout.sequence,
        ),
        attention=sequence.attention,
    )
    system_hash = hashlib.sha256(
        f"{weights_hash} {fusion.digest(readouts.together)} {config.readout.sequence}".encode()
    ).hexdigest()
    parts = {SEQUENCE: judge(sequence, weights_hash, "part")}
    for view in readouts.together[0]:
        if view != of_baseline:
            parts[f"{fusion.VIEWS[view]}, alone"] = judge_alone(view, "part")
    return Results(judge(fused, system_hash, "system"), baseline, parts, of_baseline)
