"""IAPS-Subset: the table that its user writes."""

import pytest

from jser import datasets
from jser.datasets.iaps_subset import fake
from jser.errors import InputError
from jser.records import pictures
from jser.records.builder import build


def find(folder):
    return datasets.builder_class("iaps_subset").find(folder)


def test_records(tmp_path):
    source = fake.make(tmp_path / "s")
    (source / "IAPS" / "9999.jpg").write_bytes(b"the rest of the IAPS: not read")
    result = build("iaps_subset", source, tmp_path)
    assert result.skipped == {"no line in the corpus' labels": 1}
    c = pictures.load("iaps_subset", tmp_path)
    assert len(c) == 16
    k = list(c.utterance_id).index("1031.1")
    assert c.classes[c.label[k]] == "contentment"


def test_an_absent_picture_is_named(tmp_path):
    source = fake.make(tmp_path / "s", per_class=1)
    (source / "IAPS" / "1030.jpg").unlink()
    with pytest.raises(InputError, match="1 of 8 pictures cannot be used") as caught:
        build("iaps_subset", source, tmp_path)
    assert "1030.jpg: no such file" in str(caught.value)


def test_numbers_and_words(tmp_path):
    for name in ("1050.jpg", "2345.1.jpg", "3000.JPG", "4000.bmp"):
        (tmp_path / name).touch()
    (tmp_path / "iaps_subset.csv").write_text(
        "picture,emotion\n1050,Fear\n2345.1,sad\n3000.jpg,content\n4000.BMP,awe\n"
    )
    found = {u.utterance_id: u.label for u in find(tmp_path)}
    assert found == {"1050": "fear", "2345.1": "sadness", "3000": "contentment", "4000": "awe"}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("1050,joy", "1050: emotion 'joy' is none of amusement anger"),
        ("snake,fear", "'snake' is no number of the IAPS, such as 1050"),
        ("1050,fear\n1050.jpg,anger", "'1050.jpg' is no number of the IAPS"),
        ("1050", "line 2 is shorter than the header"),
    ],
)
def test_faults_of_the_table(tmp_path, line, sentence):
    (tmp_path / "1050.jpg").touch()
    (tmp_path / "iaps_subset.csv").write_text(f"picture,emotion\n{line}\n")
    with pytest.raises(InputError) as caught:
        find(tmp_path)
    assert sentence in str(caught.value)
    assert "iaps_subset.csv" in str(caught.value)


def test_no_table(tmp_path):
    (tmp_path / "1050.jpg").touch()
    with pytest.raises(InputError, match=r"no labels in it; expected iaps_subset.csv with the col"):
        find(tmp_path)
