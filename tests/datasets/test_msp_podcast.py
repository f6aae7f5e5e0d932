"""MSP-Podcast: both forms of its table, parts, unknown speakers."""

import csv
import json
from collections import Counter
from dataclasses import fields

import numpy as np
import pytest

from jser import datasets
from jser.datasets import tones
from jser.datasets.msp_podcast import fake
from jser.errors import InputError
from jser.records import audit, corpus
from jser.records.builder import build


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return fake.make(tmp_path_factory.mktemp("msp"))


def find(folder, name="msp_podcast"):
    return datasets.builder_class(name).find(folder)


def test_records(source, tmp_path):
    tones.write(source / "Audios" / "MSP-PODCAST_9999_0001.wav")  # Of Test3: without a label.
    result = build("msp_podcast", source, tmp_path)
    (source / "Audios" / "MSP-PODCAST_9999_0001.wav").unlink()
    c = corpus.load("msp_podcast", tmp_path)
    # Eight known speakers and a podcast of unknown ones, eight classes each.
    assert Counter(c.label) == dict.fromkeys(range(8), 9)
    assert result.skipped == {
        "annotators do not agree": 9,
        "another emotion": 9,
        "no line in the corpus' labels": 1,
    }
    assert Counter(c.split) == {"train": 24, "dev": 16, "test1": 16, "test2": 16}
    assert set(c.split[c.speaker == ""]) == {"train"}
    assert Counter(c.speaker)[""] == 8
    assert c.sex == {s: "fm"[int(s[-1])] for s in ("0", "1", "10", "11", "20", "21", "30", "31")}
    k = list(c.utterance_id).index("MSP-PODCAST_0003_0006")
    assert (c.speaker[k], c.session[k], c.text_id[k]) == ("10", "0003", "")
    assert c.classes[c.label[k]] == "contempt"
    text = audit.render(result.audit)
    assert "speaker unknown: 8 recordings" in text
    assert "not checked against published counts" in text


def test_four_classes(source, tmp_path):
    result = build("msp_podcast_4class", source, tmp_path)
    c = corpus.load("msp_podcast_4class", tmp_path)
    assert c.classes == ("anger", "happiness", "neutral", "sadness")
    assert len(c.label) == 36
    assert result.skipped["contempt is not in msp_podcast_4class"] == 9


def test_both_tables_say_the_same(source, tmp_path):
    other = fake.make(tmp_path, suffix=".json")
    entries = [
        [
            (type(e).__name__, e.path.name, *(getattr(e, f.name) for f in fields(e)[1:]))
            for e in find(folder)
        ]
        for folder in (source, other)
    ]
    assert entries[0] == entries[1]


def change(folder, row, column, value):
    path = folder / "Labels" / "labels_consensus.csv"
    lines = list(csv.reader(path.open(newline="")))
    lines[row][lines[0].index(column)] = value
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(lines)


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("EmoClass", "Z", "MSP-PODCAST_0001_0000: EmoClass 'Z' is none of A S H U F D C N O X"),
        ("Gender", "Man", "MSP-PODCAST_0001_0000: Gender 'man' is none of female male"),
        ("Split_Set", "Holdout", "split 'Holdout' is none of train, dev, test"),
        ("FileName", "clip7.wav", "'clip7.wav' is no name of MSP-Podcast"),
    ],
)
def test_faults_of_the_table(tmp_path, column, value, sentence):
    folder = fake.make(tmp_path, letters="A", speakers_per_split=1)
    change(folder, 1, column, value)
    with pytest.raises(InputError) as caught:
        find(folder)
    assert sentence in str(caught.value)
    assert "labels_consensus.csv" in str(caught.value)


def test_one_speaker_has_one_sex(tmp_path):
    folder = fake.make(tmp_path / "s", letters="AN", speakers_per_split=1)
    change(folder, 1, "Gender", "Male")
    with pytest.raises(InputError, match=r"MSP-PODCAST_0001_000\d.wav: speaker '0' is '[fm]' here"):
        build("msp_podcast", folder, tmp_path)
    change(folder, 1, "Gender", "Unknown")
    build("msp_podcast", folder, tmp_path)
    assert corpus.load("msp_podcast", tmp_path).sex["0"] == "f"


def test_damaged_json(tmp_path):
    folder = fake.make(tmp_path, letters="A", speakers_per_split=1, suffix=".json")
    path = folder / "Labels" / "labels_consensus.json"
    for text in ("{", "[1]", json.dumps({"MSP-PODCAST_0001_0001.wav": {"EmoClass": "A"}})):
        path.write_text(text)
        with pytest.raises(InputError, match=r"labels_consensus.json: is not MSP-Podcast's table"):
            find(folder)


def test_an_absent_recording_is_named(tmp_path):
    folder = fake.make(tmp_path / "s", letters="AX", speakers_per_split=1)
    for k in (0, 1):  # The second has no use.
        (folder / "Audios" / f"MSP-PODCAST_0002_000{k}.wav").unlink()
    with pytest.raises(InputError, match="1 of 5 recordings cannot be used") as caught:
        build("msp_podcast", folder, tmp_path)
    assert "Audios/MSP-PODCAST_0002_0000.wav: no such file" in str(caught.value)
    build("msp_podcast", folder, tmp_path, allow_partial=True)
    c = corpus.load("msp_podcast", tmp_path)
    assert c.partial
    np.testing.assert_array_equal(np.unique(c.split), ["test1", "test2", "train"])
