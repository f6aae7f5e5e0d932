"""CASIA: both layouts of its names, spellings of a speaker, counts."""

from collections import Counter

import pytest

from jser import datasets
from jser.datasets import tones
from jser.datasets.casia import fake
from jser.errors import InputError
from jser.records import corpus
from jser.records.builder import build


def touch(path, *_args):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def find(folder):
    return datasets.builder_class("casia").find(folder)


def test_published_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(tones, "write", touch)  # `find` reads names only.
    found = find(fake.make(tmp_path))
    info = datasets.builder_class("casia").INFO
    assert len(found) == len({u.utterance_id for u in found}) == 1200
    assert Counter(u.label for u in found) == info.counts == dict.fromkeys(info.classes, 200)
    assert Counter(u.speaker for u in found) == info.counts_by_speaker
    assert set(Counter(u.text_id for u in found).values()) == {24}


def test_records(tmp_path):
    source = fake.make(tmp_path / "s", sentences=2)
    with pytest.raises(InputError, match="48 recordings of casia, published are 1200"):
        build("casia", source, tmp_path)
    result = build("casia", source, tmp_path, allow_partial=True)
    c = corpus.load("casia", tmp_path)
    assert len(c.label) == 48
    assert c.sex == {"liuchanhg": "f", "wangzhe": "m", "zhaoquanyin": "f", "zhaozuoxiang": "m"}
    assert not result.audit["duplicates"]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("ZhaoZuoxiang/angry/201.wav", ("zhaozuoxiang", "201", "anger")),
        ("x/liuchanhui/Happy/207.wav", ("liuchanhg", "207", "happiness")),
        ("sad/250-sad-liuchanhg.wav", ("liuchanhg", "250", "sadness")),
        ("202-neutral-ZhaoZuoxiang.wav", ("zhaozuoxiang", "202", "neutral")),
    ],
)
def test_names(tmp_path, file, expected):
    touch(tmp_path / file)
    (one,) = find(tmp_path)
    assert (one.speaker, one.text_id, one.label) == expected
    assert one.session == one.speaker


def test_a_recording_in_both_layouts_is_one(tmp_path):
    first = tmp_path / "s" / "wangzhe" / "fear" / "201.wav"
    tones.write(first)
    second = tmp_path / "s" / "fear" / "201-fear-wangzhe.wav"
    second.parent.mkdir()
    second.write_bytes(first.read_bytes())
    result = build("casia", tmp_path / "s", tmp_path, allow_partial=True)
    assert result.audit["n_utterances"] == 1
    assert result.skipped == {"second copy of a recording": 1}


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("wangzhe/joy/201.wav", "201.wav: emotion 'joy' is none of angry fear happy"),
        ("wang/angry/201.wav", "201.wav: speaker 'wang' is none of liuchanhg wangzhe"),
        ("a01.wav", "expected CASIA's names, for example liuchanhg/angry/201.wav"),
    ],
)
def test_wrong_names(tmp_path, file, sentence):
    touch(tmp_path / file)
    with pytest.raises(InputError) as caught:
        find(tmp_path)
    assert sentence in str(caught.value)
