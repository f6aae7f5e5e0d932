"""Tables of one's own: what each column means, and every fault with its line and way out."""

import json
from pathlib import Path

import pytest

from jser.errors import InputError
from jser.frontend.decoding import Cut
from jser.records.faults import FilesAtFault
from jser.records.files import Skipped, Utterance
from jser.records.manifest import reading
from jser.records.manifest.options import Options

GOOD = "path,label,speaker\na.wav,Angry,anna\nb.wav,sad,ben\n"


@pytest.fixture
def folder(tmp_path):
    """A folder in which a few recordings lie; nobody decodes them here."""
    for name in ("a.wav", "b.wav", "sub/c.wav", "sub/a.flac", "sub/a.wav", "with, comma.wav"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


@pytest.fixture
def read(folder):
    """`read(text, **options)`: the manifest of a text or of bytes."""

    def call(text, file="m.csv", must_exist=True, corpus_dir=None, **options):
        path = folder / file
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return reading.read(path, Options(**options), corpus_dir, must_exist)

    return call


def faults(call, *args, **options):
    """The lines of a refusal, without the file's name."""
    with pytest.raises(InputError) as caught:
        call(*args, **options)
    error = caught.value
    assert "\n" not in error.sentence if isinstance(error, FilesAtFault) else "\n" not in str(error)
    return list(error.lines) if isinstance(error, FilesAtFault) else [str(error)]


def utterances(manifest):
    return [e for e in manifest.entries if isinstance(e, Utterance)]


def test_the_least_table(read, folder):
    manifest = read(GOOD)
    assert manifest.classes == ("sadness", "anger")  # in the order of jser.emotions
    assert manifest.mapped == {"Angry": "anger", "sad": "sadness"}
    assert (manifest.n_speakers, manifest.n_unknown, manifest.unused) == (2, 0, ())
    assert utterances(manifest) == [
        Utterance(folder / "a.wav", "a", "anna", "anna", "", "anger", line=2),
        Utterance(folder / "b.wav", "b", "ben", "ben", "", "sadness", line=3),
    ]


def test_every_column(read, folder):
    manifest = read(
        "ID,Split,path,sex,session,start,end,text,label,speaker,rater\n"
        'x1,Train,a.wav,Female,s1,1.5,2.25,"Two, or\nthree  Words",anger,anna,r\n'
        "x2,test1,b.wav,m,,,,,sad,ben,r\n"
    )
    one, two = utterances(manifest)
    assert (one.utterance_id, one.split, one.sex, one.session) == ("x1", "train", "f", "s1")
    assert one.cut == Cut(1.5, 2.25)
    assert one.text_id == "two, or three words"
    assert (two.split, two.session, two.cut, two.line) == ("test1", "ben", None, 4)
    assert manifest.unused == ("rater",)


@pytest.mark.parametrize(
    "text",
    [
        GOOD.encode("utf-8-sig"),
        GOOD.replace(",", "\t"),
        GOOD.replace(",", ";"),
        GOOD.replace(",", " | "),
        GOOD.replace("\n", "\r\n"),
        "\n\n" + GOOD.replace("\n", "\n\n,,\n"),
        GOOD.replace("path,label", "Path , LABEL"),
        "file,label,speaker,,\na.wav,Angry,anna,,\nb.wav,sad,ben,,\n",
        '"path","label","speaker"\n"a.wav","Angry","anna"\n"b.wav","sad","ben"',
        '{"path": "a.wav", "label": "Angry", "speaker": "anna"}\n\n'
        '{"speaker": "ben", "path": "b.wav", "label": "sad"}',
    ],
    ids=["bom", "tab", "semicolon", "bar", "dos", "empty rows", "case", "file", "quoted", "json"],
)
def test_one_table_in_many_dresses(read, text):
    found = utterances(read(text))
    assert [(u.path.name, u.label, u.speaker) for u in found] == [
        ("a.wav", "anger", "anna"),
        ("b.wav", "sadness", "ben"),
    ]


def test_audformat(read, folder):
    table = (
        "file,start,end,emotion\n"
        "a.wav,0 days,0 days 00:00:01.500000,happiness\n"
        "a.wav,0 days 00:00:01.500000,NaT,anger\n"
        "b.wav,0 days 00:00:00,NaT,anger\n"
        "sub/c.wav,0 days 01:02:03,1 days 00:00:00.25,anger\n"
    )
    (folder / "db.files.csv").write_text(
        "file,duration,speaker\na.wav,3,1\nb.wav,2,2\nsub/c.wav,2,2\nelsewhere.wav,1,3\n"
    )
    manifest = read(table, label_column="emotion", speaker_table=str(folder / "db.files.csv"))
    found = utterances(manifest)
    assert [u.cut for u in found] == [
        Cut(0.0, 1.5), Cut(1.5, None), None, Cut(3723.0, 86400.25),
    ]  # fmt: skip
    assert [u.speaker for u in found] == ["1", "1", "2", "2"]
    assert [u.utterance_id for u in found] == [
        "a@0-1.5", "a@1.5-end", "b", "sub/c@3723-86400.25",
    ]  # fmt: skip


def test_ids_of_files_with_one_stem(read):
    text = "path,label,speaker\nsub/a.wav,sad,1\nsub/a.flac,angry,2\na.wav,angry,2\n"
    assert [u.utterance_id for u in utterances(read(text))] == ["sub/a.wav", "sub/a.flac", "a"]


def test_speaker_from_the_path(read):
    text = "path,label\na.wav,sad\nsub/c.wav,angry\n"
    found = utterances(read(text, speaker_from=r"(?P<speaker>\w+)\.wav"))
    assert [u.speaker for u in found] == ["a", "c"]
    lines = faults(read, text, speaker_from=r"(?P<speaker>\w+)/")
    assert "line 2: no speaker (--speaker_from finds none for 'a.wav')" in lines[0]
    assert "learnt by heart" in lines[0]
    assert "has no group 'speaker'" in faults(read, text, speaker_from="(.)")[0]
    assert "no regular expression" in faults(read, text, speaker_from="(?P<speaker>")[0]


def test_without_speakers(read):
    text = "path,label\na.wav,sad\nb.wav,angry\n"
    (line,) = faults(read, text)
    for word in ("no column 'speaker'", "same voice", "--speaker_from", "--speaker=unknown"):
        assert word in line
    manifest = read(text, speaker="unknown")
    assert manifest.n_unknown == 2
    assert [(u.speaker, u.session) for u in utterances(manifest)] == [("", ""), ("", "")]
    some = read("path,label,speaker\na.wav,sad,anna\nb.wav,angry,nan\n", speaker="unknown")
    assert [u.speaker for u in utterances(some)] == ["anna", ""]


def test_own_labels(read):
    text = "path,label,speaker\na.wav,Puzzled,1\nb.wav,angry,2\nsub/c.wav,puzzled,2\n"
    line, _ = faults(read, text)
    assert "'Puzzled' is no known emotion" in line
    assert "--labels=own" in line
    manifest = read(text, labels="own")
    assert manifest.classes == ("anger", "puzzled")
    assert [u.label for u in utterances(manifest)] == ["puzzled", "anger", "puzzled"]


def test_speakers_of_one_file_share_a_session(read):
    text = (
        "path,start,end,label,speaker\n"
        "a.wav,0,1,sad,anna\na.wav,1,2,angry,ben\nb.wav,0,1,sad,anna\nsub/c.wav,0,1,sad,carl\n"
    )
    assert [u.session for u in utterances(read(text))] == [
        "file a.wav", "file a.wav", "anna", "carl",
    ]  # fmt: skip


def test_repeated_rows_are_left_out(read):
    manifest = read(GOOD + "./a.wav,anger,anna\n")
    assert [e.reason for e in manifest.entries if isinstance(e, Skipped)] == [reading.REPEATED]
    assert len(utterances(manifest)) == 2


def test_rows_that_contradict_each_other(read):
    lines = faults(read, GOOD + "sub/../a.wav,sad,anna\nb.wav,sad,anna\n")
    assert lines == [
        "line 4: 'a.wav' is in line 2 already, with another label ('anger', here 'sadness'); "
        "keep one",
        "line 5: 'b.wav' is in line 3 already, with another speaker ('ben', here 'anna'); keep one",
    ]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("../a.wav", "leads out of"),
        ("sub/../../x.wav", "leads out of"),
        ("/etc/passwd", "leads out of"),
        (".", "leads out of"),
        ("none.wav", "no such file"),
        ("sub\\c.wav", "write / instead of \\"),
        ("https://host/a.wav", "is an address"),
        ("", "no path"),
        ("nan", "no path"),
        ("x" * 300 + ".wav", "cannot be read (File name too long)"),
        ("a.wav/b.wav", "cannot be read (Not a directory)"),
    ],
)
def test_paths_that_cannot_be_used(read, path, words):
    (line,) = faults(read, GOOD + f"{path},sad,anna\n")
    assert "line 4: " in line
    assert words in line
    assert len(line) < 500


