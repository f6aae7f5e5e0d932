"""Maps of a tuned stem that are computed again for the gradient."""

import jax
import numpy as np
import pytest

from jser import computing
from jser.computing import Computing
from jser.errors import InputError
from jser.training import blocks, loop, plan
from jser.training.plan import Plan
from tests.training.test_tuning import lay_out, make_members, program_on, small_nets  # noqa: F401

AGAIN = Computing(remat=True)


@pytest.fixture(scope="module")
def setting(small_nets):  # noqa: F811
    _, tuned = lay_out({"taps": ("conv4",), "pool": ("mean", "std")}, "conv2")
    members = make_members(2, tuned.features.frames.shape[-1])
    return program_on(tuned), tuned.features, members


def test_a_step_is_the_same(setting):
    program, features, members = setting
    mesh = blocks.member_mesh(jax.devices()[:1])
    found = []
    for choice in (computing.PLAIN, AGAIN):
        compiled = blocks.compile_block(program, mesh, 2, True, choice)
        (table,) = blocks.to_blocks(members, 2, mesh)
        on_device = jax.device_put(features)
        state = compiled.init(on_device, table)
        orders = compiled.shuffle(on_device, np.int32(0), table)
        state, loss = compiled.train(on_device, np.int32(0), np.int32(1), table, state, orders)
        found.append((loss, state.params))
    plain, again = found
    for a, b in zip(jax.tree.leaves(plain), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_blocks_input_alone_is_kept(setting):
    program, features, members = setting

    def kept(choice):
        with computing.by(choice):
            return plan.training_bytes(program, features, members)[1]

    assert kept(AGAIN) < 0.8 * kept(computing.PLAIN)


def test_where_memory_asks(setting, monkeypatch):
    program, features, members = setting

    def chosen(free, remat="auto"):
        monkeypatch.setattr(plan, "_free_of_one", lambda *_: free)
        return plan.choose_plan(program, features, members, 1, remat=remat).computing.remat

    assert not chosen(10**12)
    assert chosen(10**3)
    assert chosen(10**12, "always")
    assert not chosen(10**3, "never")
    with pytest.raises(
        InputError, match=r"population\.remat: 'yes' is none of auto, always, never"
    ):
        chosen(10**12, "yes")


def test_a_frozen_stem_has_nothing_to_compute_again(setting, monkeypatch):
    program, features, members = setting

    def counted(*_):
        raise AssertionError("no bytes need to be counted")

    monkeypatch.setattr(plan, "training_bytes", counted)
    found = plan.choose_plan(program, features.replace(initial={}), members, 1, remat="auto")
    assert found.computing == computing.PLAIN


def test_a_training_that_goes_on_otherwise_is_refused(setting, tmp_path):
    program, features, members = setting
    devices = tuple(jax.devices()[:1])
    loop.fit(program, features, members, Plan(1, 1, devices, AGAIN), tmp_path, "select", 1e9)
    with pytest.raises(InputError, match=r"computed again .* --config.population.remat=always"):
        loop.fit(program, features, members, Plan(1, 1, devices), tmp_path, "select", 1e9)
