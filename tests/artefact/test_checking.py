"""artefact.json that somebody has changed: one sentence, before anything is answered or scored."""

import copy
import json
import os
import shutil

import numpy as np
import pytest

from jser import cli
from jser.artefact import checking, opening
from jser.errors import InputError


@pytest.fixture
def info(first_fold):
    return opening.info(first_fold)


@pytest.fixture
def own(first_fold, tmp_path):
    return shutil.copytree(first_fold, tmp_path / "artefact")


def test_what_was_exported_is_whole(info):
    assert checking.fault(info) == ""


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("classes", ["abcde", [], ["a"], ["a", "a"], ["a", 1], ["a", "\x1b[2J"], None]),
        ("sample_rate", [0, -1, "16000", None, True, float("nan"), 1e308, 16000.5, 10**9]),
        ("hop_seconds", ["0.01", None, 0, float("inf")]),
        ("temperature", [0, -1, float("nan"), None]),
        ("trained_on", [None, [], {}]),
        ("trained_on.seconds", [["1", "2"], [1.0], [float("nan"), 2.0], [3.0, 2.0]]),
        ("trained_on.like", [[], {"level_db": "x"}, {"level_db": [1]}, {"beauty": [0, 1]}]),
        ("trained_on.class_counts", [{}, {"anger": "many"}]),
        ("protocol", [None, {}]),
        ("protocol.selection", [None, 3]),
        ("result.marks", [None, "x"]),
        ("stream.window", [0, -1, None, 0.5]),
        ("stream.hop", [0, -1, None, 10**12]),
        ("stream.state", [[], {"a": [0]}]),
        ("parameters", [None, "many", -1]),
    ],
)
def test_what_cannot_be_gone_by(info, path, values):
    *way, last = path.split(".")
    for value in values:
        changed = copy.deepcopy(info)
        place = changed
        for name in way:
            place = place[name]
        place[last] = value
        assert checking.fault(changed), value
        del place[last]
        assert checking.fault(changed) == f"lacks {path}"


@pytest.mark.parametrize(
    "text", ["", "[", "[]", "null", '{"format": Infinity}', '{"format": true}', "[" * 100000]
)
def test_what_is_no_artefact_json(own, text, capsys):
    (own / "artefact.json").write_text(text)
    assert cli.main(["predict", str(own), "x.wav"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "artefact.json: " in line
    assert "export the artefact again" in line


def test_weights_that_are_not_those_that_were_exported(own, capsys):
    path = own / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-4:] = np.float32("nan").tobytes()
    path.write_bytes(data)
    assert cli.main(["predict", str(own), "x.wav"]) == 1
    assert "model.safetensors: is damaged, or of another artefact" in capsys.readouterr().err


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04" + bytes(50), None])
def test_marks_that_are_none(own, damage):
    path = own / "heard.npz"
    data = bytearray(path.read_bytes())
    if damage is None:
        data[len(data) // 2] ^= 255
    path.write_bytes(data if damage is None else damage)
    with pytest.raises(InputError, match=r"heard.npz: is damaged"):
        opening.marks(own)
    info = json.loads((own / "artefact.json").read_text())
    del info["sha256"]  # of somebody who does not say what it was
    (own / "artefact.json").write_text(json.dumps(info))
    with pytest.raises(InputError, match=r"heard.npz: not readable"):
        opening.marks(own)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match=r"heard.npz: is no file"):
        opening.marks(own)


def test_reports_of_others_are_not_overwritten(first_fold, artefact, tiny_run, own, capsys):
    for place in (tiny_run / "run", own):
        before = (place / "README.md" if place == own else place / "report.json").read_bytes()
        words = ["evaluate", str(first_fold), "--data=synthetic", f"--out={place}"]
        assert cli.main(words) == 1
        assert f"--out={place}: holds something else" in capsys.readouterr().err
        after = (place / "README.md" if place == own else place / "report.json").read_bytes()
        assert after == before
    assert cli.main(["evaluate", str(first_fold), "--data=synthetic", "--name=x"]) == 1
    assert "--name=x: is of a manifest's corpus" in capsys.readouterr().err
