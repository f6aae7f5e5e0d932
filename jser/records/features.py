"""What a record holds, as TFDS describes it; see `docs/files.md`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds


def describe(classes: Sequence[str], n_mels: int, variant: str) -> Any:
    """TFDS' features of the records of one variant, 'log_mel' or 'waveform'."""
    raw = tfds.features.Encoding.BYTES  # The default, varint, is several times slower.
    features: dict[str, Any] = {
        "utterance_id": tfds.features.Text(),
        "speaker": tfds.features.Text(),
        "session": tfds.features.Text(),
        "text_id": tfds.features.Text(),
        "split": tfds.features.Text(),
        "label": tfds.features.ClassLabel(names=list(classes)),
        "n_frames": np.int32,
        "pcm_sha256": tfds.features.Text(),
        "log_mel": tfds.features.Tensor(shape=(None, n_mels), dtype=np.float32, encoding=raw),
    }
    if variant == "waveform":
        features["waveform"] = tfds.features.Tensor(shape=(None,), dtype=np.int16, encoding=raw)
    return tfds.features.FeaturesDict(features)
