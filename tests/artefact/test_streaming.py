"""Sound as it comes: the offline answer at the window's end, and what is carried beyond it."""

import json

import jax
import numpy as np
import pytest

from jser import computing
from jser.artefact import formats, loader
from jser.artefact.loader import Stream
from jser.models.blstm import BLSTM, STREAM
from jser.records import corpus as records


@pytest.fixture(scope="module")
def loaded(artefact):
    return loader.Artefact(artefact)


@pytest.fixture(scope="module")
def speech(data):
    corpus = records.load("synthetic", data, "waveform")
    return np.concatenate([x / np.float32(32768) for x in corpus.waveform[:4]])


def test_until_the_window_is_full_it_is_the_offline_answer(loaded, speech):
    stream = Stream(loaded)
    answers = list(stream.feed(speech[: stream.window]))
    assert len(answers) == stream.window // stream.hop
    for answer in answers:
        assert answer["start"] == 0
        offline = loaded([speech[: answer["end"]]])
        np.testing.assert_allclose(answer["scores"], offline["scores"][0], atol=2e-5)
        np.testing.assert_allclose(answer["logits"], offline["logits"][0], atol=2e-5)


def test_one_program_serves_a_stream(loaded, speech):
    stream = Stream(loaded)
    for _ in stream.feed(speech[: stream.window + 3 * stream.hop]):
        pass
    assert stream._call._cache_size() == 1


@pytest.mark.parametrize("size", [1000, 7777])
def test_pieces_of_any_size(loaded, speech, size):
    x = speech[:60000]
    whole = list(Stream(loaded).feed(x))
    stream = Stream(loaded)
    pieces = [a for i in range(0, len(x), size) for a in stream.feed(x[i : i + size])]
    assert [a["end"] for a in pieces] == [a["end"] for a in whole]
    for a, b in zip(pieces, whole, strict=True):
        np.testing.assert_array_equal(a["scores"], b["scores"])


def test_windows_slide_and_carry(loaded, speech):
    """Behind a full window an answer differs from that of the window alone, by what was before."""
    stream = Stream(loaded)
    x = speech[: stream.window + 3 * stream.hop]
    *_, last = stream.feed(x)
    assert last["end"] - last["start"] <= stream.window
    assert last["start"] % stream.hop == 0
    alone = loaded([x[last["start"] : last["end"]]])
    away = np.abs(last["logits"] - alone["logits"][0]).max()
    assert 1e-5 < away < 1.0  # a state of four units is not much, and is something
    reset = Stream(loaded)
    reset.restart(last["start"])
    *_, same = reset.feed(x[last["start"] : last["end"]])
    np.testing.assert_allclose(same["logits"], alone["logits"][0], atol=2e-5)


def test_a_blstm_in_windows_is_the_whole_forward_direction():
    """Forward states of overlapping windows are those of the whole sequence; backward ones see
    their own window."""
    model, length = BLSTM(3), np.array([6])
    x = jax.random.normal(jax.random.key(0), (1, 10, 2))
    params = model.init(jax.random.key(1), x, np.array([10]))
    whole = model.apply(params, x, np.array([10]))
    state = {}
    for start in (0, 2, 4):
        with computing.by(computing.Computing(advance=2)):
            window = x[:, start : start + 6]
            out, changed = model.apply({**params, **state}, window, length, mutable=[STREAM])
        state = dict(changed)
        np.testing.assert_allclose(out[0, :, :3], whole[0, start : start + 6, :3], atol=1e-6)
        alone = model.apply(params, window, length)
        np.testing.assert_allclose(out[0, :, 3:], alone[0, :, 3:], atol=1e-6)


@pytest.mark.parametrize(("carries", "seconds"), [(32, 2.5), (32, 0.3), (1, 2.0), (0, 2.0)])
def test_windows_have_room_for_what_is_carried(carries, seconds):
    made = formats.streaming(carries, seconds)
    frames = (made.window - 400) // 160 + 1
    assert made.window == 400 + (frames - 1) * 160
    assert 0.4 <= made.hop / 16000 <= 0.7
    if carries:
        assert made.hop == made.advance * carries * 160
        # The call before the first slide has heard more than a window less a hop.
        steps = (frames - made.hop // 160 - 64) // carries + 1
        assert steps >= made.advance
    else:
        assert made.advance == 0


def test_an_artefact_says_how_it_streams(artefact):
    stream = json.loads((artefact / "artefact.json").read_text())["stream"]
    assert stream["advance"] == 2
    assert stream["hop"] == 2 * 32 * 160
    assert len(stream["state"]) == 4  # a BLSTM a member
    assert set(map(tuple, stream["state"].values())) == {(2, 1, 4)}
