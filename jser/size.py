"""How large a configured system is: the parameters of all that answers for one fold and seed."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jser import systems
from jser.readouts import Readouts


def parameters(config: Any, network: Any, readouts: Readouts) -> int:
    """Parameters of the network, the stem and the read-outs of the sum.

    Kernels and intercepts are counted. Mean, deviation and principal components are not: they are
    statistics of the training utterances, and labels have no part in them.

    Args:
        config: of the system.
        network: parameters of one member, the blocks of its stem that are tuned end to end among
            them.
        readouts: of all folds; one fold's are counted.
    """
    beside = readouts.together[0].values() if readouts.together else ()
    return (
        sum(np.size(leaf) for leaf in jax.tree.leaves(network))
        + sum(readout.kernel.size + readout.bias.size for readout in beside)
        + systems.get(config.system).frozen_parameters(config)
    )
