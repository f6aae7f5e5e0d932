"""The examples of docs/own_data.md, as they stand there, on recordings made for them."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jser import cli
from jser import config as configs
from jser.records import corpus

PAGE = Path(__file__).parents[3] / "docs" / "own_data.md"
RATE = 16000


def examples():
    """(files, commands) of each example: tables, and what is done with them."""
    files, found = [], []
    for kind, name, text in re.findall(
        r"```(csv|json|sh)( \S+)?\n(.*?)```", PAGE.read_text(), re.S
    ):
        if kind == "sh":
            commands = [shlex.split(line)[1:] for line in text.splitlines()]
            table = next(w for w in commands[0] if w.startswith("--manifest=")).partition("=")[2]
            found.append(({name.strip() or table: text for name, text in files}, commands))
            files = []
        else:
            files.append((name, text))
    return found


@pytest.mark.parametrize(("files", "commands"), examples())
def test_example(run, tmp_path, monkeypatch, files, commands):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JSER_DATA", str(tmp_path / "data"))
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        for path in re.findall(r"[\w/]+\.(?:wav|flac)", text):
            (tmp_path / path).parent.mkdir(exist_ok=True)
            t = np.arange(int(3.6 * RATE)) / RATE
            pitch = 120 + sum(path.encode())
            soundfile.write(tmp_path / path, 0.3 * np.sin(2 * np.pi * (pitch * t + 9 * t**2)), RATE)
    build, *others, train = commands
    for command in (build, *others):
        status, _, err = run(*command)
        assert status == 0, err
    args, _ = cli.parser().parse_known_args(train)
    config = configs.load(args.config)
    assert config.protocol == "leave_one_speaker_out"
    loaded = corpus.load(config.corpus)
    assert len(loaded.label) == len(next(iter(files.values())).splitlines()) - (
        not next(iter(files.values())).startswith("{")
    )
    assert len(set(loaded.speaker)) >= 3


def test_all_are_there():
    assert [next(iter(files)) for files, _ in examples()] == [
        "talks.csv", "segments.jsonl", "db.emotion.csv",
    ]  # fmt: skip
