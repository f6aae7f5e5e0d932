"""A training by stream is the training of features that lie on the device, bit for bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jser.errors import InputError
from jser.records.rows import OneSet, Rows
from jser.training import blocks, loop, plan, population, stream, streamed
from jser.training.plan import Plan
from jser.training.stream import Source
from tests.training.conftest import make_members, same_bits

ONE = blocks.member_mesh(jax.devices()[:1])


@pytest.fixture(scope="module")
def on_host(features):
    return jax.tree.map(np.asarray, features)


def ragged():
    """Three rows of 2, 1 and 3 frames in two sets; a frame's number is 10 * row + frame."""
    frames = np.array([[0, 1, 10, 20, 21, 22]], np.float32)[:, :, None]
    return population.Features(
        np.concatenate([frames, 100 + frames]),
        np.array([0, 2, 3], np.int32),
        np.array([2, 1, 3], np.int32),
        np.zeros((2, 3, 1), np.float32),
        np.arange(3, dtype=np.int32),
        3,
    )


def test_a_window_worked_by_hand():
    source = Source(ragged(), ONE)
    rows = np.array([[[2, -1]], [[0, 2]]])
    frames, offset, named = source.window(rows, np.array([0, 1]), 7)
    assert named.tolist() == [0, 2, 2**31 - 1, 2**31 - 1]
    np.testing.assert_array_equal(offset[:2], [0, 2])
    # Rows 0 and 2 have their places in both sets; each member's set holds its own alone.
    np.testing.assert_array_equal(
        frames[:, :, 0], [[0, 0, 20, 21, 22, 0, 0], [100, 101, 120, 121, 122, 0, 0]]
    )


def test_windows_come_in_order_and_are_on_the_device():
    source = Source(ragged(), ONE)
    rows = [np.array([[r]]) for r in (2, 0, 1, 2)]
    found = []
    with jax.transfer_guard("disallow"):
        for features in source.windows(rows, np.array([1])):
            assert isinstance(features.frames, jax.Array)
            found.append(stream.in_windows(jax.device_get(features)))
    for some, features in zip(rows, found, strict=True):
        row = some.item()
        begin = features.offset[features.named.tolist().index(row)]
        own = features.frames[1, begin : begin + features.length[row], 0]
        np.testing.assert_array_equal(own, 100 + 10 * row + np.arange(len(own)))
    assert source.resident.frames.shape == (1, 2, 1, 1)  # of the one device


