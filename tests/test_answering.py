"""From members to answers: votes by hand, and a read-out fitted on a member's own utterances."""

from types import SimpleNamespace

import numpy as np
import pytest

from jser import answering
from jser.systems import Inputs
from jser.training import population


def test_majority_then_the_larger_sum():
    posterior = np.array(
        [
            # Two of three say class 0, however sure the third is.
            [[0.4, 0.3, 0.3], [0.4, 0.3, 0.3], [0.0, 0.0, 1.0]],
            # One vote each: class 1 has the larger sum.
            [[0.5, 0.4, 0.1], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5]],
        ]
    ).swapaxes(0, 1)[None]  # [P=1, T=3, V=2, K=3]
    voted = answering.votes(posterior)
    assert voted.shape == (1, 2, 3)
    assert voted.argmax(-1).tolist() == [[0, 1]]
    np.testing.assert_allclose(voted.sum(-1), 1, atol=1e-6)
    # 2 votes and half of the mean posterior, of 3.5 in all.
    np.testing.assert_allclose(voted[0, 0, 0], (2 + 0.5 * 0.8 / 3) / 3.5, rtol=1e-5)


def test_softmax_of_far_logits():
    found = answering.softmax(np.array([[1000.0, 0.0], [-1000.0, -1000.0]]))
    np.testing.assert_allclose(found, [[1, 0], [0.5, 0.5]])


def test_digest_is_of_names_and_numbers():
    a = {"x": np.zeros(3), "y": np.ones(2)}
    assert answering.digest(a) == answering.digest(dict(a))
    assert answering.digest(a) != answering.digest({"x": np.zeros(3), "z": np.ones(2)})
    assert answering.digest(a) != answering.digest({"x": np.zeros(3), "y": np.array([1.0, 2.0])})
    assert answering.digest(a, {}) == answering.digest(a)


CERTAIN = np.array([8.0, 0.0], np.float32)


@pytest.fixture
def two_ensembles(monkeypatch):
    """Two folds of three members each; two of three are sure of class 0, and one of class 1.

    The embedding that a member shows of every utterance is its place in the ensemble.
    """
    n = 6
    tables = population.Members(
        fold=np.repeat([0, 1], 3),
        seed=np.full(n, 7),
        bag=np.tile([0, 1, 2], 2),
        group=np.zeros(n, int),
        hyper={},
        train_index=np.tile([0, 1], (n, 1)),
        dev_index=np.tile([2, 3], (n, 1)),
        label=np.tile([0, 1, 0, 1, -1, -1], (n, 1)),
        mean=np.zeros((n, 1)),
        scale=np.ones((n, 1)),
        epochs=np.ones(n, int),
    )

    def predict(program, features, members, state, rows, plan):
        shape = rows.shape
        logits = np.stack([CERTAIN, CERTAIN, CERTAIN[::-1]])[members.bag]
        place = members.bag.astype(np.float32)
        return (
            np.broadcast_to(logits[:, None], (*shape, 2)),
            np.broadcast_to(place[:, None, None], (*shape, 1)),
            np.broadcast_to(place[:, None, None], (*shape, 1)),
        )

    monkeypatch.setattr(answering.loop, "predict", predict)

    def prepared(**inputs):
        folds = [SimpleNamespace(test=np.array(test)) for test in ([4, 5], [5])]
        return SimpleNamespace(
            tables=tables,
            protocol=SimpleNamespace(folds=folds),
            corpus=SimpleNamespace(classes=("a", "b"), label=tables.label[0]),
            inputs=Inputs(baseline="view", **inputs),
            program=None,
            features=None,
        )

    return prepared


STATE = SimpleNamespace(best_params={}, best_stats={})


class FirstAlone:
    """A read-out that says class 0 of what the ensemble's first member shows, or else class 1."""

    parameters = 5

    def __call__(self, rows):
        return np.where(rows == 0, [[0.9, 0.1]], [[0.2, 0.8]])


def by_the_first_alone(shown, label, train, dev, seed):
    return FirstAlone()


def answers(predictions):
    return list(
        zip(
            predictions.fold.tolist(),
            predictions.seed.tolist(),
            predictions.utterance_index.tolist(),
            predictions.posterior.argmax(1).tolist(),
            strict=True,
        )
    )


def test_an_ensemble_gives_one_answer_an_utterance(two_ensembles):
    answered = answering.by_network(two_ensembles(views={}), STATE, None)
    assert answers(answered.predictions) == [(0, 7, 4, 0), (0, 7, 5, 0), (1, 7, 5, 0)]
    np.testing.assert_allclose(answered.predictions.attention, 1.0)  # the mean of 0, 1 and 2


def test_an_ensemble_of_read_outs_votes_too(two_ensembles):
    """Two of three read-outs say class 1, of whose networks two say class 0."""
    prepared = two_ensembles(views={}, fit_readout=by_the_first_alone)
    answered = answering.by_network(prepared, STATE, None)
    assert answers(answered.predictions) == [(0, 7, 4, 1), (0, 7, 5, 1), (1, 7, 5, 1)]
    assert answered.parameters == 3 * 5
    alone = answered.parts[answering.NETWORK]
    assert answers(alone) == [(0, 7, 4, 0), (0, 7, 5, 0), (1, 7, 5, 0)]
    np.testing.assert_allclose(
        answered.predictions.posterior[:, 1], (2 + 0.5 * 1.7 / 3) / 3.5, rtol=1e-5
    )


def test_an_ensemble_without_a_network_votes_too(two_ensembles):
    view = np.arange(6, dtype=np.float32)[:, None]
    prepared = two_ensembles(views={"view": view}, fit_readout=by_the_first_alone)
    assert answers(answering.by_view(prepared).predictions) == [
        (0, 7, 4, 1), (0, 7, 5, 1), (1, 7, 5, 1),
    ]  # fmt: skip
