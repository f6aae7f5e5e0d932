"""What the configs of systems before an extreme learning machine share: descriptors, the ELM."""

from __future__ import annotations

import ml_collections

from jser.configs import _on_frames


def base(corpus: str, network: str, kind: str) -> ml_collections.ConfigDict:
    """All fields but `model`.

    Args:
        corpus: of the experiment.
        network: rnn or dnn.
        kind: of the ELM.
    """
    config = _on_frames.base("rnn_elm", corpus)
    config.network = network  # rnn; dnn, its baseline: see dnn_elm
    # F0, voicing, zero crossings, 12 MFCC, log energy, and their derivatives, as in the paper; of
    # 25 ms every 10 ms (F0: 50 ms), as in Han et al. 2014.

    config.elm = ml_collections.ConfigDict()
    # kernel: RBF, Lee and Tashev 2015; sigmoid: Han et al. 2014; none: the network alone
    config.elm.kind = kind  # fields of another kind are refused when changed
    config.elm.class_weights = True  # ours: the paper chooses by UAR; no weights are known of it
    # Of the kernel; chosen by the dev speakers' UAR, as in the paper, which gives no values.
    config.elm.widths = (0.3, 1.0, 3.0, 10.0)  # in units of the rows' usual distance
    config.elm.ridges = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)  # C; the larger, the closer the fit
    config.elm.hidden = 120  # units, of sigmoid
    return config
