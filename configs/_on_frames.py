"""What the configs of systems on frames share; each sets its model, and what its paper says."""

from __future__ import annotations

import ml_collections

from jser.configs import _corpora

CORPORA = _corpora.CORPORA
OWN = _corpora.OWN


def base(system: str, corpus: str) -> ml_collections.ConfigDict:
    """All fields but `model` and what only one system has."""
    config, trim_db = _corpora.base(system, corpus)
    # none, train, utterance, speaker_transductive, speaker_enrol:n
    config.normalisation = "train"
    config.refit = False  # B's and F's papers keep what dev chose; True: again on train + dev

    config.frames = ml_collections.ConfigDict()
    # recorded; peak: loudest at 0 dB; variance: each recording at mean 0 and variance 1
    config.frames.level = "peak" if "+" in corpus else "recorded"
    config.frames.trim_db = trim_db  # 0: no trimming
    config.frames.by_length = True  # a batch has utterances of like lengths: less padding

    config.balance = ml_collections.ConfigDict()  # one at a time
    config.balance.class_weights = True  # ours: no paper here is known to weight its loss
    config.balance.oversample = False
    config.balance.augment = False

    config.readout = ml_collections.ConfigDict()
    config.readout.views = ()  # nothing stands beside these systems
    config.readout.penalties = (0.03, 0.1, 0.3, 1.0)  # of the baseline's ridge

    config.optimiser = "adamw"  # adamw, nadam, sgd
    config.schedule = "cosine"  # of the rate, behind its warm-up: ours; constant
    config.metric_loss = "none"  # none, contrastive, center; its weight is hyper.metric
    config.batch_size = 32
    config.epochs = 30
    config.patience = 0  # epochs without a better one on dev that end a training; 0: all epochs
    config.hyper = ml_collections.ConfigDict()  # traced: a sweep compiles once
    config.hyper.learning_rate = 1e-3
    config.hyper.momentum = 0.9  # of sgd
    config.hyper.weight_decay = 0.0
    config.hyper.clip = 1.0
    config.hyper.warmup = 0.05  # share of all steps
    config.hyper.dropout = 0.5
    config.hyper.label_smoothing = 0.0
    config.hyper.average = 0.0  # decay of the weights' moving average, a step; 0: none
    config.hyper.metric = 0.0

    config.population = ml_collections.ConfigDict()
    config.population.width = 0  # members of a block; 0: by device
    config.population.steps_per_call = 0  # 0: by device
    # Read records when their rows are asked for: auto, where memory asks; memory, disk.
    config.population.records = "auto"
    # Send features batch by batch instead of all at once: auto, where memory asks; always, never.
    config.population.stream = "auto"
    config.population.spread = 0  # devices that share a member; 0: where they are more than members
    config.checkpoint = ml_collections.ConfigDict()
    config.checkpoint.every_seconds = 60.0
    return config
