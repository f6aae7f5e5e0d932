"""Tuned blocks: the same features as frozen ones, gradients, bits, padding, precision."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser.frontend.masking import OnTheFly
from jser.models import stems
from jser.training import (
    boundary,
    loop,
    objectives,
    one_member,
    population,
    projection,
    stem_features,
    tuning,
)
from jser.training.plan import Plan
from jser.training.stem_spec import StemSpec
from jser.training.tuning import Tuning
from tests.models.stems.small_nets import SMALL
from tests.training.conftest import HYPER, Small, make_program, one, same_bits, take

NOWHERE = Path("no weights are here")
TUNED = HYPER | {"stem_rate": 1.0, "stem_anchor": 1.0, "time_mask": 0.3, "frequency_mask": 0.3}
BASE = {
    "net": "small",
    "weights": "random",
    "taps": ("conv3",),
    "scale": 1,
    "pool": ("mean", "max"),
}
# Log-Mel of 12 utterances, 64 to 119 frames; class k has a brighter third of the bands.
LENGTHS = [64 + 5 * i for i in range(12)]
LABEL = np.arange(12, dtype=np.int32) % 3


def spectrogram(i):
    rng = np.random.default_rng(i)
    static = np.cumsum(rng.standard_normal((LENGTHS[i], 64)), axis=0) / 8 - 6
    static[:, 20 * LABEL[i] : 20 * LABEL[i] + 20] += 4
    return static.astype(np.float32)


UTTERANCES = [spectrogram(i) for i in range(12)]


@pytest.fixture(autouse=True, scope="module")
def small_nets():
    """AlexNet and ResNet-18 of a few maps, as nets of a config."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(stems.NETS, "small", SMALL["alexnet"][0])
        patch.setitem(stems.NETS, "small_resnet", SMALL["resnet18"][0])
        yield


def spec_of(**change):
    return StemSpec(**(BASE | change))


def lay_out(change, train_from, components=6, precision="float32"):
    """(frozen steps, population on the tuned stem) of the utterances."""
    spec = spec_of(**change)
    steps = stem_features.compute(UTTERANCES, spec, NOWHERE)
    maps = boundary.compute(UTTERANCES, spec, train_from, NOWHERE)
    rows = np.arange(steps.length[:8].sum())
    fitted = tuning.fit_folds(steps.frames, [rows, rows], components, True)
    frozen = population.Features(
        steps.frames[None],
        steps.offset,
        steps.length,
        np.zeros((2, 12, 2), np.float32),
        np.arange(12, dtype=np.int32),
        int(steps.length.max()),
    )
    on_stem = tuning.lay_out(
        spec,
        Tuning(train_from),
        maps,
        steps,
        frozen,
        fitted,
        components,
        precision=precision,
        weights_dir=NOWHERE,
        n_mels=64,
    )
    return steps, on_stem


