"""What a build recommends is what training takes."""

import re
from pathlib import Path

import pytest
import soundfile

from jser import config, protocols
from jser.errors import InputError
from jser.records import corpus
from jser.records.files import Utterance
from jser.records.manifest import outlook
from tests.records.manifest.test_build import RATE, tone


def table(*groups):
    """Utterances of groups (speaker, session, how many), in two classes."""
    rows = [(s, session) for s, session, n in groups for _ in range(n)]
    return [
        Utterance(Path(f"{k}.wav"), f"{k}", s, session, "", ("anger", "sadness")[k % 2])
        for k, (s, session) in enumerate(rows)
    ]


def said(*groups):
    return outlook.sentences("talks", ("anger", "sadness"), table(*groups))


def test_by_speaker_where_there_are_three():
    (line,) = said(("a", "a", 2), ("b", "b", 2), ("c", "c", 2))
    assert line.startswith("protocol by default: leave_one_speaker_out; train with `jser train")


@pytest.mark.parametrize(("people", "word"), [("a", "1 speaker:"), ("ab", "2 speakers:")])
def test_too_few_speakers(people, word):
    why, way = said(*((s, s, 8) for s in people))
    assert why.startswith(f"{word} a test of voices that training did not hear needs 3 or more")
    assert way.startswith(f"protocol by default: random:{min(10, 8 * len(people) // 3)};")


def test_one_session_for_all_needs_another_protocol():
    why, way = said(*((s, "x", 6) for s in "abcd"))
    assert why.startswith("not to be trained by leave_one_speaker_out, the default: protocol")
    assert way.endswith("--config.protocol=random:8`")
    # Five people in three sessions: by session, though not by speaker.
    why, way = said(*((s, x, 4) for s, x in (*zip("abcd", "xxxx", strict=True), ("e", "y"),
                                            ("f", "z"))))  # fmt: skip
    assert "share 1 sessions" in why
    assert way.endswith("--config.protocol=leave_one_session_out`")


def test_too_few_recordings():
    *_, why, end = said(("a", "a", 4))
    assert "2 folds are too many for 4 utterances" in why
    assert end == "no other protocol fits either: add recordings to the table, and build again"


@pytest.mark.parametrize("speakers", ["a", "abc"])
def test_what_is_recommended_is_made_of_the_records(run, tmp_path, speakers):
    lines = ["path,label,speaker"]
    for k in range(12):
        soundfile.write(tmp_path / f"{k}.wav", tone(150 + 20 * k, 0.4), RATE)
        lines.append(f"{k}.wav,{('anger', 'sad')[k // 3 % 2]},{speakers[k % len(speakers)]}")
    (tmp_path / "talks.csv").write_text("\n".join(lines) + "\n")
    data = tmp_path / "data"
    status, out, err = run(
        "build", "manifest", f"--manifest={tmp_path / 'talks.csv'}", f"--data_dir={data}"
    )
    assert status == 0, err
    (reference,) = re.findall(r"jser train --config=(\S+)", out)
    made = config.load(reference, [("data_dir", str(data))])
    records = corpus.load("talks", data)
    protocol = protocols.make(made.protocol, records, made.dev_speakers)
    protocols.certificate(records, protocol)
    assert (protocol.leak is None) == (len(speakers) == 3)
    if len(speakers) == 1:
        with pytest.raises(InputError, match="1 speakers leave some fold fewer than two"):
            protocols.make("leave_one_speaker_out", records, 2)
