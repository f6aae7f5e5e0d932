"""Normalisation by hand, components against numpy's SVD, the ridge against scikit-learn's."""

import itertools
from dataclasses import replace

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


@pytest.mark.parametrize("mode", ["utterance", "speaker_transductive"])
def test_columns_with_units_of_their_own_all_get_deviation_one(mode):
    """Whatever its size, a column is held against itself; one that never changes is 0."""
    units = np.array([1e4, 1.0, 1e-3, 0.0], np.float32)
    mixed = np.random.default_rng(1).standard_normal((len(FRAMES), 4)).astype(np.float32) * units
    made = normalisation.by_group(mixed, LENGTH, SPEAKER, mode, one_unit=False)
    group = np.arange(len(LENGTH)) if mode == "utterance" else np.unique(SPEAKER, False, True)[1]
    of_step = np.repeat(group, LENGTH)
    for g in np.unique(group):
        mine = made[of_step == g]
        if len(mine) > 4:
            np.testing.assert_allclose(mine[:, :3].std(0), 1, atol=0.05)
    assert not made[:, 3].any()
    whole = normalisation.by_group(mixed, LENGTH, SPEAKER, mode)
    assert whole[:, 2].std() < 0.1, "columns of one unit are not blown up"


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


def test_nobody_enrols_with_a_copy():
    """Two recordings of one speaker and two copies of each: the draw is that of the recordings."""
    frames = RNG.normal(3, 2, (12, 4)).astype(np.float32)
    length, speaker = np.full(6, 2), np.array(["a"] * 6)
    alone = normalisation.by_group(frames[:4], length[:2], speaker[:2], "speaker_enrol:1")
    made = normalisation.by_group(frames, length, speaker, "speaker_enrol:1", originals=2)
    np.testing.assert_array_equal(made[:4], alone)


@pytest.mark.parametrize(
    "mode", ["Train", "speaker_enrol", "speaker_enrol:0", "speaker_enrol:n", ""]
)
def test_unknown_modes(mode):
    with pytest.raises(InputError, match="is none of none, train, utterance"):
        normalisation.parse(mode)


@pytest.mark.parametrize("mode", ["speaker_transductive", "speaker_enrol:2"])
def test_modes_by_speaker_need_to_know_him(mode):
    with pytest.raises(InputError, match="1 of 2 utterances have no speaker; use train"):
        normalisation.check_speakers(mode, np.array(["anna", ""]))
    normalisation.check_speakers(mode, np.array(["anna", "ben"]))
    normalisation.check_speakers("train", np.array(["anna", ""]))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_moments_by_blocks_of_columns(monkeypatch, dtype):
    """Of some rows, whatever the width of a block; a constant column keeps its size."""
    x = RNG.normal(3, 2, (30, 11)).astype(dtype)
    x[:, 4] = 7
    rows = np.arange(0, 30, 2)
    monkeypatch.setattr(normalisation, "COLUMNS", 4)
    mean, scale = normalisation.moments(x, rows)
    wrong = x.copy()
    wrong[1::2] = np.nan
    np.testing.assert_array_equal(mean, normalisation.moments(wrong, rows)[0])
    own = x[rows].astype(float)
    np.testing.assert_allclose(mean, own.mean(0), rtol=1e-6)
    np.testing.assert_allclose(scale, 1 / (own.std(0) + 0.01 * own.std(0).mean()), rtol=1e-4)


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


def test_components_by_fold():
    """Each fold's are those of its own rows; the fold with the fewest directions decides."""
    x = low_rank().astype(np.float16)
    rows = [np.arange(0, 90), np.arange(80, 200), np.arange(5)]
    made = projection.by_fold(x, rows[:2], 8, True, "components")
    assert made.shape == (2, 200, 8)
    for own, frames in zip(rows, made, strict=False):
        np.testing.assert_allclose(frames, projection.fit(x, own, 8)(x), atol=1e-4)
    fewer = projection.by_fold(x, rows, 8, True, "components")
    np.testing.assert_allclose(fewer[:2], made[:, :, :5], atol=1e-4)
    assert fewer.shape == (3, 200, 5)


# --- the ridge ------------------------------------------------------------------------------------


