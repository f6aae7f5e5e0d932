"""Measures of recordings that were made to have them."""

import numpy as np
import pytest
import soxr

from jser.audit import measures, sound
from tests.audit.made import RATE, pcm

T = np.arange(RATE) / RATE


def tone(hz=200.0, peak=0.5, fade=True):
    x = peak * np.sin(2 * np.pi * hz * T)
    if fade:
        x *= np.clip(np.minimum(T, 1 - T) / 0.1, 0, 1)
    return x


def noise(seconds=1.0, seed=0, size=0.1):
    return size * np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def test_flat_tops_by_hand():
    x = np.array([0, 5, 9, 9, 9, 9, 3, -9, -9, -9, 9, 9, 4] * 10, np.int16)
    # Runs of three and more at 9 and at -9: four and three of thirteen, ten times.
    assert sound.measure(100 * x).flat == pytest.approx(7 / 13)
    assert sound.measure(100 * np.array([0, 5, 9, 9, 3, -9, -9, 1] * 10, np.int16)).flat == 0
    # Of few steps any wave has flat tops.
    assert sound.measure(x).flat == 0


def test_clipping_is_seen_after_the_level_was_lowered():
    loud = np.clip(2 * tone(peak=0.9), -1, 1)
    expected = np.mean(np.abs(2 * tone(peak=0.9)) >= 1)
    for factor in (1.0, 0.25):
        measured = sound.measure(pcm(factor * loud)).flat
        assert measured == pytest.approx(expected, abs=0.01)
    assert sound.measure(pcm(tone(peak=0.9, hz=437.3))).flat < 1e-3


def test_peak_and_offset():
    measured = sound.measure(pcm(tone(peak=0.5, fade=False) + 0.05))
    assert measured.peak_db == pytest.approx(20 * np.log10(0.55), abs=0.01)
    assert measured.offset == pytest.approx(0.05, abs=1e-4)
    assert sound.measure(pcm(-tone(peak=0.5, fade=False) - 0.05)).offset < -0.0499


@pytest.mark.parametrize(("start", "stop"), [(True, False), (False, True), (False, False)])
def test_abrupt_ends(start, stop):
    x = noise()
    ramp = np.clip(np.minimum(T if not start else 1, 1 - T if not stop else 1) / 0.2, 0, 1)
    measured = sound.measure(pcm(x * ramp**2))
    assert (measured.start_db > -15) is start
    assert (measured.end_db > -15) is stop
    if start:
        assert measured.start_db == pytest.approx(0, abs=3)


def test_end_is_the_end_where_frames_do_not_fit():
    x = np.concatenate([noise(1.0), np.zeros(239)])
    assert sound.measure(pcm(x)).end_db < -40


def test_dead_stretch_and_what_is_heard():
    x = np.concatenate([noise(0.2), np.zeros(4800), noise(0.5, seed=1)])
    measured = sound.measure(pcm(x))
    assert measured.dead_seconds == pytest.approx(0.3, abs=1e-3)
    assert measured.heard_seconds == pytest.approx(0.7, abs=0.011)
    stuck = np.concatenate([noise(0.2), np.full(3200, 0.1), noise(0.2)])
    assert sound.measure(pcm(stuck)).dead_seconds == pytest.approx(0.2, abs=1e-3)


@pytest.mark.parametrize("rate", [8000, 11025, 16000])
def test_bandwidth_is_half_the_rate_it_came_from(rate):
    x = 0.1 * np.random.default_rng(0).standard_normal(2 * rate)
    y = soxr.resample(x, rate, RATE, quality="VHQ") if rate != RATE else x
    assert sound.measure(pcm(y)).bandwidth_hz == pytest.approx(rate / 2, abs=260)


def test_bandwidth_passes_over_clicks():
    """A copy that was clipped by resampling has clicks as wide as the rate allows."""
    x = soxr.resample(0.1 * np.random.default_rng(0).standard_normal(16000), 8000, RATE)
    x[::4000] = 0.9
    assert sound.measure(pcm(x)).bandwidth_hz <= 4250


@pytest.mark.parametrize("n", [1, 2, 159, 160, 161, 511, 512, 513])
def test_short_recordings_have_measures(n):
    for x in (pcm(noise(1.0)[:n]), np.zeros(n, np.int16), np.full(n, -32768, np.int16)):
        assert all(np.isfinite(v) for v in vars(sound.measure(x)).values())


def test_summary_counts_and_names_the_worst():
    quiet, short = sound.measure(pcm(tone(peak=0.004))), sound.measure(pcm(noise(0.1)))
    good = [sound.measure(pcm(noise(1.0, seed) * np.hanning(RATE))) for seed in range(14)]
    low = [sound.measure(pcm(tone(peak=0.002 + 0.0001 * k))) for k in range(12)]
    sounds = [quiet, short, *good, *low]
    ids = [f"u{i:02d}" for i in range(len(sounds))]
    label = ["calm"] * 2 + ["anger"] * 14 + ["sadness"] * 12
    made = measures.summary(sound.KINDS, sounds, ids, label)
    entry = made["quiet"]
    assert entry["n"] == 13
    assert entry["classes"] == {"calm": 1, "sadness": 12}
    assert list(entry["worst"]) == [f"u{16 + k}" for k in range(10)]
    assert entry["worst"]["u16"] == pytest.approx(low[0].peak_db, abs=1e-4)
    assert sum(entry["histogram"]["counts"]) == len(sounds)
    assert made["little"]["worst"].keys() == {"u01"}
    assert made["clipped"]["n"] == 0
    assert made["clipped"]["worst"] == {}
    kinds = {kind.name: kind for kind in sound.KINDS}
    assert measures.shown(kinds["little"], made["little"]) == ["u01 (0.10 s)"]
    assert kinds["clipped"].limit() == "more than 0.01 % of samples"


def test_offset_counts_both_sides():
    sounds = [sound.measure(pcm(noise() + d)) for d in (0.0, 0.02, -0.03)]
    entry = measures.summary(sound.KINDS, sounds, ["a", "b", "c"], ["x"] * 3)["offset"]
    assert entry["n"] == 2
    assert list(entry["worst"]) == ["c", "b"]
    assert entry["worst"]["c"] == pytest.approx(-0.03, abs=0.002)
