"""JL corpus: names, primary and secondary emotions, the archive's second copy."""

import shutil
from pathlib import Path

import pytest

from jser import datasets, emotions
from jser.datasets.jl import fake
from jser.errors import InputError
from jser.records import corpus
from jser.records.builder import build


def test_the_whole_corpus_is_counted_as_published(complete):
    assert len(complete("jl", fake.paths())) == 1200
    found = complete("jl_all", fake.paths())
    assert len(found) == 2400 == 4 * 10 * 15 * 2 * 2
    assert len({u.session for u in found}) == 8


def test_words_are_those_of_the_project(complete):
    for u in complete("jl_all", fake.paths()):
        assert u.label == emotions.canonical(u.path.stem.split("_")[1])


def test_names():
    jl = datasets.builder_class("jl_all")
    one = jl.parse(Path("female1_excited_10a_2.wav"))
    assert (one.speaker, one.session, one.text_id) == ("female1", "female1a", "10")
    assert one.label == "excitement"
    assert datasets.builder_class("jl").parse(Path("male2_concerned_1b_1.wav")).reason == (
        "concern is not in jl"
    )
    for name, sentence in (
        ("female3_sad_1a_1", "speaker 'female3' is none of female1 female2 male1 male2"),
        ("male1_bored_1a_1", "emotion 'bored' is none of angry excited"),
        ("male1_sad_16a_1", "sentence '16' is none of 1 to 15"),
        ("male1_sad_1c_1", "session 'c' is none of a b"),
        ("male1_sad_1a_3", "repetition '3' is none of 1 2"),
    ):
        with pytest.raises(InputError, match=sentence):
            jl.parse(Path(f"{name}.wav"))


def test_build_of_the_archive_with_its_second_copy(tmp_path):
    source = fake.make(tmp_path / "s")
    shutil.copytree(source / fake.FOLDER.parts[0], source / "second copy")
    result = build("jl", source, tmp_path, allow_partial=True)
    c = corpus.load("jl", tmp_path)
    assert c.classes == ("anger", "excitement", "happiness", "neutral", "sadness")
    assert len(c.label) == 4 * 5 * 4
    assert c.sex == {"female1": "f", "female2": "f", "male1": "m", "male2": "m"}
    assert result.skipped["second copy of a recording"] == 80
