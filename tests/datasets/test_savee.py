"""SAVEE: both layouts of its names, its sentences, its counts."""

from collections import Counter

import pytest

from jser import datasets
from jser.datasets import tones
from jser.datasets.savee import fake
from jser.errors import InputError
from jser.records import corpus
from jser.records.builder import build


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).touch()
    return folder


def find(folder):
    return datasets.builder_class("savee").find(folder)


def test_published_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(tones, "write", lambda path, *_: touch(path.parent, path.name))
    found = find(fake.make(tmp_path))  # Reads names only.
    info = datasets.builder_class("savee").INFO
    assert len(found) == len({u.utterance_id for u in found}) == 480
    assert Counter(u.label for u in found) == info.counts
    assert Counter(u.speaker for u in found) == info.counts_by_speaker
    # Three common ones, twelve a remaining emotion; of the neutral ones it is not known.
    texts = Counter(u.text_id for u in found)
    assert texts["common02"] == 6 * 4
    assert texts[""] == 120
    assert len(set(texts) - {""}) == 3 + 6 * 12


def test_records(tmp_path):
    source = fake.make(tmp_path / "s", sentences=1)
    with pytest.raises(InputError, match="32 recordings of savee, published are 480"):
        build("savee", source, tmp_path)
    result = build("savee", source, tmp_path, allow_partial=True)
    c = corpus.load("savee", tmp_path)
    assert (len(c.label), set(c.sex.values())) == (32, {"m"})
    assert result.audit["sample_rates"] == {"44100": 32}
    assert not result.audit["duplicates"]


@pytest.mark.parametrize(
    ("file", "speaker", "text", "label"),
    [
        ("AudioData/JK/sa03.wav", "JK", "common03", "sadness"),
        ("AudioData/KL/su15.wav", "KL", "su15", "surprise"),
        ("DC_d04.wav", "DC", "d04", "disgust"),
        ("ALL/JE_n30.wav", "JE", "", "neutral"),
    ],
)
def test_names(tmp_path, file, speaker, text, label):
    (one,) = find(touch(tmp_path, file))
    assert (one.speaker, one.session, one.text_id, one.label) == (speaker, speaker, text, label)
    assert one.utterance_id == f"{speaker}_{(tmp_path / file).stem.rpartition('_')[2]}"


def test_both_layouts_hold_the_same_recordings(tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    source = fake.make(tmp_path / "s", speakers=["DC"], sentences=1)
    for path in source.rglob("*.wav"):
        (flat / f"DC_{path.name}").write_bytes(path.read_bytes())
    ids = [sorted(u.utterance_id for u in find(folder)) for folder in (source, flat)]
    assert ids[0] == ids[1]
    assert len(ids[0]) == 8


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("AudioData/DD/a01.wav", "a01.wav: speaker 'DD' is none of DC JE JK KL"),
        ("DC_b01.wav", "DC_b01.wav: emotion code 'b' is none of a d f h n sa su"),
        ("03a01Wa.wav", "expected SAVEE's names, for example AudioData/DC/a01.wav"),
    ],
)
def test_wrong_names(tmp_path, file, sentence):
    with pytest.raises(InputError) as caught:
        find(touch(tmp_path, file))
    assert sentence in str(caught.value)
