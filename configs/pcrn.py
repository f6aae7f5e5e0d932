"""E: PCRN, an LSTM over descriptors in parallel with a CNN over log-Mel (Jiang et al. 2019).

jser train --config=pcrn:emodb --workdir=runs/pcrn
jser train --config=pcrn:emodb --workdir=runs/pcrn_lstm --config.model.branches=lstm

The two branches, the three channels, the fusion and its batch normalisation are the paper's; all
else is a choice of ours, with widths that a CPU can cross-validate.
"""

import ml_collections

from jser.configs import _on_frames

CORPORA = _on_frames.CORPORA
OWN = _on_frames.OWN


def get_config(corpus: str = "synthetic") -> ml_collections.ConfigDict:
    config = _on_frames.base("pcrn", corpus)
    config.frames.by_length = False  # segments are of one length
    config.segments = ml_collections.ConfigDict()
    config.segments.frames = 300  # drawn in training; 0: whole utterances
    config.segments.shift = 150  # between segments in evaluation
    config.segments.pool = "mean"  # of segments' posteriors; max

    config.model = ml_collections.ConfigDict()
    config.model.branches = "both"  # lstm, cnn: an ablation
    config.model.mels = 64
    config.model.channels = 3  # 1: an ablation
    config.model.batch_norm = True  # of the fused features; False: an ablation
    config.model.lstm_units = 128
    config.model.lstm_layers = 1
    config.model.lstm_frames = 1  # frame by frame, as in the paper; more: averaged, and faster
    config.model.maps = (16, 32, 64)  # twice as wide where there is an accelerator
    config.model.kernel = (3, 3)
    config.model.cnn_units = 128
    config.model.momentum = 0.9  # of running statistics
    return config
