"""RAVDESS, audio-only: speech of 24 actors, 60 recordings each, and song of 23, 44 each.

File names (Livingstone and Russo 2018): ``03-01-06-01-02-01-12.wav`` is modality (03: audio only),
vocal channel (01: speech, 02: song), emotion, intensity, statement, repetition, actor.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from jser.errors import InputError
from jser.records.builder import CorpusBuilder
from jser.records.files import Skipped, Utterance, code
from jser.records.info import CorpusInfo

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
# Odd actors are male, even ones female.
SPEAKERS = {f"{actor:02d}": "m" if actor % 2 else "f" for actor in range(1, 25)}
CHANNELS = {"01": "speech", "02": "song"}
MODALITIES = {"01": "audio and video", "02": "video only", "03": "audio only"}
_NAME = re.compile(r"-".join([r"(\d\d)"] * 7))


class Ravdess(CorpusBuilder):
    """The 1440 speech recordings, eight classes."""

    LAYOUT = "RAVDESS' file names, for example Actor_12/03-01-06-01-02-01-12.wav"
    INFO = CorpusInfo(
        name="ravdess",
        classes=tuple(EMOTIONS.values()),
        # Neutral was not acted in the strong intensity.
        counts={name: 96 if name == "neutral" else 192 for name in EMOTIONS.values()},
        speakers=SPEAKERS,
        counts_by_speaker=dict.fromkeys(SPEAKERS, 60),
        description="24 North American actors, two sentences, eight acted emotions.",
        citation="Livingstone and Russo 2018, PLoS ONE 13(5): e0196391",
        licence="CC BY-NC-SA 4.0",
        homepage="https://zenodo.org/records/1188976",
        how_to_get="fetch Audio_Speech_Actors_01-24.zip from https://zenodo.org/records/1188976 "
        "and unpack it",
    )
    CHANNEL: ClassVar[str] = "01"

    @classmethod
    def parse(cls, path: Path) -> Utterance | Skipped | None:
        """A recording by its name; the other channel and video are skipped and counted."""
        match = _NAME.fullmatch(path.stem)
        if match is None:
            return None
        modality, channel, emotion, intensity, statement, repetition, actor = match.groups()
        label = EMOTIONS[code(path, "emotion code", emotion, EMOTIONS)]
        code(path, "modality", modality, MODALITIES)
        code(path, "vocal channel", channel, CHANNELS)
        code(path, "intensity", intensity, ("01", "02"))
        code(path, "statement", statement, ("01", "02"))
        code(path, "repetition", repetition, ("01", "02"))
        code(path, "actor", actor, SPEAKERS)
        if channel != cls.CHANNEL:
            return Skipped(path, f"{CHANNELS[channel]}, not {CHANNELS[cls.CHANNEL]}")
        if modality != "03":
            return Skipped(path, f"modality {modality} ({MODALITIES[modality]})")
        if actor not in cls.INFO.speakers or label not in cls.INFO.classes:  # type: ignore[operator]
            raise InputError(f"{path.name}: {cls.INFO.name} has no {label} of actor {actor}")
        return Utterance(path, path.stem, actor, actor, statement, label)


SONG = ("neutral", "calm", "happiness", "sadness", "anger", "fear")


class RavdessSong(Ravdess):
    """The 1012 recordings of song, six classes; actor 18 does not sing."""

    INFO = replace(
        Ravdess.INFO,
        name="ravdess_song",
        classes=SONG,
        counts={name: 92 if name == "neutral" else 184 for name in SONG},
        speakers={actor: sex for actor, sex in SPEAKERS.items() if actor != "18"},
        counts_by_speaker={actor: 44 for actor in SPEAKERS if actor != "18"},
        description="23 North American actors sing two sentences in six acted emotions.",
        how_to_get="fetch Audio_Song_Actors_01-24.zip from https://zenodo.org/records/1188976 "
        "and unpack it",
    )
    CHANNEL = "02"
