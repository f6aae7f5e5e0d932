"""Which utterances the members of an ensemble hear."""

import numpy as np
import pytest

from jser.errors import InputError
from jser.protocols import Fold, Protocol
from jser.training import ensemble, members
from jser.training.ensemble import Bags

LABEL = np.array([0] * 9 + [1] * 4 + [2] * 6)


def counts(places):
    return np.bincount(LABEL[places]).tolist()


def test_bagging_is_balanced_and_repeats():
    found = ensemble.samples(LABEL, Bags("bagging", 5), seed=0)
    assert [counts(places) for places in found] == [[4, 4, 4]] * 5
    assert any(len(np.unique(places)) < 12 for places in found)
    assert len({np.sort(places).tobytes() for places in found}) == 5


def test_redagging_repeats_nothing_and_hears_all_equally_often():
    found = ensemble.samples(LABEL, Bags("redagging", 9), seed=0)
    assert [counts(places) for places in found] == [[4, 4, 4]] * 9
    heard = np.bincount(np.concatenate(found), minlength=len(LABEL))
    # 36 draws of each class: 4 of each of nine, 9 of each of four, 6 of each of six.
    assert heard.tolist() == [4] * 9 + [9] * 4 + [6] * 6
    for places in found:
        assert len(np.unique(places)) == 12, "none is there twice"
    # Where the members' draws are no whole number of permutations, some are heard once more.
    heard = np.bincount(np.concatenate(ensemble.samples(LABEL, Bags("redagging", 4), seed=0)))
    assert set(heard[:9]) == {1, 2}


def test_augagging_adds_one_that_hears_all():
    *bags, last = ensemble.samples(LABEL, Bags("augagging", 4), seed=3)
    assert [counts(places) for places in bags] == [[4, 4, 4]] * 3
    assert counts(last) == [9, 9, 9]
    assert set(last) == set(range(len(LABEL)))


def test_seeds_draw_anew_and_again():
    for method in ensemble.METHODS[1:]:
        one, again, other = (
            np.concatenate(ensemble.samples(LABEL, Bags(method, 3), seed)) for seed in (0, 0, 1)
        )
        np.testing.assert_array_equal(one, again)
        assert one.tobytes() != other.tobytes()


@pytest.mark.parametrize(
    ("method", "size", "sentence"),
    [
        ("boosting", 3, "'boosting' is none of none, bagging, redagging, augagging"),
        ("none", 3, "3 members without a method"),
        ("bagging", 1, "1 is no ensemble"),
    ],
)
def test_impossible_ensembles(method, size, sentence):
    with pytest.raises(InputError, match=sentence):
        Bags(method, size)


def test_members_of_an_ensemble():
    """An ensemble a fold and seed; a member hears its own sample and is chosen by the same dev."""
    label, places = np.arange(60) % 4, np.arange(60)
    parts = [np.flatnonzero(places // 20 == k) for k in range(3)]
    folds = [
        Fold(str(k), parts[(k + 2) % 3], parts[(k + 1) % 3], parts[k], (), (), ()) for k in range(3)
    ]
    protocol = Protocol("three", tuple(folds), "speaker", None, "by hand")
    made = members.Design(
        (0, 1), ({"learning_rate": 0.1},), (True,),
        n_copies=0, balance=members.Balance(), epochs=1, bags=Bags("bagging", 3),
    ).members(label, protocol, width=2)  # fmt: skip
    assert len(made) == 3 * 2 * 3
    assert made.bag.tolist() == [0, 1, 2] * 6
    assert made.seed.tolist() == ([0] * 3 + [1] * 3) * 3
    assert made.fold.tolist() == [0] * 6 + [1] * 6 + [2] * 6
    for p, k in enumerate(made.fold):
        fold = protocol.folds[k]
        rows = made.train_index[p][made.train_index[p] >= 0]
        assert set(rows) <= set(fold.train)
        assert set(made.dev_index[p][made.dev_index[p] >= 0]) == set(fold.dev)
        assert (made.label[p][fold.test] == -1).all()
    assert len({np.sort(rows).tobytes() for rows in made.train_index}) == len(made)