def test_absolute_paths_and_links(read, folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "d.wav"
    elsewhere.touch()
    (folder / "linked.wav").symlink_to(elsewhere)
    (folder / "sub" / "gone.wav").symlink_to(folder / "never")
    manifest = read(
        GOOD + f"{folder}/sub/c.wav,sad,ben\nlinked.wav,sad,ben\nsub/gone.wav,angry,ben\n"
    )
    assert [u.utterance_id for u in utterances(manifest)[2:]] == ["sub/c", "linked", "sub/gone"]
    (line,) = faults(read, GOOD + f"{elsewhere},sad,ben\n")
    assert "--corpus_dir=DIR" in line
    text = f"path,label,speaker\n{elsewhere},sad,1\n{folder}/a.wav,angry,2\n"
    assert [u.path for u in utterances(read(text, corpus_dir="/"))] == [elsewhere, folder / "a.wav"]
    text = "path,label,speaker\nc.wav,sad,1\na.wav,angry,2\n"
    assert utterances(read(text, corpus_dir=folder / "sub"))[0].path == folder / "sub" / "c.wav"
    assert "no such folder" in faults(read, text, corpus_dir=folder / "nix")[0]


def test_missing_recordings_are_for_decoding_where_allowed(read):
    assert len(utterances(read(GOOD + "none.wav,sad,anna\n", must_exist=False))) == 3


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2", "1", "end 1 s is not behind start 2 s"),
        ("1", "1", "not behind"),
        ("-0.5", "1", "start '-0.5' is negative"),
        ("nan", "0", "end 0 s is not behind start 0 s"),
        ("0", "inf", "end 'inf' is no time in seconds"),
        ("0", "1e400", "end '1e400' is not finite"),
        ('"1,5"', "2", "start '1,5' is no time in seconds: write 1.5"),
        ("1_0", "20", "no time"),
        ("٣", "20", "no time"),
        ("one", "2", "no time"),
        ("0", "00:00:99999999", "no time"),
        ("-1 days +23:59:59", "2", "negative"),
    ],
)
def test_times_that_cannot_be(read, start, end, words):
    text = f"path,label,speaker,start,end\na.wav,sad,1,0,1\nb.wav,angry,2,{start},{end}\n"
    (line,) = faults(read, text)
    assert "line 3: " in line
    assert words in line


