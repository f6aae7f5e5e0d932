"""Numbers of a picture, by hand."""

import base64

import numpy as np
import pytest

from jser.artefact.listening import Said
from jser.serving import drawing

RATE = 16000


def array(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def test_a_low_tone_is_in_a_low_band():
    tone = (8000 * np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE)).astype(np.int16)
    made = drawing.log_mel(tone, [])
    levels = array(made["levels"], np.uint8).reshape(made["columns"], made["bands"])
    loudest = int(levels.mean(0).argmax())
    assert abs(made["band_hz"][loudest] - 300) < 60
    assert made["attention"] == [None] * made["columns"]
    assert made["start"] == pytest.approx(0.0075)


def test_a_waveform_is_the_extremes_of_its_columns():
    pcm = np.array([0, 256, -512, 32767, -32768, 100], np.int16)
    made = drawing.waveform(pcm, RATE)
    assert array(made["high"], np.int8).tolist() == [0, 1, -2, 127, -128, 0]
    assert made["low"] == made["high"]
    long = np.tile(np.array([-32768, 32767], np.int16), 3001)
    made = drawing.waveform(long, RATE)
    assert made["columns"] == 1501
    assert made["seconds_a_column"] == 4 / RATE
    assert set(array(made["low"], np.int8)) == {-128}
    assert set(array(made["high"], np.int8)) == {127}


@pytest.mark.parametrize("n", [0, 1, 399])
def test_next_to_nothing_is_drawn(n):
    assert drawing.waveform(np.zeros(n, np.int16), RATE)["columns"] >= 1
    assert drawing.log_mel(np.zeros(n, np.int16), [])["columns"] == 1


def test_attention_is_the_mean_of_the_windows_over_a_place():
    half = np.array([[0.0, 0.5], [0.5, 1.0]])
    first = Said(0.0, 1.0, np.ones(2), {}, np.array([0.75, 0.25]), half)
    second = Said(0.5, 1.5, np.ones(2), {}, np.array([0.5, 0.5]), half + 0.5)
    silent = Said(1.5, 2.0, None, {"silence": "nothing but silence"})
    made = drawing.log_mel(np.ones(2 * RATE, np.int16), [first, second, silent])["attention"]
    assert len(made) == 198
    assert made[:50] == [1.5] * 50
    assert made[50:100] == [0.75] * 50  # of 0.5 and 1
    assert made[100:150] == [1.0] * 50
    assert made[150:] == [None] * 48


def test_attention_of_silence_alone_is_none():
    assert drawing.steps(Said(0.0, 1.0, None)) is None
