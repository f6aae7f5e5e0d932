"""Corpora whose facts are looser: no published counts, no table of speakers, unknown speakers."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tensorflow_datasets as tfds

from jser import datasets
from jser.datasets import tones
from jser.errors import InputError
from jser.records import audit, corpus, features, sidecar
from jser.records.builder import CorpusBuilder, build
from jser.records.files import Utterance, code, sound_files, split_name
from jser.records.info import CorpusInfo

OPEN = CorpusInfo(
    name="open",
    classes=("anger", "neutral"),
    counts=None,
    speakers=None,
    description="d",
    citation="c",
    licence="l",
    homepage="h",
    how_to_get="ask",
)


class Open(CorpusBuilder):
    INFO = OPEN

    @classmethod
    def find(cls, corpus_dir):
        """Names such as dev/ann_f_anger_1.wav; an empty part is unknown."""
        found = []
        for path in sound_files(corpus_dir):
            speaker, sex, label, _ = path.stem.split("_")
            split = "" if path.parent == corpus_dir else split_name(path, path.parent.name)
            found.append(Utterance(path, path.stem, speaker, "", "", label, sex, split))
        return found


class Named(CorpusBuilder):
    """Names say all: nothing else is needed than this."""

    LAYOUT = "names such as ann_f_anger_1.wav"
    INFO = replace(OPEN, name="named")

    @classmethod
    def parse(cls, path):
        parts = path.stem.split("_")
        if len(parts) != 4:
            return None
        speaker, sex, label, _ = parts
        return Utterance(
            path, path.stem, speaker, "", "", code(path, "emotion", label, OPEN.classes), sex
        )


class Closed(Open):
    INFO = replace(OPEN, counts={"anger": 2, "neutral": 3}, speakers={"ann": "f", "ben": "m"})


@pytest.fixture
def use(monkeypatch):
    return lambda cls: monkeypatch.setattr(datasets, "builder_class", lambda name: cls)


def make(folder, *names):
    for name in names:
        tones.write(folder / f"{name}.wav", seconds=0.05)
    return folder


FIVE = ("ann_f_anger_1", "ann_f_neutral_1", "ben_m_anger_1", "cy__neutral_1", "__neutral_2")


def test_a_corpus_by_names(tmp_path):
    (folder := tmp_path / "s").mkdir()
    make(folder, "a/ann_f_anger_1", "b/ben_m_neutral_2", "notes")
    found = Named.find(folder)
    assert [getattr(e, "utterance_id", e.path.name) for e in found] == [
        "ann_f_anger_1", "ben_m_neutral_2", "notes.wav"
    ]  # fmt: skip
    make(folder, "cy_f_joy_1")
    with pytest.raises(InputError, match=r"cy_f_joy_1\.wav: emotion 'joy' is none of anger"):
        Named.find(folder)
    make(tmp_path / "t", "x")
    with pytest.raises(InputError, match=r"example x\.wav; expected names such as ann_f"):
        Named.find(tmp_path / "t")


@pytest.mark.parametrize("given", [{}, {"LAYOUT": "x"}, {"parse": Named.parse}])
def test_a_corpus_that_cannot_be_found_is_said_when_it_is_written(given):
    with pytest.raises(TypeError, match="Lost needs LAYOUT and parse, or find"):
        type("Lost", (CorpusBuilder,), {"INFO": OPEN, **given})


def test_unknown_facts_are_shown_and_not_checked(tmp_path, use):
    use(Open)
    result = build("open", make(tmp_path / "s", *FIVE), tmp_path)
    c = corpus.load("open", tmp_path)
    assert c.sex == {"ann": "f", "ben": "m"}
    assert sorted(c.speaker) == ["", "ann", "ann", "ben", "cy"]
    assert (set(c.session), set(c.text_id), c.partial) == ({""}, {""}, False)
    assert result.audit["n_expected"] is None
    assert result.audit["classes"]["neutral"]["found"] == 3
    assert result.audit["classes"]["neutral"]["expected"] is None
    text = audit.render(json.loads(json.dumps(c.audit)))
    for part in ("open: 5 recordings", "cy ?", "unknown ?", "speaker unknown: 1 recordings"):
        assert part in text
    assert "not checked against published counts" in text
    assert "nothing odd" in text
    assert "published  " not in text


def test_known_counts_are_checked_as_ever(tmp_path, use):
    use(Closed)
    with pytest.raises(InputError, match=r"published are 5 \(missing by class: neutral 1\)"):
        build("open", make(tmp_path / "s", *FIVE[:4]), tmp_path)


def test_a_broken_recording_makes_it_partial(tmp_path, use):
    use(Open)
    source = make(tmp_path / "s", *FIVE)
    (source / "ann_f_anger_9.wav").write_bytes(b"")
    with pytest.raises(InputError, match="1 of 6 recordings cannot be used"):
        build("open", source, tmp_path)
    build("open", source, tmp_path, allow_partial=True)
    assert corpus.load("open", tmp_path).partial


def test_one_speaker_has_one_sex(tmp_path, use):
    use(Open)
    with pytest.raises(InputError, match=r"ann_m_anger_2.wav: speaker 'ann' is 'm' here and 'f'"):
        build("open", make(tmp_path / "s", "ann_f_anger_1", "ann_m_anger_2"), tmp_path)


def test_another_sex_leads_to_a_rebuild(tmp_path, use):
    use(Open)
    source = make(tmp_path / "s", "ann_f_anger_1", "cy__neutral_1")
    path = build("open", source, tmp_path).path
    first = sidecar.read(path)
    assert build("open", source, tmp_path).already_built
    (source / "cy__neutral_1.wav").rename(source / "cy_m_neutral_1.wav")
    assert not build("open", source, tmp_path).already_built
    assert sidecar.read(path)["sex"] == {"ann": "f", "cy": "m"}
    assert first["sex"] == {"ann": "f"}


def test_many_speakers_are_summed_up():
    rows = [
        audit.Row(f"u{k}", f"s{k % 50}", "anger", 1.0, str(k), 16000, 1, -6.0, 0.0)
        for k in range(75)
    ]
    sex = {f"s{k}": "fm"[k % 2] for k in range(40)}
    made = audit.make("many", rows, ("anger",), None, sex, None, {})
    text = audit.render(made)
    assert "50 speakers (20 f, 20 m, 10 ?), 1 to 2 recordings each, median 1.5" in text
    assert "s7 m" not in text
    assert np.sum([entry["found"] for entry in made["speakers"].values()]) == 75


def test_published_splits_are_kept(tmp_path, use):
    use(Open)
    names = (
        "Train/ann_f_anger_1",
        "Validation/ben_m_anger_1",
        "Test1/cy__neutral_1",
        "ed__anger_4",
    )
    source = make(tmp_path / "s", *names)
    build("open", source, tmp_path)
    c = corpus.load("open", tmp_path)
    assert dict(zip(c.speaker, c.split, strict=True)) == {
        "ann": "train", "ben": "dev", "cy": "test1", "ed": ""
    }  # fmt: skip
    (source / "Test1").rename(source / "Test2")
    assert not build("open", source, tmp_path).already_built
    assert sorted(corpus.load("open", tmp_path).split) == ["", "dev", "test2", "train"]


def test_unknown_words_for_a_split(tmp_path):
    path = tmp_path / "list.csv"
    words = ("train", "DEV ", "Development", "validation", "Test", "test-clean", "")
    assert [split_name(path, w) for w in words] == [
        "train", "dev", "dev", "dev", "test", "test-clean", ""
    ]  # fmt: skip
    for word in ("tset", "holdout", "my test"):
        with pytest.raises(
            InputError, match=rf"list.csv: split '{word}' is none of train, dev, te"
        ):
            split_name(path, word)


def test_records_from_before_splits_still_load(tmp_path, use, monkeypatch):
    described = features.describe

    def without_split(classes, own):
        every = described(classes, own)
        return tfds.features.FeaturesDict({k: v for k, v in every.items() if k != "split"})

    monkeypatch.setattr(features, "describe", without_split)
    whole = Utterance.record
    monkeypatch.setattr(
        Utterance, "record", lambda u: {k: v for k, v in whole(u).items() if k != "split"}
    )
    use(Open)
    source = make(tmp_path / "s", *FIVE)
    path = build("open", source, tmp_path).path
    monkeypatch.undo()
    assert '"split"' not in (path / "features.json").read_text()
    c = corpus.load("open", tmp_path)
    assert c.split.tolist() == [""] * 5
    # Nor does a corpus without splits need its records built again.
    use(Open)
    assert build("open", source, tmp_path).already_built
