"""The label lattice against an enumeration of all paths, and against the chain written out."""

import jax
import jax.numpy as jnp
import numpy as np

from jser.models import label_lattice

log_likelihood, occupancy = jax.jit(label_lattice.log_likelihood), jax.jit(label_lattice.occupancy)

K = 3
# Segments of these lengths, one behind the other.
CHAINS = [(1,), (2,), (7,), (3, 4), (1, 2), (2, 1, 3), (2, 2, 2), (1, 3, 1)]


def borders(lengths):
    """Border flags of segments of some lengths."""
    out = np.zeros(sum(lengths), np.int32)
    out[np.cumsum(lengths)[:-1]] = 1
    return out


def posteriors(n_frames, seed=0):
    logits = np.random.default_rng(seed).normal(size=(n_frames, K + 1)) * 2
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def paths(border):
    """All paths through the states 1 .. 2 S + 1 of the paper, band by band."""
    segment = 1 + np.cumsum(border)
    last = segment[-1]

    def go(path):
        t = len(path)
        if t == len(border):
            if path[-1] >= 2 * last:
                yield path
            return
        s = segment[t]
        follow = (1, 2) if t == 0 else (path[-1], path[-1] + 1)
        for state in follow:
            if 2 * s - 1 <= state <= 2 * s + 1:
                yield from go((*path, state))

    return list(go(()))


def enumerated(y, border, emotion):
    """ln sum over paths, and the posterior of `emotion` at each frame, by enumeration."""
    found = paths(border)
    on = np.array([[state % 2 == 0 for state in path] for path in found])
    score = np.where(on, y[:, emotion], y[:, -1]).sum(1)
    total = np.log(np.exp(score).sum())
    return total, (np.exp(score - total)[:, None] * on).sum(0)


def written_out(y, border, emotion):
    """Forward-backward on the whole chain of 2 S + 1 states with a mask [T, states]."""
    segment = np.cumsum(border)
    n_states = 2 * segment[-1] + 3
    state = np.arange(n_states)
    allowed = (state >= 2 * segment[:, None]) & (state <= 2 * segment[:, None] + 2)
    emit = np.where(allowed, np.where(state % 2, y[:, [emotion]], y[:, -1:]), -np.inf)
    alpha, beta = np.full_like(emit, -np.inf), np.full_like(emit, -np.inf)
    alpha[0, :2] = emit[0, :2]
    for t in range(1, len(y)):
        moved = np.concatenate([[-np.inf], alpha[t - 1, :-1]])
        alpha[t] = np.logaddexp(alpha[t - 1], moved) + emit[t]
    beta[-1, -2:] = 0
    for t in range(len(y) - 2, -1, -1):
        ahead = beta[t + 1] + emit[t + 1]
        beta[t] = np.logaddexp(ahead, np.concatenate([ahead[1:], [-np.inf]]))
    total = np.logaddexp(alpha[-1, -1], alpha[-1, -2])
    return total, np.exp(alpha + beta - total)[:, state % 2 == 1].sum(1)


def test_two_frames_by_hand():
    """One segment of two frames has the paths EE, E Null and Null E, but not Null Null."""
    y = np.log(np.array([[0.5, 0.2, 0.1, 0.2], [0.3, 0.4, 0.2, 0.1]]))
    found = log_likelihood(y[None].astype(np.float32), np.zeros((1, 2)), np.array([2]))
    by_hand = [0.5 * 0.3 + 0.5 * 0.1 + 0.2 * 0.3, 0.08 + 0.02 + 0.08, 0.02 + 0.01 + 0.04]
    np.testing.assert_allclose(np.exp(found[0]), by_hand, rtol=1e-5)
    gamma = occupancy(y[None].astype(np.float32), np.zeros((1, 2)), np.array([2]))
    np.testing.assert_allclose(gamma[0, 0, :, 0], [0.20 / 0.26, 0.21 / 0.26], rtol=1e-5)


def test_one_frame_carries_the_emotion():
    found = log_likelihood(np.log([[[0.5, 0.2, 0.3]]]), np.zeros((1, 1)), np.array([1]))
    np.testing.assert_allclose(np.exp(found), [[0.5, 0.2]], rtol=1e-6)


def test_the_shared_null_must_be_passed():
    """Two segments of two frames: E E straight over the border is no path, Null must be between."""
    assert (2, 2, 4, 4) not in paths(borders((2, 2)))
    assert {(2, 3, 4, 4), (2, 2, 3, 4), (2, 3, 3, 4)} <= set(paths(borders((2, 2))))


