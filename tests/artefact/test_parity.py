"""What may differ between an artefact and its run, by hand."""

import numpy as np
import pytest

from jser.artefact import parity
from jser.artefact.parity import Said
from jser.errors import InputError


def said(logits=0.0, scores=(0.0,) * 8, probabilities=0.0):
    """Eight recordings of two classes that lie so far from zero."""
    return Said(
        np.full((8, 1, 2), logits), np.tile(np.array(scores)[:, None], 2),
        np.full((8, 2), probabilities),
    )  # fmt: skip


def refused(other, temperature=1.0, decides=False):
    table = {"ONNX": said().differences(other)}
    try:
        parity.check(table, temperature, decides)
    except InputError as error:
        return str(error)
    return ""


def test_largest_differences():
    scores = (0, 0, 2e-4, 0, 0, 0, -3e-4, 0)
    found = said().differences(said(1e-5, scores, 3e-6))
    assert found == pytest.approx(
        {"logits": 1e-5, "scores": 3e-4, "probabilities": 3e-6, "beyond": 0.25}
    )
    nowhere = said().differences(said(float("nan"), (float("nan"),) * 8))
    assert nowhere["logits"] == nowhere["scores"] == float("inf")
    assert nowhere["beyond"] == 1


def test_limits():
    assert refused(said(9e-5, (9e-5,) * 8, 9e-5)) == ""
    assert "its logits differ by 0.00011" in refused(said(1.1e-4))
    assert "its scores differ by 0.00011" in refused(said(scores=(1.1e-4,) * 8))
    assert "its probabilities differ by 0.00021" in refused(said(probabilities=2.1e-4), 0.5)
    assert refused(said(probabilities=1.9e-4), 0.5) == ""


def test_decisions_of_descriptors_are_allowed_in_few_recordings():
    few, many = (9e-4,) * 2 + (0,) * 6, (9e-4,) * 3 + (0,) * 5
    assert "its scores differ" in refused(said(scores=few))
    assert refused(said(scores=few, probabilities=9e-4), decides=True) == ""
    assert "its scores differ" in refused(said(scores=many), decides=True)
    assert "0.0011" in refused(said(scores=(1.1e-3,) + (0,) * 7), decides=True)
    assert "its logits differ" in refused(said(1.1e-4, few), decides=True)
    assert "its scores differ by inf" in refused(said(scores=(np.inf,) + (0,) * 7), decides=True)
