"""F: 3-D ACRNN with the sizes of Chen et al. 2018, for a machine with an accelerator.

jser train --config=acrnn_paper:emodb --workdir=runs/acrnn_paper

One dev speaker and five seeds are the paper's protocol, in which each of its ten folds has one of
EMO-DB's or IEMOCAP's speakers as test. Not the paper's: random segments in training.
"""

import ml_collections

from jser.configs import acrnn

CORPORA = acrnn.CORPORA
OWN = acrnn.OWN


def get_config(corpus: str = "synthetic") -> ml_collections.ConfigDict:
    config = acrnn.get_config(corpus)
    config.model.first_maps = 128
    config.model.later_maps = 256
    config.model.depth = 6 if corpus.startswith("iemocap") else 5
    config.model.pool = (2, 2)
    config.model.linear = 768
    config.model.units = 128

    config.dev_speakers = 1
    config.seeds = (0, 1, 2, 3, 4)
    config.balance.class_weights = False  # plain cross-entropy
    config.epochs = 50  # not given in the paper; dev chooses
    config.optimiser = "nadam"  # Adam with Nesterov's momentum of 0.9, as in the paper
    config.schedule = "constant"  # the paper calls its rate initial; that it falls is not known
    config.hyper.learning_rate = 1e-4
    config.hyper.warmup = 0.0
    config.hyper.clip = 1e6  # none is known of the paper
    config.hyper.dropout = 0.0
    return config
