"""From a scored run to the utterances that its page shows: pictures, steps in time, sound."""

from __future__ import annotations

from typing import Any

import numpy as np

from jser import systems
from jser.errors import InputError
from jser.evaluation import examples
from jser.evaluation.examples import Choice, Example, Shown
from jser.evaluation.predictions import Judged
from jser.frontend.log_mel import LogMelSpec, band_centres
from jser.preparation import Ready
from jser.records import places, recordings, selection
from jser.records.corpus import Corpus

NO_SOUND = "The recordings were left out of this page (--no_sound)."


def collect(prepared: Ready, judged: Judged, sound: bool = True) -> Shown:
    """Examples of a run's test utterances.

    Args:
        prepared: the experiment.
        judged: its test.
        sound: with their recordings, where the records hold them. Many licences let nobody pass
            recordings on, and a page with them is such a copy.
    """
    config, corpus = prepared.config, prepared.corpus
    if prepared.certificate.of_pictures:
        # Whose they are and whether they may be passed on, nobody knows; IAPS' may not.
        return Shown(())
    chosen = examples.choose(judged)
    heard: dict[str, np.ndarray] = {}
    about_sound = NO_SOUND
    if sound:
        heard, about_sound = _sound(config, corpus, [choice.utterance_id for choice in chosen])
    place = {str(u): i for i, u in enumerate(corpus.utterance_id)}
    shown = tuple(
        _example(choice, corpus, place[choice.utterance_id], config, heard) for choice in chosen
    )
    return Shown(shown, (*_about_attention(config, judged), about_sound))


def _example(
    choice: Choice, corpus: Corpus, i: int, config: Any, sound: dict[str, np.ndarray]
) -> Example:
    front_end = LogMelSpec()
    static = corpus.static(i)
    return Example(
        choice=choice,
        log_mel=static,
        band_hz=band_centres(front_end),
        hop=front_end.hop / front_end.sample_rate,
        window=front_end.window / front_end.sample_rate,
        steps=systems.get(config.system).step_bounds(config, static),
        waveform=sound.get(choice.utterance_id),
        sample_rate=front_end.sample_rate,
    )


def _sound(config: Any, corpus: Corpus, wanted: list[str]) -> tuple[dict[str, np.ndarray], str]:
    """Waveforms by utterance id, and a sentence about them."""
    if corpus.waveform is not None:
        place = {str(u): i for i, u in enumerate(corpus.utterance_id)}
        found = {u: corpus.waveform[place[u]] for u in wanted}
    else:
        try:
            found = _find(config, corpus, wanted)
        except InputError as error:
            return {}, f"Nothing can be heard: {error}, then `jser evaluate RUN` adds the sound."
    licences = {
        origin.name: recordings.licence(origin.name, places.of_config(config), origin.variant)
        for origin in selection.origins(corpus)
    }
    several = len(licences) > 1
    terms = "; ".join(
        f"{name}: {words}" if several else words for name, words in licences.items() if words
    )
    whose = "each corpus' licence" if several else "the corpus' licence"
    return found, (
        f"The recordings are part of this page, so {whose} holds for it"
        f"{f': {terms}' if terms else ''}."
    )


def _find(config: Any, corpus: Corpus, wanted: list[str]) -> dict[str, np.ndarray]:
    """Waveforms from the variants that hold them, by the ids that the experiment knows."""
    behind = selection.origins(corpus)
    found: dict[str, np.ndarray] = {}
    for origin in behind:
        prefix = f"{origin.name}{selection.MARK}" if len(behind) > 1 else ""
        own = [u.removeprefix(prefix) for u in wanted if u.startswith(prefix)]
        heard = recordings.find(origin.name, places.of_config(config), origin.fingerprint, own)
        found |= {prefix + u: sound for u, sound in heard.items()}
    return found


def _about_attention(config: Any, judged: Judged) -> tuple[str, ...]:
    if judged.attention is None:
        return ()
    n = len(np.unique(judged.seed))
    averaged = f"Attention and posteriors are means over the {n} seeds. " if n > 1 else ""
    others = ["a linear path"] if config.model.get("linear_path") else []
    others += ["read-outs"] if config.get("readout", {}).get("views") else []
    beside = (
        f" The answer also uses {' and '.join(others)} of the whole utterance, without attention."
        if others
        else ""
    )
    return (
        f"{averaged}The curve shows how much a moment weighs in the pooling, against equal "
        f"weights; each weight is spread evenly over its step, and steps overlap. It shows where "
        f"the sequence part looks, not why the answer came out.{beside}",
    )
