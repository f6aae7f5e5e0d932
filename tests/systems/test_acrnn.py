"""System F and its base, from records to a report."""

import numpy as np
import pytest

from jser import config as configs
from jser import preparation, systems
from jser.errors import InputError

SMALL = {
    "segments__frames": 64, "segments__shift": 32, "model__mels": 8, "model__first_maps": 3,
    "model__later_maps": 4, "model__depth": 2, "model__linear": 6, "model__units": 5,
    "model__hidden": 5,
}  # fmt: skip


def test_a_short_run_of_an_ensemble(run_system, exported):
    report, folder = run_system(
        "acrnn", **SMALL, epochs=1, ensemble__method="redagging", ensemble__size=2
    )
    assert report["system"] == "F (Redagging of 2 3-D ACRNN), not the paper's sizes"
    assert report["n_utterances"] == 20
    assert report["baseline"]["name"] == "mean and deviation of the frames, ridge"
    # Of 8 bands 2 are left; two members; BLSTM, attention, dense layer with its normalisation, 5.
    one = (15 * 3 * 3 + 3) + (15 * 3 * 4 + 4) + (2 * 4 * 6 + 6)
    one += 2 * (6 + 5 + 1) * 20 + 11 + (10 * 5 + 2 * 5) + (5 * 5 + 5)
    assert report["parameters"] == 2 * one
    members = exported(folder, fold=1)["members"]
    assert members == ["fold 1, seed 0, bag 1", "fold 1, seed 0, bag 2"]


def load(data, **changed):
    fields = {"data_dir": str(data), "seeds": "0", "dev_speakers": "1"} | changed
    return configs.load("acrnn:synthetic", [(k.replace("__", "."), v) for k, v in fields.items()])


def test_columns_are_three_channels_scaled_by_training_utterances(data):
    ready = preparation.prepare(load(data, model__mels="8"))
    features, tables = ready.inputs.features, ready.tables
    assert features.frames.shape[-1] == 24
    assert ready.inputs.log_posteriors
    assert ready.inputs.model.frames == 300
    static = features.frames[0][features.offset[0] : features.offset[0] + features.length[0]]
    # The regression over two frames each way, away from the ends.
    slope = sum(n * (static[4 + n, :8] - static[4 - n, :8]) for n in (1, 2)) / 10
    np.testing.assert_allclose(static[4, 8:16], slope, atol=1e-4)
    rows = ready.protocol.folds[0].train
    own = np.concatenate(
        [
            features.frames[0][features.offset[r] : features.offset[r] + features.length[r]]
            for r in rows
        ]
    )
    scaled = (own - tables.mean[0]) * tables.scale[0]
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(scaled.std(0), 1, atol=1e-3)


def test_members_of_an_ensemble_are_scaled_by_their_fold(data):
    small = {"model__mels": "8"}
    alone = preparation.prepare(load(data, **small)).tables
    ensemble = {"ensemble__method": "bagging", "ensemble__size": "2"}
    bags = preparation.prepare(load(data, **small, **ensemble)).tables
    assert len(bags) == 2 * len(alone)
    for own, of_fold in ((bags.mean, alone.mean), (bags.scale, alone.scale)):
        np.testing.assert_array_equal(own, np.repeat(of_fold, 2, axis=0))


def test_the_ablation_of_attention_has_a_name(data):
    config = load(data, model__attention="mean")
    assert systems.get("acrnn").title(config) == (
        "F's base (3-D ACRNN without attention), not the paper's sizes"
    )
    with pytest.raises(InputError, match=r"model.attention: 'meam' .* did you mean mean"):
        preparation.check(load(data, model__attention="meam"))


def test_whole_utterances_have_no_wrapper(data):
    ready = preparation.prepare(load(data, model__mels="8", segments__frames="0"))
    assert not ready.inputs.log_posteriors
    assert not hasattr(ready.inputs.model, "frames")


def test_titles():
    def title(name, **changed):
        config = configs.load(name, [(k.replace("__", "."), v) for k, v in changed.items()])
        return systems.get("acrnn").title(config)

    assert title("acrnn_paper:emodb") == "F's base (3-D ACRNN)"
    assert configs.load("acrnn_paper:iemocap_2280").model.depth == 6
    assert title("acrnn_paper:iemocap_2280", model__channels="1") == "F's base (2-D ACRNN)"
    assert title("acrnn_paper:emodb", model__pool="2,4").endswith("not the paper's sizes")
    assert title("acrnn_paper:emodb", segments__frames="0").endswith("not the paper's sizes")
    assert title("acrnn_paper:emodb", ensemble__method="augagging", ensemble__size="5") == (
        "F (Augagging of 5 3-D ACRNN)"
    )


@pytest.mark.parametrize("corpus", ["emodb", "iemocap_2280", "emodb_4class+ravdess"])
def test_the_paper_s_protocol_and_training(corpus):
    config = configs.load(f"acrnn_paper:{corpus}")
    assert (config.dev_speakers, config.seeds) == (1, (0, 1, 2, 3, 4))
    assert (config.optimiser, config.schedule) == ("nadam", "constant")
    assert (config.hyper.learning_rate, config.batch_size) == (1e-4, 40)
    for name in ("acrnn", "acrnn_paper"):
        assert configs.load(f"{name}:{corpus}").frames.level == "variance"


def test_impossible_settings(data):
    with pytest.raises(InputError, match=r"segments.pool: 'median' is none of max, mean"):
        preparation.prepare(load(data, segments__pool="median"))
    with pytest.raises(InputError, match=r"model.channels: 2 must be 1 \(the static log-Mel\)"):
        preparation.prepare(load(data, model__channels="2"))
    with pytest.raises(InputError, match="would train convolutions inside a scan"):
        preparation.prepare(load(data, population__steps_per_call="2"))
    with pytest.raises(InputError, match=r"frames.by_length: True .* set it to False"):
        preparation.prepare(load(data, frames__by_length="True"))
