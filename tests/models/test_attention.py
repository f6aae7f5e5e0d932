"""Attention pooling by hand, and its blindness to padding."""

import jax
import numpy as np
import pytest

from jser.models.attention import AttentionPooling, masked_softmax

KINDS = ["learned", "self", "mean"]


def test_masked_softmax_by_hand():
    out = masked_softmax(np.log(np.array([[1.0, 3.0, 100.0]])), np.array([[True, True, False]]))
    np.testing.assert_allclose(out, [[0.25, 0.75, 0.0]], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_sum_to_one_and_padding_is_not_read(kind):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 6, 4)).astype(np.float32)
    length = np.array([6, 2, 1])
    model = AttentionPooling(kind=kind)
    params = model.init(jax.random.key(0), x, length)
    pooled, alpha = model.apply(params, x, length)
    np.testing.assert_allclose(alpha.sum(1), 1, atol=1e-6)
    assert (np.asarray(alpha)[1, 2:] == 0).all()
    longer = np.concatenate([x, np.full((3, 3, 4), 50, np.float32)], axis=1)
    longer[1, 2:] = -70
    again, _ = model.apply(params, longer, length)
    np.testing.assert_allclose(again, pooled, atol=1e-5)


def test_learned_attention_by_hand():
    x = np.array([[[1.0, 0.0], [0.0, 2.0]]], np.float32)
    params = {
        "params": {
            "score": {"kernel": np.float32([[np.log(3.0)], [0.0]]), "bias": np.float32([0.7])}
        }
    }
    pooled, alpha = AttentionPooling().apply(params, x, np.array([2]))
    np.testing.assert_allclose(alpha, [[0.75, 0.25]], atol=1e-6)
    np.testing.assert_allclose(pooled, [[0.75, 0.5]], atol=1e-6)


def test_mean_pooling_by_hand():
    x = np.array([[[1.0], [3.0], [99.0]]], np.float32)
    pooled, _ = AttentionPooling(kind="mean").apply({}, x, np.array([2]))
    np.testing.assert_allclose(pooled, [[2.0]])


def test_unknown_kind():
    with pytest.raises(ValueError, match="none of learned, self, mean"):
        AttentionPooling(kind="soft").init(
            jax.random.key(0), np.zeros((1, 1, 1), np.float32), np.array([1])
        )
