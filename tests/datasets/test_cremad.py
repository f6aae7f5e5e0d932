"""CREMA-D: names, sex, the silent recording, listeners' votes, git-lfs pointers."""

from collections import Counter

import pytest

from jser import datasets
from jser.datasets.cremad import fake
from jser.errors import InputError
from jser.records import corpus
from jser.records.builder import build
from jser.records.files import Skipped, Utterance

# The release's VideoDemographics.csv, rows with "Female".
WOMEN = {2, 3, 4, 6, 7, 8, 9, 10, 12, 13, 18, 20, 21, 24, 25, 28, 29, 30, 37, 43, 46, 47, 49, 52}
WOMEN |= {53, 54, 55, 56, 58, 60, 61, 63, 72, 73, 74, 75, 76, 78, 79, 82, 84, 89, 91}


def find(name, folder):
    return datasets.builder_class(name).find(folder)


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_speakers():
    info = datasets.builder_class("cremad").INFO
    women = {int(actor) - 1000 for actor, sex in info.speakers.items() if sex == "f"}
    assert women == WOMEN
    assert Counter(info.speakers.values()) == {"f": 43, "m": 48}
    assert sum(info.counts.values()) == 7442 - 1


def test_names(tmp_path):
    names = ("1001_IEO_SAD_LO.wav", "1040_ITH_SAD_X.wav", "1076_MTI_SAD_XX.wav")
    first, misspelt, silent = find("cremad", touch(tmp_path, *(f"AudioWAV/{n}" for n in names)))
    path = tmp_path / "AudioWAV" / names[0]
    assert first == Utterance(path, "1001_IEO_SAD_LO", "1001", "1001", "IEO", "sadness")
    assert misspelt.utterance_id == "1040_ITH_SAD_XX"
    assert silent == Skipped(silent.path, "no sound in 1076_MTI_SAD_XX, as its authors say")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("1001_DFA_BOR_XX", "emotion code 'BOR' is none of ANG DIS FEA HAP NEU SAD"),
        ("1092_DFA_ANG_XX", "actor '1092' is none of 1001 to 1091"),
        ("1001_ABC_ANG_XX", "sentence 'ABC' is none of DFA IEO"),
        ("1001_DFA_ANG_YY", "level 'YY' is none of LO MD HI XX X"),
    ],
)
def test_wrong_names(tmp_path, name, sentence):
    with pytest.raises(InputError, match=f"^{name}.wav: {sentence}"):
        find("cremad", touch(tmp_path, f"{name}.wav"))


def test_pointers_in_the_place_of_sound_are_named_in_one_sentence(tmp_path):
    source = fake.make(tmp_path / "s", speakers=["1001"], texts=["DFA"])
    fake.write_pointers(source)
    with pytest.raises(InputError, match="its 6 sound files are git-lfs pointers") as caught:
        build("cremad", source, tmp_path / "data", allow_partial=True)
    assert "`git lfs pull`" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_acted_and_perceived_labels(tmp_path):
    source = fake.make(tmp_path / "s", speakers=["1001", "1002"], texts=["TSI"])
    votes = {f"1001_TSI_{e}_XX": "N" for e in ("ANG", "DIS", "FEA", "NEU")}
    votes |= {"1001_TSI_HAP_XX": "H:N", "1002_TSI_ANG_XX": "S", "1002_TSI_SAD_XX": "A:F:N"}
    fake.write_votes(source, votes)
    build("cremad", source, tmp_path, allow_partial=True)
    acted = corpus.load("cremad", tmp_path)
    assert len(acted.label) == 12
    assert set(acted.text_id) == {"TSI"}
    # Its counts are not published, so what is there is not a part of anything.
    result = build("cremad_perceived", source, tmp_path)
    heard = corpus.load("cremad_perceived", tmp_path)
    assert not heard.partial
    labels = dict(zip(heard.utterance_id, (heard.classes[k] for k in heard.label), strict=True))
    assert labels == {
        "1001_TSI_ANG_XX": "neutral",
        "1001_TSI_DIS_XX": "neutral",
        "1001_TSI_FEA_XX": "neutral",
        "1001_TSI_NEU_XX": "neutral",
        "1002_TSI_ANG_XX": "sadness",
    }
    assert result.skipped == {
        "tie between listeners' votes": 2,
        "no votes of listeners in summaryTable.csv": 5,
    }


def test_perceived_labels_need_their_table(tmp_path):
    source = fake.make(tmp_path / "s", speakers=["1001"], texts=["DFA"])
    with pytest.raises(InputError, match=r"no labels in it; expected .*summaryTable.csv; clone "):
        find("cremad_perceived", source)
    fake.write_votes(source, {"1001_DFA_ANG_XX": "X"})
    with pytest.raises(InputError, match="vote on 1001_DFA_ANG_XX 'X' is none of A D F H N S"):
        find("cremad_perceived", source)
    (source / "processedResults" / "summaryTable.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="has no column FileName, VoiceVote"):
        find("cremad_perceived", source)
