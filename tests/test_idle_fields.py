"""A field that nothing reads is refused where it was changed, and no other is."""

import functools

import jax
import jax.numpy as jnp
import pytest

from jser import config as configs
from jser import preparation
from jser.errors import InputError
from jser.models.acrnn import Acrnn
from jser.models.pcrn import Pcrn
from jser.models.rnn_elm import RnnElm

A, PAPER = "dcnn_blstm", "dcnn_blstm_paper"
END_TO_END = {"stem.train_from": "conv4_1"}
TWO_STAGE = END_TO_END | {"stem.tuning": "two_stage"}
SEGMENTS = {"stem.picture": "segments"}
NO_NARROW = {"readout.views": "stem"}

# The config, what else is set, the changed field and its value: where nothing reads it, then
# where something does.
IDLE = [
    ("acoustic_rnn", {"selection.choose": "False"}, "selection.test", "kruskal", {}),
    ("acoustic_rnn", {"selection.choose": "False"}, "selection.level", "0.01", {}),
    ("acoustic_rnn", {"selection.choose": "False"}, "selection.correlation", "0.8", {}),
    ("acrnn", {"model.depth": "1"}, "model.later_maps", "7", {}),
    ("acrnn", {"model.hidden_norm": "False"}, "model.momentum", "0.8",
     {"model.hidden_norm": "False", "model.linear_norm": "True"}),
    ("acrnn", {"optimiser": "nadam"}, "hyper.momentum", "0.8", {"optimiser": "sgd"}),
    ("acrnn_paper", {"segments.frames": "0"}, "segments.pool", "mean", {}),
    *((name, {"segments.frames": "0"}, "segments.shift", "99", {})
      for name in ("acrnn", "conv_lstm", "pcrn")),
    *((name, {"segments.frames": "0"}, "segments.pool", "max", {})
      for name in ("conv_lstm", "pcrn")),
    *(("pcrn", {"model.branches": "lstm"}, field, value, {"model.branches": "cnn"})
      for field, value in (("model.mels", "40"), ("model.channels", "1"), ("model.maps", "8"),
                           ("model.kernel", "5,3"), ("model.cnn_units", "9"))),
    *(("pcrn", {"model.branches": "cnn"}, field, "2", {"model.branches": "lstm"})
      for field in ("model.lstm_units", "model.lstm_layers", "model.lstm_frames")),
    *(("pcrn", {"model.branches": "lstm", "model.batch_norm": "False"}, "model.momentum", "0.8", on)
      for on in ({"model.branches": "lstm"}, {"model.batch_norm": "False"})),
    ("rnn_elm", {"model.labels": "frames"}, "segments.shortest_gap", "9", {}),
    ("rnn_elm", {"model.labels": "frames"}, "segments.shortest_region", "9", {}),
    ("rnn_elm", {"model.labels": "frames"}, "model.null_statistics", "True", {}),
    *(("rnn_elm", {"elm.kind": "none"}, field, value,
       {"elm.kind": "none", "metric_loss": "center", "hyper.metric": "0.1"})
      for field, value in (("model.theta", "0.3"), ("model.null_statistics", "True"))),
    ("dnn_elm", {"elm.kind": "none"}, "model.theta", "0.3", {}),
    ("cnn_rnn", {"model.rnn": "concatenation"}, "model.units", "9", {"model.rnn": "gru"}),
    ("cnn_rnn", {}, "stem.input_size", "99", {"corpus": "artphoto"}),
    *(("cnn_rnn", {"corpus": "artphoto"}, f"stem.{field}", value, {})
      for field, value in (("scale", "1"), ("channels", "1"), ("level", "peak"),
                           ("range_db", "-50,30"), ("delta_db", "3"), ("trim_db", "35"))),
    ("svm", {"svm.kernels": "linear"}, "svm.gammas", "1", {"svm.kernels": "rbf"}),
    ("svm", {}, "svm.inner_folds", "3", {"svm.judges": "speakers"}),
    *((name, {}, "stem.seed", "1", {"stem.weights": "random"}) for name in (A, "cnn_rnn")),
    *((name, {"stem.channels": "1"}, "stem.delta_db", "3", {}) for name in (A, "cnn_rnn")),
    (A, {}, "stem.input_size", "99", SEGMENTS),
    (A, SEGMENTS, "stem.window", "32", {}),
    (A, {"stem.window": "0"}, "stem.shift", "16", SEGMENTS),
    (A, SEGMENTS | NO_NARROW, "stem.scale", "2", SEGMENTS),  # the narrow-band picture is enlarged
    (PAPER, {}, "stem.pool", "mean", {"stem.taps": "conv5", "stem.train_from": "conv5"}),
    (A, {}, "precision", "float32", END_TO_END),
    (A, {}, "population.remat", "always", END_TO_END),
    (A, {}, "hyper.stem_rate", "0.5", END_TO_END),
    (A, TWO_STAGE, "hyper.stem_anchor", "0.5", END_TO_END),
    *((A, END_TO_END, field, value, TWO_STAGE)
      for field, value in (("stem.cross_fit", "2"), ("tune.epochs", "3"), ("tune.batch_size", "3"),
                           ("tune.optimiser", "adamw"), ("tune.hyper.learning_rate", "0.1"))),
    (A, {}, "tune.hyper.stem_rate", "0.5", TWO_STAGE),
    (PAPER, {"tune.optimiser": "adamw"}, "tune.hyper.momentum", "0.8", {}),
    (A, {}, "pooled_components", "64", {"model.linear_path": "True"}),
    (PAPER, {}, "hyper.mixup", "0.2", {"mixup": "True"}),
    (PAPER, {}, "readout.sequence", "0.2", {"readout.views": "descriptors"}),
    (A, {}, "hyper.time_mask", "0.1", {"augment.masking": "True"}),
    (A, TWO_STAGE, "hyper.frequency_mask", "0.1", TWO_STAGE | {"augment.masking": "True"}),
    (PAPER, {}, "tune.hyper.time_mask", "0.1", {"augment.masking": "True"}),
    (A, {"stem.train_from": "conv1_1"}, "hyper.noise_share", "0.1",
     {"stem.train_from": "conv1_1", "augment.noise": "True"}),
    (A, TWO_STAGE | {"augment.noise": "True"}, "hyper.noise_share", "0.1",
     END_TO_END | {"augment.noise": "True"}),
    (PAPER, {}, "tune.hyper.noise_share", "0.1", {"augment.noise": "True"}),
    (A, {}, "augment.speeds", "0.8", {"augment.copies": "speed:0.9,noise_speed"}),
    (A, {"augment.copies": ""}, "augment.snr_db", "5,10", {"augment.noise": "True"}),
    (A, {}, "augment.snr_db", "5,10", {"augment.copies": "noise"}),
]  # fmt: skip


