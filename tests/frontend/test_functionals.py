"""Functionals of utterances: names, masks, padding, and what they must survive."""

import numpy as np
import pytest
import scipy.stats

from jser.datasets.synthetic import speech
from jser.frontend.descriptors import DescriptorSpec, descriptor_names, descriptors, table
from jser.frontend.functionals import (
    functional_names,
    functionals,
    functionals_padded,
    level_dependent,
    masks,
)

SPEC = DescriptorSpec()
NAMES = functional_names(SPEC)
COLUMNS = descriptor_names(SPEC)


@pytest.fixture(scope="module")
def rows():
    made = [("f1", "anger"), ("m2", "sadness"), ("f3", "fear"), ("m1", "neutral")]
    waves = [speech.utterance(s, e, 1).astype(np.float32) / 32768 for s, e in made]
    return descriptors(waves, SPEC)


@pytest.fixture(scope="module")
def vectors(rows):
    return functionals(rows, SPEC)


def of(vector, name):
    return vector[NAMES.index(name)]


def smoothed(x):
    padded = np.pad(x, ((1, 1), (0, 0)), mode="edge")
    return (padded[:-2] + padded[1:-1] + padded[2:]) / 3


def test_names_fit(vectors):
    assert len(set(NAMES)) == len(NAMES)
    assert vectors.shape == (4, len(NAMES))
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert functionals([], SPEC).shape == (0, len(NAMES))


def test_masks_by_hand():
    x = np.zeros((128, len(COLUMNS)), np.float32)
    x[:, COLUMNS.index("energy_db")] = -80
    x[10:20, COLUMNS.index("energy_db")] = -20
    x[30:40, COLUMNS.index("energy_db")] = -45
    x[100:, COLUMNS.index("energy_db")] = 0  # padding
    x[5:15, COLUMNS.index("f0_semitones")] = 30
    speech_mask, active, voiced = (np.flatnonzero(m) for m in masks(x, 60, SPEC))
    np.testing.assert_array_equal(speech_mask, np.arange(10, 40))
    np.testing.assert_array_equal(active, [*range(10, 20), *range(30, 40)])
    np.testing.assert_array_equal(voiced, np.arange(10, 15))


def test_a_few_functionals_from_their_definitions(rows, vectors):
    for x, vector in zip(rows, vectors, strict=True):
        energy = x[:, COLUMNS.index("energy_db")]
        active = energy >= energy.max() - SPEC.active_db
        first, last = np.flatnonzero(active)[[0, -1]]
        speech_mask = (np.arange(len(x)) >= first) & (np.arange(len(x)) <= last)
        f0 = x[:, COLUMNS.index("f0_semitones")]
        voiced = speech_mask & (f0 > 0)
        y = smoothed(x)
        centroid = y[:, COLUMNS.index("centroid_hz")]
        assert of(vector, "centroid_hz.mean") == pytest.approx(centroid[active].mean(), rel=1e-4)
        assert of(vector, "centroid_hz.skewness") == pytest.approx(
            scipy.stats.skew(centroid[active].astype(float)), rel=1e-3, abs=1e-3
        )
        assert of(vector, "centroid_hz.voiced_mean") == pytest.approx(
            centroid[active & voiced].mean(), rel=1e-4
        )
        loudness = y[:, COLUMNS.index("loudness")]
        assert of(vector, "loudness.p80") == pytest.approx(
            np.percentile(loudness[speech_mask], 80), rel=1e-4
        )
        at = np.flatnonzero(voiced)
        contour = smoothed(np.interp(np.arange(len(x)), at, f0[at])[:, None])[:, 0]
        assert of(vector, "f0_semitones.p50") == pytest.approx(np.median(contour[at]), rel=1e-4)
        assert of(vector, "f0_semitones.std") == pytest.approx(contour[at].std(), rel=1e-3)
        a, b = y[active, COLUMNS.index("mfcc_01")], y[active, COLUMNS.index("mfcc_03")]
        assert of(vector, "mfcc_01.with.mfcc_03") == pytest.approx(
            np.corrcoef(a, b)[0, 1], abs=1e-3
        )
        both = active[:-4] & active[4:]
        m = y[:, COLUMNS.index("mfcc_02")]
        assert of(vector, "mfcc_02.4_before.mfcc_02") == pytest.approx(
            np.corrcoef(m[:-4][both], m[4:][both])[0, 1], abs=1e-3
        )
        assert of(vector, "temporal.speech_seconds") == pytest.approx(0.01 * speech_mask.sum())
        assert of(vector, "temporal.voiced_share") == pytest.approx(
            voiced.sum() / speech_mask.sum(), rel=1e-5
        )
        segments = (np.diff(np.append(0, voiced.astype(int))) == 1).sum()
        assert of(vector, "temporal.voiced_segments_per_s") == pytest.approx(
            segments / (0.01 * speech_mask.sum()), rel=1e-4
        )
        assert of(vector, "temporal.equivalent_level_db") == pytest.approx(
            10 * np.log10(np.mean(10 ** (energy[speech_mask] / 10))), abs=0.01
        )


