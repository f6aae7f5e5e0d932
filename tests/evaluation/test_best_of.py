"""The expected best of n trials against all draws there are."""

import itertools

import pytest

from jser.evaluation.best_of import expected_best


@pytest.mark.parametrize("values", [[0.3, 0.9, 0.5], [0.4, 0.4, 0.1, 0.7], [0.2]])
def test_expected_best_is_the_mean_over_all_draws(values):
    found = expected_best(values, 4)
    for n in range(1, 5):
        draws = [max(draw) for draw in itertools.product(values, repeat=n)]
        assert found[n - 1] == pytest.approx(sum(draws) / len(draws))


def test_by_hand_and_as_far_as_there_are_trials():
    assert expected_best([0.0, 1.0]) == pytest.approx([0.5, 0.75])
    curve = expected_best([0.1, 0.5, 0.3, 0.9])
    assert len(curve) == 4
    assert curve == sorted(curve)
