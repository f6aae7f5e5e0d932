"""Member tables: rows, repeats and copies by hand; labels that stay out."""

import numpy as np
import pytest

from jser.errors import InputError
from jser.protocols import Fold, Protocol
from jser.training import members
from jser.training.members import Balance, Design

LABEL = np.array([0, 0, 0, 1, 1, 2, 0, 1, 2, 2])  # train is the first six, 3 to 2 to 1
TRAIN = np.arange(6)
ORDER = np.array([5, 4, 3, 2, 1, 0, 6, 7, 8, 9])


def rows(balance, n_copies=0):
    none = {"class_weights": False}
    return members.train_rows(
        TRAIN, LABEL, 10, n_copies, Balance(**(none | balance)), ORDER
    ).tolist()


def test_as_they_are():
    assert rows({}) == [0, 1, 2, 3, 4, 5]
    assert rows({"class_weights": True}) == [0, 1, 2, 3, 4, 5]


def test_copies_of_all():
    assert rows({}, 2) == [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 20, 21, 22, 23, 24, 25]


def test_oversample():
    # Class 1 lacks one: of 3 and 4 the one that the shuffle has first; class 2 lacks two.
    assert rows({"oversample": True}) == [0, 1, 2, 3, 4, 5, 4, 5, 5]
    both = rows({"oversample": True}, 1)
    assert both == [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 4, 14, 5, 5, 15, 15]
    assert np.bincount(LABEL[np.array(both) % 10]).tolist() == [6, 6, 6]


def test_augment():
    assert rows({"augment": True}, 1) == [0, 1, 2, 3, 4, 5, 14, 15, 15]
    # With two copies the second turn takes the second.
    assert rows({"augment": True}, 2) == [0, 1, 2, 3, 4, 5, 14, 15, 25]


@pytest.mark.parametrize("balance", [{}, {"oversample": True}, {"augment": True}])
def test_copies_of_own_training_utterances_only(balance):
    assert {row % 10 for row in rows(balance, 2)} == set(TRAIN.tolist())


def test_one_way_at_a_time():
    with pytest.raises(InputError, match="class_weights and oversample are both on"):
        Balance(oversample=True)
    with pytest.raises(InputError, match="oversample and augment are both on"):
        Balance(class_weights=False, oversample=True, augment=True)
    with pytest.raises(InputError, match=r"needs augmented copies; .*augment.copies=noise"):
        rows({"augment": True})


@pytest.fixture
def protocol():
    def fold(name, train, dev, test):
        index = [np.array(part, np.int32) for part in (train, dev, test)]
        return Fold(name, *index, ("a",), ("b",), ("c",))

    folds = (fold("1", range(6), [6, 7], [8, 9]), fold("2", [4, 5, 8, 9], [0, 3], [1, 2, 6, 7]))
    return Protocol("hand", folds, "speaker", None, "by hand")


def make(protocol):
    design = Design(
        (3, 7), ({"learning_rate": 0.5},), (True,), n_copies=0, balance=Balance(), epochs=4
    )
    return design.members(LABEL, protocol, width=2)


def test_folds_times_seeds(protocol):
    made = make(protocol)
    assert len(made) == 4
    assert made.fold.tolist() == [0, 0, 1, 1]
    assert made.seed.tolist() == [3, 7, 3, 7]
    assert made.group.tolist() == [0, 0, 1, 1]
    assert made.epochs.tolist() == [4] * 4
    assert made.hyper["learning_rate"].tolist() == [0.5] * 4
    assert made.train_index[1].tolist() == [0, 1, 2, 3, 4, 5]
    assert made.train_index[2].tolist() == [4, 5, 8, 9, -1, -1]
    assert made.dev_index[3].tolist() == [0, 3]


def test_labels_off_train_and_dev_are_minus_one(protocol):
    made = make(protocol)
    assert made.label[0].tolist() == [0, 0, 0, 1, 1, 2, 0, 1, -1, -1]
    assert made.label[2].tolist() == [0, -1, -1, 1, 1, 2, -1, -1, 2, 2]


def test_refit_takes_dev_in_and_test_not(protocol):
    both = members.merged(protocol)
    made = members.refit(make(both), np.array([1, 2, 3, 4]))
    assert sorted(made.train_index[2].tolist()) == [-1, -1, 0, 3, 4, 5, 8, 9]
    assert made.dev_index.tolist() == [[-1]] * 4
    assert made.epochs.tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(made.label, make(protocol).label)
    assert both.folds[0].test.tolist() == [8, 9]
    assert both.folds[0].train_speakers == ("a", "b")
