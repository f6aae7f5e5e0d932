"""URDU: names, published counts, a complete build."""

from pathlib import Path

import pytest

from jser import datasets
from jser.datasets.urdu import fake
from jser.errors import InputError
from jser.records import corpus
from jser.records.builder import build


def test_the_whole_corpus_is_counted_as_published(complete):
    found = complete("urdu", fake.paths())
    assert len(found) == 400
    assert len({u.speaker for u in found}) == 29


def test_names():
    urdu = datasets.builder_class("urdu")
    one = urdu.parse(Path("Angry/SM4_F48_A0100.wav"))
    assert (one.utterance_id, one.speaker, one.text_id) == ("SM4_F48_A0100", "SM4", "")
    assert one.label == "anger"
    for name, sentence in (
        ("SM4_F1_B01", "emotion code 'B' is none of A H N S"),
        ("SM8_F1_A01", "speaker 'SM8' is none of SF1 to SM27"),
    ):
        with pytest.raises(InputError, match=sentence):
            urdu.parse(Path(f"{name}.wav"))


def test_build(tmp_path):
    table = {"Angry": {"SM1": 2, "SM3": 2}, "Sad": {"SF10": 2, "SM27": 1}}
    build("urdu", fake.make(tmp_path / "s", table), tmp_path, allow_partial=True)
    c = corpus.load("urdu", tmp_path)
    assert len(c.label) == 7
    assert (c.sex["SF10"], c.sex["SM27"]) == ("f", "m")
