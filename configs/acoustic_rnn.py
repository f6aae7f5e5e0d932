"""G: acoustic descriptors, chosen inside the training fold, through an LSTM (Byun and Lee 2021).

jser train --config=acoustic_rnn:emodb --workdir=runs/acoustic_rnn

The paper names its features by kind and that they are chosen by statistical analysis; the list,
the test and the sizes are choices of ours.
"""

import ml_collections

from jser.configs import _on_frames

CORPORA = _on_frames.CORPORA
OWN = _on_frames.OWN


def get_config(corpus: str = "synthetic") -> ml_collections.ConfigDict:
    config = _on_frames.base("acoustic_rnn", corpus)
    config.selection = ml_collections.ConfigDict()
    config.selection.choose = True  # False: all 48 descriptors
    config.selection.test = "anova"  # anova, kruskal
    config.selection.level = 0.05  # of the familywise error, after Holm's correction
    config.selection.correlation = 0.9  # of two columns above it, one goes

    config.model = ml_collections.ConfigDict()
    config.model.lstm = (128, 128)  # units of each layer
    config.model.dense = (64,)
    config.hyper.dropout = 0.3
    return config
