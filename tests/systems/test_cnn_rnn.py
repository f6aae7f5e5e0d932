"""System C from a config to a report, on pictures and on speech; what is refused."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from jser import config as configs
from jser import experiment, preparation, systems
from jser.datasets import drawings
from jser.datasets.artphoto.fake import FILE_WORDS
from jser.errors import InputError
from jser.models import stems
from jser.models.cnn_rnn import CnnRnn
from jser.records.builder import build
from jser.systems import cnn_rnn
from jser.training import level_features, normalisation

TINY = {
    "seeds": "0",
    "stem.weights": "random",
    "stem.taps": "conv1,conv2",
    "model.level_units": "16",
    "model.units": "8",
    "model.dense": "8",
    "hyper.dropout": "0",
    "hyper.input_dropout": "0",
    "hyper.average": "0",
    "hyper.learning_rate": "0.03",
    "batch_size": "16",
    "epochs": "4",
    "checkpoint.every_seconds": "0",
}
SPEECH, PICTURES = {"stem.scale": "1"}, {"stem.input_size": "67"}


def load(corpus, data, **changed):
    fields = TINY | (SPEECH if corpus == "synthetic" else PICTURES)
    fields |= {name.replace("__", "."): value for name, value in changed.items()}
    return configs.load(f"cnn_rnn:{corpus}", [*fields.items(), ("data_dir", str(data))])


@pytest.fixture(scope="session")
def gallery(once, xla_cache):
    """Records of 64 made pictures in ArtPhoto's layout; the emotion is a hue."""

    def make(folder):
        rng = np.random.default_rng(0)
        hues = rng.uniform(0, 1, (len(FILE_WORDS), 3))
        for hue, word in zip(hues, FILE_WORDS, strict=True):
            for n in range(8):
                drawn = drawings.draw(f"{word} {n}") * 0.3 + 180 * hue
                path = folder / "source" / f"{word}_{n + 1:04d}.png"
                path.parent.mkdir(exist_ok=True)
                Image.fromarray(np.clip(drawn, 0, 255).astype(np.uint8)).save(path)
        build("artphoto", folder / "source", folder, allow_partial=True)

    return once("gallery", make)


@pytest.fixture(scope="session")
def seen(once, gallery):
    """A finished run on pictures."""
    config = load("artphoto", gallery, refit="false")
    return once("gallery_run", lambda folder: experiment.run(config, folder / "run"))


def test_pictures_from_end_to_end(seen, gallery):
    report = json.loads((seen / "run" / "report.json").read_text())
    assert report["uar"]["mean"] > 0.6  # of hues, which are there to be found
    assert (report["protocol"], report["leak"]) == ("picture_k_fold:5", None)
    assert (report["unit"], report["n_speakers"], report["n_utterances"]) == ("picture", 0, 64)
    assert report["uar"]["low"] < report["uar"]["mean"] < report["uar"]["high"]
    assert set(report["per_class_recall"]) == set(report["classes"])
    assert report["baseline"]["name"] == "pooled levels, ridge"
    assert report["near_duplicates"] == {"train_dev": 0, "train_test": 0, "dev_test": 0}
    assert report["system"] == (
        "C-frozen (CNN-RNN: Bi-GRU over conv1, conv2 of AlexNet, contrastive loss), random stem"
    )
    page = (seen / "run" / "report.html").read_text()
    assert "95 % interval by picture" in page
    assert "<audio" not in page
    rows = [json.loads(line) for line in (seen / "run" / "metrics.jsonl").read_text().splitlines()]
    select = [row for row in rows if row["stage"] == "select"]
    assert len(select) == 5 * 4
    assert all(np.isfinite(row["train_loss"]) for row in rows)
    # All of AlexNet up to the second convolution, and what is trained.
    trained = report["parameters"] - stems.get("alexnet").count(("conv1", "conv2"))
    level_layers = sum((2 * n + 1) * 16 for n in (64, 192))
    gru = 2 * (16 * 24 + 8 * 24 + 4 * 8)  # Linen's has biases of three inputs and one state
    assert trained == level_layers + gru + (16 + 1) * 8 + (8 + 1) * 8


def test_scored_again_it_is_the_same(seen):
    before = json.loads((seen / "run" / "report.json").read_text())
    ledger = (seen / "run" / "ledger.jsonl").read_text()
    again = experiment.evaluate(seen / "run")
    for name in ("uar", "wa", "folds", "confusion", "parameters", "configs_scored"):
        assert json.loads(json.dumps(again[name])) == before[name]
    assert (seen / "run" / "ledger.jsonl").read_text() == ledger


def test_pictures_are_not_heard(seen, exported):
    with pytest.raises(InputError, match=r"is of pictures, and an artefact hears"):
        exported(seen / "run")


def test_speech_from_end_to_end(data_without_ledger, tmp_path, exported):
    """A transplant: by speaker, with examples on the page."""
    config = load("synthetic", data_without_ledger, dev_speakers="1", epochs="2", refit="false")
    made = experiment.run(config, tmp_path / "run")
    assert exported(tmp_path / "run", fold=1)["members"] == ["fold 1, seed 0"]
    assert made["unit"] == "speaker"
    assert made["n_speakers"] == 4
    assert made["system"].startswith("C-frozen (CNN-RNN of speech: Bi-GRU over conv1, conv2 of")
    assert "<audio" in (tmp_path / "run" / "report.html").read_text()


