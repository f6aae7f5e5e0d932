import dataclasses

import numpy as np
import pytest

from jser.evaluation import calibration
from jser.evaluation.calibration import by_speaker, calibration_error
from jser.evaluation.predictions import Judged


def test_error_by_hand():
    """Two bins: 0.9 and right half of the time, 0.6 and always right."""
    posterior = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    label = np.array([0, 1, 1, 1])
    assert calibration_error(posterior, label) == pytest.approx((2 * 0.4 + 2 * 0.4) / 4)
    assert calibration_error(posterior[2:], label[2:]) == pytest.approx(0.4)
    certain = np.array([[1.0, 0.0]])
    assert calibration_error(certain, np.array([0])) == 0


def test_of_a_report():
    posterior = np.array([[1.8, 0.2], [0.0, 3.0]], np.float32)  # summed votes
    words = np.array(["", "b"])
    judged = Judged(("x", "y"), words, words, words, np.zeros(2), np.array([0, 0]),
                    posterior.argmax(1), posterior)  # fmt: skip
    found = calibration.of(judged)
    assert found["by_speaker"] == {"unknown": pytest.approx(0.1), "b": pytest.approx(1.0)}
    assert found["error"] == pytest.approx(0.45)  # both lie in the last bin
    none = dataclasses.replace(judged, posterior=posterior - 1)
    assert calibration.of(none) == {"error": None, "by_speaker": {}}


def test_each_speaker_by_itself():
    posterior = np.array([[0.9, 0.1], [0.9, 0.1]])
    found = by_speaker(posterior, np.array([0, 1]), np.array(["b", "a"]))
    assert found == {"a": pytest.approx(0.9), "b": pytest.approx(0.1)}
