"""eNTERFACE'05: folders that say what names do not, the uncut subject, videos without sound."""

from collections import Counter
from pathlib import Path

import pytest

from jser import datasets
from jser.datasets.enterface import fake
from jser.errors import InputError
from jser.records import corpus
from jser.records.builder import build
from jser.records.files import Skipped


def test_the_whole_corpus_is_counted_as_found_by_others(complete):
    found = complete("enterface", fake.paths([str(k) for k in range(1, 45)]))
    assert len(found) == 1287 == 42 * 30 + 27
    assert Counter(u.label for u in found)["happiness"] == 212
    assert len({u.text_id for u in found}) == 6 * 5
    assert "6" not in {u.speaker for u in found}


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("subject 11/anger/sentence 2/s12_an_2.wav", ("11", "anger", "s11_anger_2")),
        ("subject 16/surprise/sentence 3/s16_su_3avi.wav", ("16", "surprise", "s16_surprise_3")),
        ("subject-3/happiness/sentence-1/s_3_ha_1.flac", ("3", "happiness", "s3_happiness_1")),
    ],
)
def test_folders_and_not_names(path, what):
    one = datasets.builder_class("enterface").parse(Path("/data", path))
    assert (one.speaker, one.label, one.utterance_id) == what


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("subject 45/anger/sentence 1/x.wav", "subject '45' is none of 1 to 44"),
        ("subject 1/boredom/sentence 1/x.wav", "emotion 'boredom' is none of anger disgust"),
        ("subject 1/anger/sentence 6/x.wav", "sentence '6' is none of 1 2 3 4 5"),
    ],
)
def test_wrong_folders(path, sentence):
    with pytest.raises(InputError, match=sentence):
        datasets.builder_class("enterface").parse(Path("/data", path))


def test_build_leaves_out_what_is_not_cut(tmp_path):
    source = fake.make(tmp_path / "s")
    result = build("enterface", source, tmp_path, allow_partial=True)
    c = corpus.load("enterface", tmp_path)
    assert len(c.label) == 2 * 30
    assert set(c.speaker) == {"1", "11"}
    assert c.sex == {}  # Not published.
    assert result.skipped == {"subject 6 is not cut into sentences": 6}


def test_videos_and_flat_folders(tmp_path):
    video = tmp_path / "v" / "subject 1" / "anger" / "sentence 1" / "s1_an_1.avi"
    video.parent.mkdir(parents=True)
    video.write_bytes(b"RIFF")
    with pytest.raises(InputError, match=r"1 videos and no sound file; .*ffmpeg -i X.avi"):
        build("enterface", tmp_path / "v", tmp_path / "data")
    flat = tmp_path / "flat"
    flat.mkdir()
    (flat / "s1_an_1.wav").write_bytes(b"")
    with pytest.raises(InputError, match="expected eNTERFACE'05's folders"):
        build("enterface", flat, tmp_path / "data")


def test_uncut_subject_alone_is_not_taken():
    path = Path("/data/subject 6/anger/s6_an.wav")
    assert isinstance(datasets.builder_class("enterface").parse(path), Skipped)