def make_members(n, width, epochs=1, **hyper):
    label = np.tile(LABEL, (n, 1))
    label[:, 10:] = -1
    return population.Members(
        fold=(np.arange(n) % 2).astype(np.int32),
        seed=(np.arange(n) // 2).astype(np.int32),
        bag=np.zeros(n, np.int32),
        point=np.zeros(n, np.int32),
        group=(np.arange(n) % 2).astype(np.int32),
        hyper={k: np.full(n, v, np.float32) for k, v in (TUNED | hyper).items()},
        train_index=np.tile(np.arange(8, dtype=np.int32), (n, 1)),
        dev_index=np.tile(np.array([8, 9], np.int32), (n, 1)),
        label=label,
        mean=np.zeros((n, width), np.float32),
        scale=np.ones((n, width), np.float32),
        class_weight=np.ones(n, np.float32),
        epochs=np.full(n, epochs, np.int32),
        horizon=np.full(n, 2, np.int32),
        patience=np.zeros(n, np.int32),
    )


@pytest.fixture(scope="module")
def tuned():
    """The population that most tests train: conv2 and conv3 of a small AlexNet."""
    return lay_out({}, "conv2")[1]


def program_on(on_stem, **changed):
    fields = {"model": on_stem.model(Small())}
    return make_program(**(fields | changed))


def stepped(on_stem, n=1, program=None, **hyper):
    """(state before, state after n steps) of one member."""
    program = program or program_on(on_stem)
    features = jax.tree.map(jnp.asarray, on_stem.features)
    member = one(make_members(1, on_stem.features.frames.shape[-1], **hyper), 0)
    first = init(program, features, member)
    state = first
    for i in range(n):
        rows = jnp.array([0, 1, 2, 3]) + 4 * i
        state, _ = step(program, features, member, state, rows, jnp.int32(i))
    return first, state


# Members' hyperparameters are traced: a program is compiled once for all tests.
init = jax.jit(one_member.init_member, static_argnums=0)
step = jax.jit(one_member.train_step, static_argnums=0)
predict = jax.jit(one_member.predict_rows, static_argnums=0)


# --- the same features ----------------------------------------------------------------------------

SEGMENTS = {"picture": "segments", "input_size": 67}
CASES = {
    "first block": ({}, "conv1"),
    "upper blocks": ({"taps": ("conv4",), "pool": ("mean", "std")}, "conv3"),
    "border tapped": ({"taps": ("conv1", "conv2"), "scale": 2}, "conv2"),
    "border, before pooling": ({"taps": ("conv3", "conv4"), "pooled": False}, "conv4"),
    "whole": ({"window": 0, "trim_db": 20.0, "level": "peak"}, "conv2"),
    "grey": ({"channels": 1, "window": 32, "shift": 16}, "conv1"),
    "segments": (SEGMENTS, "conv3"),
    "segments, first block": ({**SEGMENTS, "shift": 30}, "conv1"),
    "vector": ({**SEGMENTS, "taps": ("relu6", "fc7")}, "fc7"),
    "another net": ({"net": "small_resnet", "taps": ("layer2.0",)}, "layer1.1"),
}


@pytest.mark.parametrize("case", CASES)
def test_untrained_blocks_give_the_frozen_features(case):
    change, train_from = CASES[case]
    steps, on_stem = lay_out(change, train_from)
    features = jax.tree.map(jnp.asarray, on_stem.features)
    member = one(make_members(1, features.frames.shape[-1]), 0)
    x, length, _ = population.gather(features, member, jnp.array([-1, *range(12)]))
    made = np.asarray(
        jax.jit(lambda p, x, n: on_stem.module.apply({"params": p}, x, n))(
            features.initial["stem"], x, length
        )
    )
    assert length[0].tolist() == [0, 0]
    assert (made[0] == 0).all()
    for i in range(12):
        wanted = steps.frames[steps.offset[i] : steps.offset[i] + steps.length[i]].astype(float)
        assert length[1 + i, 1] == len(wanted)
        np.testing.assert_allclose(
            made[1 + i, : len(wanted)], wanted, rtol=2e-3, atol=1e-3 * np.abs(wanted).max()
        )
        assert (made[1 + i, len(wanted) :] == 0).all()


@pytest.mark.parametrize("components", [0, 6])
def test_the_head_sees_what_it_sees_on_a_frozen_stem(components):
    """With the first weights a head's answers are those on projected, or scaled, features."""
    steps, on_stem = lay_out({}, "conv2", components)
    features = jax.tree.map(jnp.asarray, on_stem.features)
    member = one(make_members(1, features.frames.shape[-1]), 0)
    state = init(program_on(on_stem), features, member)
    logits, _, _ = predict(program_on(on_stem), features, member, state.params, {}, jnp.arange(12))
    rows = np.arange(steps.length[:8].sum())
    if components:
        frozen = projection.fit(steps.frames, rows, components)(steps.frames)
    else:
        train = steps.frames[rows].astype(np.float32)
        deviation = train.std(0)
        scale = 1 / (deviation + 0.01 * deviation.mean())
        frozen = (steps.frames - train.mean(0)) * scale
    x = np.zeros((12, steps.length.max(), frozen.shape[1]), np.float32)
    for i in range(12):
        x[i, : steps.length[i]] = frozen[steps.offset[i] : steps.offset[i] + steps.length[i]]
    wanted, _ = Small().apply(
        {"params": state.params["head"]}, x, steps.length, np.zeros((12, 2)), TUNED, False
    )
    np.testing.assert_allclose(logits, wanted, atol=1e-2)


# --- what learns ----------------------------------------------------------------------------------


def test_gradients_reach_the_tuned_blocks_and_no_others(tuned):
    first, after = stepped(tuned)
    assert set(first.params["stem"]) == {"conv2", "conv3"}
    for block, layers in first.params["stem"].items():
        for leaf, value in layers["conv"].items():
            moved = np.abs(after.params["stem"][block]["conv"][leaf] - value)
            assert moved.max() > 1e-4, (block, leaf)
    # Nobody trains the scaling behind them: it is no parameter.
    assert set(first.params) == {"stem", "head"}
    assert set(after.params) == {"stem", "head"}


def test_blocks_start_from_the_given_weights(tuned):
    wanted = stems.get("small").random(0)
    first, _ = stepped(tuned, 0)
    for block in ("conv2", "conv3"):
        np.testing.assert_array_equal(
            first.params["stem"][block]["conv"]["kernel"], wanted[block]["conv"]["kernel"]
        )
    assert same_bits(first.params, first.best_params)
    # Whoever the member is; only its head is drawn.
    features = jax.tree.map(jnp.asarray, tuned.features)
    table = make_members(4, features.frames.shape[-1])
    states = [init(program_on(tuned), features, one(table, p)) for p in range(4)]
    assert all(same_bits(s.params["stem"], states[0].params["stem"]) for s in states)
    assert not same_bits(states[0].params["head"], states[1].params["head"])


def test_a_rate_of_zero_leaves_the_blocks_as_they_were(tuned):
    first, after = stepped(tuned, 2, stem_rate=0.0)
    assert same_bits(first.params["stem"], after.params["stem"])
    assert not same_bits(first.params["head"], after.params["head"])


def test_the_rate_is_a_factor(tuned):
    """Adam's first step has the size of the rate, whatever the gradient's."""
    moved = []
    for rate in (1.0, 0.1):
        states = stepped(tuned, stem_rate=rate, weight_decay=0.0)
        before, after = (s.params["stem"]["conv3"]["conv"]["bias"] for s in states)
        moved.append(after - before)
    np.testing.assert_allclose(moved[1], 0.1 * moved[0], rtol=1e-3, atol=1e-9)


def test_training_lowers_the_loss(tuned):
    """Stem and head together, on the rows they train on."""
    features = jax.tree.map(jnp.asarray, tuned.features)
    table = one(make_members(1, features.frames.shape[-1]), 0)
    program = program_on(tuned)
    first, after = stepped(tuned, 2)

    def loss(params):
        logits, _, _ = predict(program, features, table, params, {}, jnp.arange(8))
        target = objectives.targets(jnp.asarray(LABEL[:8]), 3)
        return objectives.cross_entropy(logits, target, jnp.ones(8))

    assert loss(after.params) < loss(first.params)


# --- bits and padding -----------------------------------------------------------------------------


def test_a_population_is_its_members(tuned, tmp_path):
    members = make_members(3, tuned.features.frames.shape[-1], epochs=2)
    program = program_on(tuned)

    def fit(name, some, width=1):
        (tmp_path / name).mkdir()
        plan = Plan(width, 1, tuple(jax.devices()[:1]))
        return loop.fit(program, tuned.features, some, plan, tmp_path / name, "select", 1e9)

    together = fit("all", members)
    for p in range(3):
        assert same_bits(take(together, [p]), fit(f"alone{p}", take(members, [p])))
    kernel = together.params["stem"]["conv3"]["conv"]["kernel"]
    assert len({kernel[p].tobytes() for p in range(3)}) == 3
    # Convolutions of several members at once are another program, of the same numbers.
    wide = fit("wide", members, 2)
    np.testing.assert_allclose(
        wide.params["stem"]["conv3"]["conv"]["kernel"], kernel, rtol=1e-2, atol=1e-3
    )


@pytest.mark.parametrize("case", ["upper blocks", "first block", "segments"])
def test_padding_and_neighbours_change_no_logit(case):
    change, train_from = CASES[case]
    on_stem = lay_out(change, train_from)[1]
    features = jax.tree.map(jnp.asarray, on_stem.features)
    member = one(make_members(1, features.frames.shape[-1]), 0)
    program = program_on(on_stem)
    params = init(program, features, member).params

    def answers(features, rows):
        return np.asarray(predict(program, features, member, params, {}, jnp.asarray(rows))[0])

    together = answers(features, np.arange(12))
    assert np.abs(np.diff(together, axis=0)).max() > 1e-3
    backwards = answers(features, np.arange(12)[::-1])
    np.testing.assert_allclose(backwards[::-1], together, atol=1e-5)
    for row in (0, 5, 11):
        alone = answers(features, np.where(np.arange(12) == (row + 3) % 12, row, -1))
        np.testing.assert_allclose(alone[(row + 3) % 12], together[row], atol=1e-5)
    # What lies behind a row's frames is never seen, and a longer row beside it changes nothing.
    if "picture" not in change:
        longer = answers(features.replace(max_steps=features.max_steps + 9), np.arange(12))
        np.testing.assert_allclose(longer, together, atol=1e-5)


# --- precision ------------------------------------------------------------------------------------


def test_bfloat16_stays_near_float32(tuned):
    halved = dataclasses.replace(tuned, module=tuned.module.clone(dtype="bfloat16"))
    features = jax.tree.map(jnp.asarray, tuned.features)
    member = one(make_members(1, features.frames.shape[-1]), 0)
    x, length, _ = population.gather(features, member, jnp.arange(12))
    full, half = (
        np.asarray(jax.jit(module.apply)({"params": features.initial["stem"]}, x, length))
        for module in (tuned.module, halved.module)
    )
    assert full.dtype == half.dtype == np.float32
    error = np.abs(half - full).max() / np.abs(full).max()
    assert 0 < error < 2e-2
    first, after = stepped(halved)
    _, wanted = stepped(tuned)
    for block in ("conv2", "conv3"):
        kernel = after.params["stem"][block]["conv"]["kernel"]
        assert kernel.dtype == np.float32
        assert not same_bits(kernel, first.params["stem"][block]["conv"]["kernel"])
    near, kernel = (x.params["head"]["output"]["kernel"] for x in (after, wanted))
    np.testing.assert_allclose(near, kernel, atol=0.02)


# --- on the fly -----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Poison:
    """Disturbs so that nobody can miss it."""

    def __call__(self, key, x, length, hyper):
        return x * jnp.nan


@pytest.mark.filterwarnings("ignore:overflow")
def test_disturbance_is_of_the_training_step_alone(tuned):
    features = jax.tree.map(jnp.asarray, tuned.features)
    member = one(make_members(1, features.frames.shape[-1]), 0)
    clean, planted = program_on(tuned), program_on(tuned, disturb=Poison())
    first, after = stepped(tuned, program=planted)
    assert after.failed  # the training step took the poison
    finish = jax.jit(one_member.finish_epoch, static_argnums=0)
    results = [finish(p, features, member, first, jnp.float32(0)) for p in (clean, planted)]
    assert same_bits(*results)
    rows = jnp.arange(12)
    results = [predict(p, features, member, first.params, {}, rows) for p in (clean, planted)]
    assert same_bits(*results)


def test_masks_change_training_and_their_shares_are_traced(tuned):
    bands = tuned.module.shape[0]
    masked = program_on(tuned, disturb=OnTheFly(bands, masks=True))
    _, plain = stepped(tuned)
    _, zero = stepped(tuned, program=masked, time_mask=0.0, frequency_mask=0.0)
    _, some = stepped(tuned, program=masked, time_mask=0.5, frequency_mask=0.5)
    assert same_bits(plain.params, zero.params)
    assert not same_bits(plain.params, some.params)
