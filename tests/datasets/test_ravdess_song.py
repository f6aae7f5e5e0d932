"""RAVDESS' song beside its speech."""

from pathlib import Path

import pytest

from jser import datasets
from jser.datasets.ravdess import fake
from jser.errors import InputError
from jser.records import corpus
from jser.records.builder import build


def test_speech_and_song_are_told_apart(tmp_path):
    source = fake.make(tmp_path / "s", speakers=["01", "02", "18"], intensities=["01"])
    fake.make(source, speakers=["01", "02", "18"], intensities=["01"], channel="02")
    spoken = build("ravdess", source, tmp_path, allow_partial=True)
    sung = build("ravdess_song", source, tmp_path, allow_partial=True)
    assert spoken.skipped == {"song, not speech": 2 * 24}
    assert sung.skipped == {"speech, not song": 3 * 32}
    c = corpus.load("ravdess_song", tmp_path)
    assert c.classes == ("neutral", "calm", "happiness", "sadness", "anger", "fear")
    assert set(c.speaker) == {"01", "02"}
    assert len(c.label) == 48


def test_the_whole_song_is_counted_as_published(complete):
    def name(actor, emotion, intensity, statement, repetition):
        return f"03-02-{emotion:02d}-{intensity:02d}-{statement:02d}-{repetition:02d}-{actor:02d}"

    names = [
        f"Actor_{actor:02d}/{name(actor, emotion, intensity, statement, repetition)}.wav"
        for actor in range(1, 25)
        if actor != 18
        for emotion in range(1, 7)
        for intensity in ([1] if emotion == 1 else [1, 2])
        for statement in (1, 2)
        for repetition in (1, 2)
    ]
    assert len(complete("ravdess_song", names)) == 1012


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("03-02-07-01-01-01-01", "ravdess_song has no disgust of actor 01"),
        ("03-02-06-01-01-01-18", "ravdess_song has no fear of actor 18"),
    ],
)
def test_what_is_not_sung(name, sentence):
    with pytest.raises(InputError, match=sentence):
        datasets.builder_class("ravdess_song").parse(Path(f"{name}.wav"))
