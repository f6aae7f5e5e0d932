"""DNN-ELM, what system B is compared with (Han, Yu and Tashev 2014; Lee and Tashev 2015).

jser train --config=dnn_elm:emodb --workdir=runs/dnn_elm

The descriptors and the loudest 30 % of segments are those of Lee and Tashev 2015, who train by SGD
with batches of 128 segments (here AdamW, and batches of utterances; rate and epochs are not known).
The machine is Han et al.'s; which one Lee and Tashev put behind their DNN is not known, and
--config.elm.kind=kernel is the one that they put behind their RNN.
"""

import ml_collections

from jser.configs import _elm, _on_frames

CORPORA = _on_frames.CORPORA
OWN = _on_frames.OWN


def get_config(corpus: str = "synthetic") -> ml_collections.ConfigDict:
    config = _elm.base(corpus, "dnn", "sigmoid")
    config.model = ml_collections.ConfigDict()
    config.model.dense = (256, 256, 256)
    config.model.context = 25  # frames of a segment
    config.model.percent = 30  # loudest segments used; 10 in Han et al. 2014
    config.model.theta = 0.2
    config.batch_size = 16  # utterances
    config.epochs = 20
    config.hyper.learning_rate = 1e-3
    config.hyper.dropout = 0.0  # none is known of the papers
    return config