def test_levels_are_scaled_by_each_folds_own_training_pictures(gallery):
    ready = preparation.prepare(load("artphoto", gallery))
    features = ready.features
    true = level_features.widths(cnn_rnn._spec(ready.config))
    assert true == (128, 384)
    scaling = features.constants["scaling"]
    assert scaling["mean"].shape == (5, 2, 384)
    raw = np.asarray(features.frames[0], np.float32).reshape(64, 2, 384)
    for k, fold in enumerate(ready.protocol.folds):
        train = raw[fold.train]
        for level, width in enumerate(true):
            mean, scale = normalisation.moments(train[:, level, :width], np.arange(len(train)))
            np.testing.assert_allclose(scaling["mean"][k, level, :width], mean, rtol=1e-5)
            np.testing.assert_allclose(scaling["scale"][k, level, :width], scale, rtol=1e-5)
    assert (ready.tables.scale == 1).all()
    unscaled = preparation.prepare(load("artphoto", gallery, normalisation="none"))
    assert unscaled.features.constants == {}


def test_speakers_own_statistics(data):
    """With `speaker_transductive` each speaker's mean is 0 in each level."""
    ready = preparation.prepare(
        load("synthetic", data, dev_speakers="1", normalisation="speaker_transductive")
    )
    raw = np.asarray(ready.features.frames[0], np.float32).reshape(-1, 2, 384)
    for speaker in np.unique(ready.corpus.speaker):
        mine = raw[ready.corpus.speaker == speaker]
        np.testing.assert_allclose(mine.mean(0), 0, atol=2e-3)
    assert (raw[:, 0, 128:] == 0).all()


def test_a_test_pictures_label_is_in_no_table(gallery):
    """Another label for what fold 1 tests: its member's inputs and labels stay as they were."""
    ready = preparation.prepare(load("artphoto", gallery))
    test = ready.protocol.folds[0].test
    assert (ready.tables.label[0][test] == -1).all()
    assert not set(test) & set(ready.tables.train_index[0])
    assert not set(test) & set(ready.tables.dev_index[0])


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({}, "C-frozen (CNN-RNN: Bi-GRU over conv1, conv2, conv3, conv4, conv5 of AlexNet, "
             "contrastive loss), ImageNet stem"),
        ({"metric_loss": "none", "model.rnn": "concatenation", "model.levels": "conv5,conv1"},
         "C-frozen (CNN-RNN: concatenation over conv5, conv1 of AlexNet), ImageNet stem"),
        ({"stem.net": "vgg16", "stem.taps": "conv1_2,conv5_3", "stem.weights": "random"},
         "C-frozen (CNN-RNN: Bi-GRU over conv1_2, conv5_3 of VGG16, contrastive loss), random "
         "stem"),
    ],
)  # fmt: skip
def test_what_it_is_called(changed, named):
    config = configs.load("cnn_rnn:fi", changed.items())
    assert systems.get("cnn_rnn").title(config) == named


def test_protocols_of_pictures_are_the_defaults():
    assert configs.load("cnn_rnn:fi").protocol == "picture_split"
    assert not configs.load("cnn_rnn:fi").balance.class_weights
    for name in ("artphoto", "iaps_subset"):
        assert configs.load(f"cnn_rnn:{name}").protocol == "picture_k_fold:5"


@pytest.mark.parametrize(
    ("corpus", "changed", "said"),
    [
        ("artphoto", {"model.rnn": "bigruu"}, "model.rnn: 'bigruu' .*did you mean bigru"),
        (
            "artphoto",
            {"metric_loss": "triplet"},
            "metric_loss: 'triplet' is none of none, contrastive, center",
        ),
        ("artphoto", {"model.levels": "conv9"}, "model.levels: 'conv9' is not among stem.taps"),
        ("artphoto", {"stem.taps": "conv2,conv1"}, "write conv1,conv2"),
        ("artphoto", {"readout.views": "stem"}, "readout.views: C adds no read-outs"),
        ("artphoto", {"normalisation": "utterance"}, "is one step, which by itself"),
        ("artphoto", {"classes": "awe,fear"}, "of pictures one corpus is taken"),
        ("artphoto", {"protocol": "leave_one_speaker_out"}, "use picture_k_fold:K"),
        ("artphoto", {"normalisation": "speaker_transductive"}, "needs to know who"),
        ("fi", {}, "no records of fi there; build them with"),
        ("artphoto+fi", {}, "of pictures one corpus is taken"),
    ],
)
def test_what_is_refused(gallery, corpus, changed, said):
    config = configs.load(f"cnn_rnn:{corpus}", [*changed.items(), ("data_dir", str(gallery))])
    with pytest.raises(InputError, match=said):
        preparation.prepare(config)


def test_what_the_config_chooses_has_no_second_default():
    """The model's fields are those of `config.model`, the classes and the levels' widths."""
    config = configs.load("cnn_rnn")
    chosen = {field.name for field in dataclasses.fields(CnnRnn) if field.init}
    assert chosen - {"parent", "name"} == {"n_classes", "widths", *config.model}
