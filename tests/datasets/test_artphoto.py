"""ArtPhoto: names, the words in them."""

from collections import Counter

import pytest

from jser import datasets
from jser.datasets.artphoto import fake
from jser.errors import InputError
from jser.records import pictures
from jser.records.builder import build


def find(folder, *names):
    for name in names:
        (folder / name).touch()
    return datasets.builder_class("artphoto").find(folder)


def test_records(tmp_path):
    build("artphoto", fake.make(tmp_path / "s"), tmp_path)
    c = pictures.load("artphoto", tmp_path)
    assert Counter(c.classes[k] for k in c.label) == dict.fromkeys(c.classes, 2)
    k = list(c.utterance_id).index("content_0002")
    assert c.classes[c.label[k]] == "contentment"


@pytest.mark.parametrize(
    ("file", "label"),
    [
        ("sad_0166.jpg", "sadness"),
        ("Sadness_12.JPG", "sadness"),
        ("contentment_0001.png", "contentment"),
        ("awe_0102.jpeg", "awe"),
    ],
)
def test_names(tmp_path, file, label):
    (one,) = find(tmp_path, file)
    assert (one.label, one.utterance_id, one.speaker) == (label, file.rpartition(".")[0], "")


def test_wrong_names(tmp_path):
    with pytest.raises(InputError, match=r"joy_0001\.jpg: emotion 'joy' is none of amusement"):
        find(tmp_path, "joy_0001.jpg")
    (tmp_path / "joy_0001.jpg").unlink()
    with pytest.raises(InputError, match=r"expected ArtPhoto's names, for example amusement_0001"):
        find(tmp_path, "IMG_1.2.jpg")
