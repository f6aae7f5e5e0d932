"""Against numbers worked out by hand, and scikit-learn."""

import numpy as np
import pytest

from jser.evaluation import metrics


def test_by_hand() -> None:
    truth = np.asarray([0, 0, 0, 0, 1, 1, 2])
    predicted = np.asarray([0, 0, 0, 1, 1, 0, 1])
    conf = metrics.confusion(truth, predicted, 3)
    assert conf.tolist() == [[3, 1, 0], [1, 1, 0], [0, 1, 0]]
    assert metrics.recalls(conf).tolist() == [0.75, 0.5, 0.0]
    assert float(metrics.uar(conf)) == pytest.approx(1.25 / 3)
    assert float(metrics.wa(conf)) == pytest.approx(4 / 7)
    # F1: 6/(4+4), 2/(2+3), 0
    assert float(metrics.macro_f1(conf)) == pytest.approx((0.75 + 0.4 + 0.0) / 3)


def test_absent_class_does_not_count() -> None:
    conf = np.asarray([[2, 0, 2], [0, 4, 0], [0, 0, 0]])
    assert np.isnan(metrics.recalls(conf)[2])
    assert float(metrics.uar(conf)) == 0.75
    assert float(metrics.macro_f1(conf)) == pytest.approx((4 / 6 + 1) / 2)


def test_nothing_is_nan() -> None:
    nothing = np.zeros((2, 3, 3))
    for function in (metrics.uar, metrics.wa, metrics.macro_f1):
        assert np.isnan(function(nothing)).all()


def test_leading_axes_are_kept() -> None:
    conf = np.random.default_rng(0).integers(0, 9, (4, 2, 3, 3))
    for function in (metrics.uar, metrics.wa, metrics.macro_f1):
        each = [[float(function(conf[i, j])) for j in range(2)] for i in range(4)]
        assert function(conf).tolist() == each


@pytest.mark.parametrize("bad", [-1, 3])
def test_a_class_out_of_range_is_refused(bad: int) -> None:
    with pytest.raises(ValueError, match=r"outside 0\.\.2"):
        metrics.confusion(np.asarray([0, bad]), np.asarray([0, 0]), 3)


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="must be equal"):
        metrics.confusion(np.asarray([0, 1]), np.asarray([0]), 3)


@pytest.mark.parametrize("source", range(5))
def test_scikit_learn_agrees(source: int) -> None:
    sk = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(source)
    truth, predicted = rng.integers(0, 5, 200), rng.integers(0, 5, 200)
    if source == 4:
        truth = truth % 4  # class 4 is absent, and predicted
    present = np.unique(truth)
    conf = metrics.confusion(truth, predicted, 5)
    assert (conf == sk.confusion_matrix(truth, predicted, labels=range(5))).all()
    recall = sk.recall_score(truth, predicted, labels=present, average="macro")
    assert float(metrics.uar(conf)) == pytest.approx(recall)
    assert float(metrics.wa(conf)) == pytest.approx(sk.accuracy_score(truth, predicted))
    f1 = sk.f1_score(truth, predicted, labels=present, average="macro")
    assert float(metrics.macro_f1(conf)) == pytest.approx(f1)
