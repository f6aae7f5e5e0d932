"""Random splits of pictures: shares, classes, what stays together, and what leaks elsewhere."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from jser import protocols
from jser.errors import InputError
from jser.protocols import pictures
from tests.protocols.made import FakeCorpus, fake


@dataclass(frozen=True)
class FakePictures(FakeCorpus):
    things: str = "pictures"
    audit: dict[str, Any] = field(default_factory=dict)


def gallery(counts: tuple[int, ...], near: list[tuple[int, int]] = (), **change) -> FakePictures:
    """`counts` pictures of each class, in order; pairs of `near` are nearly equal."""
    n = sum(counts)
    ids = np.asarray([f"p{i:04d}" for i in range(n)])
    fields: dict[str, Any] = {
        "name": "gallery",
        "classes": tuple(f"class{k}" for k in range(len(counts))),
        "sex": {},
        **{name: np.full(n, "") for name in ("speaker", "session", "text_id", "split")},
        "label": np.repeat(np.arange(len(counts)), counts).astype(np.int32),
        "pcm_sha256": np.asarray([f"pixels of {i}" for i in ids]),
        "utterance_id": ids,
        "audit": {"near_duplicates": [[ids[a], ids[b], 3] for a, b in near]},
    }
    return FakePictures(**{**fields, **change})


def parts_of(fold: protocols.Fold, n: int) -> np.ndarray:
    """Of each picture the part that it lies in: 0 train, 1 dev, 2 test."""
    part = np.full(n, -1)
    for k, index in enumerate((fold.train, fold.dev, fold.test)):
        assert (part[index] == -1).all()
        part[index] = k
    assert (part >= 0).all()
    return part


def test_the_split_of_fi_in_its_published_numbers() -> None:
    """23,164 pictures: 18,532, 1,158 and 3,474, but for what rounding class by class moves."""
    corpus = gallery((4942, 1266, 3151, 5374, 1658, 2963, 1032, 2778))
    protocol = protocols.make("picture_split", corpus)
    (fold,) = protocol.folds
    sizes = [len(fold.train), len(fold.dev), len(fold.test)]
    np.testing.assert_allclose(sizes, [18532, 1158, 3474], atol=4)
    part = parts_of(fold, len(corpus.label))
    for k in range(8):
        mine = part[corpus.label == k]
        shares = [np.mean(mine == p) for p in range(3)]
        np.testing.assert_allclose(shares, [0.8, 0.05, 0.15], atol=1e-3)
    assert (protocol.by, protocol.leak, protocol.name) == ("picture", None, "picture_split")
    assert "none is twice; seed 0" in protocol.description


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("counts", [(101, 77, 8, 30), (5, 5), (40, 3, 3)])
def test_folds_by_class(counts: tuple[int, ...], seed: int) -> None:
    corpus = gallery(counts)
    protocol = protocols.make("picture_k_fold:5", corpus, seed=seed)
    part = np.array([parts_of(fold, len(corpus.label)) for fold in protocol.folds])
    assert ((part == 2).sum(0) == 1).all()
    for k, n in enumerate(counts):
        mine = part[:, corpus.label == k]
        tested = (mine == 2).sum(1)
        assert tested.max() - tested.min() <= 1
        dev = (mine == 1).sum(1)
        np.testing.assert_array_equal(dev, np.maximum(1, np.round((n - tested) / 10)))
        assert ((mine == 0).sum(1) > 0).all()
    sizes = (part == 2).sum(1)
    assert sizes.max() - sizes.min() <= 1
    again = protocols.make("picture_k_fold:5", corpus, seed=seed)
    assert again.folds_hash() == protocol.folds_hash()
    other = protocols.make("picture_k_fold:5", corpus, seed=seed + 1)
    assert other.folds_hash() != protocol.folds_hash()


@pytest.mark.parametrize("name", ["picture_split", "picture_k_fold:3"])
def test_equal_nearly_equal_and_one_hand_stay_together(name: str) -> None:
    """Ties chain: 0 ~ 1 = 2, 2 of one author with 30; 40 to 45 are of one session."""
    counts = (25, 25, 25)
    corpus = gallery(counts, near=[(0, 1), (7, 60)])
    corpus.pcm_sha256[2] = corpus.pcm_sha256[1]
    speaker = corpus.speaker.astype("<U4")
    speaker[[2, 30]] = "anna"
    session = corpus.session.astype("<U4")
    session[40:46] = "roll"
    corpus = replace(corpus, speaker=speaker, session=session)
    for seed in range(8):
        protocol = protocols.make(name, corpus, seed=seed)
        for fold in protocol.folds:
            part = parts_of(fold, 75)
            assert len(set(part[[0, 1, 2, 30]])) == 1
            assert part[7] == part[60]
            assert len(set(part[40:46])) == 1
        made = protocols.certificate(corpus, protocol)
        assert made.leak is None
        assert made.found == ()
        assert made.near_duplicates == {"train_dev": 0, "train_test": 0, "dev_test": 0}
        assert "12 pictures that are or nearly are another stay" in protocol.description
        assert any("Nobody knows who took or painted" in line for line in made.warnings)


def test_the_certificate_finds_what_was_torn_apart() -> None:
    corpus = gallery((20, 20), near=[(0, 1), (2, 3)])
    corpus.pcm_sha256[5] = corpus.pcm_sha256[1]
    protocol = protocols.make("picture_k_fold:4", corpus)
    fold = protocol.folds[0]
    everything = np.arange(40)
    # 0 is tested, 1 and its equal are not; 2 and 3 are together.
    torn = protocols.Fold("1", everything[1:30], everything[30:], np.array([0]), (), (), ())
    assert pictures.near_across(corpus, torn)["train_test"] == {(0, 1)}
    # The equal one alone is in dev: what is near to the one is near to the other.
    rest = np.setdiff1d(everything, [0, 5])
    torn = protocols.Fold("1", rest[:30], np.append(rest[30:], 5), np.array([0]), (), (), ())
    assert pictures.near_across(corpus, torn)["dev_test"] == {(0, 1)}
    with pytest.raises(protocols.LeakError, match="dev and test share 1 near-duplicates"):
        protocols.certificate(corpus, replace(protocol, folds=(torn,)))
    with pytest.raises(protocols.LeakError, match=r"share 1 pictures.*choose picture_k_fold:K"):
        protocols.certificate(corpus, replace(protocol, folds=(torn,), by="split"))
    assert len(fold.test) == 10


def test_elsewhere_nearly_equal_pictures_are_counted_and_not_refused() -> None:
    corpus = gallery((20, 20), near=[(0, 1)])
    split = np.array(["train"] * 10 + ["dev"] * 5 + ["test"] * 5 + ["train"] * 15 + ["test"] * 5)
    split[[0, 1]] = "train", "test"
    corpus = replace(corpus, split=split)
    made = protocols.certificate(corpus, protocols.make("published_split", corpus))
    assert made.near_duplicates == {"train_dev": 0, "train_test": 1, "dev_test": 0}
    assert made.leak is None
    assert made.of_pictures
    assert not protocols.certificate(fake(), protocols.make("random:3", fake())).of_pictures


@pytest.mark.parametrize(
    ("corpus", "name", "said"),
    [
        (fake(), "picture_k_fold:3", "is for corpora of pictures, and fake has recordings"),
        (gallery((2, 2)), "picture_k_fold:5", "4 groups of pictures .* leave train, dev or test"),
        (gallery((1, 1)), "picture_split", "leave train, dev or test of fold 1 empty"),
        (gallery((9, 9)), "leave_one_speaker_out", "no author, so .* use picture_k_fold:K"),
    ],
)
def test_what_cannot_be_split(corpus: FakeCorpus, name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        protocols.make(name, corpus)


def test_the_test_chooses_the_epoch_of_pictures_too() -> None:
    protocol = protocols.make("picture_k_fold:4+test_selects", gallery((20, 20)))
    np.testing.assert_array_equal(protocol.folds[0].dev, protocol.folds[0].test)
