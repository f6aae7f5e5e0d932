"""Corpora of speech, and what a config of any system takes for each of them."""

from __future__ import annotations

from collections.abc import Mapping

import ml_collections

Row = tuple[str, int, float]

# corpus -> (protocol, dev speakers, decibels of silence trimmed)
CORPORA: dict[str, Row] = {
    "synthetic": ("leave_one_speaker_out", 2, 0.0),
    "casia": ("leave_one_speaker_out", 1, 0.0),
    "emodb": ("leave_one_speaker_out", 2, 0.0),
    "emodb_4class": ("leave_one_speaker_out", 2, 0.0),
    "emodb_first2s": ("leave_one_speaker_out", 2, 0.0),
    # Improvised, without excitement: what Chen et al. 2018 report on, and (their text names happy
    # alone) Lee and Tashev 2015.
    "iemocap_2280": ("iemocap_speakers", 1, 0.0),
    "iemocap_5531": ("iemocap_speakers", 1, 0.0),
    # A RAVDESS clip starts and ends with about a second of near silence.
    "ravdess": ("ravdess_emobox", 4, 35.0),
    "savee": ("leave_one_speaker_out", 1, 0.0),
}
# Any other corpus that is built: a user's own. auto: by its number of speakers.
OWN: Row = ("auto", 2, 0.0)


def base(
    system: str, corpus: str, table: Mapping[str, Row] = CORPORA
) -> tuple[ml_collections.ConfigDict, float]:
    """The fields with which every config begins, and the decibels of silence trimmed."""
    protocol, dev_speakers, trim_db = _row(corpus, table)
    config = ml_collections.ConfigDict()
    config.system = system
    config.corpus = corpus  # or several: emodb_4class+ravdess
    # Of several corpora, classes that all have: shared, calm_as_neutral, excitement_as_happiness
    config.labels = "shared"
    config.classes = ()  # only these of them; (): all
    config.data_dir = ""  # where records lie; empty: $JSER_DATA, then ~/jser_data
    config.protocol = protocol
    config.dev_speakers = dev_speakers
    config.seeds = (0, 1, 2)
    return config, trim_db


def _row(corpus: str, table: Mapping[str, Row]) -> Row:
    """Of a corpus, or of several: one way of trimming for all, or it would tell them apart."""
    if "+" not in corpus:
        return table.get(corpus, OWN)
    rows = (table.get(name.strip(), OWN) for name in corpus.split("+"))
    _, dev_speakers, trim_db = zip(*rows, strict=True)
    return "leave_one_corpus_out", min(dev_speakers), max(trim_db)
