"""What a record holds, as TFDS describes it; see `docs/files.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds


def describe(classes: Sequence[str], own: Mapping[str, Any]) -> Any:
    """TFDS' features of a record: those of all corpora, and its kind's own (`Kind.features`)."""
    return tfds.features.FeaturesDict(
        {
            "utterance_id": tfds.features.Text(),
            "speaker": tfds.features.Text(),
            "session": tfds.features.Text(),
            "text_id": tfds.features.Text(),
            "split": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=list(classes)),
            **own,
        }
    )