def test_columns_that_mean_times_are_not_passed_over(read):
    (line,) = faults(read, "path,label,speaker,begin,stop\na.wav,sad,1,0,1\n")
    assert "column 'begin' is not read; call it 'start'" in line
    manifest = read(GOOD.replace("speaker\n", "speaker,sesion\n").replace("anna", "anna,1").replace(
        "ben", "ben,2"))  # fmt: skip
    assert manifest.nearly == {"sesion": "session"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("path,label,speaker\n", "no row"),
        ("path,emotion,speaker\na.wav,sad,1\n", "--label_column=emotion"),
        ("paht,label,speaker\na.wav,sad,1\n", "did you mean 'paht'?"),
        ("a.wav,sad,1\nb.wav,angry,2\n", "no column 'path' (its first row names 'a.wav', 'sad'"),
        ("path,label,label,speaker\na.wav,sad,sad,1\n", "column 'label' is there 2 times"),
        (GOOD.encode("utf-16"), "UTF-16"),
        (GOOD.encode("utf-16-le"), "NUL"),
        (GOOD.replace("anna", "änna").encode("latin-1"), "line 2: byte 0xe4 at place 13"),
        (GOOD.replace("anna", "an\0na"), "NUL"),
        ('[{"path": "a.wav"}]', "JSON array"),
        ('{"path": "a.wav"', "line 1: is no JSON object"),
        ("path,label,speaker\na.wav,sad,1\nb.wav,Sadness,2\n", "two classes or more"),
        ("path,label,speaker\n" + "x" * (1 << 21), "line 2: is longer than"),
        ('"path"x,label,speaker\na.wav,sad,1\n', "closing quotation mark"),
    ],
)
def test_tables_that_cannot_be_used(read, text, words):
    (line,) = faults(read, text)
    assert "m.csv" in line
    assert words in line
    assert len(line) < 700


def test_too_many_classes(read, folder):
    rows = []
    for k in range(101):
        (folder / f"{k}.wav").touch()
        rows.append(f"{k}.wav,word{k},{k % 3}\n")
    (line,) = faults(read, "path,label,speaker\n" + "".join(rows), labels="own")
    assert "101 different words" in line


