"""A-conv: frozen ImageNet convolutions, BLSTM, attention (Zhang H. et al. 2021), and read-outs.

jser train --config=dcnn_blstm:ravdess --workdir=runs/ravdess

"""

import ml_collections

from jser.configs import _corpora
from jser.sweep import space

CORPORA = _corpora.CORPORA
OWN = _corpora.OWN


def get_config(corpus: str = "synthetic") -> ml_collections.ConfigDict:
    config, trim_db = _corpora.base("dcnn_blstm", corpus)
    # none, train, utterance, speaker_transductive, speaker_enrol:n
    config.normalisation = "train"
    config.refit = True  # train again on train + dev for the epochs that dev chose

    config.stem = ml_collections.ConfigDict()
    config.stem.net = "vgg16"  # the paper: alexnet; alexnet, vgg16, resnet18, efficientnet_lite0
    config.stem.weights = "imagenet"  # imagenet, random
    config.stem.seed = 0  # of random weights
    config.stem.picture = "utterance"  # utterance; segments: as in the paper, 64 frames resized
    config.stem.taps = ("conv3_3", "conv4_3")  # blocks of the net; the paper: fc7 of segments
    config.stem.pooled = True  # after the tap's max-pooling
    config.stem.scale = 1  # pixels a Mel band and frame (utterance)
    config.stem.input_size = 227  # pixels (segments)
    config.stem.window = 64  # frames pooled into one step (utterance)
    config.stem.shift = 32  # frames between steps or segments; literature: 30, 32 (segments)
    config.stem.pool = ("mean", "std", "max")  # over time; frequency is kept
    config.stem.channels = 3  # 3: with delta and delta-delta; 1: static alone
    # recorded; peak: each utterance's maximum at 0 dB. Between corpora, level is the microphone's
    # and the publisher's: EMO-DB's files are all at full scale, RAVDESS' calm ones 30 dB below it.
    config.stem.level = "peak" if "+" in corpus else "recorded"
    config.stem.range_db = (-60.0, 30.0)  # becomes 0 to 1 in the picture
    config.stem.delta_db = 6.0  # a frame; becomes 1
    config.stem.trim_db = trim_db  # 0: no trimming
    config.stem.train_from = ""  # first block that is tuned; empty: the stem is frozen
    config.stem.tuning = "end_to_end"  # two_stage: as in the paper's line; see config.tune
    config.stem.cross_fit = 3  # two_stage: groups of training speakers; 0: off
    config.components = 256  # principal components of a step's features, by fold; 0: all
    config.pooled_components = 512  # of the whole utterance's features (linear_path)

    config.augment = ml_collections.ConfigDict()
    # Of noise, speed, noise_speed, speed:FACTOR; needs records with waveforms.
    config.augment.copies = ("speed:0.9", "speed:1.1")
    # An epoch hears one version of an utterance, in each of two stages; False: all of them.
    config.augment.draw = True
    config.augment.snr_db = (15.0, 25.0)  # not given in the paper
    config.augment.speeds = (0.9, 1.1)  # not given in the paper
    config.augment.masking = False  # SpecAugment on the fly, by hyper.time_mask and frequency_mask
    config.augment.noise = False  # on the fly, at snr_db, where the first block is tuned

    config.balance = ml_collections.ConfigDict()  # one at a time
    config.balance.class_weights = True
    config.balance.oversample = False
    config.balance.augment = False

    config.model = ml_collections.ConfigDict()
    config.model.units = 128  # a direction; in two readings of the paper
    config.model.attention = "learned"  # learned, self, mean
    config.model.dense = (128,)  # not given in the paper
    config.model.linear_path = False  # ours: of the pooled features, inside the network

    # Ours: ridge read-outs of whole utterances, whose scores are added to the network's posterior.
    config.readout = ml_collections.ConfigDict()
    config.readout.views = ("stem", "narrow", "descriptors")  # (): the network alone
    config.readout.penalties = (0.03, 0.1, 0.3, 1.0)  # the fold's training speakers choose
    config.readout.sequence = 0.5  # weight of the network's posterior beside a read-out's 1

    config.batch_size = 32
    config.epochs = 20
    config.patience = 0  # epochs without a better one on dev that end a training; 0: all epochs
    config.mixup = True
    config.precision = "auto"  # of tuned blocks: bfloat16 on accelerators; float32, bfloat16
    config.hyper = ml_collections.ConfigDict()  # traced: a sweep compiles once
    config.hyper.learning_rate = 1e-3
    config.hyper.weight_decay = 0.05
    config.hyper.clip = 1.0
    config.hyper.warmup = 0.05  # share of all steps
    config.hyper.dropout = 0.5
    config.hyper.input_dropout = 0.5
    config.hyper.label_smoothing = 0.1
    config.hyper.average = 0.98  # decay of the weights' moving average, a step; 0: none
    config.hyper.mixup = 0.3  # alpha of Beta(alpha, alpha)
    config.hyper.stem_rate = 0.1  # tuned blocks learn this much slower than the rest
    config.hyper.stem_anchor = 1.0  # 1: decay pulls tuned blocks to their first weights; 0: to zero
    config.hyper.time_mask = 0.2  # widest stripe, share of an utterance
    config.hyper.frequency_mask = 0.2  # widest stripe, share of the bands
    config.hyper.noise_share = 0.5  # of training utterances that get noise on the fly

    config.tune = ml_collections.ConfigDict()  # the first of two stages
    config.tune.epochs = 10
    config.tune.batch_size = 8  # utterances; about 30 segments (the ancestor's batch)
    config.tune.optimiser = "sgd"  # sgd, adamw; SGD 1e-3 with momentum 0.9 is the ancestor's
    config.tune.hyper = ml_collections.ConfigDict()
    config.tune.hyper.learning_rate = 1e-3
    config.tune.hyper.momentum = 0.9
    config.tune.hyper.weight_decay = 5e-4
    config.tune.hyper.clip = 1.0
    config.tune.hyper.warmup = 0.05
    config.tune.hyper.dropout = 0.5
    config.tune.hyper.label_smoothing = 0.0
    config.tune.hyper.average = 0.0
    config.tune.hyper.stem_rate = 1.0
    config.tune.hyper.stem_anchor = 1.0
    config.tune.hyper.time_mask = 0.2
    config.tune.hyper.frequency_mask = 0.2
    config.tune.hyper.noise_share = 0.5

    config.population = ml_collections.ConfigDict()
    config.population.width = 0  # members of a block; 0: by device
    config.population.steps_per_call = 0  # 0: by device
    # Send features batch by batch instead of all at once: auto, where memory asks; always, never.
    config.population.stream = "auto"
    config.population.spread = 0
    # Compute a tuned stem's maps again for the gradient: auto, where memory asks; always, never.
    config.population.remat = "auto"
    config.population.lstm = "auto"  # scan, cudnn; auto: by device
    config.checkpoint = ml_collections.ConfigDict()
    config.checkpoint.every_seconds = 60.0
    return config


def sweep() -> dict[str, space.Distribution]:
    """What `jser sweep` tries: all of it numbers that one compiled program takes as data."""
    return {
        "hyper.learning_rate": space.log_uniform(2e-4, 5e-3),
        "hyper.weight_decay": space.log_uniform(3e-3, 0.3),
        "hyper.dropout": space.uniform(0.1, 0.7),
        "hyper.input_dropout": space.uniform(0.1, 0.7),
        "hyper.label_smoothing": space.uniform(0.0, 0.2),
        "hyper.mixup": space.uniform(0.1, 0.6),
    }
