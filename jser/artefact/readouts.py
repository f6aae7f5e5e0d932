"""Read-outs that are fitted behind a network, as functions that can be traced: `FittedReadout`s.

The machines themselves are float64 on the host; here they are float32, and the parity of an export
says whether that is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jser.errors import InputError
from jser.systems.contract import FittedReadout
from jser.training import elm, svm

_HIGHEST = jax.lax.Precision.HIGHEST


class Traced(NamedTuple):
    """A read-out.

    Attributes:
        weights: arrays by name.
        function: (weights, rows float32 [B, E]) -> shares [B, K].
    """

    weights: dict[str, np.ndarray]
    function: Callable[[Any, jax.Array], jax.Array]


def traced(fitted: FittedReadout) -> Traced:
    """A fitted read-out as a pure function and its weights.

    Raises:
        InputError: it is none of those that can be exported.
    """
    if isinstance(fitted, elm.Judge) and isinstance(fitted.machine, elm.KernelElm):
        return _kernel_elm(fitted.machine)
    if isinstance(fitted, elm.Judge) and isinstance(fitted.machine, elm.SigmoidElm):
        return _sigmoid_elm(fitted.machine)
    if isinstance(fitted, svm.Svm):
        return _svm(fitted)
    raise InputError(f"a read-out of the kind {type(fitted).__name__} cannot be exported")


def _float32(**arrays: np.ndarray) -> dict[str, np.ndarray]:
    return {name: np.asarray(array, np.float32) for name, array in arrays.items()}


def _matmul(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.matmul(a, b, precision=_HIGHEST)


def _kernel_elm(machine: elm.KernelElm) -> Traced:
    scaling = machine.scaling
    weights = _float32(mean=scaling.mean, scale=scaling.scale, rows=machine.rows, dual=machine.dual)
    width = machine.rows.shape[1] * machine.width**2

    def function(w: Any, x: jax.Array) -> jax.Array:
        z = (x - w["mean"]) * w["scale"]
        # Differences, not products: near rows lose no digits.
        apart = jnp.square(z[:, None] - w["rows"]).sum(-1)
        return _above_lowest(_matmul(jnp.exp(-apart / width), w["dual"]))

    return Traced(weights, function)


def _sigmoid_elm(machine: elm.SigmoidElm) -> Traced:
    scaling = machine.scaling
    weights = _float32(
        mean=scaling.mean,
        scale=scaling.scale,
        kernel=machine.kernel,
        bias=machine.bias,
        output=machine.output,
    )

    def function(w: Any, x: jax.Array) -> jax.Array:
        hidden = jax.nn.sigmoid(_matmul((x - w["mean"]) * w["scale"], w["kernel"]) + w["bias"])
        return _above_lowest(_matmul(hidden, w["output"]))

    return Traced(weights, function)


def _above_lowest(scores: jax.Array) -> jax.Array:
    """`elm.shares`."""
    above = scores - scores.min(1, keepdims=True)
    total = above.sum(1, keepdims=True)
    return jnp.where(total > 0, above / jnp.where(total > 0, total, 1), 1 / scores.shape[1])


def _svm(machine: svm.Svm) -> Traced:
    weights = _float32(
        mean=machine.mean,
        scale=machine.scale,
        support=machine.support,
        coefficient=machine.coefficient,
        intercept=machine.intercept,
    )
    edges = np.concatenate([[0], np.cumsum(machine.count)])
    k = len(machine.count)
    pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]

    def function(w: Any, x: jax.Array) -> jax.Array:
        z = (x - w["mean"]) * w["scale"]
        kernel = _matmul(z, w["support"].T) / z.shape[1]
        if machine.gamma:
            own, theirs = jnp.square(z).mean(1), jnp.square(w["support"]).mean(1)
            apart = jnp.maximum(own[:, None] + theirs - 2 * kernel, 0)
            kernel = jnp.exp(-machine.gamma * apart)
        votes = [jnp.zeros(x.shape[0], jnp.float32)] * k
        sums = list(votes)
        for column, (i, j) in enumerate(pairs):
            of_i, of_j = slice(edges[i], edges[i + 1]), slice(edges[j], edges[j + 1])
            decision = (
                _matmul(kernel[:, of_i], w["coefficient"][j - 1, of_i])
                + _matmul(kernel[:, of_j], w["coefficient"][i, of_j])
                + w["intercept"][column]
            )
            votes[i] = votes[i] + (decision > 0)
            votes[j] = votes[j] + (decision <= 0)
            sums[i], sums[j] = sums[i] + decision, sums[j] - decision
        found = [v + s / (3 * (jnp.abs(s) + 1)) for v, s in zip(votes, sums, strict=True)]
        shares = jax.nn.softmax(machine.sharpness * jnp.stack(found, axis=1), axis=1)
        # Classes without rows have nothing.
        there = np.eye(machine.n_classes, dtype=np.float32)[machine.classes]
        return _matmul(shares, there)

    return Traced(weights, function)
