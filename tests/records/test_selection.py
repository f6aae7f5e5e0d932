"""Several corpora as one, from corpora small enough to count by hand."""

import dataclasses

import numpy as np
import pytest

from jser import datasets, emotions, protocols
from jser.datasets.emodb import fake as emodb
from jser.datasets.ravdess import fake as ravdess
from jser.errors import InputError
from jser.frontend.log_mel import LogMelSpec
from jser.protocols import LeakError
from jser.records import corpus as records
from jser.records import selection, sidecar
from jser.records.builder import build
from tests.joined_corpora import joined, made, one, two

SHARED = emotions.label_map("shared")


def test_what_is_taken_and_what_is_left_out():
    c = joined(one(), two())
    assert c.name == "one+two"
    assert c.classes == ("anger", "neutral")
    assert c.utterance_id.tolist() == ["one/u0", "one/u2", "two/u0", "two/u2"]
    assert c.speaker.tolist() == ["one/1", "one/2", "two/1", "two/3"]
    assert c.session.tolist() == c.speaker.tolist()
    assert c.text_id.tolist() == ["one/t", "one/t", "two/t", "two/t"]
    assert c.pcm_sha256.tolist() == ["one u0", "one u2", "two u0", "two u2"]
    assert c.corpus_of.tolist() == ["one", "one", "two", "two"]
    assert c.label.tolist() == [0, 1, 1, 0]
    assert c.sex == {"one/1": "f", "one/2": "f", "two/1": "f", "two/3": "f"}
    assert c.length.tolist() == [3, 4, 1, 2]
    assert c.offset.tolist() == [0, 3, 7, 8]
    assert c.frames[:, 0].tolist() == [0, 1, 2, 2, 3, 4, 5, 0, 2, 3]
    assert [w.tolist() for w in c.waveform] == [[0] * 3, [2] * 4, [0], [2] * 2]
    first, second = c.origins
    assert first.rows.tolist() == [0, 2]
    assert (first.n_utterances, first.n_speakers) == (3, 2)
    assert first.taken == {"anger": {"anger": 1}, "neutral": {"neutral": 1}}
    assert first.left_out == {"calm": 1}
    assert second.left_out == {"fear": 1}


def test_a_map_takes_words_for_classes():
    c = joined(one(), two(), labels="calm_as_neutral")
    assert c.label.tolist() == [0, 1, 1, 1, 0]
    assert c.origins[0].taken["neutral"] == {"calm": 1, "neutral": 1}
    assert c.origins[0].left_out == {}
    assert c.labels.name == "calm_as_neutral"
    # What is not known stays unknown, and is never counted as shared.
    assert c.text_id.tolist()[1] == ""


def test_unknown_speakers_stay_unknown():
    c = joined(
        two(), made("three", ("fear", "anger"), [("9", "", "fear", 1), ("9", "", "anger", 1)])
    )
    assert c.speaker.tolist() == ["", "two/3", "three/9", "three/9"]


def test_marks_of_each_part_stay():
    assert joined(one(), two(partial=True)).partial
    assert joined(one(), two(synthetic=True)).synthetic
    assert joined(one(), two(note="cut short")).note == "two: cut short"
    plain = joined(one(), two())
    assert (plain.partial, plain.synthetic, plain.note) == (False, False, None)
    assert joined(one(), two(waveform=None)).waveform is None


def test_fingerprint_is_of_parts_and_map():
    prints = [
        joined(one(), two()).fingerprint,
        joined(one(), two(), labels="calm_as_neutral").fingerprint,
        joined(one(), two(pcm_sha256=np.array(["a", "b", "c"]))).fingerprint,
        joined(one(), dataclasses.replace(two(), name="other")).fingerprint,
    ]
    assert len(set(prints)) == 4
    assert joined(one(), two()).fingerprint == prints[0]
    # The contract of every corpus: hash of the sorted (id, samples, label).
    lines = [("one/u0", "one u0", "anger"), ("one/u2", "one u2", "neutral"),
             ("two/u0", "two u0", "neutral"), ("two/u2", "two u2", "anger")]  # fmt: skip
    assert prints[0] == sidecar.fingerprint(lines)


def test_a_recording_in_two_corpora_is_found():
    """Everything else about a corpus is its own; the hash of the samples is not."""
    twin = two(pcm_sha256=np.array(["two u0", "two u1", "one u0"]))
    c = joined(one(), twin)
    protocol = protocols.make("leave_one_corpus_out", c, 1)
    with pytest.raises(LeakError, match="train and test share 1 recordings"):
        protocols.certificate(c, protocol)
    protocols.certificate(joined(one(), two()), protocol)


