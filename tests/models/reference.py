"""Layers of one utterance as papers write them: plain loops in float64, without padding.

An utterance is as long as it is, [T, F, C] as a picture and [S, D] as steps, so that what a model
makes of padding cannot enter.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np


def float64(variables: Any) -> tuple[Any, Any]:
    """Parameters and running statistics of a model's variables."""
    made = jax.tree.map(lambda a: np.asarray(a, np.float64), variables)
    return made["params"], made["batch_stats"]


def picture(x: np.ndarray, first: int, mels: int, channels: int) -> np.ndarray:
    """[T, mels, channels] of columns [T, D]: bands of the first channel, then of the next."""
    planes = [x[:, first + c * mels : first + (c + 1) * mels] for c in range(channels)]
    return np.stack(planes, axis=-1).astype(np.float64)


def convolution(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """[T, F, C] by a kernel [t, f, C, C'], t and f odd, with zeros around: [T, F, C']."""
    t, f = kernel.shape[:2]
    out = np.zeros((*x.shape[:2], kernel.shape[-1]))
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            for a in range(t):
                for b in range(f):
                    m, n = i + a - t // 2, j + b - f // 2
                    if 0 <= m < x.shape[0] and 0 <= n < x.shape[1]:
                        out[i, j] += x[m, n] @ kernel[a, b]
    return out


def batch_norm(params: Any, stats: Any, x: np.ndarray) -> np.ndarray:
    """By the running statistics, features last."""
    unit = (x - stats["mean"]) / np.sqrt(stats["var"] + 1e-5)
    return unit * params["scale"] + params["bias"]


def max_pool(x: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    """The largest value of each window side by side; the last of a row may reach over the edge."""
    t, f = window
    return np.array(
        [
            [x[i : i + t, j : j + f].max((0, 1)) for j in range(0, x.shape[1], f)]
            for i in range(0, x.shape[0], t)
        ]
    )


def dense(params: Any, x: np.ndarray) -> np.ndarray:
    """An affine map, or a linear one where there is no bias."""
    return x @ params["kernel"] + params.get("bias", 0.0)


def lstm(params: Any, x: np.ndarray) -> np.ndarray:
    """States [S, H] of one layer over [S, D]."""
    h = c = np.zeros(len(params["recurrent"]))
    out = []
    for row in x:
        gates = row @ params["kernel"] + params["bias"] + h @ params["recurrent"]
        i, f, g, o = np.split(gates, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        out.append(h)
    return np.array(out)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Logistic function."""
    return 1 / (1 + np.exp(-x))


def relu(x: np.ndarray, slope: float = 0.0) -> np.ndarray:
    """Rectifier, or a leaky one."""
    return np.where(x > 0, x, slope * x)


def elu(x: np.ndarray) -> np.ndarray:
    """Exponential linear unit (Clevert et al. 2016)."""
    return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)
