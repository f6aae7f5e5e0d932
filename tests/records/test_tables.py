"""Label tables: found, read, matched to recordings."""

import pytest

from jser.datasets import tones
from jser.errors import InputError
from jser.records.files import Skipped, Utterance
from jser.records.tables import find_by_table, find_tables, rows


def test_tables_are_found_at_any_depth_in_the_order_of_the_patterns(tmp_path):
    for name in ("b/x.csv", "a/x.csv", "a/x.json", ".hidden/x.csv", "a/._x.csv", "y.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "c" / "x.csv").mkdir(parents=True)
    # Linked folders are searched as those of recordings are, each once.
    root = tmp_path / "root"
    root.mkdir()
    for name in "abc":
        (root / name).symlink_to(tmp_path / name)
    (root / "again").symlink_to(tmp_path / "a")
    found = find_tables(root, ["x.json", "x.csv"], "x.csv")
    assert [str(p.relative_to(root)) for p in found] == ["a/x.json", "a/x.csv", "b/x.csv"]
    assert find_tables(root, ["a/*.csv"], "x.csv") == [root / "a" / "x.csv"]


def test_without_a_table_the_folder_itself_may_be_at_fault(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        find_tables(tmp_path / "nowhere", ["x.csv"], "x.csv")
    with pytest.raises(InputError, match="no wav or flac file in it"):
        find_tables(tmp_path, ["x.csv"], "x.csv")
    tones.write(tmp_path / "a.wav")
    with pytest.raises(InputError, match=r"no labels in it; expected x\.csv"):
        find_tables(tmp_path, ["x.csv"], "x.csv")


@pytest.mark.parametrize("start", [b"", "\ufeff".encode()])
def test_rows_are_stripped_text_whatever_the_bytes(tmp_path, start):
    path = tmp_path / "x.csv"
    path.write_bytes(start + b'file , words,more\r\n a.wav ,"it\x92s, ""so""",1\r\n')
    assert rows(path, ["file", "words"]) == [{"file": "a.wav", "words": 'it\ufffds, "so"'}]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no column file, label; its header is ''"),
        ("file,emotion\na,b\n", "has no column label; its header is 'file,emotion'"),
        ("file,label\na,b\n\nc\n", "line 4 is shorter than the header"),
    ],
)
def test_faults_of_a_table(tmp_path, text, sentence):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(InputError, match=rf"x\.csv: {sentence}"):
        rows(tmp_path / "x.csv", ["file", "label"])


def test_recordings_and_lines_are_matched_both_ways(tmp_path):
    for name in ("one/a.wav", "two/a.wav", "two/x.wav", "o.wav", "odd.wav"):
        tones.write(tmp_path / name, seconds=0.03)
    said = {n: Utterance(tmp_path / f"{n}.wav", n, "s", "", "", "anger") for n in ("a", "b")}
    table = said | {n: Skipped(tmp_path / f"{n}.wav", "other") for n in ("o", "p")}
    found = find_by_table(tmp_path, table, lambda p: None if p.stem == "odd" else p.stem, "a.wav")
    # Both copies of a: the build tells whether they are the same. b has no recording, and stays.
    paths = sorted(str(f.path.relative_to(tmp_path)) for f in found if isinstance(f, Utterance))
    assert paths == ["b.wav", "one/a.wav", "two/a.wav"]
    skipped = sorted((f.path.name, f.reason) for f in found if isinstance(f, Skipped))
    no_line = "no line in the corpus' labels"
    assert skipped == [("o.wav", "other"), ("odd.wav", no_line), ("x.wav", no_line)]
    with pytest.raises(
        InputError, match=r"none of its 5 sound files has a line .*; expected c\.wav"
    ):
        find_by_table(tmp_path, {"c": said["a"]}, lambda p: p.stem, "c.wav")
