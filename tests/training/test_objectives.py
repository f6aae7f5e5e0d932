"""Losses, class weights, mixup targets and the learning rate, worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jser.training import objectives, one_member, optimiser, population
from tests.training.conftest import make_program, mixup_step, one


def test_targets():
    made = objectives.targets(jnp.array([1, -1, 3]), 4, 0.2)
    np.testing.assert_allclose(
        made, [[0.05, 0.85, 0.05, 0.05], [0, 0, 0, 0], [0.05, 0.05, 0.05, 0.85]], rtol=1e-6
    )


def test_cross_entropy_and_the_label_that_is_none():
    logits = jnp.log(jnp.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.2, 0.2, 0.6]]))
    target = objectives.targets(jnp.array([0, -1, 2]), 3)
    weight = jnp.array([1.0, 0.0, 3.0])
    wanted = (np.log(2) + 3 * -np.log(0.6)) / 4
    np.testing.assert_allclose(objectives.cross_entropy(logits, target, weight), wanted, rtol=1e-6)
    # Even with a weight, a row of label -1 adds no loss; optax would read it as class 2.
    loss = objectives.cross_entropy(logits[1:2], target[1:2], jnp.ones(1))
    assert loss == 0
    wrong = optax.softmax_cross_entropy_with_integer_labels(logits[1:2], jnp.array([-1]))
    assert wrong > 0.2
    assert objectives.cross_entropy(logits, jnp.zeros((3, 3)), jnp.zeros(3)) == 0


def test_class_weights():
    # Six labelled rows, three of four classes: 6 / (3 * count).
    label = jnp.array([0, 0, 0, 1, 3, 3, -1, -1])
    made = objectives.class_weights(label, 4)
    np.testing.assert_allclose(made, [2 / 3, 2, 0, 1], rtol=1e-6)
    np.testing.assert_allclose(np.mean(np.asarray(made)[[0, 0, 0, 1, 3, 3]]), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(objectives.class_weights(jnp.array([-1, -1]), 3), [0, 0, 0])


def test_mixup_by_hand(features, members):
    """The loss of a mixed batch, from the shares and partners that the step's own key draws."""
    program = make_program(mixup=True)
    member = one(members, 0)
    member = member.replace(hyper={**member.hyper, "dropout": jnp.float32(0)})
    state = one_member.init_member(program, features, member)
    rows = jnp.array([0, 4, 20, 7])  # labels 0, 1, hidden, 1
    _, loss = mixup_step(features, member, state, rows, 2)

    key = jax.random.fold_in(population.member_key(member, 0), 2)
    mix_key, partner_key, _ = jax.random.split(key, 3)
    share = float(jax.jit(jax.random.beta)(mix_key, *2 * (member.hyper["mixup"],)))
    partner = np.array(jax.random.permutation(partner_key, 4))
    label = np.array([0, 1, -1, 1])
    partner = np.where(label[partner] >= 0, partner, np.arange(4))
    x, length, pooled = jax.tree.map(np.asarray, population.gather(features, member, rows))
    table = np.asarray(member.label)[np.asarray(member.train_index)]
    table = table[np.asarray(member.train_index) >= 0]
    by_class = len(table) / (3 * np.bincount(table, minlength=3))
    total = norm = 0.0
    for i in (0, 1, 3):
        j = partner[i]
        mixed = share * x[i] + (1 - share) * x[j]
        logits, _ = program.model.apply(
            {"params": state.params},
            mixed[None],
            np.maximum(length[i], length[j])[None],
            (share * pooled[i] + (1 - share) * pooled[j])[None],
            member.hyper,
            False,
        )
        log_p = np.asarray(jax.nn.log_softmax(logits))[0]
        for part, k in ((share, label[i]), (1 - share, label[j])):
            target = 0.9 * np.eye(3)[k] + 0.1 / 3
            total += part * by_class[k] * -(target @ log_p)
            norm += part * by_class[k]
    np.testing.assert_allclose(loss, total / norm, rtol=1e-5)


@pytest.mark.parametrize(("total", "warmup"), [(40, 0.25), (100, 0.05), (30, 0.1)])
def test_warmup_cosine_is_optax_own(total, warmup):
    ours = jax.vmap(optimiser.warmup_cosine(3e-3, warmup, total))(jnp.arange(total + 5))
    rise = round(warmup * total)
    # optax counts from 0 up to the peak at step `rise`; ours starts one step up.
    theirs = optax.warmup_cosine_decay_schedule(3e-3 / rise, 3e-3, rise - 1, total - 1)
    rising = [float(theirs(n)) for n in range(rise)]
    np.testing.assert_allclose(ours[:rise], rising, rtol=1e-5)
    falling = optax.cosine_decay_schedule(3e-3, total - rise)
    np.testing.assert_allclose(
        ours[rise:], [float(falling(n)) for n in range(total + 5 - rise)], rtol=1e-4, atol=1e-9
    )
    assert ours[-1] < 1e-9
    np.testing.assert_allclose(max(ours), 3e-3, rtol=1e-6)


def test_only_matrices_decay():
    params = {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}
    hyper = {"learning_rate": 0.1, "weight_decay": 0.5, "clip": 1.0, "warmup": 0.0}
    transform = optimiser.adamw(hyper, 10)
    zero = jax.tree.map(jnp.zeros_like, params)
    updates, _ = transform.update(zero, transform.init(params), params)
    np.testing.assert_allclose(updates["kernel"], -0.1 * 0.5, rtol=1e-5)
    np.testing.assert_array_equal(updates["bias"], 0)
