"""Corpora of speech, and what a config of any system takes for each of them."""

from __future__ import annotations

# corpus -> (protocol, dev speakers, decibels of silence trimmed)
CORPORA = {
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
OWN = ("auto", 2, 0.0)


def row(corpus: str) -> tuple[str, int, float]:
    """Of a corpus, or of several: one way of trimming for all, or it would tell them apart."""
    if "+" not in corpus:
        return CORPORA.get(corpus, OWN)
    rows = (CORPORA.get(name.strip(), OWN) for name in corpus.split("+"))
    _, dev_speakers, trim_db = zip(*rows, strict=True)
    return "leave_one_corpus_out", min(dev_speakers), max(trim_db)
