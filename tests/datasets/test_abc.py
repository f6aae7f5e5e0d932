"""ABC: the table that its owner writes."""

import pytest

from jser import datasets
from jser.datasets.abc import fake
from jser.errors import InputError
from jser.records import audit, corpus
from jser.records.builder import build


def test_records(tmp_path):
    result = build("abc", fake.make(tmp_path / "s", speakers=3), tmp_path)
    c = corpus.load("abc", tmp_path)
    assert c.sex == {"s1": "f", "s2": "m", "s3": "f"}
    assert (len(c.label), c.partial, set(c.text_id)) == (18, False, {""})
    k = list(c.utterance_id).index("s2_10")
    assert (c.speaker[k], c.session[k], c.classes[c.label[k]]) == ("s2", "s2", "cheerfulness")
    text = audit.render(result.audit)
    assert "not checked against published counts" in text


def test_an_absent_recording_is_named(tmp_path):
    source = fake.make(tmp_path / "s", speakers=2)
    (source / "wav" / "s1_00.wav").unlink()
    with pytest.raises(InputError, match="1 of 12 recordings cannot be used") as caught:
        build("abc", source, tmp_path)
    assert "wav/s1_00.wav: no such file" in str(caught.value)
    build("abc", source, tmp_path, allow_partial=True)
    assert corpus.load("abc", tmp_path).partial


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("wav/s1_00.wav,s1,f,happy", "s1_00: emotion 'happy' is none of aggressive cheerful"),
        ("wav/s1_00.wav,s1,w,tired", "s1_00: sex 'w' is none of f m"),
        ("b/s1_01.wav,s1,f,tired\nc/s1_01.flac,s1,f,tired", "'c/s1_01.flac' has no name or a sec"),
        ("wav/s1_00.wav,s1", "line 2 is shorter than the header"),
    ],
)
def test_faults_of_the_table(tmp_path, line, sentence):
    source = fake.make(tmp_path, speakers=1)
    (source / "abc.csv").write_text(f"file,speaker,sex,emotion\n{line}\n")
    with pytest.raises(InputError) as caught:
        datasets.builder_class("abc").find(source)
    assert sentence in str(caught.value)
    assert "abc.csv" in str(caught.value)


def test_no_table_or_another(tmp_path):
    source = fake.make(tmp_path, speakers=1)
    (source / "abc.csv").write_text("path,emotion\nx.wav,tired\n")
    with pytest.raises(
        InputError, match="has no column file, speaker, sex; its header is 'path,em"
    ):
        datasets.builder_class("abc").find(source)
    (source / "abc.csv").unlink()
    with pytest.raises(
        InputError, match=r"no labels in it; expected abc.csv with the columns file"
    ):
        datasets.builder_class("abc").find(source)
