"""`jser listen`: raw samples through a pipe, or a microphone that is not there."""

import io
import json
import sys
import types

import numpy as np
import pytest
import soxr

from jser import cli
from jser.artefact import live
from jser.artefact.loader import Artefact, Stream
from jser.errors import InputError
from jser.records import corpus as records


@pytest.fixture(scope="module")
def speech(data):
    corpus = records.load("synthetic", data, "waveform")
    return np.concatenate([corpus.waveform[0], np.zeros(64000, np.int16), corpus.waveform[1]])


def test_a_pipe_may_cut_samples_in_two():
    raw = np.arange(1000, dtype="<i2").tobytes()

    class Pipe:
        def __init__(self):
            self.at = 0

        def read1(self, n):
            self.at += 7
            return raw[self.at - 7 : self.at]

    np.testing.assert_array_equal(np.concatenate(list(live.from_pipe(Pipe()))), np.arange(1000))


def test_command(artefact, speech, monkeypatch, capsys):
    raw = io.TextIOWrapper(io.BufferedReader(io.BytesIO(speech.astype("<i2").tobytes())))
    monkeypatch.setattr(sys, "stdin", raw)
    assert cli.main(["listen", str(artefact), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    stream = Stream(Artefact(artefact))
    whole = len(speech) // stream.hop
    assert len(speech) % stream.hop
    assert [row["end"] for row in rows] == pytest.approx(
        [*(stream.hop * (i + 1) / 16000 for i in range(whole)), len(speech) / 16000], abs=1e-3
    )
    assert "silence" in {row["label"] for row in rows}  # in the middle of the pause
    *_, before = stream.feed(speech / np.float32(32768))
    (last,) = stream.finish()
    assert last["end"] == len(speech) > before["end"]
    np.testing.assert_allclose(
        list(rows[-1]["probabilities"].values()), last["probabilities"], atol=2e-6
    )
    assert rows[-1]["end"] - rows[-1]["start"] <= stream.window / 16000 + 1e-3


def test_a_stream_that_ends_early_is_the_whole_recording(artefact, speech):
    """Shorter than a hop, and between hops: what the artefact says of all of it."""
    whole = Artefact(artefact)
    stream = Stream(whole)
    for n in (stream.hop - 100, stream.hop + 100):
        x = speech[:n] / np.float32(32768)
        found = [*stream.feed(x), *stream.finish()]
        assert len(found) == 1 + n // stream.hop
        np.testing.assert_allclose(
            found[-1]["probabilities"], whole([x])["probabilities"][0], atol=1e-5
        )
        stream.restart(0)
    assert list(stream.finish()) == []


def test_files_and_nothing(artefact, monkeypatch, capsys):
    for data, sentence in (
        (b"RIFF" + bytes(9000), "standard input: is a sound file"),
        (b"ID3", "standard input: is empty"),
        (b"", "standard input: is empty"),
    ):
        raw = io.TextIOWrapper(io.BufferedReader(io.BytesIO(data)))
        monkeypatch.setattr(sys, "stdin", raw)
        assert cli.main(["listen", str(artefact)]) == 1
        assert sentence in capsys.readouterr().err


def test_another_rate(artefact, speech):
    info = json.loads((artefact / "artefact.json").read_text())
    there = soxr.resample(speech, 16000, 44100)
    pieces = iter([there[i : i + 4410] for i in range(0, len(there), 4410)])
    found = list(live.listen(pieces, 44100, Artefact(artefact), info))
    expected = list(live.listen(iter([speech]), 16000, Artefact(artefact), info))
    assert len(found) == len(expected)
    assert [a.end for a in found] == [a.end for a in expected]


@pytest.mark.parametrize("words", [["--rate=100"], ["--rate=999999"], ["--sure=2"]])
def test_what_is_no_rate(artefact, words, capsys):
    assert cli.main(["listen", str(artefact), *words]) == 1
    assert words[0] in capsys.readouterr().err


def test_no_microphone(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(InputError, match=r"--microphone: .*; pip install sounddevice, or"):
        next(live.from_microphone(16000))


def test_a_microphone_that_nobody_hears_loses_the_oldest(monkeypatch):
    class Device:
        PortAudioError = OSError

        class InputStream:
            def __init__(self, callback, blocksize, **_):
                for i in range(30):
                    callback(np.full((blocksize, 1), i, np.int16))

            def __enter__(self):
                return self

            def __exit__(self, *_):
                return None

    fake = types.SimpleNamespace(PortAudioError=OSError, InputStream=Device.InputStream)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    heard = live.from_microphone(16000, most_seconds=1.0)
    assert [int(next(heard)[0]) for _ in range(10)] == list(range(20, 30))
