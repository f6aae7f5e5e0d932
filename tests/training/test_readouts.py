"""Normalisation by hand, components against numpy's SVD, the ridge against scikit-learn's."""

import itertools

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from jser.errors import InputError
from jser.training import normalisation, projection, readout

RNG = np.random.default_rng(0)


# --- normalisation --------------------------------------------------------------------------------

FRAMES = RNG.normal(3, 2, (20, 4)).astype(np.float32)
LENGTH = np.array([2, 3, 4, 5, 6])
SPEAKER = np.array(["a", "b", "a", "b", "a"])
STEPS = np.split(np.arange(20), np.cumsum(LENGTH)[:-1])


def by_hand(x, seen):
    deviation = seen.std(0)
    return (x - seen.mean(0)) / (deviation + 0.01 * deviation.mean())


@pytest.mark.parametrize("mode", ["none", "train"])
def test_modes_of_a_fold_leave_the_frames_alone(mode):
    assert normalisation.by_group(FRAMES, LENGTH, SPEAKER, mode) is FRAMES


def test_by_utterance():
    made = normalisation.by_group(FRAMES, LENGTH, SPEAKER, "utterance")
    for mine in STEPS:
        np.testing.assert_allclose(made[mine], by_hand(FRAMES[mine], FRAMES[mine]), atol=1e-5)


def test_by_speaker():
    made = normalisation.by_group(FRAMES, LENGTH, SPEAKER, "speaker_transductive")
    for rows in ((0, 2, 4), (1, 3)):
        mine = np.concatenate([STEPS[r] for r in rows])
        np.testing.assert_allclose(made[mine], by_hand(FRAMES[mine], FRAMES[mine]), atol=1e-4)


@pytest.mark.parametrize("n", [1, 2])
def test_enrolment_uses_n_utterances_of_the_speaker(n):
    made = normalisation.by_group(FRAMES, LENGTH, SPEAKER, f"speaker_enrol:{n}")
    for rows in ((0, 2, 4), (1, 3)):
        mine = np.concatenate([STEPS[r] for r in rows])
        fits = [
            seen
            for seen in itertools.combinations(rows, n)
            if np.allclose(
                made[mine],
                by_hand(FRAMES[mine], FRAMES[np.concatenate([STEPS[r] for r in seen])]),
                atol=1e-4,
            )
        ]
        assert len(fits) == 1


@pytest.mark.parametrize(
    "mode", ["Train", "speaker_enrol", "speaker_enrol:0", "speaker_enrol:n", ""]
)
def test_unknown_modes(mode):
    with pytest.raises(InputError, match="is none of none, train, utterance"):
        normalisation.parse(mode)


# --- components -----------------------------------------------------------------------------------


def low_rank(n=200, d=40):
    strength = 2.0 ** -np.arange(d)
    mixed = RNG.standard_normal((n, d)) * strength @ RNG.standard_normal((d, d))
    return mixed.astype(np.float32) + 3


@pytest.mark.parametrize("standardise", [True, False])
def test_components_are_those_of_numpys_svd(standardise):
    x = low_rank()
    fitted = projection.fit(x, np.arange(150), 5, standardise)
    train = x[:150].astype(float)
    scale = np.ones(40)
    if standardise:
        deviation = train.std(0)
        scale = 1 / (deviation + 0.01 * deviation.mean())
    centred = (train - train.mean(0)) * scale
    _, singular, vt = np.linalg.svd(centred, full_matrices=False)
    basis = vt[:5].T / np.sqrt(np.mean(singular[:5] ** 2) / 150)
    signs = np.sign((basis * fitted.basis).sum(0))
    np.testing.assert_allclose(fitted.basis, basis * signs, atol=2e-3 * np.abs(basis).max())
    wanted = (x - train.mean(0)) * scale @ (basis * signs)
    np.testing.assert_allclose(fitted(x), wanted, atol=0.01)
    np.testing.assert_allclose(np.mean(np.square(fitted(x[:150]))), 1, rtol=1e-3)


def test_components_read_training_rows_only():
    x = low_rank()
    rows = np.arange(0, 200, 2)
    wrong = x.copy()
    wrong[1::2] = np.nan
    a, b = projection.fit(x, rows, 5), projection.fit(wrong, rows, 5)
    np.testing.assert_array_equal(a.basis, b.basis)
    np.testing.assert_array_equal(a.mean, b.mean)
    np.testing.assert_array_equal(a(x[rows]), b(wrong[rows]))


def test_fewer_rows_than_components():
    x = low_rank()
    fitted = projection.fit(x, np.arange(4), 8)
    assert fitted.basis.shape == (40, 4)
    assert np.isfinite(fitted(x)).all()


# --- the ridge ------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [5, 60], ids=["primal", "dual"])
def test_ridge_is_scikit_learns(d):
    x = RNG.standard_normal((30, d)) * 3 + 1
    label = np.arange(30) % 3
    weights = RNG.uniform(0.5, 2, 30)
    ours = readout.fit_readout(x, label, weights, 3, 0.3)
    z = (x - x.mean(0)) / (x.std(0) + 1e-6)
    target = np.eye(3)[label]
    offset = np.average(target, axis=0, weights=weights)
    theirs = Ridge(alpha=0.3 * 30, fit_intercept=False).fit(z, target - offset, weights)
    np.testing.assert_allclose(ours(x), theirs.predict(z) + offset, atol=1e-8)


def test_selection_sees_no_test():
    x = RNG.standard_normal((60, 8))
    label = np.arange(60) % 3
    x[np.arange(60), label] += 1
    train, dev, test = np.arange(30), np.arange(30, 45), np.arange(45, 60)
    hidden = label.copy()
    hidden[test] = -1
    noise = x.copy()
    noise[test] = np.nan
    a, chosen = readout.select_readout(x, label, train, dev, 3)
    b, also = readout.select_readout(noise, hidden, train, dev, 3)
    assert chosen == also
    np.testing.assert_array_equal(a.kernel, b.kernel)
    assert np.mean(a(x[test]).argmax(1) == label[test]) > 0.5
    # Dev does count: its labels choose, and the refit learns from them.
    turned = label.copy()
    turned[dev] = (turned[dev] + 1) % 3
    c, _ = readout.select_readout(x, turned, train, dev, 3)
    assert not np.array_equal(a.kernel, c.kernel)


def test_ties_go_to_the_stronger_penalty():
    x = np.repeat(np.eye(3), 10, axis=0)
    label = np.repeat(np.arange(3), 10)
    rows = np.arange(30)
    _, chosen = readout.select_readout(x, label, rows[::2], rows[1::2], 3)
    assert chosen == max(readout.PENALTIES)