def test_every_path_counted_once():
    """All chains as rows of one batch, in float64."""
    length = np.array([sum(lengths) for lengths in CHAINS])
    y = np.zeros((len(CHAINS), 7, K + 1))
    border = np.zeros((len(CHAINS), 7), np.int32)
    for row, lengths in enumerate(CHAINS):
        y[row, : length[row]] = posteriors(length[row], row)
        border[row, : length[row]] = borders(lengths)
    with jax.enable_x64(True):
        found = np.asarray(log_likelihood(y, border, length))
        gamma = np.asarray(occupancy(y, border, length))
    assert found.dtype == np.float64
    for row, n in enumerate(length):
        for k in range(K):
            for oracle in (enumerated, written_out):
                total, on = oracle(y[row, :n], border[row, :n], k)
                np.testing.assert_allclose(found[row, k], total, rtol=1e-12)
                np.testing.assert_allclose(gamma[row, k, :n, 0], on, atol=1e-12)
        np.testing.assert_allclose(gamma[row, :, :n].sum(-1), 1, atol=1e-12)
        np.testing.assert_array_equal(gamma[row, :, n:], 0)


def test_gradient_of_the_logits():
    """d ln p / dz = gamma - y, and the same by finite differences."""
    border = borders((4, 3, 5))
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(len(border), K + 1)) * 2

    def of(z):
        y = jax.nn.log_softmax(jnp.asarray(z))[None]
        return log_likelihood(y, border[None], np.array([len(border)]))[0, 1]

    with jax.enable_x64(True):
        gradient = np.asarray(jax.jit(jax.grad(of))(jnp.asarray(logits)))
        y = np.asarray(jax.nn.log_softmax(jnp.asarray(logits)))
        _, on = written_out(y, border, 1)
        gamma = np.zeros_like(logits)
        gamma[:, 1], gamma[:, -1] = on, 1 - on
        np.testing.assert_allclose(gradient, gamma - np.exp(y), atol=1e-12)
        for t, c in ((0, 1), (4, 3), (7, 0), (11, 1)):
            step = np.zeros_like(logits)
            step[t, c] = 1e-6
            slope = (of(logits + step) - of(logits - step)) / 2e-6
            np.testing.assert_allclose(gradient[t, c], slope, atol=1e-8)


def test_thousands_of_frames_in_single_precision():
    border = np.zeros(3000, np.int32)
    border[60::60] = 1
    y = posteriors(3000, seed=2)
    total, on = written_out(y, border, 0)
    given = y[None].astype(np.float32), border[None], np.array([3000])
    np.testing.assert_allclose(log_likelihood(*given)[0, 0], total, rtol=1e-5)
    np.testing.assert_allclose(occupancy(*given)[0, 0, :, 0], on, atol=2e-5)


def test_padding_neighbours_and_empty_rows():
    border, y = borders((3, 4)), posteriors(7).astype(np.float32)
    alone = log_likelihood(y[None], border[None], np.array([7]))
    batch = np.full((3, 12, K + 1), -3.0, np.float32)
    flags = np.ones((3, 12), np.int32)
    batch[0, :7], flags[0, :7] = y, border
    length = np.array([7, 12, 0])
    together = log_likelihood(batch, flags, length)
    np.testing.assert_array_equal(together[0], alone[0])
    np.testing.assert_array_equal(together[2], 0)

    @jax.jit
    @jax.grad
    def slope(z):
        found = log_likelihood(z, flags, length)
        return found[0].sum() + found[2].sum()

    gradient = slope(batch)
    assert np.abs(gradient[0, :7]).sum() > 1
    assert (np.asarray(gradient[0, 7:]) == 0).all()
    assert (np.asarray(gradient[2]) == 0).all()


def test_impossible_labels_and_impossible_borders():
    """-inf stays -inf, and no gradient is NaN."""
    border, y = borders((3, 3)), posteriors(6)
    y[1, 0] = y[4, -1] = -np.inf  # emotion 0 cannot be at frame 1, Null not at frame 4
    y[:3, 2] = -np.inf  # emotion 2 nowhere in the first segment
    given = y[None].astype(np.float32), border[None], np.array([6])
    found, gamma = log_likelihood(*given), occupancy(*given)
    for k in (0, 1):
        total, on = enumerated(y, border, k)
        np.testing.assert_allclose(found[0, k], total, rtol=1e-5)
        np.testing.assert_allclose(gamma[0, k, :, 0], on, atol=1e-6)
    assert found[0, 2] == -np.inf
    assert (np.asarray(gamma[0, 2]) == 0).all()

    @jax.jit
    @jax.grad
    def through_softmax(z):
        return log_likelihood(jax.nn.log_softmax(z), *given[1:])[0, 0]

    assert np.isfinite(through_softmax(given[0])).all()
    one_by_one = np.ones((1, 6), np.int32)
    assert (np.asarray(log_likelihood(given[0], one_by_one, given[2])) == -np.inf).all()
    assert (np.asarray(occupancy(given[0], one_by_one, given[2])) == 0).all()


def test_under_vmap_and_lax_map():
    border = borders((5, 4))[None]
    y = np.stack([posteriors(9, seed)[None] for seed in range(3)]).astype(np.float32)

    @jax.jit
    def slope(z):
        return jax.grad(lambda z: log_likelihood(z, border, jnp.array([9]))[0, 0])(z)

    single = np.stack([slope(z) for z in y])
    np.testing.assert_allclose(jax.jit(jax.vmap(slope))(y), single, atol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda y: jax.lax.map(slope, y))(y), single, atol=1e-6)