def test_origins_of_a_built_corpus_are_itself():
    corpus = one()
    (origin,) = selection.origins(corpus)
    assert origin.whole() is corpus
    assert origin.rows.tolist() == [0, 1, 2]
    assert origin.fingerprint == corpus.fingerprint


# --- what cannot be joined ------------------------------------------------------------------------


def test_collections():
    assert {datasets.collection(n) for n in datasets.names() if n.startswith("emodb")} == {"emodb"}
    assert datasets.collection("ravdess") == "ravdess"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("emodb+emodb", "names emodb twice"),
        ("emodb+emodb_first2s", "emodb and emodb_first2s are both of emodb, the same recordings"),
        ("ravdess+emodb_4class+emodb", "emodb and emodb_4class are both of emodb"),
        ("emodb+", "a plus with no corpus beside it"),
    ],
)
def test_refused_names(text, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        selection.names_of(text)
    assert "\n" not in str(caught.value)


def test_order_of_names_means_nothing():
    assert selection.names_of("ravdess + emodb") == ("emodb", "ravdess")
    assert selection.names_of("ravdess") == ("ravdess",)


@pytest.mark.parametrize(
    ("sets", "only", "sentence"),
    [
        ([("anger",), ("fear",)], (), "a and b: no class to tell apart under labels=shared"),
        ([("anger", "joy"), ("anger",)], (), "only 'anger' to tell apart .*a has anger, joy; b"),
        ([("anger", "fear")] * 2, ("fear",), "only 'fear' .*name at least two in --config.classes"),
        ([("anger", "fear")] * 2, ("fear", "calm"), "classes: 'calm' is not among the classes of"),
    ],
)
def test_refused_classes(sets, only, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        selection.shared_classes(["a", "b"], sets, SHARED, only)
    assert "\n" not in str(caught.value)


# --- built corpora --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(once):
    def fill(folder):
        emodb.make(folder / "e", speakers=("03", "08"), per_class=1)
        ravdess.make(folder / "r", speakers=("01", "02"), intensities=("01",))
        build("emodb", folder / "e", folder, allow_partial=True)
        build("ravdess", folder / "r", folder, allow_partial=True)

    return once("selection", fill)


def test_built_corpora(data):
    c = selection.load("ravdess+emodb", data)
    assert c.name == "emodb+ravdess"
    assert set(c.classes) == {"anger", "disgust", "fear", "happiness", "sadness", "neutral"}
    whole = records.load("ravdess", data)
    origin = c.origins[1]
    assert origin.fingerprint == whole.fingerprint
    mine = c.corpus_of == "ravdess"
    np.testing.assert_array_equal(
        np.char.add("ravdess/", whole.utterance_id[origin.rows]), c.utterance_id[mine]
    )
    place = {str(u): i for i, u in enumerate(whole.utterance_id)}
    for i in np.flatnonzero(mine)[::5]:
        j = place[str(c.utterance_id[i]).removeprefix("ravdess/")]
        assert c.classes[c.label[i]] == whole.classes[whole.label[j]]
        np.testing.assert_array_equal(
            c.frames[c.offset[i] : c.offset[i] + c.length[i]],
            whole.frames[whole.offset[j] : whole.offset[j] + whole.length[j]],
        )
    assert origin.whole().fingerprint == whole.fingerprint
    assert selection.classes_of("emodb", data) == records.load("emodb", data).classes
    assert selection.fingerprint_of("emodb", data) == c.origins[0].fingerprint


def test_one_corpus_as_it_is_or_in_part(data):
    whole = selection.load("ravdess", data)
    assert not isinstance(whole, selection.Selection)
    some = selection.load("ravdess", data, classes=("anger", "neutral"))
    assert some.name == "ravdess (2 of 8 classes)"
    assert some.classes == ("neutral", "anger")
    assert set(some.speaker) == {"01", "02"}
    merged = selection.load("ravdess", data, labels="calm_as_neutral")
    assert len(merged.classes) == 7
    assert len(merged.label) == len(whole.label)


def test_not_built_and_other_front_end(data, monkeypatch):
    with pytest.raises(InputError, match="no records of synthetic there; build them with"):
        selection.load("emodb+synthetic", data)
    with pytest.raises(InputError, match="no records of synthetic there"):
        selection.classes_of("synthetic", data)
    load = records.load

    def other(name, folder, variant, where):
        spec = LogMelSpec(n_mels=40) if name == "ravdess" else None
        return load(name, folder, variant, spec, where)

    monkeypatch.setattr(records, "load", other)
    with pytest.raises(
        InputError, match=r"records were made by front end .* .n_mels 64 there, 40 here"
    ):
        selection.load("emodb+ravdess", data)
