"""Windows of sound of any length, and one answer of many."""

import numpy as np
import pytest

from jser.artefact import listening
from jser.artefact.listening import Cutting, Said, Summary, Window
from jser.errors import InputError
from jser.frontend.likeness import MARGINS

CUT = Cutting(whole=100, window=40, hop=20)
INFO = {
    "sample_rate": 16000,
    "hop_seconds": 0.01,
    "trained_on": {"seconds": [2.0, 5.0], "like": {name: [-1e9, 1e9] for name in MARGINS}},
}


def pieces(n, size):
    x = np.arange(n, dtype=np.int16)
    return [x[i : i + size] for i in range(0, n, size)]


@pytest.mark.parametrize("size", [1, 7, 50, 1000])
def test_windows_do_not_depend_on_how_sound_comes(size):
    for n in (1, 99, 100):
        (only,) = listening.windows(pieces(n, size), CUT)
        assert (only.start, len(only.pcm)) == (0, n)
    found = list(listening.windows(pieces(131, size), CUT))
    assert [w.start for w in found] == [0, 20, 40, 60, 80, 100]
    assert [len(w.pcm) for w in found] == [40] * 5 + [31]
    for window in found:
        assert window.pcm[0] == window.start
    assert found[-1].pcm[-1] == 130
    exact = list(listening.windows(pieces(120, size), CUT))
    assert [w.start for w in exact] == [0, 20, 40, 60, 80]


def test_nothing_has_no_window():
    assert list(listening.windows([], CUT)) == []
    assert list(listening.windows([np.zeros(0, np.int16)], CUT)) == []


def test_how_long_windows_are():
    assert listening.cutting(INFO) == Cutting(80000, 32000, 16000)
    long = {**INFO, "trained_on": INFO["trained_on"] | {"seconds": [2.2, 5.0]}}
    assert listening.cutting(long) == Cutting(80000, 48000, 24000)
    assert listening.cutting(INFO, window=1.5) == Cutting(24000, 24000, 12000)
    assert listening.cutting(INFO, window=3.0, hop=1.0) == Cutting(48000, 48000, 16000)
    with pytest.raises(InputError, match=r"--hop=4: give seconds between 0\.1 and 3"):
        listening.cutting(INFO, window=3.0, hop=4.0)
    with pytest.raises(InputError, match="--window=0: give seconds"):
        listening.cutting(INFO, window=0.0)
    with pytest.raises(InputError, match="--window=nan: give seconds"):
        listening.cutting(INFO, window=float("nan"))


class Fake:
    """Answers with the mean of a recording, and notes what it is asked."""

    def __init__(self):
        self.calls = []

    def __call__(self, recordings):
        self.calls.append([len(x) for x in recordings])
        p = np.array([[np.abs(x).mean(), 1 - np.abs(x).mean()] for x in recordings], np.float32)
        n = len(recordings)
        bounds = np.tile(np.array([[0, 5], [5, 9], [9, 9]], np.int32), (n, 1, 1))
        return {
            "probabilities": p,
            "steps": np.full(n, 2),
            "attention": np.tile([0.5, 0.5, 0.0], (n, 1)),
            "bounds": bounds,
        }


def sound(level, seconds=0.2):
    n = int(16000 * seconds)
    return (level * 32767 * np.sign(np.sin(np.arange(n) / 7))).astype(np.int16)


def test_silence_is_not_asked_about():
    fake = Fake()
    windows = [
        Window(0, sound(0.5)),
        Window(16000, np.zeros(3200, np.int16)),
        Window(32000, sound(0.25)),
        Window(48000, sound(0.25)[:100]),
    ]
    said = list(listening.answer(windows, fake, INFO, batch=4))
    assert [one.probabilities is None for one in said] == [False, True, False, True]
    assert said[0].probabilities[0] == pytest.approx(0.5, abs=1e-3)
    assert said[2].probabilities[0] == pytest.approx(0.25, abs=1e-3)
    assert (said[2].start, said[2].end) == (2.0, 2.2)
    np.testing.assert_allclose(said[2].bounds, [[2.0, 2.05], [2.05, 2.09]])
    assert said[1].warnings == {"silence": "nothing but silence"}
    assert fake.calls == [[3200] * 4]  # of one size, so that one shape is compiled


def test_few_windows_go_one_by_one():
    fake = Fake()
    list(listening.answer([Window(0, sound(0.5))] * 5, fake, INFO, batch=4))
    assert [len(call) for call in fake.calls] == [4, 1]


def test_one_answer_of_many():
    summary = Summary()
    warned = {"level_db": "quiet"}
    summary.add(Said(0.0, 2.0, np.array([1.0, 0.0]), warned))
    summary.add(Said(1.0, 3.0, np.array([0.0, 1.0]), warned))
    summary.add(Said(2.0, 4.0, None, {"silence": "nothing but silence"}))
    summary.add(Said(4.0, 5.0, np.array([0.0, 1.0]), {"treble_db": "dull"}))
    said = summary.said()
    np.testing.assert_allclose(said.probabilities, [0.4, 0.6])
    assert (said.start, said.end) == (0.0, 5.0)
    assert said.warnings == warned  # half of what was heard, and not what a fifth has


def test_nothing_was_heard():
    summary = Summary()
    summary.add(Said(0.0, 2.0, None, {"silence": "nothing but silence"}))
    assert summary.said().probabilities is None
