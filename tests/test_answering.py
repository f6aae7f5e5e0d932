"""From members to answers: votes by hand, and a read-out fitted on a member's own utterances."""

import numpy as np

from jser import answering


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
