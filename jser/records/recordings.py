"""The sound of a few utterances of a built corpus, without the whole corpus in memory."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import numpy as np

from jser.errors import InputError
from jser.records import places, sidecar
from jser.records.manifest import built

_AT_ONCE = 64  # records in memory


def find(
    name: str,
    data_dir: str | os.PathLike[str],
    fingerprint: str,
    wanted: Collection[str],
) -> dict[str, np.ndarray]:
    """Waveforms int16 [samples] of utterances, from the variant that holds them.

    Args:
        name: of the corpus.
        data_dir: where records lie.
        fingerprint: of the corpus meant; records of another state of it are not taken.
        wanted: utterance ids.

    Raises:
        InputError: the variant `waveform` is not built, of another state, or damaged.
    """
    folder = places.records_dir(Path(data_dir), name, "waveform")
    content = sidecar.read(folder)
    # The smaller variant says how the corpus was built, where this one is not there.
    smaller = sidecar.read(places.records_dir(Path(data_dir), name, "log_mel"))
    command = f"`jser build {built.command(name, content or smaller)} --variant=waveform`"
    if content is None:
        raise InputError(f"the records hold no waveforms; {command} builds some that do")
    if content["fingerprint"] != fingerprint:
        raise InputError(
            f"the records with waveforms are of another state of the corpus; {command} renews them"
        )
    sidecar.verify_shards(folder, content, remedy=f"{command} renews it")
    import tensorflow_datasets as tfds  # Slow to import; most commands never get here.

    source = tfds.builder_from_directory(folder).as_data_source(places.SPLIT)
    found: dict[str, np.ndarray] = {}
    for start in range(0, len(source), _AT_ONCE):
        rows = range(start, min(start + _AT_ONCE, len(source)))
        for record in source.__getitems__(list(rows)):
            utterance_id = record["utterance_id"].decode()
            if utterance_id in wanted:
                found[utterance_id] = np.array(record["waveform"])
        if len(found) == len(set(wanted)):
            break
    return found


def licence(name: str, data_dir: str | os.PathLike[str], variant: str = "log_mel") -> str:
    """The recordings' licence, as the corpus' builder says it; empty where it says nothing."""
    content = sidecar.read(places.records_dir(Path(data_dir), name, variant)) or {}
    return str(content.get("licence", ""))