@pytest.mark.parametrize("memory", ["in memory", "memory-mapped"])
@pytest.mark.parametrize(("width", "steps_per_call"), [(1, 1), (2, 1), (2, 2), (3, 0)])
def test_the_same_bits(on_host, tmp_path, program, width, steps_per_call, memory):
    members = make_members(5)
    members.epochs[2] = 2  # somebody ends before the others
    given = on_host
    if memory == "memory-mapped":
        np.save(tmp_path / "frames.npy", on_host.frames)
        given = on_host.replace(frames=np.load(tmp_path / "frames.npy", mmap_mode="r"))
    rows = np.tile(np.arange(18, 24, dtype=np.int32), (5, 1))

    def trained(streams):
        folder = tmp_path / f"stream-{streams}"
        folder.mkdir()
        how = Plan(width, steps_per_call, tuple(jax.devices()[:1]), stream=streams)
        state = loop.fit(program, given, members, how, folder, "select", 1e9)
        return state, loop.predict(program, given, members, state, rows, how)

    (state, answers), (other, same) = trained(False), trained(True)
    for name in ("params", "average", "opt_state", "epoch", "alive", "best_epoch", "best_params"):
        assert same_bits(getattr(state, name), getattr(other, name)), name
    for mine, theirs in zip(answers, same, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_a_refit_predicts_nothing(on_host, tmp_path, program, monkeypatch):
    members = make_members(2).replace(dev_index=np.full((2, 1), -1, np.int32))
    monkeypatch.setattr(streamed, "answers", None)
    found = []
    for streams in (False, True):
        folder = tmp_path / str(streams)
        folder.mkdir()
        how = Plan(2, 1, tuple(jax.devices()[:1]), stream=streams)
        found.append(loop.fit(program, on_host, members, how, folder, "refit", 1e9))
    assert same_bits(*found)


def test_killed_and_resumed(on_host, tmp_path, program, monkeypatch):
    members = make_members(3, epochs=3)
    how = Plan(2, 1, tuple(jax.devices()[:1]), stream=True)

    def fit(name):
        (tmp_path / name).mkdir(exist_ok=True)
        return loop.fit(program, on_host, members, how, tmp_path / name, "select", 0)

    write = loop.metrics_log.MetricsLog.write

    def dying(self, epoch, metrics):
        if epoch == 2:
            raise KeyboardInterrupt
        write(self, epoch, metrics)

    with monkeypatch.context() as patch:
        patch.setattr(loop.metrics_log.MetricsLog, "write", dying)
        with pytest.raises(KeyboardInterrupt):
            fit("cut")
    assert same_bits(fit("whole"), fit("cut"))


def test_the_room_of_a_window_is_that_of_the_longest_rows():
    assert stream.capacity(ragged(), 1) == 3
    assert stream.capacity(ragged(), 2) == 5
    assert stream.capacity(ragged(), 99) == 6
    assert stream.window_bytes(ragged(), 2) == 2 * 5 * 1 * 4


def test_calls_are_as_long_as_their_windows_fit(on_host, program, monkeypatch):
    members = make_members(2)
    one = stream.window_bytes(on_host, 2 * program.batch_size)
    monkeypatch.setattr(plan, "on_cpu", lambda: False)

    def steps(free, how="always"):
        monkeypatch.setattr(plan, "_free_of_one", lambda device: free)
        return plan.choose_plan(program, on_host, members, 2, stream=how).steps_per_call

    # Three windows in half of six tenths of the memory.
    assert steps(10 * one) == 1
    assert steps(50 * one) == 5
    assert steps(1) == 1
    assert steps(10**12, "never") == 0  # a whole epoch


def test_the_host_stays_two_calls_ahead(on_host, tmp_path, program, monkeypatch):
    """Results are waited for one call later, so that no more than two windows are held."""
    waited = []
    ready = jax.block_until_ready
    monkeypatch.setattr(streamed.jax, "block_until_ready", lambda a: waited.append(1) or ready(a))
    members = make_members(1, epochs=1)
    how = Plan(1, 1, tuple(jax.devices()[:1]), stream=True)
    loop.fit(program, on_host, members, how, tmp_path, "select", 1e9)
    steps, pieces = 2, 2  # of 8 train rows and of 6 dev rows, in batches of 4
    assert len(waited) == steps - 1 + pieces - 1


def test_where_memory_asks(on_host, program, monkeypatch):
    members = make_members(2)

    def chosen(free, wanted="auto"):
        monkeypatch.setattr(plan, "_free_of_one", lambda device: free)
        return plan.choose_plan(program, on_host, members, 1, stream=wanted).stream

    bytes_of_all = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(on_host))
    assert not chosen(2 * bytes_of_all)
    assert chosen(bytes_of_all)
    assert chosen(2 * bytes_of_all, "always")
    assert not chosen(bytes_of_all, "never")
    with pytest.raises(InputError, match=r"population\.stream: 'on' is none of auto, always"):
        chosen(1, "on")


def test_no_row_of_another_member_is_sent_for_it(on_host):
    """What is not in a window cannot be read: those of other sets are zero."""
    source = Source(on_host, ONE)
    rows = np.array([[3, 4], [5, -1]])
    frames, offset, named = source.window(rows, np.array([0, 1]), 40)
    offset = dict(zip(named.tolist(), offset.tolist(), strict=True))
    length = on_host.length
    for number, own in ((0, [3, 4]), (1, [5])):
        for row in (3, 4, 5):
            place = frames[number, offset[row] : offset[row] + length[row]]
            assert place.any() == (row in own)
    assert jnp.sum(jnp.abs(frames[:, length[[3, 4, 5]].sum() :])) == 0


def test_parts_of_a_batch_are_gathered_as_the_whole(on_host):
    """Each of the devices that share a member has the frames of its own rows alone."""
    member = jax.tree.map(lambda a: jnp.asarray(a[0]), make_members(1))
    rows = np.array([4, 0, 7, -1, 5, 5], np.int32)
    source = Source(on_host, ONE)
    room = stream.capacity(on_host, 2)
    cuts = [source.window(own[None], np.array([0]), room) for own in np.split(rows, 3)]
    frames, offset, named = (np.stack(arrays) for arrays in zip(*cuts, strict=True))
    held = jax.device_put(on_host)
    brought = {"frames": frames, "offset": offset, "named": named}
    windows = held.replace(**jax.device_put(brought))
    whole = population.gather(held, member, jnp.asarray(rows))
    parts = population.gather(windows, member, jnp.asarray(rows))
    for ours, theirs in zip(parts, whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_row_that_cannot_be_read_says_why(on_host):
    def read(row):
        raise InputError(f"row {row} is gone")

    width = on_host.frames.shape[-1]
    rows = Rows(read, on_host.length, width, "gone")
    source = Source(on_host.replace(frames=OneSet(rows), offset=rows.offset), ONE)
    with pytest.raises(InputError, match="row 3 is gone"):
        list(source.windows([np.array([[3]])], np.array([0])))
