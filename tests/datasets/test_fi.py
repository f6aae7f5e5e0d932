"""FI: folders, the user's lists, what is left out."""

import pytest

from jser import datasets, protocols
from jser.datasets.fi import fake
from jser.errors import InputError
from jser.records import pictures
from jser.records.builder import build
from jser.records.files import Skipped, Utterance


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).touch()
    return folder


def find(folder):
    return datasets.builder_class("fi").find(folder)


def test_folders_are_labels(tmp_path):
    touch(tmp_path, "a/amusement/1.jpg", "b/Sadness/2.PNG", "c/happy/3.jpg", "awe/x.txt")
    found = find(tmp_path)
    (one, two) = (f for f in found if isinstance(f, Utterance))
    assert (one.utterance_id, one.label) == ("amusement/1", "amusement")
    assert (two.utterance_id, two.label) == ("sadness/2", "sadness")
    assert (one.speaker, one.session, one.text_id, one.split) == ("", "", "", "")
    (other,) = (f for f in found if isinstance(f, Skipped))
    assert other.path.name == "3.jpg"


def test_one_name_in_two_folders_is_two_pictures(tmp_path):
    found = find(touch(tmp_path, "anger/1.jpg", "fear/1.jpg"))
    assert [u.utterance_id for u in found] == ["anger/1", "fear/1"]


def test_another_layout_is_said(tmp_path):
    with pytest.raises(InputError, match=r"none of its 1 picture files .*expected a folder an emo"):
        find(touch(tmp_path, "all/1.jpg"))


def test_the_users_lists(tmp_path):
    source = fake.make(tmp_path / "s", per_class=5, table=True)
    touch(source, "awe/unlisted.jpg")
    result = build("fi", source, tmp_path)
    assert result.skipped == {"no line in the corpus' labels": 1}
    c = pictures.load("fi", tmp_path)
    assert {name: int((c.split == name).sum()) for name in set(c.split)} == {
        "train": 24, "dev": 8, "test": 8,
    }  # fmt: skip
    made = protocols.make("published_split", c)
    certificate = protocols.certificate(c, made)
    assert made.leak is None
    assert certificate.folds[0].utterances == {"train": 24, "dev": 8, "test": 8}


def test_a_listed_picture_that_is_not_there_is_named(tmp_path):
    source = fake.make(tmp_path / "s", per_class=1, table=True)
    (source / "fear/fear_00000.jpg").unlink()
    with pytest.raises(InputError, match="1 of 8 pictures cannot be used") as caught:
        build("fi", source, tmp_path)
    assert "fear/fear_00000.jpg: no such file" in str(caught.value)
    assert len(build("fi", source, tmp_path, allow_partial=True).audit["missing"]["broken"]) == 1


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("picture,split\nhappy/1.jpg,train", "'happy/1.jpg' has a second line or is not EMOTION"),
        ("picture,split\nawe/1.jpg,\nawe/1.png,", "'awe/1.png' has a second line"),
        ("picture,split\nawe/1.jpg,fold1", "split 'fold1' is none of train, dev, test"),
        ("file,part\nawe/1.jpg,train", "has no column picture, split"),
    ],
)
def test_faults_of_the_table(tmp_path, lines, sentence):
    touch(tmp_path, "awe/1.jpg")
    (tmp_path / "fi.csv").write_text(lines + "\n")
    with pytest.raises(InputError) as caught:
        find(tmp_path)
    assert sentence in str(caught.value)
    assert "fi.csv" in str(caught.value)
