"""ShEMO: names, sex from the names, counts that are shown and not checked."""

from pathlib import Path

import pytest

from jser import datasets
from jser.datasets.shemo import fake
from jser.errors import InputError
from jser.records import audit, corpus
from jser.records.builder import build
from jser.records.files import Utterance


def test_names():
    shemo = datasets.builder_class("shemo")
    path = Path("male/M02F01.wav")
    assert shemo.parse(path) == Utterance(path, "M02F01", "M02", "M02", "", "fear", sex="m")
    assert shemo.parse(Path("F03W112.wav")).label == "surprise"
    for name, sentence in (
        ("M02B01", "emotion code 'B' is none of A F H N S W"),
        ("X02A01", "sex 'X' is none of F M"),
    ):
        with pytest.raises(InputError, match=sentence):
            shemo.parse(Path(f"{name}.wav"))


def test_build_needs_no_permission(tmp_path):
    result = build("shemo", fake.make(tmp_path / "s"), tmp_path)
    c = corpus.load("shemo", tmp_path)
    assert (len(c.label), c.partial) == (4 * 6 * 2, False)
    assert c.sex == {"F01": "f", "F02": "f", "M01": "m", "M02": "m"}
    assert set(c.text_id) == {""}
    assert "not checked against published counts" in audit.render(result.audit)
