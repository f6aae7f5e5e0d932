"""D: four convolutions, an LSTM and two dense layers over spectrograms (Qazi and Kaushik 2020).

jser train --config=conv_lstm:savee --workdir=runs/conv_lstm
jser train --config=conv_lstm:savee --workdir=runs/conv_lstm_random --config.protocol=random:10

The paper's protocol is not known to us, and its accuracy is more likely that of a split by
utterance (`random:10`) than by speaker: report both. Kinds and numbers of layers are the paper's,
all other fields choices of ours, with widths that a CPU can cross-validate.
"""

import ml_collections

from jser.configs import _on_frames

CORPORA = _on_frames.CORPORA
OWN = _on_frames.OWN


def get_config(corpus: str = "synthetic") -> ml_collections.ConfigDict:
    config = _on_frames.base("conv_lstm", corpus)
    config.frames.by_length = False  # segments are of one length
    config.segments = ml_collections.ConfigDict()
    config.segments.frames = 300  # drawn in training; 0: whole utterances
    config.segments.shift = 150  # between segments in evaluation
    config.segments.pool = "mean"  # of segments' posteriors; max

    config.model = ml_collections.ConfigDict()
    config.model.mels = 64
    config.model.channels = 1  # the static spectrogram; 3: with its deltas
    config.model.maps = (32, 32, 64, 64)  # twice as wide where there is an accelerator
    config.model.kernel = (3, 3)
    config.model.pool_time = (2, 4, 4, 1)  # of 300 frames 10 steps are left
    config.model.pool_bands = (2, 2, 4, 4)  # of 64 bands one is left
    config.model.units = 128
    config.model.dense = (128,)  # and the output
    config.model.momentum = 0.9  # of running statistics

    config.hyper.conv_dropout = 0.1  # behind the last block: none before a normalisation
    return config
