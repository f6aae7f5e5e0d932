"""What a protocol must know of a corpus."""

from __future__ import annotations

import typing
from collections.abc import Mapping

import numpy as np


class Records(typing.Protocol):
    """What a protocol must know of a corpus; arrays are [N], one entry an utterance.

    An empty string in `session`, `text_id` or `split` means unknown and is never counted as shared.
    """

    @property
    def name(self) -> str:
        """Of the corpus."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The K class names; `label` counts in this order."""

    @property
    def sex(self) -> Mapping[str, str]:
        """Speaker to 'f' or 'm'; one that is not there is '?'."""

    @property
    def utterance_id(self) -> np.ndarray:
        """Str, unique."""

    @property
    def speaker(self) -> np.ndarray:
        """Str."""

    @property
    def session(self) -> np.ndarray:
        """Str."""

    @property
    def text_id(self) -> np.ndarray:
        """Str, the sentence spoken."""

    @property
    def split(self) -> np.ndarray:
        """Str, of the corpus' own: 'train', 'dev', 'test' or 'test1', 'test2', ..."""

    @property
    def label(self) -> np.ndarray:
        """Int in 0..K-1."""

    @property
    def pcm_sha256(self) -> np.ndarray:
        """Str, hash of the decoded samples."""


def of_pictures(corpus: Records) -> bool:
    """Whether the utterances are pictures, which nobody speaks."""
    return getattr(corpus, "things", "recordings") == "pictures"
