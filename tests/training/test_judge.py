"""Trials that are ended while they train: whose members end; nobody else's numbers change."""

import jax
import numpy as np
import pytest

from jser.sweep.training import Judge
from jser.training import loop
from jser.training.alive import Alive
from jser.training.plan import Plan
from jser.training.population import EpochMetrics
from tests.training.conftest import make_members, same_bits, take


def trained(program, features, members, folder, width, judge=None):
    folder.mkdir()
    plan = Plan(width, 1, tuple(jax.devices()[:1]))
    return loop.fit(program, features, members, plan, folder, "select", 1e9, judge=judge)


@pytest.mark.parametrize("width", [1, 2])
def test_pruned_members_end_and_the_others_keep_their_bits(
    program, features, tmp_path, monkeypatch, width
):
    members = make_members(6, epochs=5)
    whole = trained(program, features, members, tmp_path / "whole", width)
    blocks_of, close_up = [], Alive.close_up

    def noted(self, alive):
        close_up(self, alive)
        blocks_of.append([block.places.tolist() for block in self.blocks])

    monkeypatch.setattr(Alive, "close_up", noted)
    places = [np.array([p]) for p in range(6)]
    told = []

    def prune(k, epoch, value):
        told.append((k, epoch, value))
        return (k, epoch) in {(0, 1), (3, 1), (4, 3), (1, 5)}  # the last is at its end anyway

    judge = Judge(places, members, prune)
    final = trained(program, features, members, tmp_path / "pruned", width, judge)
    assert final.epoch.tolist() == [1, 5, 5, 1, 3, 5]
    assert judge.pruned.tolist() == [True, False, False, True, True, False]
    assert not judge.failed.any()
    kept = np.array([1, 2, 5])
    assert same_bits(take(final, kept), take(whole, kept))
    if width == 1:
        in_blocks = [[p for block in at for p in block] for at in blocks_of]
        assert in_blocks == [[1, 2, 4, 5]] * 2 + [[1, 2, 5]] * 2 + [[]]
    assert [len(at) for at in blocks_of] == [-(-n // width) for n in (4, 4, 3, 3, 0)]
    # What was told is the best dev UAR so far, and the last of it what was chosen.
    for p in kept:
        own = [(epoch, value) for k, epoch, value in told if k == p]
        assert [epoch for epoch, _ in own] == [1, 2, 3, 4, 5]
        values = [value for _, value in own]
        assert values == sorted(values)
        assert values[-1] == final.best_score[p]


def figures(trained, alive, uar):
    n = len(trained)
    return EpochMetrics(np.array(trained), np.array(alive), np.ones(n), np.ones(n), np.array(uar))


def test_a_trial_ends_with_a_member_that_fails_and_is_the_mean_of_its_members():
    told = []
    judge = Judge(
        [np.array([0, 1]), np.array([2, 3])],
        make_members(4),
        lambda k, epoch, value: told.append((k, epoch, round(value, 3))) and False,
    )
    nobody = judge(1, figures([True] * 4, [True] * 4, [0.2, 0.4, 0.5, 0.7]))
    assert not nobody.any()
    # Member 1's loss was not finite in the second epoch; member 3 stops by its own patience.
    ended = judge(
        2, figures([True, False, True, True], [True, False, True, False], [0.1, np.nan, 0.9, 0.6])
    )
    assert ended.tolist() == [True, True, False, False]
    assert judge.failed.tolist() == [True, False]
    judge(
        3,
        figures(
            [False, False, True, False], [False, False, False, False], [np.nan, np.nan, 0.8, np.nan]
        ),
    )
    assert told == [(0, 1, 0.3), (1, 1, 0.6), (1, 2, 0.8), (1, 3, 0.8)]
