"""SpecAugment's stripes and Mel noise: where they fall, how large they are, against real noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser.frontend import augment, masking
from jser.frontend.log_mel import LogMelSpec, log_mel_batch
from jser.frontend.segments import DB

SPEC = LogMelSpec()


def runs(row):
    """Lengths of the runs of True in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
    return (edges[1::2] - edges[::2]).tolist()


def test_stripes_lie_inside_and_are_no_wider_than_asked():
    extent = np.array([20, 9, 1, 0])
    made = jax.jit(lambda key: masking.stripes(key, extent, 20, 0.3, n=1))
    seen = np.stack([made(jax.random.key(i)) for i in range(200)])
    for b, n in enumerate(extent):
        assert not seen[:, b, n:].any()
        widths = [sum(runs(row)) for row in seen[:, b]]
        assert all(len(runs(row)) <= 1 for row in seen[:, b])
        # Every width from 0 to the widest comes up, and no other.
        assert set(widths) == set(range(int(0.3 * n) + 1))
    assert seen[:, 0].any(0).all()  # each place can be masked, the first and the last too


def test_no_share_is_no_mask():
    x = np.random.default_rng(0).standard_normal((3, 6, 4)).astype(np.float32)
    same = masking.spec_augment(jax.random.key(0), x, np.array([6, 6, 6]), 4, 0.0, 0.0)
    np.testing.assert_array_equal(same, x)


def test_masked_places_have_the_rows_own_mean():
    rng = np.random.default_rng(0)
    length = np.array([10, 6])
    x = rng.standard_normal((2, 10, 6)).astype(np.float32)  # 3 bands of 2 maps
    x *= (np.arange(10) < length[:, None])[:, :, None]
    touched_bands, touched_steps = 0, 0
    for i in range(20):
        out = np.asarray(masking.spec_augment(jax.random.key(i), x, length, 3, 0.3, 0.4))
        for b, n in enumerate(length):
            changed = (out[b] != x[b]).reshape(10, 3, 2)
            assert (changed[..., 0] == changed[..., 1]).all()  # all maps of a band together
            assert not changed[n:].any()
            mean = x[b, :n].mean(0)
            np.testing.assert_allclose(
                out[b][out[b] != x[b]], np.broadcast_to(mean, (10, 6))[out[b] != x[b]], rtol=1e-5
            )
            bands, steps = changed[:n].all((0, 2)), changed[:n].all((1, 2))
            rest = changed[:n][~steps][:, ~bands]
            assert not rest.any()  # whole stripes, nothing between
            touched_bands += bands.sum()
            touched_steps += steps.sum()
    assert touched_bands > 0
    assert touched_steps > 0


def test_shares_are_traced():
    x = np.ones((2, 8, 4), np.float32) * np.arange(8)[None, :, None]
    step = jax.jit(
        lambda share: masking.spec_augment(jax.random.key(1), x, np.array([8, 8]), 4, share, share)
    )
    np.testing.assert_array_equal(step(jnp.float32(0)), x)
    assert (np.asarray(step(jnp.float32(0.9))) != x).any()
    assert step._cache_size() == 1


# --- noise ----------------------------------------------------------------------------------------


def voiced(seconds=3.0, hertz=140.0):
    """A buzz with formants that comes and goes: harmonics, pauses and a tilt, as speech has."""
    rng = np.random.default_rng(3)
    time = np.arange(int(16000 * seconds)) / 16000
    x = np.zeros_like(time)
    for harmonic in range(1, 40):
        f = hertz * harmonic
        gain = sum(np.exp(-(((f - c) / w) ** 2)) for c, w in ((500, 200), (1500, 300), (2700, 400)))
        x += (gain + 0.02) * np.sin(2 * np.pi * f * time + rng.uniform(0, 6))
    x *= np.clip(np.sin(2 * np.pi * 1.7 * time), 0, 1)
    return (0.1 * x / np.abs(x).max()).astype(np.float32)


@pytest.mark.parametrize("snr_db", [5.0, 15.0, 25.0])
def test_mean_log_power_as_with_noise_on_the_waveform(snr_db):
    x = voiced()
    (clean,) = log_mel_batch([x], SPEC)
    noisy = [
        log_mel_batch([augment.add_noise(x, snr_db, np.random.default_rng(i))], SPEC)[0]
        for i in range(12)
    ]
    add = jax.jit(
        lambda key: masking.mel_noise(key, clean[None], np.array([len(clean)]), np.array([snr_db]))
    )
    ours = np.stack([add(jax.random.key(i))[0] for i in range(12)])
    wanted, found = np.mean(noisy, 0) * DB, ours.mean(0) * DB
    # Over the whole, by band (the four lowest hold hardly a bin each) and by frame.
    assert abs((found - wanted).mean()) < 0.5
    assert np.abs((found - wanted).mean(0))[4:].max() < 1.5
    assert np.abs((found - wanted).mean(1)).max() < 1.5
    # In power the mean is the sum, without the logarithm's bias.
    power = np.log(np.mean(np.exp(np.asarray(noisy, float)), (0, 1))) * DB
    mine = np.log(np.mean(np.exp(ours.astype(float)), (0, 1))) * DB
    assert np.abs(power - mine)[4:].max() < 1.0
    # As rough as real noise: the deviation over draws of one cell.
    spread = np.std(noisy, 0).mean() / ours.std(0).mean()
    assert 0.75 < spread < 1.33
    # The test can fail: 3 dB more noise is seen.
    other = masking.mel_noise(
        jax.random.key(0), clean[None], np.array([len(clean)]), np.array([snr_db - 3])
    )
    assert abs((np.asarray(other)[0] * DB - wanted).mean()) > 0.5


def test_noise_follows_the_level():
    """3 dB up, all of it: the ratio is the signal's own."""
    (clean,) = log_mel_batch([voiced(1.0)], SPEC)
    key, length, snr = jax.random.key(0), np.array([len(clean)]), np.array([10.0])
    soft = masking.mel_noise(key, clean[None], length, snr)
    loud = masking.mel_noise(key, clean[None] + 0.7, length, snr)
    np.testing.assert_allclose(loud, soft + 0.7, atol=1e-4)


def test_on_the_fly_leaves_padding_and_some_rows_alone():
    (clean,) = log_mel_batch([voiced(1.0)], SPEC)
    grey = np.zeros((8, len(clean) + 5, 64), np.float32)
    grey[:, : len(clean)] = (clean * DB + 60) / 90
    length = np.full(8, len(clean))
    grey = jnp.asarray(grey)
    made = masking.OnTheFly(64, snr_db=(5.0, 5.0), range_db=(-60.0, 30.0))
    run = jax.jit(lambda key, share: made(key, grey, length, {"noise_share": share}))
    some = np.asarray(run(jax.random.key(0), 0.5))
    assert (some[:, len(clean) :] == 0).all()
    changed = (some != grey).any((1, 2))
    assert 0 < changed.sum() < 8
    np.testing.assert_array_equal(run(jax.random.key(0), 0.0), grey)
    assert (np.asarray(run(jax.random.key(0), 1.0)) != grey).any((1, 2)).all()
    again = np.asarray(run(jax.random.key(0), 0.5))
    np.testing.assert_array_equal(again, some)  # a function of the key
    assert (np.asarray(run(jax.random.key(1), 0.5)) != some).any()
