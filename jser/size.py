"""How large a configured system is: the parameters of all that answers for one fold and seed."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jser import two_stage
from jser.models import stems
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
        + _stem(config)
    )


def _stem(config: Any) -> int:
    """Of the blocks that the taps need, but for those that are the network's own."""
    net = stems.get(config.stem.net)
    needed = net.needed(config.stem.taps)
    if not config.stem.train_from:
        return net.count(needed)
    first = net.index(config.stem.train_from)
    # Where something reads the frozen stem's features too, the tuned blocks are there twice.
    read = config.model.linear_path or {"stem", "narrow"} & set(config.readout.views)
    times = int(bool(read)) + int(two_stage.is_on(config))
    return net.count(needed[:first]) + times * net.count(needed[first:])
