"""IEMOCAP: who speaks, which turns each of its five selections holds, the release's layout."""

from collections import Counter

import pytest

from jser import datasets
from jser.datasets import tones
from jser.datasets.iemocap import fake
from jser.errors import InputError
from jser.records import corpus, sources
from jser.records.builder import build
from jser.records.files import Skipped, Utterance

ALL = ("iemocap_2280", "iemocap_2943", "iemocap_4490", "iemocap_5531", "iemocap_7380")


def touch(path, *_args):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """Labels of 7380 turns; the recordings are empty, for `find` does not read them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tones, "write", touch)
        return fake.make_complete(tmp_path_factory.mktemp("iemocap"))


def split(found):
    return (
        [f for f in found if isinstance(f, Utterance)],
        Counter(f.reason for f in found if isinstance(f, Skipped)),
    )


@pytest.mark.parametrize("name", ALL)
def test_the_number_in_the_name_is_the_number_of_turns(complete, name):
    cls = datasets.builder_class(name)
    utterances, skipped = split(cls.find(complete))
    assert len(utterances) == int(name.partition("_")[2]) == sum(cls.INFO.counts.values())
    assert Counter(u.label for u in utterances) == cls.INFO.counts
    sources.check_complete(name, cls.INFO.counts, None, utterances, skipped, complete)
    assert {u.speaker for u in utterances} == set(cls.INFO.speakers)
    texts = {u.text_id for u in utterances}
    assert texts == ({""} if name in ("iemocap_2280", "iemocap_2943") else {"", "script01_1"})


def test_what_is_left_out_is_counted(complete):
    _, skipped = split(datasets.builder_class("iemocap_2280").find(complete))
    # Whole dialogues have no line; 1041 excited and 1849 frustrated; of the rest 2210 scripted.
    assert skipped["no line in the corpus' labels"] == 10
    assert skipped["excitement is not in iemocap_2280"] == 1041
    assert skipped["frustration is not in iemocap_2280"] == 1849
    assert skipped["scripted"] == 4490 - 2280
    _, skipped = split(datasets.builder_class("iemocap_5531").find(complete))
    assert "excitement is not in iemocap_5531" not in skipped


@pytest.mark.parametrize(
    ("session", "turn", "expected"),
    [
        (1, "Ses01F_impro01_M003", ("Ses01M", "Session1", "")),
        (1, "Ses01M_impro07_F003", ("Ses01F", "Session1", "")),
        (3, "Ses03M_impro05a_M030", ("Ses03M", "Session3", "")),
        (5, "Ses05F_script01_1b_F002", ("Ses05F", "Session5", "script01_1")),
        (2, "Ses02M_script03_2_M045", ("Ses02M", "Session2", "script03_2")),
    ],
)
def test_the_letter_before_the_number_speaks(tmp_path, session, turn, expected):
    dialogue = turn.rpartition("_")[0]
    fake.write_dialogue(tmp_path, session, dialogue, {turn: "ang"}, 0.05)
    (one,), _ = split(datasets.builder_class("iemocap_5531").find(tmp_path))
    assert (one.utterance_id, one.label) == (turn, "anger")
    assert (one.speaker, one.session, one.text_id) == expected
    assert one.path == tmp_path / f"Session{session}/sentences/wav/{dialogue}/{turn}.wav"


def test_records(tmp_path):
    source = fake.make(tmp_path / "s" / "IEMOCAP_full_release", sessions=(1, 2))
    result = build("iemocap_5531", source.parent, tmp_path, allow_partial=True)
    c = corpus.load("iemocap_5531", tmp_path)
    # Two sessions, two scenes, two speakers; hap and exc are one class.
    assert Counter(c.classes[k] for k in c.label) == {
        "anger": 8, "happiness": 16, "neutral": 8, "sadness": 8
    }  # fmt: skip
    assert c.sex["Ses02F"] == "f"
    assert set(zip(c.session, c.speaker, strict=True)) == {
        (f"Session{s}", f"Ses0{s}{x}") for s in (1, 2) for x in "FM"
    }
    assert c.partial
    assert result.skipped == {
        "annotators do not agree": 8,
        "another emotion": 8,
        "no line in the corpus' labels": 4,
        **{
            f"{e} is not in iemocap_5531": 8 for e in ("disgust", "fear", "frustration", "surprise")
        },
    }


def test_a_turn_without_its_recording_is_named(tmp_path):
    source = fake.make(tmp_path / "s", sessions=(4,), labels=("ang", "neu", "xxx"))
    for name in ("Ses04M_impro01_F001", "Ses04M_impro01_F002"):  # The second has no label.
        next(source.rglob(f"{name}.wav")).unlink()
    result = build("iemocap_5531", source, tmp_path, allow_partial=True)
    assert result.audit["n_utterances"] == 7
    (broken,) = result.audit["missing"]["broken"]
    where = "Session4/sentences/wav/Ses04M_impro01/Ses04M_impro01_F001.wav: no such file"
    assert broken.startswith(where)


def test_a_recording_in_any_folder_is_found(tmp_path):
    source = fake.make(tmp_path / "s", sessions=(1,), labels=("ang",))
    for path in list(source.rglob("sentences/wav/*/*.wav")):
        path.rename(source / path.name)
    assert build("iemocap_4490", source, tmp_path, allow_partial=True).computed == 4


@pytest.mark.parametrize(
    ("turn", "word", "sentence"),
    [
        ("Ses01F_impro01_F000", "joy", "Ses01F_impro01_F000: emotion 'joy' is none of ang dis exc"),
        ("Ses06F_impro01_F000", "ang", "speaker 'Ses06F' is none of Ses01F Ses01M"),
        ("Ses01F_chat_F000", "ang", "'Ses01F_chat_F000' is no turn of IEMOCAP"),
    ],
)
def test_strange_labels_are_refused(tmp_path, turn, word, sentence):
    fake.write_dialogue(tmp_path, 1, "Ses01F_impro01", {turn: word}, 0.05)
    with pytest.raises(InputError) as caught:
        datasets.builder_class("iemocap_5531").find(tmp_path)
    assert sentence in str(caught.value)
    assert "Ses01F_impro01.txt" in str(caught.value)


def test_recordings_without_their_labels(tmp_path):
    tones.write(tmp_path / "Ses01F_impro01_F000.wav")
    with pytest.raises(InputError, match=r"no labels in it; expected Session1/dialog/EmoEval"):
        datasets.builder_class("iemocap_5531").find(tmp_path)


def test_which_iemocap_must_be_said():
    with pytest.raises(InputError, match="'iemocap' is no known corpus; say which: iemocap_2280, "):
        datasets.builder_class("iemocap")
