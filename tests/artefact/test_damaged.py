"""`jser predict` on damaged sound files: a slice of `python -m tests.fuzz --artefact=DIR`."""

import pytest

from tests.fuzz import predict_trial, sounds
from tests.fuzz.sound_trial import REFUSED, SAME, UNKNOWABLE, WRONG


@pytest.mark.timeout(400)
def test_a_slice_through_predict(artefact, tmp_path):
    files = sounds.good()
    cases = [sounds.case(2, number, files) for number in range(4 * len(sounds.kinds()))]
    fates, peak = predict_trial.run(cases, files, artefact, tmp_path / "sounds")
    assert [fate for fate in fates if fate.verdict == WRONG] == []
    assert {fate.verdict for fate in fates} == {REFUSED, SAME, UNKNOWABLE}
    assert 0 < peak < predict_trial.MIB


def test_the_judge_of_predict_notices():
    """Rows that are none, or of another file."""
    row = {"start": 0.0, "end": 1.0, "label": "a", "probabilities": {"a": 0.7, "b": 0.3}}
    assert predict_trial.fault(row) == ""
    for change in (
        {"end": float("inf")},
        {"start": 2.0},
        {"label": "b"},
        {"probabilities": None},
        {"probabilities": {"a": 0.7, "b": 0.2}},
        {"probabilities": {"a": float("nan"), "b": 0.3}},
    ):
        assert predict_trial.fault(row | change), change
    assert predict_trial.away(row, row) == 0
    assert predict_trial.away(row, row | {"probabilities": None}) == float("inf")
