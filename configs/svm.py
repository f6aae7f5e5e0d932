"""The baseline that everyone knows: an SVM over functionals of acoustic descriptors.

jser train --config=svm:emodb --workdir=runs/svm

Nothing is random, so there is one seed; kernel, cost and width are chosen inside each fold.
"""

import ml_collections

from jser.configs import _corpora

CORPORA = _corpora.CORPORA
OWN = _corpora.OWN


def get_config(corpus: str = "synthetic") -> ml_collections.ConfigDict:
    config, _ = _corpora.base("svm", corpus)
    config.seeds = (0,)
    config.normalisation = "train"  # train, speaker_transductive, speaker_enrol:n
    config.refit = True  # fitted on train + dev, once the choice is made

    config.descriptors = ml_collections.ConfigDict()
    # recorded; peak: loudest at 0 dB; variance: each recording at mean 0 and variance 1
    config.descriptors.level = "peak" if "+" in corpus else "recorded"

    config.balance = ml_collections.ConfigDict()
    config.balance.class_weights = True
    config.balance.oversample = False
    config.balance.augment = False

    config.svm = ml_collections.ConfigDict()
    config.svm.judges = "dev"  # who chooses: dev; speakers: inner folds of all own speakers
    config.svm.kernels = ("linear", "rbf")
    config.svm.costs = (0.1, 1.0, 10.0, 100.0)
    config.svm.gammas = (0.1, 0.3, 1.0)  # over the number of functionals
    config.svm.inner_folds = 5

    config.readout = ml_collections.ConfigDict()
    config.readout.views = ()  # nothing stands beside it
    config.readout.penalties = (0.03, 0.1, 0.3, 1.0)  # of the baseline's ridge
    return config
