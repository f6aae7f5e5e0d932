"""Augmented copies: the SNR as stated, the speed heard in length and pitch, no neighbours."""

import dataclasses

import numpy as np
import pytest

from jser.errors import InputError
from jser.frontend import augment
from jser.frontend.augment import CopySpec
from jser.frontend.log_mel import LogMelSpec, n_frames

SPEC = LogMelSpec()


def tone(seconds=1.0, hertz=440.0, level=0.3):
    time = np.arange(int(16000 * seconds)) / 16000
    return (level * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


@pytest.mark.parametrize("snr_db", [0.0, 15.0, 25.0])
@pytest.mark.parametrize("level", [0.01, 0.5])
def test_noise_has_the_ratio_asked_for(snr_db, level):
    x = tone(2, level=level)
    noise = augment.add_noise(x, snr_db, np.random.default_rng(0)) - x
    found = 10 * np.log10(np.mean(x.astype(float) ** 2) / np.mean(noise.astype(float) ** 2))
    assert found == pytest.approx(snr_db, abs=0.15)
    # White: both halves of the spectrum carry the same power.
    power = np.abs(np.fft.rfft(noise)) ** 2
    half = len(power) // 2
    assert power[:half].mean() == pytest.approx(power[half:].mean(), rel=0.1)


@pytest.mark.parametrize("speed", [0.8, 1.1, 1.25])
def test_speed_changes_length_and_pitch(speed):
    x = tone()
    changed = augment.change_speed(x, speed, 16000)
    assert changed.dtype == np.float32
    assert len(changed) == pytest.approx(16000 / speed, abs=2)
    spectrum = np.abs(np.fft.rfft(changed * np.hanning(len(changed))))
    hertz = spectrum.argmax() * 16000 / len(changed)
    assert hertz == pytest.approx(440 * speed, abs=2)


def pcm(*seconds):
    rng = np.random.default_rng(5)
    return [(rng.standard_normal(int(16000 * s)) * 3000).astype(np.int16) for s in seconds]


@pytest.mark.parametrize("name", augment.NAMES)
def test_a_copy_does_not_know_its_neighbours(name):
    waves, keys = pcm(0.7, 1.0, 0.5), ["x", "y", "z"]
    copy = CopySpec(name)
    together = augment.copies(waves, keys, copy, SPEC)
    for i in range(3):
        (alone,) = augment.copies([waves[i]], [keys[i]], copy, SPEC)
        np.testing.assert_array_equal(alone, together[i])
    backwards = augment.copies(waves[::-1], keys[::-1], copy, SPEC)
    for a, b in zip(together, backwards[::-1], strict=True):
        np.testing.assert_array_equal(a, b)


def test_copies_differ_by_key_and_name():
    (wave,) = pcm(0.6)
    made = {
        augment.copies([wave], [key], CopySpec(name, speeds=(1.1,)), SPEC)[0].tobytes()
        for key in ("x", "y")
        for name in ("noise", "noise_speed")
    }
    assert len(made) == 4


def test_length_of_copies():
    (wave,) = pcm(1.0)
    (noisy,) = augment.copies([wave], ["x"], CopySpec("noise"), SPEC)
    assert len(noisy) == n_frames(16000, SPEC)
    (fast,) = augment.copies([wave], ["x"], CopySpec("speed", speeds=(1.25,)), SPEC)
    assert len(fast) == n_frames(12800, SPEC)
    lengths = {
        len(augment.copies([wave], [str(i)], CopySpec("speed", speeds=(0.8, 1.25)), SPEC)[0])
        for i in range(8)
    }
    assert lengths == {n_frames(12800, SPEC), n_frames(20000, SPEC)}  # both are drawn


def test_more_recordings_than_a_call_holds(monkeypatch):
    monkeypatch.setattr(augment, "CHUNK", 2)
    waves = pcm(0.3, 0.3, 0.3, 0.3, 0.3)
    keys = list("abcde")
    made = augment.copies(waves, keys, CopySpec("noise"), SPEC)
    monkeypatch.setattr(augment, "CHUNK", 64)
    for a, b in zip(made, augment.copies(waves, keys, CopySpec("noise"), SPEC), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "reverb"}, "augment.copies: 'reverb' is none of noise, speed, noise_speed"),
        ({"snr_db": (20.0, 10.0)}, "augment.snr_db: .*lowest, highest"),
        ({"snr_db": (20.0,)}, "augment.snr_db"),
        ({"speeds": ()}, "augment.speeds"),
        ({"speeds": (1.0, 3.0)}, "must lie between 0.5 and 2"),
    ],
)
def test_impossible_copies(change, sentence):
    with pytest.raises(InputError, match=sentence):
        CopySpec(**({"name": "noise"} | change))


def test_key_changes_with_every_field():
    first = CopySpec("noise")
    others = [{"name": "speed"}, {"snr_db": (5.0, 6.0)}, {"speeds": (1.0,)}]
    keys = {first.key()} | {dataclasses.replace(first, **change).key() for change in others}
    assert len(keys) == 1 + len(dataclasses.fields(CopySpec))
