"""Log-Mel columns of a corpus that stays on disk are those of the corpus in memory."""

import dataclasses
import functools

import flax.linen as nn
import numpy as np
import pytest

from jser import config as configs
from jser import experiment
from jser.errors import InputError
from jser.records import corpus as records
from jser.records import selection
from jser.records.rows import ByNeed, Rows
from jser.systems import by_need, frames
from jser.training import normalisation
from tests.joined_corpora import joined, one, two


@pytest.fixture(scope="module")
def both(data):
    return [records.load("synthetic", data, "waveform", where=w) for w in ("memory", "disk")]


def config(folder, **changed):
    fields = {"data_dir": str(folder)} | {k.replace("__", "."): str(v) for k, v in changed.items()}
    return configs.load("conv_lstm:synthetic", fields.items())


@pytest.mark.parametrize("trim_db", [0.0, 25.0])
@pytest.mark.parametrize("level", ["recorded", "peak", "variance"])
@pytest.mark.parametrize(("n_mels", "channels"), [(64, 1), (64, 3), (40, 3)])
def test_the_columns_are_the_same_to_the_bit(both, tmp_path, n_mels, channels, level, trim_db):
    in_memory, on_disk = both
    given = config(tmp_path, frames__level=level, frames__trim_db=trim_db)
    whole = frames.log_mel(given, in_memory, n_mels, channels)
    whole = frames.trimmed(whole, in_memory, trim_db)
    rows = by_need.trimmed(by_need.log_mel(given, on_disk, n_mels, channels), on_disk, given)
    np.testing.assert_array_equal(rows.length, whole.length)
    assert rows.shape == whole.frames.shape
    for i in range(len(rows.length)):
        own = whole.frames[whole.offset[i] : whole.offset[i] + whole.length[i]]
        np.testing.assert_array_equal(rows.row(i), own)


class Nothing(nn.Module):
    """No model is asked for here."""


@pytest.mark.parametrize(
    "mode", ["none", "train", "utterance", "speaker_transductive", "speaker_enrol:4"]
)
def test_normalised_as_in_memory(both, tmp_path, mode):
    """Other code counts there, over all frames at once: it is the oracle."""
    found = []
    for corpus in both:
        given = config(tmp_path, normalisation=mode)
        found.append(frames.on_log_mel(given, corpus, 40, 3, Nothing()))
    whole, rows = found
    for row in (0, 7, 19):
        start, n = whole.features.offset[row], whole.features.length[row]
        ours = rows.features.frames[0, int(start) : int(start + n)]
        theirs = whole.features.frames[0, start : start + n]
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(rows.views["frames"], whole.views["frames"], rtol=2e-4, atol=2e-4)
    train = np.array([0, 3, 4, 11, 17])
    label = np.zeros(20, np.int32)
    for ours, theirs in zip(rows.scaling(train, label), whole.scaling(train, label), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-4)


def test_moments_of_rows_worked_by_hand():
    """Frames 1, 3 and 2, 2, 8: mean 16/5, mean square 82/5; the other column never changes."""
    rows = [np.array([[1.0, 4], [3, 4]]), np.array([[2.0, 4], [2, 4], [8, 4]])]
    pooled = np.stack([np.concatenate([x.mean(0), x.std(0)]) for x in rows]).astype(np.float32)
    mean, scale = normalisation.moments_of_rows(pooled, np.array([2, 3]), np.arange(2))
    np.testing.assert_allclose(mean, [3.2, 4])
    np.testing.assert_allclose(scale, [1 / np.sqrt(16.4 - 3.2**2), 0], rtol=1e-6)


