"""The end of an experiment: predict each fold's test utterances, and have the ledger score them.

What is scored is the system, and beside it each of its parts alone: the sequence part, and the
read-out of each view. A part is written down and is no configuration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jser import config as configs
from jser.evaluation import ledger
from jser.evaluation.predictions import Predictions
from jser.preparation import Prepared, data_dir
from jser.readouts import Readouts
from jser.training import fusion, loop, population
from jser.training.readout import Readout

SEQUENCE = "sequence part alone"


@dataclass(frozen=True)
class Results:
    """What the test gave.

    Attributes:
        system: the configuration's scores.
        baseline: of the stem's pooled features with a ridge read-out: what a network has to beat.
        parts: name -> scores, of the system's parts alone, where there is more than one.
    """

    system: ledger.Scores
    baseline: ledger.Scores
    parts: dict[str, ledger.Scores]

    def each_alone(self) -> dict[str, ledger.Scores]:
        """All that two runs may have in common: the sequence part, and each view's read-out."""
        parts = self.parts or {SEQUENCE: self.system}
        return {**parts, fusion.VIEWS["stem"]: self.baseline}


def score(
    prepared: Prepared,
    readouts: Readouts,
    state: population.State,
    plan: loop.Plan,
    run_dir: Path,
) -> Results:
    """Predict each fold's test utterances with its own members and read-outs; score them once."""
    config, protocol = prepared.config, prepared.protocol
    sequence = _sequence_part(prepared, state, plan)
    weights_hash = _hash(state.best_params)

    def scores_of(by_fold: Sequence[Mapping[str, Readout]]) -> dict[str, np.ndarray]:
        return fusion.scores(
            by_fold,
            prepared.views,
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
            data_dir(config) / "ledger",
            configs.config_hash(config),
            hashed,
            role,
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

    baseline = judge_alone("stem", "baseline")
    if not readouts.together:
        return Results(judge(sequence, weights_hash, "system"), baseline, {})
    added = scores_of(readouts.together)
    summed = config.readout.sequence * sequence.posterior + sum(added.values())
    fused = Predictions(
        utterance_index=sequence.utterance_index,
        fold=sequence.fold,
        seed=sequence.seed,
        posterior=fusion.shares(summed),
        attention=sequence.attention,
    )
    system_hash = hashlib.sha256(
        f"{weights_hash} {fusion.digest(readouts.together)} {config.readout.sequence}".encode()
    ).hexdigest()
    parts = {SEQUENCE: judge(sequence, weights_hash, "part")}
    for view in added:
        if view != "stem":
            parts[f"{fusion.VIEWS[view]}, alone"] = judge_alone(view, "part")
    return Results(judge(fused, system_hash, "system"), baseline, parts)


def _sequence_part(prepared: Prepared, state: population.State, plan: loop.Plan) -> Predictions:
    """Posteriors and attention of the trained members."""
    protocol, tables = prepared.protocol, prepared.tables
    width = max(len(fold.test) for fold in protocol.folds)
    rows = np.full((len(tables), width), -1, np.int32)
    for p, k in enumerate(tables.fold):
        rows[p, : len(protocol.folds[k].test)] = protocol.folds[k].test
    logits, attention = loop.predict(
        prepared.program, prepared.features, tables, state.best_params, rows, plan
    )
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    posterior = shifted / shifted.sum(-1, keepdims=True)
    member, place = np.nonzero(rows >= 0)
    return Predictions(
        utterance_index=rows[member, place],
        fold=tables.fold[member],
        seed=tables.seed[member],
        posterior=posterior[member, place].astype(np.float32),
        attention=attention[member, place].astype(np.float32),
    )


def _hash(tree: Any) -> str:
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        digest.update(str(path).encode())
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()
