"""TESS: names, the misspelt file, a copy inside itself."""

import shutil

import pytest

from jser import datasets
from jser.datasets.tess import fake
from jser.errors import InputError
from jser.records import corpus
from jser.records.builder import build


def test_the_whole_corpus_is_counted_as_published(complete):
    words = [f"w{chr(97 + k // 26)}{chr(97 + k % 26)}" for k in range(199)] + ["bite"]
    found = complete("tess", fake.paths(words))
    assert len(found) == 2800
    (misspelt,) = (u for u in found if u.path.name == "OA_bite_neutral.wav")
    assert (misspelt.utterance_id, misspelt.speaker) == ("OAF_bite_neutral", "OAF")
    assert {u.text_id for u in found} == set(words)


def test_names(tmp_path):
    tess = datasets.builder_class("tess")
    one = tess.parse(tmp_path / "YAF_pleasant_surprised" / "YAF_food_ps.wav")
    assert (one.speaker, one.session, one.text_id, one.label) == ("YAF", "YAF", "food", "surprise")
    for name, sentence in (
        ("OAF_back_calm", "emotion 'calm' is none of angry disgust fear happy neutral ps sad"),
        ("UAF_back_sad", "speaker 'UAF' is none of OAF YAF"),
    ):
        with pytest.raises(InputError, match=sentence):
            tess.parse(tmp_path / f"{name}.wav")
    assert tess.parse(tmp_path / "03a01Fa.wav") is None


def test_a_copy_inside_itself_counts_once(tmp_path):
    source = fake.make(tmp_path / "s")
    shutil.copytree(source, tmp_path / "copy")
    shutil.move(tmp_path / "copy", source / "copy")
    result = build("tess", source, tmp_path, allow_partial=True)
    c = corpus.load("tess", tmp_path)
    assert len(c.label) == 2 * 2 * 7
    assert result.skipped == {"second copy of a recording": 28}
    assert c.sex == {"OAF": "f", "YAF": "f"}
    assert set(c.text_id) == {"back", "bite"}