def test_what_was_counted_is_kept_in_pieces(both, tmp_path, monkeypatch):
    on_disk = both[1]
    monkeypatch.setattr(by_need, "PIECE", 8)
    given = config(tmp_path, frames__trim_db=25.0)

    def bounds():
        return by_need.trimmed(by_need.log_mel(given, on_disk, 64, 1), on_disk, given).length

    first = bounds()
    (folder,) = (tmp_path / "cache" / "rows").iterdir()
    assert [path.stem for path in sorted(folder.iterdir())] == [
        "000000000-8", "000000008-8", "000000016-4",
    ]  # fmt: skip
    (folder / "000000008-8.npz").write_bytes(b"torn")
    np.testing.assert_array_equal(bounds(), first)
    asked = []
    monkeypatch.setattr(by_need.segments, "speech_bounds", lambda *_: asked.append(1))
    np.testing.assert_array_equal(bounds(), first)
    assert not asked, "all pieces were there"


def same_corpus(one, other):
    for field in dataclasses.fields(one):
        if field.name not in ("frames", "waveform", "origins"):
            ours, theirs = getattr(other, field.name), getattr(one, field.name)
            assert np.array_equal(ours, theirs), field.name
    for i in range(len(one.length)):
        np.testing.assert_array_equal(other.static(i), one.static(i))
        np.testing.assert_array_equal(other.waveform[i], one.waveform[i])
    assert [len(x) for x in other.waveform[1:3]] == [len(x) for x in one.waveform[1:3]]
    with pytest.raises(IndexError, match="not a part of one row"):
        other.frames[0 : int(one.length[0]) + 1]
    with pytest.raises(IndexError, match="no array"):
        other.waveform[len(one.length)]


def test_some_classes_of_a_corpus_on_disk(data):
    classes = ("anger", "neutral")
    load = functools.partial(selection.load, "synthetic", data, "waveform", classes=classes)
    one, other = load(where="memory"), load(where="disk")
    assert set(one.classes) == set(classes)
    assert len(one.length) < 20
    same_corpus(one, other)


def test_two_corpora_on_disk_are_joined_as_in_memory():
    def by_need_of(c):
        frames = Rows(c.static, c.length, c.frames.shape[1], c.name)
        sound = ByNeed(lambda i: c.waveform[i], len(c.length))
        return dataclasses.replace(c, frames=frames, waveform=sound)

    whole = joined(one(), two())
    rows = joined(by_need_of(one()), by_need_of(two()))
    same_corpus(whole, rows)
    assert rows.frames.key != joined(by_need_of(two()), by_need_of(one())).frames.key


SMALL = {
    "protocol": "speaker_k_fold:2",
    "refit": False,
    "epochs": 1,
    "model__maps": "4,4,4,4",
    "model__units": 4,
    "model__dense": 4,
    "segments__frames": 100,
    "segments__shift": 100,
}


def test_a_run_from_disk_is_that_from_memory(run_system):
    found = [
        run_system("conv_lstm", population__records=where, **SMALL)[0]
        for where in ("memory", "disk")
    ]
    for name in ("uar", "wa", "confusion"):
        assert found[1][name] == found[0][name]


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_an_artefact_of_utterances_by_themselves(run_system, exported, where):
    """What it subtracts is a recording's own, held against the corpus' deviation."""
    fields = SMALL | {"normalisation": "utterance"}
    _, folder = run_system("conv_lstm", population__records=where, **fields)
    assert exported(folder, fold=1)["normalisation"] == "utterance"


@pytest.mark.parametrize(("name", "fields", "says"), [
    ("pcrn", {"population.records": "disk"}, "descriptors, which are held in memory"),
    ("conv_lstm", {"population.records": "tape"}, "tape"),
    ("conv_lstm", {"population.records": "disk", "population.stream": "never"}, "records=memory"),
])  # fmt: skip
def test_refused(data_without_ledger, tmp_path, name, fields, says):
    given = {"data_dir": str(data_without_ledger), "seeds": "0", "epochs": "1",
             "dev_speakers": "1", **fields}  # fmt: skip
    with pytest.raises(InputError, match=says):
        experiment.run(configs.load(f"{name}:synthetic", given.items()), tmp_path / "run")