def test_columns_with_units_of_their_own_keep_their_say():
    """In hertz or in shares: a change of unit changes nothing, and a constant is left out."""
    x = RNG.standard_normal((40, 6))
    x[:, 5] = 7.3
    units = np.array([1e4, 1, 1e-6, 3, 1e-3, 1], np.float32)
    _, scale = normalisation.moments(x * units, np.arange(30), one_unit=False)
    np.testing.assert_allclose(scale[:5], 1 / (x * units)[:30, :5].std(0), rtol=1e-4)
    assert scale[5] == 0
    rows = replace(rows_for(40), one_unit=False)
    a, _ = readout.View(x, rows).fit(0.3)
    b, _ = readout.View(x * units, rows).fit(0.3)
    np.testing.assert_allclose(a(x), b(x * units), atol=1e-3)
    _, guarded = normalisation.moments(x * units, np.arange(30))
    assert guarded[2] * x[:30, 2].std() * 1e-6 < 1e-3, "of one unit, it hardly changes"


def rows_for(n, n_classes=3, n_groups=4):
    return readout.Rows(
        index=np.arange(n),
        label=np.arange(n) % n_classes,
        weight=RNG.uniform(0.5, 2, n),
        group=RNG.integers(0, n_groups, n),
        n_classes=n_classes,
    )


def scikit_learns(x, rows, penalty, left_out=None):
    """Ridge with an intercept of scikit-learn, on the same standardised values."""
    deviation = x.std(0)
    z = (x - x.mean(0)) / (deviation + 0.01 * deviation.mean())
    kept = np.ones(len(x), bool) if left_out is None else rows.group != left_out
    fitted = Ridge(alpha=penalty * x.shape[1], fit_intercept=True)
    fitted.fit(z[kept], rows.target[kept], rows.weight[kept])
    return fitted.predict(z)


@pytest.mark.parametrize("penalty", [0.1, 1.0])
@pytest.mark.parametrize("d", [5, 60], ids=["fewer values than rows", "more"])
def test_ridge_is_scikit_learns(d, penalty):
    x = RNG.standard_normal((40, d)) * 3 + 1
    rows = rows_for(40)
    ours, _ = readout.View(x, rows).fit(penalty)
    np.testing.assert_allclose(ours(x), scikit_learns(x, rows, penalty), atol=2e-4)


@pytest.mark.parametrize("d", [5, 60], ids=["fewer values than rows", "more"])
def test_scores_of_a_group_are_those_of_a_fit_without_it(d):
    """One inverse says what as many fits as there are groups would say."""
    x = RNG.standard_normal((40, d)) * 3 + 1
    rows = rows_for(40)
    _, held_out = readout.View(x, rows).fit(0.3)
    for group in range(4):
        mine = rows.group == group
        wanted = scikit_learns(x, rows, 0.3, left_out=group)[mine]
        np.testing.assert_allclose(held_out[mine], wanted, atol=1e-3)


def test_only_its_own_rows_are_read():
    x = RNG.standard_normal((60, 8))
    rows = rows_for(30)
    noise = x.copy()
    noise[30:] = np.nan
    a, _ = readout.View(x, rows).fit(0.3)
    b, _ = readout.View(noise, rows).fit(0.3)
    np.testing.assert_array_equal(a.kernel, b.kernel)
    np.testing.assert_array_equal(a.mean, b.mean)


def test_one_group_alone_has_numbers():
    rows = rows_for(12, n_groups=1)
    _, held_out = readout.View(RNG.standard_normal((12, 4)), rows).fit(0.3)
    assert np.isfinite(held_out).all()


def test_a_value_that_never_changes():
    x = np.hstack([RNG.standard_normal((12, 3)), np.full((12, 1), 7.0)])
    ours, held_out = readout.View(x, rows_for(12)).fit(0.3)
    assert np.isfinite(ours(x)).all()
    assert np.isfinite(held_out).all()


@pytest.mark.parametrize(("columns", "block"), [(7, 5), (60, 100)])
def test_blocks_change_nothing(monkeypatch, columns, block):
    """Columns are standardised and rows of the matrix changed block by block, with a rest."""
    x = RNG.standard_normal((40, 60)) * 3 + 1
    rows = rows_for(40)
    whole, held_out = readout.View(x, rows).fit(0.3)
    monkeypatch.setattr(normalisation, "COLUMNS", columns)
    monkeypatch.setattr(readout, "BLOCK", block)
    ours, ours_held_out = readout.View(x, rows).fit(0.3)
    np.testing.assert_allclose(ours.kernel, whole.kernel, atol=1e-5)
    np.testing.assert_allclose(ours_held_out, held_out, atol=1e-3)