def load(name, fields):
    fields = dict(fields)
    corpus = fields.pop("corpus", "synthetic")
    return configs.load(f"{name}:{corpus}", list(fields.items()))


@pytest.mark.parametrize(
    ("name", "where", "field", "value", "read"),
    IDLE,
    ids=[f"{name}: {field}, {n}" for n, (name, _, field, *_) in enumerate(IDLE)],
)
def test_a_changed_field_that_nothing_reads(name, where, field, value, read):
    preparation.check(load(name, where))
    with pytest.raises(InputError) as caught:
        preparation.check(load(name, where | {field: value}))
    said = str(caught.value)
    assert said.startswith(f"{field}: ")
    assert " would change nothing with " in said
    _, _, back = said.partition("; leave it at ")
    assert eval(back) == dict(configs.fields(load(name, where)))[field]
    preparation.check(load(name, read | {field: value}))


def test_what_another_config_of_the_system_has_is_no_change():
    """The paper's config has its own values where its own settings read them."""
    frozen = {"stem.train_from": "", "stem.tuning": "end_to_end"}
    preparation.check(load(PAPER, frozen))
    with pytest.raises(InputError, match=r"tune.epochs: 31 would change nothing .* leave it at 10"):
        preparation.check(load(PAPER, frozen | {"tune.epochs": "31"}))


def test_what_a_config_has_for_its_corpus_is_no_change():
    """Four speakers leave two to train, so the paper's config has two groups of them."""
    frozen = {"stem.train_from": "", "stem.tuning": "end_to_end"}
    assert load(PAPER, frozen | {"corpus": "savee"}).stem.cross_fit == 2
    preparation.check(load(PAPER, frozen | {"corpus": "savee"}))
    with pytest.raises(
        InputError, match=r"stem.cross_fit: 2 would change nothing .* leave it at 3"
    ):
        preparation.check(load(PAPER, frozen | {"stem.cross_fit": "2"}))


@pytest.mark.parametrize("fields", [{}, TWO_STAGE])
def test_the_first_stage_s_optimiser_is_checked_at_once(fields):
    sentence = "tune.optimiser: 'sdg' is none of adamw, nadam, sgd; did you mean sgd"
    with pytest.raises(InputError, match=sentence):
        preparation.check(load(A, fields | {"tune.optimiser": "sdg"}))
    with pytest.raises(InputError, match="precision: 'half' is none of auto"):
        preparation.check(load(A, fields | {"precision": "half"}))


# The model of a config, and the width of what it reads.
MODELS = {
    "acrnn": (lambda m: Acrnn(3, **m), lambda m: m["mels"] * m["channels"]),
    "pcrn": (
        lambda m: Pcrn(3, descriptors=0 if m["branches"] == "cnn" else 4, **m),
        lambda m: (
            (4 if m["branches"] != "cnn" else 0)
            + (m["mels"] * m["channels"] if m["branches"] != "lstm" else 0)
        ),
    ),
    "rnn_elm": (lambda m: RnnElm(3, **m), lambda m: 5),
}
# Without what only the embedding shows, which a model computes whether it is read or not.
OF_MODELS = [
    row
    for row in IDLE
    if row[0] in MODELS and row[2].startswith("model.") and "elm.kind" not in row[1]
]


@functools.cache
def computation(name, fields):
    """Of a training step for two utterances of 40 frames: as text."""
    chosen = load(name, fields).model.to_dict()
    make, width = MODELS[name]
    model, x = make(chosen), jnp.zeros((2, 40, width(chosen)))

    def logits(params, key):
        out, made = model.apply(
            params, x, jnp.array([40, 30]), x[:, 0], {"dropout": 0.5}, True,
            rngs={"dropout": key}, mutable=["batch_stats"],
        )  # fmt: skip
        return out, made

    key = jax.random.key(0)
    params = jax.eval_shape(
        lambda: model.init(key, x, jnp.array([40, 30]), x[:, 0], {"dropout": 0.5}, False)
    )
    params.pop("intermediates", None)
    return str(jax.make_jaxpr(logits)(params, key))


@pytest.mark.parametrize(
    ("name", "where", "field", "value", "read"),
    OF_MODELS,
    ids=[f"{name}: {field}, {n}" for n, (name, _, field, *_) in enumerate(OF_MODELS)],
)
def test_such_a_field_changes_nothing_of_what_a_model_computes(name, where, field, value, read):
    def made(fields):
        return computation(name, tuple(sorted(fields.items())))

    assert made(where | {field: value}) == made(where)
    assert made(read | {field: value}) != made(read)
