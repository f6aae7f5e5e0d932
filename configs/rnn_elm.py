"""B: a BLSTM whose frame labels are random variables, and an ELM (Lee and Tashev 2015).

jser train --config=rnn_elm:emodb --workdir=runs/rnn_elm

Its twins in the paper: RNN(CE)-ELM is --config.model.labels=frames, the RNN alone
--config.elm.kind=none, DNN-ELM the config dnn_elm. Not given in the paper: optimiser, learning
rate, batch, epochs, and how the RNN alone decides.
"""

import ml_collections

from jser.configs import _elm, _on_frames

CORPORA = _on_frames.CORPORA
OWN = _on_frames.OWN


def get_config(corpus: str = "synthetic") -> ml_collections.ConfigDict:
    config = _elm.base(corpus, "rnn", "kernel")
    config.model = ml_collections.ConfigDict()
    config.model.units = 64  # a direction
    config.model.layers = 2
    config.model.labels = "chain"  # chain: Null, emotion, Null; frames: cross-entropy on each frame
    # The paper sums over frames. True: an utterance counts the same however long it is; learns
    # far more slowly (docs/system_b.md).
    config.model.per_frame = False
    config.model.theta = 0.2  # of the statistics, as in DNN-ELM
    config.model.null_statistics = False  # also statistics of Null's posterior
    config.segments = ml_collections.ConfigDict()  # around voiced regions, not given in the paper
    config.segments.shortest_gap = 10  # frames; a shorter gap in the voice is closed
    config.segments.shortest_region = 5  # frames; a shorter region is none
    config.batch_size = 16
    config.epochs = 20
    config.hyper.learning_rate = 2e-3
    config.hyper.dropout = 0.0  # none is known of the paper
    config.population.lstm = "auto"  # scan, cudnn; auto: by device
    return config
