"""A last layer on every step; what stands on tuned blocks is tested in tests/training."""

import jax
import jax.numpy as jnp
import numpy as np

from jser.models.tuned_stem import StepClassifier
from jser.training import objectives

HYPER = {"dropout": 0.5}


def test_step_classifier_is_trained_step_by_step():
    """The loss is the mean of the steps' losses, the answer their mean log-posterior."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 4, 5)).astype(np.float32)
    length = np.array([4, 2])
    model = StepClassifier(3)
    params = model.init(jax.random.key(0), x, length, None, HYPER, False)["params"]
    logp, alpha = model.apply({"params": params}, x, length, None, HYPER, False)
    kernel, bias = (np.asarray(params["output"][n], float) for n in ("kernel", "bias"))
    z = x @ kernel + bias
    each = z - np.log(np.exp(z).sum(-1, keepdims=True))
    wanted = np.stack([each[0].mean(0), each[1, :2].mean(0)])
    np.testing.assert_allclose(logp, wanted, rtol=1e-5)
    np.testing.assert_allclose(alpha, [[0.25] * 4, [0.5, 0.5, 0, 0]])
    target = objectives.targets(jnp.array([2, 0]), 3)
    found = objectives.cross_entropy(logp, target, jnp.ones(2), normalised=True)
    by_step = [-each[0, :, 2].mean(), -each[1, :2, 0].mean()]
    np.testing.assert_allclose(found, np.mean(by_step), rtol=1e-5)
    # Behind a linear layer the ReLU comes first.
    rectified, _ = StepClassifier(3, rectify=True).apply(
        {"params": params}, x, length, None, HYPER, False
    )
    same, _ = model.apply({"params": params}, np.maximum(x, 0), length, None, HYPER, False)
    np.testing.assert_array_equal(rectified, same)
