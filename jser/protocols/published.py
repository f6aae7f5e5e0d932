"""Protocols that others have published as lists of speakers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jser.errors import InputError
from jser.protocols.records import Records

# Test actors of the six folds of EmoBox (Ma et al., Interspeech 2024).
RAVDESS_EMOBOX = (
    (1, 11, 20, 21), (4, 10, 12, 14), (8, 9, 19, 23),
    (3, 5, 7, 24), (2, 15, 16, 18), (6, 13, 17, 22),
)  # fmt: skip


def ravdess_emobox(
    name: str, corpus: Records, speakers: Sequence[str]
) -> tuple[list[tuple[str, tuple[str, ...]]], str]:
    """The folds of RAVDESS_EMOBOX as named speakers; a partial corpus keeps what it has."""
    numbers = {int(re.sub(r"\D", "", s) or 0): s for s in speakers}
    listed = {actor for fold in RAVDESS_EMOBOX for actor in fold}
    if not corpus.name.startswith("ravdess") or not set(numbers) <= listed:
        raise InputError(
            f"protocol '{name}' lists the 24 actors of RAVDESS, and corpus {corpus.name} has other "
            f"speakers; use leave_one_speaker_out or speaker_k_fold:K."
        )
    missing = sorted(listed - set(numbers))
    if missing and not getattr(corpus, "partial", False):
        which = ", ".join(f"{m:02d}" for m in missing)
        raise InputError(
            f"protocol '{name}' needs actors {which}, which corpus {corpus.name} lacks; "
            f"add their recordings, or use leave_one_speaker_out."
        )
    folds = []
    for k, actors in enumerate(RAVDESS_EMOBOX, start=1):
        present = tuple(numbers[a] for a in actors if a in numbers)
        if present:
            folds.append((str(k), present))
    remark = f"; only {len(numbers)} of its {len(listed)} speakers are here" if missing else ""
    return folds, remark
