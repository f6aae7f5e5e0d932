"""Whether an artefact says what the run said: the same recordings, both ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from jser import answering
from jser.answering import Behind, softmax, votes
from jser.artefact.answer import Member
from jser.artefact.calibration import tempered
from jser.errors import InputError
from jser.preparation import Ready
from jser.records import places, selection
from jser.restoring import Restored
from jser.training import fusion, loop
from jser.trainings import Trained, plan_of

# Largest difference that an artefact may have, of logits and scores; a temperature below 1 makes
# differences of scores larger by as much, so of probabilities it is this over the temperature.
LIMIT = 1e-4
# Functionals of descriptors decide: whether a step is one (1e-4 of the contour's range), which
# formant is whose. Where two programs round differently a decision falls the other way now and
# then, and the scores of that recording move with it: of a quarter of the recordings at most, and
# by no more than this. Networks' logits have no such allowance.
DECIDED = 1e-3
SHARE_DECIDED = 0.25
# Recordings that are compared, of all lengths that the corpus has.
RECORDINGS = 12
COMPARED = ("logits", "scores", "probabilities")


@dataclass(frozen=True)
class Said:
    """What members say of n recordings: logits [n, P, K], scores and probabilities [n, K]."""

    logits: np.ndarray
    scores: np.ndarray
    probabilities: np.ndarray

    def differences(self, other: Said) -> dict[str, float]:
        """Largest absolute difference of each, infinite where something is not finite; and under
        ``beyond`` the share of recordings whose scores differ by more than `LIMIT`."""
        found = {}
        for name in COMPARED:
            away = np.abs(getattr(self, name) - getattr(other, name)).max()
            found[name] = float(away) if np.isfinite(away) else float("inf")
        away = np.abs(self.scores - other.scores).max(axis=1)
        found["beyond"] = float(np.mean(~(away <= LIMIT)))
        return found


def rows(restored: Restored, number: int = RECORDINGS) -> np.ndarray:
    """Utterances int [n] from the shortest to the longest, evenly between."""
    order = np.argsort(restored.prepared.corpus.length, kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, number).round().astype(int))]


def recordings(restored: Restored, utterances: np.ndarray) -> list[np.ndarray]:
    """Their samples float32 [samples_i], as records have them.

    Raises:
        InputError: records with sound are not there, or are others.
    """
    corpus, config = restored.prepared.corpus, restored.config
    if corpus.waveform is None:  # the run needed none
        data_dir = places.of_config(config)
        chosen = config.corpus, data_dir, "waveform", config.labels, config.classes
        heard = selection.load(*chosen, "auto")
        if heard.fingerprint != corpus.fingerprint:
            raise InputError(
                f"corpus {corpus.name}: its records with sound, with which an artefact is held "
                "against the run, are others than those without; build both again"
            )
        corpus = heard
    assert corpus.waveform is not None
    return [corpus.waveform[u].astype(np.float32) / 32768 for u in utterances]


def of_run(
    restored: Restored, members: Sequence[Member], utterances: np.ndarray, temperature: float
) -> Said:
    """What the run's own programs say, from the features that it was trained on."""
    found: dict[tuple[int, int, int], tuple[np.ndarray, np.ndarray]] = {}
    for part, behind in zip(restored.trained, restored.behind, strict=bool(restored.trained)):
        found |= _of_part(part, behind, utterances)
    if not restored.trained:
        found = _of_view(restored, utterances)
    own = [found[m.fold, m.seed, m.bag] for m in members]
    readouts = restored.beside.together
    sequence = restored.config.readout.get("sequence", 1.0)
    shares = []
    for fold, seed in sorted({(m.fold, m.seed) for m in members}):
        mine = [
            posterior
            for (_, posterior), m in zip(own, members, strict=True)
            if (m.fold, m.seed) == (fold, seed)
        ]
        posterior = votes(np.stack(mine)[None])[0] if len(mine) > 1 else mine[0]
        many = np.full(len(utterances), fold)
        views = restored.prepared.inputs.views
        posterior = fusion.fused(posterior, readouts, views, many, utterances, sequence)
        shares.append(posterior)
    mean = np.mean(shares, axis=0)
    return Said(np.stack([logits for logits, _ in own], axis=1), mean, tempered(mean, temperature))


# Fold, seed and bag -> logits and posterior [n, K].
_Found = dict[tuple[int, int, int], tuple[np.ndarray, np.ndarray]]


def _of_part(part: Trained, behind: Behind | None, utterances: np.ndarray) -> _Found:
    """What all members of a compiled program say."""
    prepared, tables, plan = part.prepared, part.prepared.tables, plan_of(part.prepared)
    asked = np.tile(utterances.astype(np.int32), (len(tables), 1))
    said = loop.predict(prepared.program, prepared.features, tables, part.state, asked, plan)[0]
    posterior = softmax(said) if behind is None else answering.read(prepared, behind, asked)
    return _by_member(prepared, said, posterior)


def _of_view(restored: Restored, utterances: np.ndarray) -> _Found:
    """What members without a network say."""
    prepared, (behind,) = restored.prepared, restored.behind
    assert behind is not None
    asked = np.tile(utterances.astype(np.int32), (len(prepared.tables), 1))
    shares = answering.read(prepared, behind, asked)
    return _by_member(prepared, shares, shares)


def _by_member(prepared: Ready, logits: np.ndarray, posterior: np.ndarray) -> _Found:
    tables = prepared.tables
    who = zip(tables.fold, tables.seed, tables.bag, strict=True)
    return {(int(k), int(s), int(b)): (logits[p], posterior[p]) for p, (k, s, b) in enumerate(who)}


# Recordings -> name -> array with a row each, as `loader.Artefact` answers.
Artefact = Callable[[Sequence[np.ndarray]], Mapping[str, np.ndarray]]


def of_artefact(artefact: Artefact, sound: Sequence[np.ndarray]) -> Said:
    """What an artefact says: half of the recordings one by one, the others in one call."""
    half = len(sound) // 2
    said = [artefact([x]) for x in sound[:half]] + [artefact(sound[half:])]
    return Said(
        *(
            np.concatenate([np.asarray(one[name]) for one in said])
            for name in ("logits", "scores", "probabilities")
        )
    )


def check(
    table: Mapping[str, Mapping[str, float]], temperature: float, decides: bool = False
) -> None:
    """Refuse an artefact of which a format says something else than the run.

    Args:
        table: format -> `Said.differences`.
        temperature: of the artefact.
        decides: read-outs of descriptors are in its scores, see `DECIDED`.

    Raises:
        InputError: see above.
    """
    for name, differences in table.items():
        few = decides and differences["beyond"] <= SHARE_DECIDED
        for what in COMPARED:
            worst, limit = differences[what], LIMIT
            if few and what != "logits":
                limit = DECIDED
            if what == "probabilities":
                limit /= min(temperature, 1.0)
            if not worst <= limit:
                raise InputError(
                    f"{name}: its {what} differ by {worst:.2g} from the run's, and {limit:.2g} is "
                    "the limit; nothing was exported. Please report it with the run's config.json"
                )