@pytest.mark.parametrize("n_groups", [1, 4, 40])
@pytest.mark.parametrize("penalty", [0.1, 1.0])
def test_the_primal_form_of_many_rows(monkeypatch, penalty, n_groups):
    """scikit-learn's fit and the fits without a group, and the dual form's own figures."""
    x = RNG.standard_normal((40, 5)) * 3 + 1
    rows = rows_for(40, n_groups=n_groups)
    dual, dual_held_out = readout.View(x, rows).fit(penalty)
    monkeypatch.setattr(readout, "MANY_ROWS", 40)
    monkeypatch.setattr(readout.View, "_solve", None)
    ours, held_out = readout.View(x, rows).fit(penalty)
    np.testing.assert_allclose(ours(x), scikit_learns(x, rows, penalty), atol=2e-4)
    np.testing.assert_allclose(ours.kernel, dual.kernel, atol=1e-4)
    np.testing.assert_allclose(ours.bias, dual.bias, atol=1e-4)
    np.testing.assert_allclose(held_out, dual_held_out, atol=1e-3)
    for group in np.unique(rows.group) if n_groups > 1 else ():
        mine = rows.group == group
        wanted = scikit_learns(x, rows, penalty, left_out=group)[mine]
        np.testing.assert_allclose(held_out[mine], wanted, atol=1e-3)


# --- several views, one penalty -------------------------------------------------------------------


def test_penalties_are_those_of_the_best_scores_without_the_group():
    x, z = RNG.standard_normal((2, 60, 30))
    rows = rows_for(60)
    x[np.arange(60), rows.label] += 1
    penalties = (0.001, 0.03, 1.0, 30.0)

    def without(features, penalty):
        fits = [scikit_learns(features, rows, penalty, left_out=g) for g in range(4)]
        return np.stack(fits)[rows.group, np.arange(60)]

    def best(score):
        return max(penalties, key=lambda p: (readout.recall(rows.label, score(p)), p))

    fitted = readout.fit_together({"x": (x, rows), "z": (z, rows)}, penalties, 60)
    assert fitted.penalty == best(lambda p: without(x, p) + without(z, p))
    assert fitted.penalties == {
        "x": best(lambda p: without(x, p)),
        "z": best(lambda p: without(z, p)),
    }
    for made, penalty in ((fitted.together, fitted.penalty), (fitted.alone, fitted.penalties["x"])):
        np.testing.assert_allclose(made["x"](x), scikit_learns(x, rows, penalty), atol=2e-3)


def test_copies_are_fitted_on_and_not_judged():
    """A copy that says the opposite changes the fit; what is judged are the originals."""
    x = RNG.standard_normal((40, 6))
    rows = rows_for(40)
    doubled = readout.Rows(
        np.arange(80),
        np.tile(rows.label, 2),
        np.tile(rows.weight / 2, 2),
        np.tile(rows.group, 2),
        3,
    )
    same = readout.fit_together({"x": (np.vstack([x, x]), doubled)}, (0.3,), 40)
    plain = readout.fit_together({"x": (x, rows)}, (0.3,), 40)
    np.testing.assert_allclose(same.alone["x"](x), plain.alone["x"](x), atol=1e-3)


def test_ties_go_to_the_stronger_penalty():
    x = np.repeat(np.eye(3), 10, axis=0)
    rows = readout.Rows(
        np.arange(30), np.repeat(np.arange(3), 10), np.ones(30), np.arange(30) % 5, 3
    )
    fitted = readout.fit_together({"x": (x, rows)}, (0.1, 0.3, 0.01), 30)
    assert fitted.penalty == fitted.penalties["x"] == 0.3


def test_recall_by_hand():
    truth = np.array([0, 0, 0, 1, 3])
    scores = np.eye(4)[[0, 0, 1, 1, 2]]
    assert readout.recall(truth, scores) == pytest.approx((2 / 3 + 1 + 0) / 3)
