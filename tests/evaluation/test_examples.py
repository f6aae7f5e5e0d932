"""Which utterances a page shows, and what attention over time means; by hand."""

import hashlib

import numpy as np
import pytest

from jser.evaluation.examples import choose, relative_attention
from jser.evaluation.predictions import Judged

CLASSES = ("anger", "joy")


def judged(ids, truth, posterior, seeds, attention=None):
    posterior = np.asarray(posterior, np.float32)
    return Judged(
        classes=CLASSES,
        utterance_id=np.asarray(ids),
        speaker=np.asarray([f"speaker of {i}" for i in ids]),
        fold=np.asarray(["1"] * len(ids)),
        seed=np.asarray(seeds),
        truth=np.asarray(truth),
        predicted=posterior.argmax(1),
        posterior=posterior,
        attention=None if attention is None else np.asarray(attention, np.float32),
    )


def test_of_each_kind_the_smallest_hash_is_taken():
    rng = np.random.default_rng(0)
    ids = [f"u{i}" for i in range(40)]
    truth = rng.integers(0, 2, 40)
    answer = np.where(rng.random(40) < 0.6, truth, 1 - truth)
    # How sure the answers are must not matter.
    sure = rng.uniform(0.5, 1, 40)
    posterior = np.stack([np.where(answer == 0, sure, 1 - sure)] * 2, axis=1)
    posterior[:, 1] = 1 - posterior[:, 0]
    chosen = choose(judged(ids, truth, posterior, [0] * 40))
    assert [(c.truth, c.right) for c in chosen] == [
        ("anger", True), ("anger", False), ("joy", True), ("joy", False),
    ]  # fmt: skip
    for choice in chosen:
        k = CLASSES.index(choice.truth)
        like = [
            u for u, t, a in zip(ids, truth, answer, strict=True)
            if t == k and (a == t) == choice.right
        ]  # fmt: skip
        expected = min(like, key=lambda u: hashlib.sha256(u.encode()).hexdigest())
        assert choice.utterance_id == expected
        assert choice.speaker == f"speaker of {expected}"
        assert choice.right is (choice.predicted == choice.truth)


def test_seeds_are_averaged_before_the_answer():
    """One seed is a little for joy, the other much for anger: together they say anger."""
    chosen = choose(
        judged(
            ["a", "a"],
            [0, 0],
            [[0.45, 0.55], [0.9, 0.1]],
            [0, 1],
            attention=[[0.2, 0.8, 0.0], [0.6, 0.4, 0.0]],
        )
    )
    (only,) = chosen
    assert only.predicted == "anger"
    assert only.right
    np.testing.assert_allclose(only.posterior, [0.675, 0.325], atol=1e-6)
    np.testing.assert_allclose(only.attention, [0.4, 0.6, 0.0], atol=1e-6)


def test_rows_may_come_in_any_order_and_without_attention():
    ids = ["a", "b", "c", "d"] * 2
    truth = [0, 0, 1, 1] * 2
    posterior = [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.8, 0.2]] * 2
    one = choose(judged(ids, truth, posterior, [0] * 4 + [1] * 4))
    order = [5, 2, 7, 0, 1, 6, 3, 4]
    other = choose(
        judged(
            [ids[i] for i in order],
            [truth[i] for i in order],
            [posterior[i] for i in order],
            [[0] * 4 + [1] * 4][0],
        )
    )
    assert [c.utterance_id for c in one] == [c.utterance_id for c in other] == ["a", "b", "c", "d"]
    assert {c.attention for c in one} == {None}


def test_no_more_than_asked():
    found = choose(judged(list("abcd"), [0, 0, 1, 1], [[0.9, 0.1], [0.2, 0.8]] * 2, [0] * 4), 2)
    assert len({c.truth for c in found}) == 1
    assert len(found) == 2


def test_equal_weights_are_one_wherever_a_step_lies():
    steps = np.asarray([[10, 74], [42, 106], [74, 130]])  # overlapping, the last one shorter
    relative = relative_attention(np.full(3, 1 / 3), steps, 140)
    assert np.isnan(relative[:10]).all()
    assert np.isnan(relative[130:]).all()
    np.testing.assert_allclose(relative[10:130], 1)


def test_planted_weight_lies_where_its_step_lies():
    steps = np.asarray([[0, 4], [2, 6], [6, 8]])
    relative = relative_attention(np.asarray([0.5, 0.0, 0.5]), steps, 8)
    # Mean weight 1/3, so the steps count 1.5, 0 and 1.5 times; on frames 2 and 3 two equally long
    # steps lie, and their mean counts.
    np.testing.assert_allclose(relative, [1.5, 1.5, 0.75, 0.75, 0, 0, 1.5, 1.5])


def test_a_long_step_is_spread_thinner_than_a_short_one():
    relative = relative_attention(np.asarray([0.25, 0.75]), np.asarray([[0, 3], [2, 3]]), 3)
    # Frame 2: (0.5 / 3 + 1.5 / 1) / (1 / 3 + 1 / 1).
    np.testing.assert_allclose(relative, [0.5, 0.5, (0.5 / 3 + 1.5) / (4 / 3)])


@pytest.mark.parametrize("weights", [[0.0, 0.0], [0.0, 1.0]])
def test_empty_steps_and_weights(weights):
    """Nothing but an empty step has weight: there is nothing to show, and no division by zero."""
    relative = relative_attention(np.asarray(weights), np.asarray([[0, 5], [5, 5]]), 6)
    assert np.isnan(relative).all()
