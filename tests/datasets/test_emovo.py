"""EMOVO: names, published counts, a build."""

from pathlib import Path

import pytest

from jser import datasets
from jser.datasets.emovo import fake
from jser.errors import InputError
from jser.records import corpus
from jser.records.builder import build


def test_the_whole_corpus_is_counted_as_published(complete):
    found = complete("emovo", fake.paths())
    assert len(found) == 588 == 6 * 14 * 7
    assert len({u.text_id for u in found}) == 14


def test_names():
    emovo = datasets.builder_class("emovo")
    one = emovo.parse(Path("m2/gio-m2-d1.wav"))
    assert (one.utterance_id, one.speaker, one.session) == ("gio-m2-d1", "m2", "m2")
    assert (one.text_id, one.label) == ("d1", "happiness")
    for name, sentence in (
        ("noi-m2-d1", "emotion code 'noi' is none of dis gio neu pau rab sor tri"),
        ("gio-m4-d1", "speaker 'm4' is none of f1 f2 f3 m1 m2 m3"),
        ("gio-m1-d3", "sentence 'd3' is none of b1 b2"),
    ):
        with pytest.raises(InputError, match=sentence):
            emovo.parse(Path(f"{name}.wav"))


def test_build(tmp_path):
    source = fake.make(tmp_path / "s")
    with pytest.raises(InputError, match="56 recordings of emovo, published are 588"):
        build("emovo", source, tmp_path)
    build("emovo", source, tmp_path, allow_partial=True)
    c = corpus.load("emovo", tmp_path)
    assert (len(c.label), c.partial) == (4 * 7 * 2, True)
    assert c.sex["f1"] == "f"
    assert c.sex["m1"] == "m"
