"""`launch/restart.sh`: what starts again, and what does not."""

import signal
import subprocess
import time

import pytest

from tests.launch.conftest import LAUNCH, write

pytestmark = pytest.mark.timeout(20)


def restart(stage, statuses, **given):
    given = {"JSER_RESTART_WAIT": "0", "STATUSES": statuses, **given}
    return stage.run(LAUNCH / "restart.sh", stage.command, "train", "a b", **given)


@pytest.mark.parametrize(
    ("statuses", "starts", "status"),
    [
        ("0", 1, 0),
        ("75 75 0", 3, 0),
        ("KILL 143 139 0", 4, 0),
        ("1 0", 1, 1),
        ("75 1 0", 2, 1),
        ("2 0", 1, 2),
        ("70 0", 1, 70),
        ("130 0", 1, 130),
        ("255 0", 1, 255),
    ],
)
def test_restart(stage, statuses, starts, status):
    done = restart(stage, statuses)
    assert done.returncode == status, done.stderr
    assert stage.calls() == ["train a b"] * starts


def test_restart_gives_up(stage):
    done = restart(stage, "75 75 75 75", JSER_RESTARTS="2")
    assert (done.returncode, len(stage.calls())) == (75, 3)
    assert "given up" in done.stderr


def test_restart_at_more_statuses(stage):
    assert restart(stage, "70 70 0", JSER_RESTART_ALSO="70").returncode == 0
    assert len(stage.calls()) == 3


def test_restart_of_a_wrong_number(stage):
    done = restart(stage, "0", JSER_RESTARTS="many")
    assert done.returncode == 2
    assert "'many'" in done.stderr
    assert not stage.calls()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_restart_passes_a_signal_on(stage, number, status):
    write(
        stage.command,
        "#!/usr/bin/env bash\n"
        "trap 'sleep 0.2; exit 75' TERM; trap 'exit 130' INT\n"
        'echo up >>"$LOG"\nfor i in {1..100}; do sleep 0.1; done\n',
    )
    with subprocess.Popen([LAUNCH / "restart.sh", stage.command], env=stage.env()) as process:
        wait_for(stage.calls)
        process.send_signal(number)
        assert process.wait(10) == status
    assert stage.calls() == ["up"]


def test_restart_ends_while_it_waits(stage):
    env = stage.env(JSER_RESTART_WAIT="60", STATUSES="75 0")
    with subprocess.Popen([LAUNCH / "restart.sh", stage.command], env=env) as process:
        wait_for(stage.calls)
        time.sleep(0.3)
        process.terminate()
        assert process.wait(10) == 75
    assert len(stage.calls()) == 1


def wait_for(what):
    for _ in range(100):
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("nothing happened")
