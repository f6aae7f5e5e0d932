"""Copies are found, repetitions are not."""

import numpy as np
import pytest

from jser.audit import fingerprints
from jser.datasets.synthetic import speech
from jser.frontend.log_mel import LogMelSpec, log_mel_batch
from tests.audit.made import COPIES, floats, pcm

SPEC = LogMelSpec()


def ragged(parts):
    length = np.array([len(p) for p in parts])
    return np.concatenate(parts), np.cumsum(length) - length, length


def log_mels(recordings):
    return log_mel_batch([floats(r) for r in recordings], SPEC)


@pytest.fixture(scope="module")
def spoken():
    """Two voices, two emotions, each sentence said three times: nothing is there twice."""
    recordings = [
        speech.utterance(speaker, emotion, sentence, seed)
        for speaker in ("f1", "m1")
        for emotion in ("neutral", "anger")
        for sentence in (0, 1)
        for seed in (0, 1, 2)
    ]
    return recordings, log_mels(recordings)


def test_one_sentence_said_again_is_another_recording(spoken):
    assert fingerprints.near_duplicates(*ragged(spoken[1])) == []


@pytest.mark.parametrize("kind", COPIES)
def test_copies_are_found_and_nothing_else(spoken, kind):
    recordings, originals = spoken
    n = len(originals)
    copies = log_mels([pcm(COPIES[kind](floats(r))) for r in recordings[::2]])
    found = fingerprints.near_duplicates(*ragged(originals + copies))
    assert [(p.first, p.second) for p in found] == [(2 * k, n + k) for k in range(len(copies))]
    assert min(p.similarity for p in found) >= fingerprints.SIMILAR
    assert max(p.similarity for p in found) <= 1


def test_lag_and_level_are_what_was_done(spoken):
    recordings, originals = spoken
    n = len(originals)
    # 80 ms later and 6 dB louder: whole frames.
    copies = log_mels([pcm(2 * 0.25 * floats(r)[1280:]) for r in recordings])
    quiet = log_mels([pcm(0.25 * floats(r)) for r in recordings])
    found = fingerprints.near_duplicates(*ragged(quiet + copies))
    assert [(p.first, p.second) for p in found] == [(k, n + k) for k in range(n)]
    assert [p.lag for p in found] == pytest.approx([0.08] * n)
    assert [p.level_db for p in found] == pytest.approx([20 * np.log10(2)] * n, abs=0.1)


def test_order_only_turns_the_pair_round(spoken):
    recordings, originals = spoken
    copy = log_mels([pcm(0.5 * floats(recordings[4])[480:])])
    (after,) = fingerprints.near_duplicates(*ragged(originals + copy))
    (before,) = fingerprints.near_duplicates(*ragged(copy + originals))
    assert (after.first, after.second) == (4, len(originals))
    assert (before.first, before.second) == (0, 5)
    assert before.similarity == pytest.approx(after.similarity, abs=1e-6)
    assert before.lag == pytest.approx(-after.lag)
    assert before.level_db == pytest.approx(-after.level_db, abs=1e-4)


def test_similarity_is_a_correlation():
    """Against a second computation, from the definition."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 60, 40)).astype(np.float32)

    def pattern(x):
        kept = np.maximum(x, x.max() - 22 * np.log(10) / 10).astype(np.float64)
        rows = [kept[t + 3] - kept[t - 3] for t in range(3, 57)]
        return np.array([[r[k + 1] - r[k] for k in range(39)] for r in rows]).ravel()

    for y in (a, b, a + 3, a + b):
        p, q = pattern(a), pattern(y)
        expected = p @ q / np.sqrt((p @ p) * (q @ q))
        assert fingerprints._similarity(a, y, floor=-100.0) == pytest.approx(expected, abs=1e-5)
    # A floor that leaves no room leaves nothing to compare.
    assert fingerprints._similarity(a, a, floor=float(a.max())) == 0


@pytest.mark.parametrize("what", ["nothing", "one", "short", "silent"])
def test_what_has_no_pattern(what):
    frames = {
        "nothing": [],
        "one": [np.zeros((100, 64), np.float32)],
        "short": [np.random.default_rng(0).normal(size=(12, 64)).astype(np.float32)] * 2,
        "silent": [np.full((200, 64), np.log(SPEC.floor), np.float32)] * 3,
    }[what]
    many = frames and ragged(frames)
    if not many:
        none = np.zeros(0, np.int64)
        many = (np.zeros((0, 64), np.float32), none, none)
    ticks = []
    assert fingerprints.near_duplicates(*many, tick=ticks.append) == []
    assert sum(ticks) == len(frames)


def test_blocks_change_nothing(spoken, monkeypatch):
    recordings, originals = spoken
    copies = log_mels([pcm(0.3 * floats(r)) for r in recordings[:6]])
    whole = fingerprints.near_duplicates(*ragged(originals + copies))
    monkeypatch.setattr(fingerprints, "_BLOCK", 7)
    parts = fingerprints.near_duplicates(*ragged(originals + copies))
    assert [(p.first, p.second, p.lag) for p in parts] == [
        (p.first, p.second, p.lag) for p in whole
    ]


def test_the_search_among_many_finds_the_same(spoken, monkeypatch):
    """With pivots and with what lies around each moment, which only many utterances have."""
    recordings, originals = spoken
    copies = log_mels(
        [pcm(change(floats(r))) for r, change in zip(recordings, COPIES.values(), strict=False)]
    )
    whole = fingerprints.near_duplicates(*ragged(originals + copies))
    monkeypatch.setattr(fingerprints, "FEW", 0)
    monkeypatch.setattr(fingerprints, "_PIVOTS_PER_ROOT", 1.0)
    ticks = []
    many = fingerprints.near_duplicates(*ragged(originals + copies), tick=ticks.append)
    assert [(p.first, p.second) for p in many] == [(p.first, p.second) for p in whole]
    assert len(many) == len(COPIES)
    assert sum(ticks) == len(originals) + len(copies)


def test_groups_hold_what_is_alike():
    rng = np.random.default_rng(0)
    one = rng.standard_normal((3000, 40)).astype(np.float32)
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    two = one + 0.2 / 40**0.5 * rng.standard_normal(one.shape).astype(np.float32)
    two /= np.linalg.norm(two, axis=1, keepdims=True)
    groups = fingerprints._groups(np.concatenate([one, two]))
    met = {k for g in groups for k in set(g[g < 3000].tolist()) & set((g - 3000).tolist())}
    assert len(met) > 0.97 * 3000
    compared = sum(len(g) ** 2 for g in groups)
    assert compared < 0.3 * 6000**2, "or nothing is gained"
    assert all((np.diff(g) > 0).all() for g in groups)
