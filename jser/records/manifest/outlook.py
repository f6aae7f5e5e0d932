"""What can be trained on a corpus of one's own, said as soon as it is built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jser import protocols
from jser.errors import InputError
from jser.records.files import Utterance
from jser.records.manifest import built

DEV_SPEAKERS = 2  # of configs for corpora that they do not name


@dataclass(frozen=True)
class _Records:
    """A table's utterances as a protocol sees them, before anybody has read a built corpus."""

    name: str
    classes: tuple[str, ...]
    sex: dict[str, str]
    utterance_id: np.ndarray
    speaker: np.ndarray
    session: np.ndarray
    text_id: np.ndarray
    split: np.ndarray
    label: np.ndarray
    pcm_sha256: np.ndarray


def sentences(name: str, classes: Sequence[str], utterances: Sequence[Utterance]) -> list[str]:
    """The protocol that `auto` stands for and the command that trains by it, or what is missing.

    Args:
        name: of the corpus.
        classes: that occur.
        utterances: that were built.
    """
    records = _records(name, classes, utterances)
    speakers = sorted(set(map(str, records.speaker)))
    usual = built.suited(dict.fromkeys(speakers), len(utterances))
    command = f"`jser train --config=dcnn_blstm:{name} --workdir=runs/{name}"
    lines = []
    if "" not in speakers and len(speakers) < built.FEWEST_SPEAKERS:
        lines.append(
            f"{len(speakers)} speaker{'s' * (len(speakers) != 1)}: a test of voices that training "
            f"did not hear needs {built.FEWEST_SPEAKERS} or more, so only random splits (random:K) "
            "can be made, and every result says so"
        )
    refusal = _refusal(usual, records)
    if refusal is None:
        return [*lines, f"protocol by default: {usual}; train with {command}`"]
    lines.append(f"not to be trained by {usual}, the default: {refusal}")
    random = built.random(len(utterances))
    for other in ("leave_one_session_out", random):
        if _refusal(other, records) is None:
            return [*lines, f"train with {command} --config.protocol={other}`"]
    return [*lines, "no other protocol fits either: add recordings to the table, and build again"]


def _refusal(protocol: str, records: _Records) -> str | None:
    """Why training would refuse a protocol; None: it would not."""
    try:
        made = protocols.make(protocol, records, DEV_SPEAKERS)
        protocols.certificate(records, made)
    except InputError as error:
        return str(error)
    return None


def _records(name: str, classes: Sequence[str], utterances: Sequence[Utterance]) -> _Records:
    def text(field: str) -> np.ndarray:
        return np.array([getattr(u, field) for u in utterances], np.str_)

    ids = text("utterance_id")
    return _Records(
        name=name,
        classes=tuple(classes),
        sex={u.speaker: u.sex for u in utterances if u.sex},
        utterance_id=ids,
        speaker=text("speaker"),
        session=text("session"),
        text_id=text("text_id"),
        split=text("split"),
        label=np.array([classes.index(u.label) for u in utterances], np.int32),
        # The build itself names recordings that are there twice.
        pcm_sha256=ids,
    )
