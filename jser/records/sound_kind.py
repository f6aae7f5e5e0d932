"""Corpora of recordings: log-Mel spectrograms, with or without the sound itself."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from jser.frontend import log_mel
from jser.frontend.log_mel import LogMelSpec
from jser.records import audit as auditing
from jser.records import extract, places
from jser.records.cache import Facts, Finished
from jser.records.files import Utterance
from jser.records.info import CorpusInfo
from jser.records.kind import Counted, Kind, Sink, Source


class SoundKind(Kind):
    """What the builder must know of recordings; see `Kind`."""

    name = "sound"
    things = "recordings"
    variants = places.VARIANTS
    facts = Facts

    def spec(self) -> LogMelSpec:
        """The default front end."""
        return LogMelSpec()

    def prepare(self, spec: LogMelSpec) -> None:
        """Compile the front end."""
        threading.Thread(target=log_mel.prepare, args=(spec,)).start()

    def features(self, spec: LogMelSpec, variant: str) -> dict[str, Any]:
        """The spectrogram, and the sound in the variant `waveform`."""
        raw = tfds.features.Encoding.BYTES  # The default, varint, is several times slower.
        features: dict[str, Any] = {
            "n_frames": np.int32,
            "pcm_sha256": tfds.features.Text(),
            "log_mel": tfds.features.Tensor(
                shape=(None, spec.n_mels), dtype=np.float32, encoding=raw
            ),
        }
        if variant == "waveform":
            features["waveform"] = tfds.features.Tensor(shape=(None,), dtype=np.int16, encoding=raw)
        return features

    def extract(
        self,
        todo: Mapping[str, Source],
        sink: Sink,
        spec: LogMelSpec,
        variant: str,
        max_seconds: float | None,
        what: str | None,
    ) -> dict[str, str]:
        """See `jser.records.extract.extract`."""
        return extract.extract(
            todo,
            sink,
            spec,
            max_seconds=max_seconds,
            keep_pcm=variant == "waveform",
            what=what,
        )

    def example(self, done: Finished) -> dict[str, object]:
        """Frames, hash, and what is in the pack."""
        return {
            "n_frames": np.int32(len(done.arrays["log_mel"])),
            "pcm_sha256": done.facts.pcm_sha256,
            **done.arrays,
        }

    def content_hash(self, facts: Facts) -> str:
        """Of the samples."""
        return facts.pcm_sha256

    def audit(
        self,
        utterances: Sequence[Utterance],
        facts: Sequence[Facts],
        spec: LogMelSpec,
        counted: Counted,
    ) -> dict[str, Any]:
        """See `jser.records.audit.make`."""
        info = counted.info
        return auditing.make(
            info.name,
            [_row(u, f, spec.sample_rate) for u, f in zip(utterances, facts, strict=True)],
            classes=info.classes,
            counts=info.counts,
            sex=counted.sex,
            counts_by_speaker=info.counts_by_speaker,
            skipped=counted.skipped,
            broken=counted.broken,
        )

    def render(self, audit: Mapping[str, Any]) -> str:
        """See `jser.records.audit.render`."""
        return auditing.render(audit)

    def seconds(self, audit: Mapping[str, Any]) -> float:
        """Of all recordings."""
        return float(audit["seconds"]["total"])

    def doubt(self, info: CorpusInfo, audit: Mapping[str, Any]) -> str | None:
        """Recordings of which none is as long as published have been cut."""
        longest = audit["seconds"]["longest"]
        if not info.some_longer_than or longest > info.some_longer_than:
            return None
        return (
            f"no recording is longer than {longest:.2f} s, so these are not the recordings of "
            f"{info.name} but cuts of them; give the published ones"
        )


SOUND = SoundKind()


def _row(u: Utterance, facts: Facts, sample_rate: int) -> auditing.Row:
    return auditing.Row(
        utterance_id=u.utterance_id,
        speaker=u.speaker,
        label=u.label,
        seconds=facts.n_samples / sample_rate,
        pcm_sha256=facts.pcm_sha256,
        sample_rate_in=facts.sample_rate_in,
        channels_in=facts.channels_in,
        peak_db=facts.peak_db,
        clipped=facts.clipped,
    )
