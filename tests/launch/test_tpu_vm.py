"""`launch/tpu_vm.sh` against a stand-in for gcloud."""

import re

import pytest

from tests.launch.conftest import LAUNCH, ROOT, write

pytestmark = pytest.mark.timeout(20)

# Plays the states of a list, one a look; a machine is a folder, in which the commands really run.
GCLOUD = """#!/usr/bin/env bash
echo "$*" >>"$CALLS"
case "$*" in
  *"queued-resources list"*)
    state=$(head -n 1 "$STATES"); [ "$(wc -l <"$STATES")" -le 1 ] || sed -i 1d "$STATES"
    [ "$state" != "no network" ] || exit 1
    [ "$state" != ACTIVE ] || mkdir -p "$MACHINES"/{0,1}
    echo "$state" ;;
  *"queued-resources delete"*) rm -rf "$MACHINES"/? ;;
  *"tpu-vm scp"*) for machine in "$MACHINES"/?; do cp "$5" "$machine/jser.tar.gz"; done ;;
  *"tpu-vm ssh"*)
    command=${!#}
    for machine in "$MACHINES"/?; do
      (cd "$machine" && HOME=$machine WORKER=${machine##*/} bash -c "${command#--command=}") || exit
    done ;;
esac
"""
UV = """#!/usr/bin/env bash
[ "$1 $2" != "pip install" ] || { mkdir -p .venv/bin && cp "$JSER_STAND_IN" .venv/bin/jser; }
"""
CURL = """#!/bin/sh
case "$*" in
  *agent-worker-number) echo "$WORKER" ;;
  *worker-network-endpoints) echo "a:0:10.0.0.1,b:1:10.0.0.2" ;;
esac
"""
GIT = """#!/bin/sh
tar -czf "${3#--output=}" -C "$ROOT" launch/restart.sh
"""


@pytest.fixture
def tpu(stage):
    write(stage.bin / "gcloud", GCLOUD)
    write(stage.bin / "uv", UV)
    write(stage.bin / "curl", CURL)
    write(stage.bin / "git", GIT)
    calls, states = stage.folder / "calls", stage.folder / "states"

    def run(played, *words, **given):
        states.write_text("".join(f"{state}\n" for state in played))
        env = {
            "ZONE": "z",
            "TYPE": "v5litepod-16",
            "RUNTIME": "v2-alpha-tpuv5-lite",
            "POLL": "0.1",
            "JSER_RESTART_WAIT": "0",
            "CALLS": str(calls),
            "STATES": str(states),
            "MACHINES": str(stage.folder / "machines"),
            "ROOT": str(ROOT),
            "JSER_STAND_IN": str(stage.command),
        }
        done = stage.run(LAUNCH / "tpu_vm.sh", *words, **env | given)
        found = calls.read_text().splitlines() if calls.exists() else []
        return done, [line for line in found if line.startswith("compute ")]

    return run


def verbs(calls):
    found = [re.match(r"compute tpus (\S+ \S+)", call)[1].split()[1] for call in calls]
    return [verb for verb in found if verb in ("create", "delete", "scp")]


def test_tpu_to_the_end(tpu, stage):
    played = ["", "WAITING_FOR_RESOURCES", "no network", "PROVISIONING", "ACTIVE"]
    done, calls = tpu(played, "run", "mine", "train", "--workdir=a b", STATUSES="0", SPOT="1")
    assert done.returncode == 0, done.stderr
    assert verbs(calls) == ["create", "scp", "delete"]
    assert calls[1] == (
        "compute tpus queued-resources create mine --node-id=mine --accelerator-type=v5litepod-16 "
        "--runtime-version=v2-alpha-tpuv5-lite --spot --zone=z"
    )
    assert calls[-1] == "compute tpus queued-resources delete mine --force --quiet --zone=z"
    assert stage.calls() == ["train --workdir=a b"] * 2


def test_tpu_that_is_taken_away(tpu, stage):
    """The command runs when the machines go; new ones are asked for, and it starts there again."""
    write(
        stage.command,
        '#!/bin/sh\necho "$WORKER" >>"$LOG"\n[ $(wc -l <"$LOG") -gt 2 ] || exec sleep 5\n',
    )
    played = ["", "ACTIVE", "ACTIVE", "ACTIVE", "SUSPENDING", "SUSPENDED", "", "ACTIVE"]
    done, calls = tpu(played, "run", "mine", "train")
    assert done.returncode == 0, done.stderr
    assert verbs(calls) == ["create", "scp", "delete", "create", "scp", "delete"]
    assert sorted(stage.calls()) == ["0", "0", "1", "1"]


def test_tpu_machines_know_their_places(tpu, stage):
    names = "$JSER_COORDINATOR $JSER_PROCESSES $JSER_PROCESS $JSER_DATA"
    write(stage.command, f'#!/bin/sh\necho "{names}" >>"$LOG"\n')
    done, _ = tpu(["ACTIVE"], "run", "mine", "train", JSER_DATA="/mnt/a b")
    assert done.returncode == 0, done.stderr
    assert sorted(stage.calls()) == [f"10.0.0.1:8476 2 {place} /mnt/a b" for place in (0, 1)]


def test_tpu_restarts_on_the_machine(tpu, stage):
    done, calls = tpu(["ACTIVE"], "run", "mine", "train", STATUSES="75 KILL 70 0", KEEP="1")
    assert done.returncode == 0, done.stderr
    assert verbs(calls) == ["scp"]
    assert len(stage.calls()) == 8


def test_tpu_sets_up_before_each_start(tpu, stage):
    setup = '[ -e up ] || { touch up; echo "setup $WORKER" >>"$LOG"; false; }'
    write(stage.command, '#!/bin/sh\necho "start $WORKER" >>"$LOG"\n')
    done, _ = tpu(["ACTIVE"], "run", "mine", "train", SETUP=setup)
    assert done.returncode == 0, done.stderr
    assert "SETUP failed" in done.stderr
    assert sorted(stage.calls()) == ["setup 0", "setup 1", "start 0", "start 1"]


def test_tpu_input_at_fault(tpu, stage):
    done, calls = tpu(["ACTIVE"], "run", "mine", "train", STATUSES="1")
    assert done.returncode == 1
    assert verbs(calls) == ["scp", "delete"]
    assert len(stage.calls()) == 2


def test_tpu_gives_up(tpu):
    done, calls = tpu(["", "FAILED", "", "FAILED", ""], "run", "a", "train", JSER_RESTARTS="1")
    assert done.returncode == 75
    assert verbs(calls) == ["create", "delete", "create", "delete"]
    assert "given up" in done.stderr


def test_tpu_other_words(tpu):
    done, calls = tpu(["ACTIVE"], "delete", "mine")
    assert (done.returncode, verbs(calls)) == (0, ["delete"])
    done, _ = tpu(["ACTIVE"], "run", "mine", "train", ZONE="")
    assert done.returncode == 2
    assert "say in which ZONE" in done.stderr
