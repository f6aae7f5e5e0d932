"""The number of devices and hosts, and the bits.

Two processes of two devices each are two hosts to JAX: their collectives go over sockets.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from jser.errors import InputError
from jser.training import hosts, plan
from tests.training.conftest import make_members, make_program


def started(folder, jobs, devices, xla_cache, processes=1):
    """Processes that train, see `tests/training/devices.py`; their exit statuses and errors."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(xla_cache),
    }
    command = [sys.executable, "-m", "tests.training.devices", str(folder), *jobs]
    running = []
    for number in range(processes):
        cluster = {
            "JSER_COORDINATOR": f"localhost:{port}",
            "JSER_PROCESSES": str(processes),
            "JSER_PROCESS": str(number),
        }
        running.append(
            subprocess.Popen(
                command,
                env=environment | (cluster if processes > 1 else {}),
                cwd=Path(__file__).parents[2],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    errors = [process.communicate()[1] for process in running]
    return [process.returncode for process in running], errors


pytestmark = pytest.mark.timeout(300)  # three processes compile, on machines that are busy


@pytest.fixture(scope="module")
def finals(tmp_path_factory, xla_cache):
    """Leaves of final states and answers of one training, by name: on how many devices it was."""
    folder = tmp_path_factory.mktemp("devices")
    # The last one is stopped in the middle of an epoch, by a signal that the second host gets.
    jobs = ["two_hosts_shared:4:2:0:0", "two_hosts_stream:4:1:1:0", "two_hosts_parts:4:4:1:0"]
    status, errors = started(folder, [*jobs, "moved:4:1:0:10"], 2, xla_cache, processes=2)
    assert status == [75, 75], errors[0][-3000:] + errors[1][-3000:]
    assert not (folder / "moved.npz").exists()
    # It goes on here: on one host, and on another number of devices.
    jobs = ["1:1:1:0:0", "2:2:1:0:0", "8:8:1:0:0", "shared:4:2:0:0", "moved:8:1:0:0"]
    jobs += ["parts:4:4:1:0", "held:4:4:0:0"]
    status, errors = started(folder, jobs, 8, xla_cache)
    assert status == [0], errors[0][-3000:]
    found = {}
    for path in folder.glob("*.npz"):
        with np.load(path) as stored:
            found[path.stem] = [stored[name] for name in stored.files]
    for path in folder.glob("*-read-*.txt"):
        found[path.stem] = int(path.read_text())
    return found


def same_bits(a, b):
    return len(a) == len(b) and all(
        x.dtype == y.dtype and x.tobytes() == np.asarray(y).tobytes()
        for x, y in zip(a, b, strict=True)
    )


@pytest.mark.parametrize("other", ["8", "two_hosts_stream", "moved"])
def test_several_devices_are_like_two_to_the_bit(finals, other):
    """Members stay whole on a device: nothing is summed over devices or hosts."""
    assert same_bits(finals["2"], finals[other])


def test_members_that_share_devices_on_one_host_and_on_two(finals):
    assert same_bits(finals["shared"], finals["two_hosts_shared"])


def test_a_member_whose_devices_have_windows_of_their_own_rows(finals):
    """And the same member, each of whose devices has all features."""
    assert same_bits(finals["parts"], finals["held"])


def test_a_member_that_is_spread_over_two_hosts(finals):
    """Sums over hosts have another order than those over the devices of one."""
    for x, y in zip(finals["parts"], finals["two_hosts_parts"], strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


def test_each_host_reads_its_own_part_of_every_batch(finals):
    first, second = finals["two_hosts_parts-read-0"], finals["two_hosts_parts-read-1"]
    assert first + second == finals["parts-read-0"] > 0
    # Of a short batch's rows the first parts have more.
    assert finals["parts-read-0"] / 2 <= first < 0.75 * finals["parts-read-0"]
    assert finals["held-read-0"] == 0


def test_one_of_eight_devices_is_a_machine_with_one(finals, fit):
    alone = jax.tree.leaves(fit(make_program(), make_members(11)))
    assert same_bits(alone, finals["1"][: len(alone)])


@pytest.mark.parametrize("other", ["8", "shared"])
def test_several_devices_are_like_one_but_for_rounding(finals, other):
    for x, y in zip(finals["1"], finals[other], strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


@pytest.mark.xfail(
    strict=True,
    reason="XLA compiles a program for one device and for several with other fusions (1e-8 apart)",
)
def test_eight_devices_are_one_to_the_bit(finals):
    assert same_bits(finals["1"], finals["8"])


def test_batches_are_shared_where_devices_are_many(program):
    assert plan.spread_for(0, 4, 8, 32) == 2
    assert plan.spread_for(0, 3, 8, 32) == 2
    assert plan.spread_for(0, 1, 8, 4) == 4  # rows of a batch
    assert plan.spread_for(0, 1, 6, 8) == 2  # divides both
    assert plan.spread_for(0, 9, 8, 32) == 1
    assert plan.spread_for(4, 9, 8, 32) == 4  # as asked


@pytest.mark.parametrize(("asked", "rows"), [(3, 9), (4, 6)])
def test_devices_that_cannot_be_shared_out(asked, rows):
    with pytest.raises(InputError, match=rf"population\.spread: {asked} devices a member do not"):
        plan.spread_for(asked, 1, 8, rows)


CLUSTER = {"JSER_COORDINATOR": "localhost:1", "JSER_PROCESSES": "2", "JSER_PROCESS": "0"}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"JSER_PROCESS": ""}, "JSER_COORDINATOR is set and JSER_PROCESS is not; set all of"),
        ({"JSER_PROCESS": "2"}, "JSER_PROCESS=2: is none of 0 to 1"),
        ({"JSER_PROCESSES": "two"}, "JSER_PROCESSES=two: is no whole number"),
    ],
)
def test_a_cluster_that_is_named_wrongly(changed, sentence):
    with pytest.raises(InputError, match=sentence):
        hosts.join(CLUSTER | changed)


def test_alone_there_is_nobody_to_join():
    hosts.join({})
    hosts.join({"JSER_PROCESSES": "1", "SLURM_STEP_NUM_TASKS": "8"})
    hosts.join(CLUSTER | {"JSER_PROCESSES": "1"})
    assert not hosts.several()


def test_clusters_that_are_seen():
    assert hosts._several_are_seen({"SLURM_STEP_NUM_TASKS": "2"})
    assert hosts._several_are_seen({"TPU_WORKER_HOSTNAMES": "t1,t2"})
    assert not hosts._several_are_seen({"SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "8"})
    assert not hosts._several_are_seen({"TPU_WORKER_HOSTNAMES": "localhost"})


def test_numbers_of_more_than_32_bits_are_agreed_on(monkeypatch):
    monkeypatch.setattr(hosts, "several", lambda: True)
    seen = []

    def both(value):
        seen.append(np.array(value, np.int32))
        return np.stack([seen[0], np.array(divmod(5 << 40, 1 << 31), np.int32)])

    monkeypatch.setattr(hosts, "_of_all", both)
    assert hosts.least_of(7 << 41) == 5 << 40