def test_neighbours_and_padding_do_not_matter(rows, vectors):
    for x, vector in zip(rows, vectors, strict=True):
        np.testing.assert_array_equal(functionals([x], SPEC)[0], vector)
    padded = np.full((len(rows), 256, len(COLUMNS)), 1e3, np.float32)
    for to, x in zip(padded, rows, strict=True):
        to[: len(x)] = x
    lengths = np.array([len(x) for x in rows])
    with_rubbish = functionals_padded(padded, lengths, spec=SPEC)
    np.testing.assert_allclose(with_rubbish, vectors, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros(16000),
        np.zeros(400),
        np.full(8000, 0.5),
        0.1 * np.random.default_rng(0).standard_normal(12000),
        0.1 * np.random.default_rng(0).standard_normal(400),
        0.5 * np.sin(np.arange(16000) / 10),
        np.concatenate([np.zeros(8000), 0.5 * np.sin(np.arange(500) / 10), np.zeros(7000)]),
    ],
    ids=["silence", "25 ms of it", "offset", "noise", "25 ms", "tone", "a pip"],
)
def test_always_finite(x):
    vector = functionals(descriptors([x.astype(np.float32)], SPEC), SPEC)[0]
    assert np.isfinite(vector).all()
    assert np.abs(vector).max() < 1e6


def test_whisper_has_no_pitch_but_everything_else():
    rng = np.random.default_rng(0)
    envelope = np.repeat([0.01, 1, 0.02, 0.8, 0.01], 3200)
    x = (0.05 * envelope * rng.standard_normal(16000)).astype(np.float32)
    rows = descriptors([x], SPEC)[0]
    rows[:, COLUMNS.index("f0_semitones")] = 0  # not one frame by chance
    vector = functionals([rows], SPEC)[0]
    assert of(vector, "f0_semitones.mean") == 0
    assert of(vector, "temporal.voiced_segments_per_s") == 0
    assert of(vector, "centroid_hz.mean") == pytest.approx(4000, rel=0.05)


def test_what_depends_on_level_is_named(rows):
    """6 dB more on every level column of the descriptors changes only the marked functionals."""
    x = rows[0]
    db = {"energy_db", "energy_250_650_db", "energy_1000_4000_db"}
    louder = x.copy()
    for i, d in enumerate(table(SPEC)):
        if d.name in db:
            louder[:, i] += 6.02
        elif d.name == "mfcc_00":
            louder[:, i] += np.float32(np.log(4) * np.sqrt(26))
        elif d.level:
            louder[:, i] *= np.float32(np.cbrt(4))
    before, after = functionals([x, louder], SPEC)
    free = ~level_dependent(SPEC)
    np.testing.assert_allclose(after[free], before[free], rtol=5e-3, atol=5e-3)
    moved = np.abs(after - before)[~free] > 1e-3 * (1e-3 + np.abs(before[~free]))
    assert moved.mean() > 0.5  # the deviations of a level in dB stay, its means move
    assert free.sum() > 0.6 * len(free)