def test_all_faults_at_once(read):
    text = (
        "path,label,speaker,sex,start,end,split,id\n"
        "a.wav,angri,Anna,f,0,1,train,x\n"
        "none.wav,,,q,2,1,later,x\n"
        "b.wav,angri,anna,m,0,1,,y\n"
        "sub/c.wav,sad,Anna,m,0,1,,y\n"
        "sub/a.wav,sad,Anna\n"
        "sub/a.wav,sad,Bea,f,0,1,,\x1b[2J\n"
        "a.wav,angri,Cleo,f,7,8,,z\n"
        'b.wav,"sad"x,Cleo,f,7,8,,z\n'
        "never read\n"
    )
    lines = faults(read, text)
    found = "\n".join(lines)
    for words in (
        "line 2: label 'angri' is no known emotion; did you mean 'angry'?",
        "(and in 2 more lines, the next is 4)",
        "line 3: path 'none.wav': no such file",
        "line 3: no label",
        "line 3: no speaker",
        "line 3: sex 'q' is none of f, m",
        "line 3: end 1 s is not behind start 2 s",
        "line 3: split 'later' is none of train, dev, test",
        "line 6: has 3 cells, the first row has 8",
        "line 7: id '\\x1b[2J' holds control characters",
        "line 9: has text behind a closing quotation mark",
    ):
        assert words in found
    assert "never" not in found


def test_faults_between_rows(read):
    lines = faults(
        read,
        "path,label,speaker,sex,id\na.wav,angry,Anna,f,x\nb.wav,sad,anna,,z\n"
        "sub/c.wav,sad,Anna,m,y\nsub/a.wav,sad,Bea,f,y\n",
    )
    assert lines == [
        "line 3: speaker 'anna' and 'Anna' of line 2 differ in case, blanks or zeros alone; write "
        "one person one way, and two not so alike",
        "line 4: speaker 'Anna' is 'm' here and 'f' in line 2; correct one",
        "line 5: id 'y' is that of line 4 too; ids must differ",
    ]


@pytest.mark.parametrize(("one", "other"), [("1", "01"), ("1", "1.0"), ("S 1", "s_1")])
def test_one_person_in_two_spellings(read, one, other):
    (line,) = faults(read, f"path,label,speaker\na.wav,sad,{one}\nb.wav,angry,{other}\n")
    assert "one person one way" in line


@pytest.mark.parametrize(
    ("one", "other"), [("1", "10"), ("1_11", "11_1"), ("0", "00x"), ("é", "e")]
)
def test_two_persons_are_two(read, one, other):
    assert read(f"path,label,speaker\na.wav,sad,{one}\nb.wav,angry,{other}\n").n_speakers == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"path": 3, "label": "sad", "speaker": "1"}, "no such file"),
        ({"path": "b.wav", "label": ["sad"], "speaker": "1"}, "'label' is a list"),
        ({"path": "b.wav", "label": "sad", "speaker": True}, "'speaker' is true or false"),
        ({"path": "b.wav", "label": "sad", "speaker": {}}, "'speaker' is an object"),
        ({"path": "b.wav", "label": "sad", "speaker": None}, "no speaker"),
        ({"path": "b.wav", "label": "sad"}, "no speaker"),
        ({"path": "b.wav", "label": "sad", "speaker": "1", "start": float("nan")}, None),
        ({"path": "b.wav", "label": "sad", "speaker": "1", "end": float("inf")}, "end 'inf'"),
        ({"path": "b.wav", "label": "sad", "speaker": "1", "more": 1}, "has the key 'more'"),
        ({"path": "b.wav", "label": "sad", "speaker": "\ud800"}, "surrogate"),
        ({"path": "b\0.wav", "label": "sad", "speaker": "1"}, "NUL"),
        ([1], "is JSON, but no object"),
        ('{"path": "b.wav", "path": "a.wav"}', "has the key 'path' twice"),
        ("{" * 3000, "no JSON object"),
        ('{"path":' + "[" * 100_000, "no JSON object"),
        (
            '{"end": ' + "9" * 5000 + ', "path": "b.wav", "label": "sad", "speaker": "1"}',
            "not finite",
        ),
    ],
)
def test_json_lines(read, line, words):
    first = {"path": "a.wav", "label": "angry", "speaker": "1", "start": 0, "end": None}
    second = line if isinstance(line, str) else json.dumps(line)
    other = first | {"path": "sub/c.wav", "label": "sad"}
    text = f"{json.dumps(first)}\n{json.dumps(other)}\n{second}"
    if words is None:
        assert len(utterances(read(text))) == 3
        return
    (found,) = faults(read, text)
    assert "line 3: " in found
    assert words in found
    assert len(found) < 500


def test_files_that_are_none(folder, tmp_path):
    for path, words in (
        (folder / "none.csv", "no such file"),
        (folder / "sub", "is a folder"),
        (Path("/dev/null"), "is no regular file"),
        (folder / "a\0b.csv", "no name that a file can have"),
    ):
        with pytest.raises(InputError, match=words):
            reading.read(path, Options())
