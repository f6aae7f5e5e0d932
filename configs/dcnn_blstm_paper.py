"""As near to Zhang H. et al. 2021 as can be told: fc7 of segments, two stages, self-attention.

jser weights alexnet && jser build emodb
jser train --config=dcnn_blstm_paper:emodb --workdir=runs/paper

Only what differs from dcnn_blstm is set here. Sources, and what is not known: docs/system_a.md.
fc6 and fc7 are 54 million weights a member: a machine with an accelerator, or fewer --config.seeds.
"""

import ml_collections

from jser.configs import dcnn_blstm

CORPORA = dcnn_blstm.CORPORA
OWN = dcnn_blstm.OWN


def get_config(corpus: str = "emodb") -> ml_collections.ConfigDict:
    config = dcnn_blstm.get_config(corpus)
    # Figure 1: segments of 64 frames, 227 pixels, N x 4096 of AlexNet; third-party code: of its
    # second dense layer.
    config.stem.net = "alexnet"
    config.stem.picture = "segments"
    config.stem.taps = ("fc7",)
    config.stem.trim_db = 0.0
    config.components = 0
    # Fine-tuned in third-party code; from where in the paper is not known. The convolutions stay.
    config.stem.train_from = "fc6"
    config.stem.tuning = "two_stage"
    # Ours: without it features of training clips are over-fitted. Four speakers leave two to train.
    config.stem.cross_fit = 2 if corpus in ("casia", "savee") else 3
    config.refit = False
    config.readout.views = ()

    # Data enhancement and balancing are in the abstract; their kind is our guess.
    config.augment.copies = ("noise", "speed")
    config.augment.draw = False
    config.balance.class_weights = False
    config.balance.augment = True

    # SGD 1e-3, about 30 segments a step: third-party code of the ancestor (Zhang S. et al. 2018).
    config.tune.epochs = 30
    config.tune.batch_size = 4
    config.tune.optimiser = "sgd"
    config.tune.hyper.learning_rate = 1e-3

    config.model.attention = "self"  # both third-party readings
    config.model.dense = (512, 256, 256)  # an inference from both
    config.model.linear_path = False
    config.mixup = False
    config.epochs = 30
    config.patience = 0  # epochs without a better one on dev that end a training; 0: all epochs
    config.hyper.learning_rate = 1e-4  # Adam, in both; in one of them the CNN's
    config.hyper.dropout = 0.25
    config.hyper.input_dropout = 0.0
    config.hyper.label_smoothing = 0.0
    config.hyper.average = 0.0
    return config
