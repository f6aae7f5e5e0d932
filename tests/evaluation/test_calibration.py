import numpy as np
import pytest

from jser.evaluation.calibration import by_speaker, calibration_error


def test_error_by_hand():
    """Two bins: 0.9 and right half of the time, 0.6 and always right."""
    posterior = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    label = np.array([0, 1, 1, 1])
    assert calibration_error(posterior, label) == pytest.approx((2 * 0.4 + 2 * 0.4) / 4)
    assert calibration_error(posterior[2:], label[2:]) == pytest.approx(0.4)
    certain = np.array([[1.0, 0.0]])
    assert calibration_error(certain, np.array([0])) == 0


def test_each_speaker_by_itself():
    posterior = np.array([[0.9, 0.1], [0.9, 0.1]])
    found = by_speaker(posterior, np.array([0, 1]), np.array(["b", "a"]))
    assert found == {"a": pytest.approx(0.9), "b": pytest.approx(0.1)}
