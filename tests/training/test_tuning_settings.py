"""Settings of a tuned stem: what fits, what is refused, what a cache entry depends on."""

import dataclasses
from pathlib import Path

import pytest

from jser.errors import InputError
from jser.frontend.masking import OnTheFly
from jser.training import boundary, tuning
from jser.training.stem_spec import StemSpec
from jser.training.tuning import Tuning

NOWHERE = Path("no weights are here")
SPEC = StemSpec(weights="random", taps=("conv3",), scale=1, pool=("mean", "max"))


def test_precision_by_device():
    assert tuning.dtype_of("auto") == "float32"  # tests run on a CPU
    assert tuning.dtype_of("bfloat16") == "bfloat16"
    with pytest.raises(InputError, match="precision: 'half' is none of auto, float32, bfloat16"):
        tuning.dtype_of("half")


@pytest.mark.parametrize(
    ("train_from", "bands", "range_db"),
    [("", 40, (0.0, 1.0)), ("conv2", 7, (0.0, 1.0)), ("conv1", 64, (-60.0, 30.0))],
)
def test_bands_of_what_is_masked(train_from, bands, range_db):
    made = tuning.disturbance(
        SPEC,
        Tuning(train_from),
        n_mels=64,
        width=40,
        masks=True,
        noise=False,
        snr_db=(9.0, 9.0),
    )
    assert made == OnTheFly(bands, True, None, range_db)


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"train_from": "conv6"}, "stem.train_from: 'conv6' is no block of alexnet; choose from"),
        ({"train_from": "conv5"}, r"conv5 lies behind the last of stem.taps \(conv1, conv2\)"),
        ({"train_from": "conv4", "taps": ("conv1", "conv5")}, "conv1 lies before the tuned blocks"),
        ({"train_from": "conv2", "pooled": False}, "conv1 lies before .* tap from conv2 on"),
        ({"tuning": "three_stage"}, "stem.tuning: 'three_stage' is none of"),
        ({"tuning": "two_stage"}, "two_stage needs a block to tune from; set stem.train_from"),
        ({"cross_fit": 1}, r"stem.cross_fit: 1 must be 0 \(off\) or at least 2"),
    ],
)
def test_impossible_tunings(change, sentence):
    stem = dataclasses.asdict(StemSpec()) | {
        "train_from": "",
        "tuning": "end_to_end",
        "cross_fit": 0,
    }
    with pytest.raises(InputError, match=sentence) as caught:
        tuning.parts(stem | change)
    assert "\n" not in str(caught.value)


def test_more_refusals():
    with pytest.raises(InputError, match="normalisation: utterance needs features that do not"):
        tuning.check_normalisation("utterance")
    tuning.check_steps_per_call(1)
    with pytest.raises(InputError, match=r"steps_per_call: 4 would train .* leave it at 0"):
        tuning.check_steps_per_call(4)
    with pytest.raises(InputError, match=r"augment.noise: true .* set stem.train_from=conv1"):
        tuning.disturbance(
            SPEC,
            Tuning("conv2"),
            n_mels=64,
            width=1,
            masks=False,
            noise=True,
            snr_db=(9.0, 9.0),
        )


def test_maps_are_shared_by_what_does_not_change_them():
    """One cache entry for all windows, pools and taps; another for another border."""

    def key(train_from="conv2", **change):
        spec = dataclasses.replace(SPEC, **change)
        return boundary.spec_of_maps(spec, train_from).key("corpus", "front end", NOWHERE)

    same = {key(), key(window=32), key(shift=16), key(pool=("mean",)), key(taps=("conv2",))}
    assert len(same) == 1
    assert key("conv3") not in same
    assert key(scale=2) not in same
    segments = [key(picture="segments", shift=shift) for shift in (30, 32)]
    assert len(set(segments)) == 2
