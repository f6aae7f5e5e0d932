"""F: 3-D ACRNN (Chen et al. 2018), alone or as an ensemble (Ai X. et al. 2020).

jser train --config=acrnn:emodb --workdir=runs/acrnn
jser train --config=acrnn:emodb --workdir=runs/redagging --config.ensemble.method=redagging \
    --config.ensemble.size=5

Sizes that a CPU can cross-validate; `acrnn_paper` has the paper's. As in the paper each recording
is scaled to mean 0 and variance 1 before log-Mel, of several corpora too; the fold's training
frames give each band's mean and deviation.
"""

import ml_collections

from jser.configs import _on_frames
from jser.sweep import space

CORPORA = _on_frames.CORPORA
OWN = _on_frames.OWN


def get_config(corpus: str = "synthetic") -> ml_collections.ConfigDict:
    config = _on_frames.base("acrnn", corpus)
    config.frames.level = "variance"  # as in the paper; recorded, peak
    config.frames.by_length = False  # segments are of one length
    config.segments = ml_collections.ConfigDict()
    config.segments.frames = 300  # 3 s, as in the paper; 0: whole utterances
    config.segments.shift = 300  # between segments in evaluation; not given in the paper
    config.segments.pool = "max"  # of segments' posteriors, as in the paper; mean

    config.ensemble = ml_collections.ConfigDict()
    config.ensemble.method = "none"  # bagging, redagging, augagging
    config.ensemble.size = 1  # members that vote; not known to us

    config.model = ml_collections.ConfigDict()
    config.model.mels = 40  # as in the paper
    config.model.channels = 3  # static, delta, delta-delta; 1: the paper's 2-D ACRNN
    config.model.first_maps = 16  # the paper: 128
    config.model.later_maps = 32  # the paper: 256
    config.model.depth = 3  # convolutions; the paper: 6 on IEMOCAP, 5 on EMO-DB
    config.model.kernel = (5, 3)  # frames and bands, as in the paper
    config.model.pool = (2, 4)  # the paper: 2, 2; its authors' code: 2, 4
    config.model.slope = 0.01  # of the leaky ReLU; authors' code, not given in the paper
    config.model.linear = 128  # the paper: 768
    config.model.linear_norm = False  # as in the paper; True: authors' code
    config.model.units = 64  # a direction; the paper: 128
    config.model.attention = "learned"  # as in the paper; ablations: mean, self
    config.model.hidden = 64  # as in the paper
    config.model.hidden_norm = True  # as in the paper; False: authors' code
    config.model.momentum = 0.9  # of running statistics; not given in the paper

    config.population.lstm = "auto"  # scan, cudnn; auto: by device

    config.batch_size = 40  # segments, as in the paper; here one of each utterance an epoch
    # Ours. Rate: the paper 1e-4, authors' code 1e-5; no dropout in their code.
    config.hyper.learning_rate = 1e-3
    config.hyper.dropout = 0.3
    return config


def sweep() -> dict[str, space.Distribution]:
    """What `jser sweep` tries: all of it numbers that one compiled program takes as data."""
    return {
        "hyper.learning_rate": space.log_uniform(1e-4, 5e-3),
        "hyper.weight_decay": space.log_uniform(1e-3, 0.3),
        "hyper.dropout": space.uniform(0.0, 0.6),
        "balance.class_weights": space.choice(True, False),
    }
