"""ESD: two languages, numbers that say emotion and text, folders that must agree."""

from pathlib import Path

import pytest

from jser import datasets
from jser.datasets.esd import fake
from jser.errors import InputError
from jser.records import corpus
from jser.records.builder import build


@pytest.mark.parametrize("name", ["esd_english", "esd_mandarin"])
def test_the_whole_corpus_is_counted_as_published(complete, name):
    found = complete(name, fake.paths(tuple(datasets.builder_class(name).INFO.speakers)))
    assert len(found) == 17500
    for label in ("neutral", "surprise"):
        assert len({u.text_id for u in found if u.label == label}) == 350
    # The folder that a file lies in, as an independent witness of what its number says.
    words = {"Angry": "anger", "Happy": "happiness", "Sad": "sadness"}
    for u in found:
        folder = u.path.parts[-3]
        assert u.label == words.get(folder, folder.lower())
    assert found[0].speaker == ("0011" if name == "esd_english" else "0001")


def test_names():
    english = datasets.builder_class("esd_english")
    one = english.parse(Path("0016/Angry/train/0016_000699.wav"))
    assert (one.speaker, one.text_id, one.label) == ("0016", "349", "anger")
    assert english.parse(Path("0016_000351.wav")).text_id == "001"  # All files flat.
    assert english.parse(Path("0016_001750.wav")).label == "surprise"
    assert "not in esd_english" in english.parse(Path("0001_000001.wav")).reason
    for path, sentence in (
        ("0021_000001.wav", "speaker '0021' is none of 0001 to 0020"),
        ("0011_001751.wav", "number 001751 is none of 000001 to 001750"),
        ("0011_000000.wav", "number 000000 is none of 000001 to 001750"),
        ("0011/Sad/0011_000001.wav", "lies in Sad, but its number is of Neutral"),
    ):
        with pytest.raises(InputError, match=sentence):
            english.parse(Path(path))


def test_build(tmp_path):
    source = fake.make(tmp_path / "s")
    result = build("esd_english", source, tmp_path, allow_partial=True)
    c = corpus.load("esd_english", tmp_path)
    assert len(c.label) == 4 * 5 * 2
    assert set(c.text_id) == {"001", "350"}
    assert [c.sex[s] for s in ("0011", "0015", "0020")] == ["m", "f", "m"]
    assert sum(result.skipped.values()) == 10
