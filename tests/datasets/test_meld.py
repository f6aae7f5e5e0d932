"""MELD: its three parts, the folders of the release, speakers and words from the tables."""

from collections import Counter

import pytest

from jser import datasets
from jser.datasets import tones
from jser.datasets.meld import fake, meld_dataset_builder
from jser.errors import InputError
from jser.records import corpus
from jser.records.builder import build
from jser.records.files import Skipped, Utterance


def find(folder):
    return datasets.builder_class("meld").find(folder)


def test_published_counts_are_those_of_the_tables():
    # Lines of train, dev and test: neutral, joy, surprise, anger, sadness, disgust, fear.
    train = (4710, 1743, 1205, 1109, 683, 271, 268)
    dev = (470, 163, 150, 153, 111, 22, 40)
    test = (1256, 402, 281, 345, 208, 68, 50)
    assert (sum(train), sum(dev), sum(test)) == (9989, 1109, 2610)
    lines = [sum(of_class) for of_class in zip(train, dev, test, strict=True)]
    lines[0] -= len(meld_dataset_builder.UNUSABLE)
    assert list(meld_dataset_builder.COUNTS.values()) == lines
    assert sum(lines) == 13706


def test_records(tmp_path):
    source = fake.make(tmp_path / "s" / "MELD.Raw")
    with pytest.raises(InputError, match="42 recordings of meld, published are 13706"):
        build("meld", source, tmp_path)
    build("meld", source, tmp_path, allow_partial=True)
    c = corpus.load("meld", tmp_path)
    assert Counter(c.split) == {"train": 14, "dev": 14, "test": 14}
    assert Counter(c.label) == dict.fromkeys(range(7), 6)
    assert c.sex == {"Rachel": "f", "Ross": "m"}
    assert set(c.speaker) == {"Rachel", "Ross", "The Doctor"}
    # Dialogues are numbered anew in each part, and are not one dialogue for that.
    assert len(set(c.session)) == 6
    k = list(c.utterance_id).index("test_dia1_utt3")
    assert (c.speaker[k], c.session[k], c.split[k]) == ("Rachel", "test_dia1", "test")
    assert c.classes[c.label[k]] == "anger"
    # Dialogue 1 has the same words in every part, dialogue 0 its own.
    assert Counter(Counter(c.text_id).values()) == {3: 7, 1: 21}


def test_words_are_compared_without_case_and_marks(tmp_path):
    source = fake.make(tmp_path, dialogues=1)
    table = source / "dev_sent_emo.csv"
    lines = table.read_text().splitlines()
    said = ['"What?"', "what", "“WHAT?!”", "What what", "...", '"No."', "no"]
    for k, words in enumerate(said, start=1):
        n, _, *rest = lines[k].split(",")
        lines[k] = ",".join((n, words, *rest))
    table.write_text("\n".join(lines))
    dev = sorted((u for u in find(source) if u.split == "dev"), key=lambda u: u.utterance_id)
    text = [u.text_id for u in dev]
    assert text[0] == text[1] == text[2] != text[3]
    assert text[4] == ""
    assert text[5] == text[6]
    assert len({*text}) == 4


def test_the_two_unusable_ones(tmp_path):
    source = fake.make(tmp_path / "s", dialogues=1)
    for name, line in (("train", "125,3"), ("dev", "110,7")):
        with (source / f"{name}_sent_emo.csv").open("a") as file:
            file.write(f"99,Yes.,Ross,neutral,neutral,{line},1,1,x,y\n")
    # One is there, and empty; the other is not there, and that is no fault.
    (source / "train/train_splits/dia125_utt3.flac").touch()
    result = build("meld", source, tmp_path, allow_partial=True)
    assert result.skipped == {"published without usable sound": 1}
    assert not result.audit["missing"]["broken"]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("output_repeated_splits_test", "test"),
        ("MELD.Raw/dev/dev_splits_complete", "dev"),
        ("val", "dev"),
        ("test/train_splits", "train"),
        ("audio", None),
    ],
)
def test_the_nearest_folder_says_the_part(tmp_path, where, expected):
    fake.make(tmp_path, dialogues=1)
    tones.write(tmp_path / where / "dia9_utt9.wav")
    for split in ("train", "dev", "test"):
        with (tmp_path / f"{split}_sent_emo.csv").open("a") as file:
            file.write("99,Yes.,Ross,neutral,neutral,9,9,1,1,x,y\n")
    found = [f for f in find(tmp_path) if f.path == tmp_path / where / "dia9_utt9.wav"]
    if expected is None:
        assert found == [
            Skipped(tmp_path / where / "dia9_utt9.wav", "no line in the corpus' labels")
        ]
    else:
        assert [f.utterance_id for f in found] == [f"{expected}_dia9_utt9"]


def test_second_cuts_are_skipped(tmp_path):
    fake.make(tmp_path, dialogues=1)
    name = "output_repeated_splits_test/final_videos_testdia0_utt0.wav"
    tones.write(tmp_path / name)
    kinds = Counter(type(f) for f in find(tmp_path))
    assert kinds == {Utterance: 21, Skipped: 1}


def test_missing_and_strange_tables(tmp_path):
    source = fake.make(tmp_path, dialogues=1)
    table = source / "train_sent_emo.csv"
    table.write_bytes(table.read_bytes().replace(b",joy,", b",glee,"))
    with pytest.raises(InputError, match="dia0_utt1: Emotion 'glee' is none of neutral joy"):
        find(source)
    table.unlink()
    assert {u.split for u in find(source) if isinstance(u, Utterance)} == {"dev", "test"}
    for other in source.glob("*.csv"):
        other.unlink()
    with pytest.raises(InputError, match=r"no labels in it; expected train_sent_emo.csv and dev_"):
        find(source)
