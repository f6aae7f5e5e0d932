"""nEMO: names, speakers, the real layout."""

import csv
from pathlib import Path

import pytest

from jser import datasets
from jser.datasets.nemo import fake
from jser.errors import InputError
from jser.records import corpus
from jser.records.builder import build


def test_names():
    nemo = datasets.builder_class("nemo")
    one = nemo.parse(Path("samples/KD0_surprised_38.wav"))
    assert (one.utterance_id, one.speaker, one.text_id) == ("KD0_surprised_38", "KD0", "38")
    assert one.label == "surprise"
    for name, sentence in (
        ("KD0_surprise_38", "emotion 'surprise' is none of anger fear happiness"),
        ("XY0_anger_1", "speaker 'XY0' is none of EB0 IC0"),
        ("KD0_anger_91", "sentence '91' is none of 1 to 90"),
    ):
        with pytest.raises(InputError, match=sentence):
            nemo.parse(Path(f"{name}.wav"))
    assert sum(nemo.INFO.counts.values()) == 4481


def test_build_agrees_with_the_table_beside_it(tmp_path):
    source = fake.make(tmp_path / "s")
    build("nemo", source, tmp_path, allow_partial=True)
    c = corpus.load("nemo", tmp_path)
    with open(source / "data.tsv", newline="") as lines:
        rows = {row["file_id"]: row for row in csv.DictReader(lines, delimiter="\t")}
    assert len(rows) == len(c.label) == 4 * 6 * 2
    words = {"surprised": "surprise"}
    for k, name in enumerate(c.utterance_id):
        row = rows[f"{name}.wav"]
        assert c.classes[c.label[k]] == words.get(row["emotion"], row["emotion"])
        assert c.sex[c.speaker[k]] == row["gender"][0]
        assert row["raw_text"] == f"Zdanie {c.text_id[k]}."
