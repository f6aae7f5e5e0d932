"""From members to answers: votes by hand, and what a member's read-out is fitted on and reads."""

import functools
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
        point=np.zeros(n, int),
        group=np.zeros(n, int),
        hyper={},
        train_index=np.tile([0, 1], (n, 1)),
        dev_index=np.tile([2, 3], (n, 1)),
        label=np.tile([0, 1, 0, 1, -1, -1], (n, 1)),
        mean=np.zeros((n, 1)),
        scale=np.ones((n, 1)),
        class_weight=np.ones(n),
        epochs=np.ones(n, int),
        horizon=np.ones(n, int),
        patience=np.zeros(n, int),
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

    return functools.partial(ready, tables, ([4, 5], [5]))


def ready(tables, tests, **inputs):
    """What answering reads of an experiment; `tests` are the folds' test utterances."""
    return SimpleNamespace(
        tables=tables,
        protocol=SimpleNamespace(folds=[SimpleNamespace(test=np.array(test)) for test in tests]),
        corpus=SimpleNamespace(classes=("a", "b"), label=np.arange(tables.label.shape[1]) % 2),
        inputs=Inputs(baseline="view", **inputs),
        program=None,
        features=None,
    )


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


# --- what a read-out is given ---------------------------------------------------------------------

# Nine utterances. A bag's table may repeat an utterance, pads with -1, and names copy c of
# utterance u as 9 c + u.
N = 9
FOLD_0 = {"train": [[3, 0, 0, -1], [1, 9 + 3, 2, 18 + 2]], "dev": [4, -1]}
FOLD_1 = {"train": [[8, 5, 8, 5], [9 + 7, -1, -1, -1]], "dev": [2, 4]}
# By hand: originals once each, in order; labels of the whole fold's train and dev.
TRAIN_0, DEV_0 = ([0, 3], [1, 2, 3]), [4]
TRAIN_1, DEV_1 = ([5, 8], [7]), [2, 4]
LABEL_0 = [0, 1, 0, 1, 0, -1, -1, -1, -1]
LABEL_1 = [-1, -1, 0, -1, 0, 1, -1, 1, 0]
TEST_0, TEST_1 = [6, 5, 8], [0]
WANTED = [
    (label, train[bag], dev, seed, test)
    for label, train, dev, test in (
        (LABEL_0, TRAIN_0, DEV_0, TEST_0),
        (LABEL_1, TRAIN_1, DEV_1, TEST_1),
    )
    for seed in (7, 11)
    for bag in (0, 1)
]


@pytest.fixture
def two_folds_two_seeds():
    """Members in the order of the house: folds, seeds, bags."""
    return population.Members(
        fold=np.repeat([0, 1], 4),
        seed=np.tile(np.repeat([7, 11], 2), 2),
        bag=np.tile([0, 1], 4),
        point=np.zeros(8, int),
        group=np.zeros(8, int),
        hyper={},
        train_index=np.array(2 * FOLD_0["train"] + 2 * FOLD_1["train"]),
        dev_index=np.array(4 * [FOLD_0["dev"]] + 4 * [FOLD_1["dev"]]),
        label=np.array(4 * [LABEL_0] + 4 * [LABEL_1]),
        mean=np.zeros((8, 1)),
        scale=np.ones((8, 1)),
        class_weight=np.ones(8),
        epochs=np.ones(8, int),
        horizon=np.ones(8, int),
        patience=np.zeros(8, int),
    )


class Recorder:
    """A fit that notes what it is given, and of each read-out the rows that it is then to read."""

    def __init__(self):
        self.fitted, self.read = [], []

    def __call__(self, shown, label, train, dev, seed):
        self.fitted.append((np.array(shown), label.tolist(), train.tolist(), dev.tolist(), seed))
        self.read.append([])
        return RecordedAnswer(self.read[-1])


class RecordedAnswer:
    parameters = 1

    def __init__(self, read):
        self.read = read

    def __call__(self, rows):
        self.read.append(np.array(rows))
        return np.tile([0.75, 0.25], (len(rows), 1))


def check(recorder, shown):
    """Against `WANTED`; shown [P, N, E] is what each member makes of all utterances."""
    assert len(recorder.fitted) == len(recorder.read) == len(WANTED)
    for p, (label, train, dev, seed, test) in enumerate(WANTED):
        given, *others = recorder.fitted[p]
        assert others == [label, train, dev, seed], p
        np.testing.assert_array_equal(given, shown[p])
        (read,) = recorder.read[p]
        np.testing.assert_array_equal(read, shown[p][test])


def test_a_read_out_is_given_its_own_member_s(two_folds_two_seeds, monkeypatch):
    """Embedding, labels, train, dev and seed; and it reads its fold's test utterances alone."""
    shown = 100.0 * np.arange(8)[:, None] + np.arange(N)

    def predict(program, features, members, state, rows, plan):
        embedding = np.take_along_axis(shown, rows, 1)[:, :, None]
        return np.zeros((*rows.shape, 2)), np.ones((*rows.shape, 1)), embedding

    monkeypatch.setattr(answering.loop, "predict", predict)
    recorder = Recorder()
    prepared = ready(two_folds_two_seeds, (TEST_0, TEST_1), views={}, fit_readout=recorder)
    answered = answering.by_network(prepared, STATE, None)
    check(recorder, shown[:, :, None])
    assert answers(answered.predictions) == [
        *((0, seed, test, 0) for seed in (7, 11) for test in TEST_0),
        *((1, seed, test, 0) for seed in (7, 11) for test in TEST_1),
    ]
    assert answered.parameters == 2  # of two bags


def test_a_read_out_of_a_view_is_given_the_whole_view(two_folds_two_seeds):
    recorder = Recorder()
    view = np.random.default_rng(0).standard_normal((N, 3)).astype(np.float32)
    views = {"view": view, "another": -view}
    prepared = ready(two_folds_two_seeds, (TEST_0, TEST_1), views=views, fit_readout=recorder)
    answering.by_view(prepared)
    check(recorder, [view] * 8)
