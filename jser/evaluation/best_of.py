"""What tuning is worth: the expected best of n trials (Dodge et al. 2019, "Show Your Work")."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def expected_best(values: Sequence[float], most: int | None = None) -> list[float]:
    """The expected maximum of n draws from the trials that were observed, n = 1 .. most.

    With the empirical distribution in place of the unknown one (Dodge et al. 2019, eq. 7): draws
    are with replacement, and the i-th smallest of N values is the largest of n draws with
    probability (i / N)^n - ((i - 1) / N)^n. It estimates what n random trials would find where the
    values are of a random search. Of a sampler that learns from its trials it says what was seen,
    and of no other search.

    Args:
        values: of the N trials.
        most: n, at most; None: N. Beyond N nothing is known.

    Returns:
        [most].
    """
    ranked = np.sort(np.asarray(values, np.float64))
    n = len(ranked)
    draws = np.arange(1, (n if most is None else most) + 1)[:, None]
    below = np.arange(n + 1) / n
    weight = np.diff(below[None, :] ** draws, axis=1)
    return [float(x) for x in weight @ ranked]
