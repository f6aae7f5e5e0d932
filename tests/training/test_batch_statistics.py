"""Statistics of batches, and losses on an embedding, in a training step."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser.training import loop, one_member, population
from jser.training.plan import Plan
from tests.training.conftest import CLASSES, make_members, make_program, one, same_bits, take


class Normed(nn.Module):
    """Mean over time, batch normalisation, an embedding."""

    @nn.compact
    def __call__(self, x, length, pooled, hyper, train):
        mask = jnp.arange(x.shape[1])[None, :] < length[:, None]
        z = x.sum(1) / jnp.maximum(length, 1)[:, None]
        z = nn.BatchNorm(use_running_average=not train, momentum=0.5, name="norm")(
            z, mask=(length > 0)[:, None]
        )
        self.sow("intermediates", "embedding", z)
        return nn.Dense(CLASSES, name="output")(z), mask / jnp.maximum(length, 1)[:, None]


def program(**changed):
    return make_program(**({"model": Normed()} | changed))


def hyper(members, **values):
    n = len(members)
    more = {name: np.full(n, value, np.float32) for name, value in values.items()}
    return members.replace(hyper=members.hyper | more)


def test_statistics_follow_the_batches_that_count(features):
    member = one(make_members(1), 0)
    first = one_member.init_member(program(), features, member)
    rows = jnp.array([0, 1, 2, -1])
    state, _ = one_member.train_step(program(), features, member, first, rows, jnp.int32(0))
    x, length, _ = population.gather(features, member, rows[:3])
    mean = (x.sum(1) / length[:, None]).mean(0)
    np.testing.assert_allclose(state.stats["norm"]["mean"], 0.5 * mean, atol=1e-6)
    empty = jnp.full(4, -1)
    after, _ = one_member.train_step(program(), features, member, state, empty, jnp.int32(1))
    assert same_bits(after.stats, state.stats), "a batch of padding has no statistics"


def test_statistics_are_averaged_as_the_weights_are(features):
    """Worked by hand from the statistics and weights that a training without averages has."""
    plain = one(make_members(1), 0)
    batches = [jnp.array(rows) for rows in ([0, 1, 2, 3], [4, 5, 6, -1])]

    def states(decay):
        member = plain.replace(hyper=plain.hyper | {"average": jnp.float32(decay)})
        found = [one_member.init_member(program(), features, member)]
        for step, rows in enumerate(batches):
            found.append(
                one_member.train_step(
                    program(), features, member, found[-1], rows, jnp.int32(step)
                )[0]
            )
        return member, found

    member, averaged = states(0.8)
    _, (first, second, third) = states(0.0)
    assert same_bits(third.average_stats, third.stats), "a decay of 0 averages nothing"
    for name in ("mean", "var"):
        start, one_step, two = (s.stats["norm"][name] for s in (first, second, third))
        wanted = 0.64 * start + 0.16 * one_step + 0.2 * two
        np.testing.assert_allclose(averaged[2].average_stats["norm"][name], wanted, atol=1e-6)
    chosen, _ = one_member.finish_epoch(
        program(), features, member, averaged[-1], jnp.zeros(len(batches))
    )
    assert same_bits(chosen.best_stats, averaged[-1].average_stats)


def test_dev_is_scored_with_averaged_statistics(features):
    """Statistics of the last weights would give the averaged ones another answer."""
    member = one(make_members(1), 0)
    state = one_member.init_member(program(), features, member)

    def dev_loss(**changed):
        _, metrics = one_member.finish_epoch(
            program(), features, member, state.replace(**changed), jnp.zeros(3)
        )
        return float(metrics.dev_loss)

    far = {"norm": {"mean": jnp.full(5, 3.0), "var": jnp.full(5, 0.1)}}
    assert dev_loss(stats=far) == dev_loss()
    assert dev_loss(average_stats=far) > dev_loss() + 0.1


def test_the_best_epoch_keeps_its_statistics(fit):
    """Evaluation reads those of the epoch that dev chose, not the last ones."""
    members = make_members(5)
    final = fit(program(), members)
    assert (final.best_epoch < 3).any()
    for p in range(5):
        mine = take(members, [p]).replace(epochs=final.best_epoch[[p]])
        short = fit(program(), mine)
        assert same_bits(take(short.best_stats, [0]), take(final.best_stats, [p]))
        assert same_bits(take(short.average_stats, [0]), take(final.best_stats, [p]))


def test_answers_and_embedding_are_of_the_best_epoch(features, fit):
    members = make_members(2)
    state = fit(program(), members)
    rows = np.tile(np.arange(6, dtype=np.int32), (2, 1))
    plan = Plan(1, 1, tuple(jax.devices()[:1]))
    _, _, embedding = loop.predict(program(), features, members, state, rows, plan)
    for p in range(2):
        x, length, _ = population.gather(features, one(members, p), jnp.arange(6))
        norm = take(state.best_stats, p)["norm"]
        scale = take(state.best_params, p)["norm"]
        z = (x.sum(1) / length[:, None] - norm["mean"]) / np.sqrt(norm["var"] + 1e-5)
        np.testing.assert_allclose(embedding[p], z * scale["scale"] + scale["bias"], atol=1e-4)


@pytest.mark.parametrize("kind", ["contrastive", "center"])
def test_a_loss_on_the_embedding_acts_by_its_weight(features, kind):
    rows = jnp.array([0, 1, 2, 3])
    plain = one(make_members(1), 0)

    def step(program, weight):
        member = plain.replace(hyper=plain.hyper | {"metric": jnp.float32(weight)})
        first = one_member.init_member(program, features, member)
        return first, *one_member.train_step(program, features, member, first, rows, jnp.int32(0))

    _, without, loss = step(program(), 0.0)
    first, with_none, same = step(program(metric_loss=kind), 0.0)
    assert float(loss) == pytest.approx(float(same))
    np.testing.assert_allclose(
        without.params["output"]["kernel"], with_none.params["output"]["kernel"], atol=1e-6
    )
    _, moved, more = step(program(metric_loss=kind), 5.0)
    assert float(more) > float(loss)
    if kind == "center":
        assert first.params["centres"].shape == (CLASSES, 5)
        assert not first.params["centres"].any()
        assert (np.abs(moved.params["centres"]).sum(-1) > 0).all(), "they go to their classes"
