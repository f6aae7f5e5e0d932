"""`launch/slurm.sh` against a stand-in for Slurm."""

import re

import pytest

from tests.launch.conftest import LAUNCH, write

pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def slurm(stage):
    """Stand-ins: srun runs one task, scontrol knows the job's state and writes requeues down."""
    write(
        stage.bin / "srun",
        '#!/usr/bin/env bash\necho "srun $*" >>"$CALLS"\n'
        'while [[ $1 == --* ]]; do shift; done\n"$@"\n',
    )
    write(
        stage.bin / "scontrol",
        "#!/usr/bin/env bash\n"
        'if [ "$1" = show ]; then echo "JobId=$3"; echo " JobState=$STATE Reason=None"\n'
        'else echo "scontrol $*" >>"$CALLS"; fi\n',
    )
    write(stage.bin / "sleep", "#!/bin/sh\n")  # Slurm would end the script here.
    calls = stage.folder / "calls"

    def submit(statuses, **given):
        job = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "1", "STATE": "RUNNING", "CALLS": str(calls)}
        env = job | {"JSER": str(stage.command), "STATUSES": statuses} | given
        done = stage.run(LAUNCH / "slurm.sh", "train", "--workdir=a b", **env)
        return done, calls.read_text().splitlines() if calls.exists() else []

    return submit


@pytest.mark.parametrize("status", ["75", "KILL", "143"])
def test_slurm_requeues(slurm, status):
    done, calls = slurm(status)
    assert done.returncode == (137 if status == "KILL" else int(status))
    assert calls[1:] == ["scontrol requeue 7"]


@pytest.mark.parametrize("status", [0, 1, 2, 70, 130])
def test_slurm_does_not_requeue(slurm, stage, status):
    done, calls = slurm(str(status))
    assert (done.returncode, len(calls)) == (status, 1)
    assert calls[0].startswith("srun --kill-on-bad-exit=1 --cpus-per-task=1 ")
    assert stage.calls() == ["train --workdir=a b"]


def test_slurm_of_a_cancelled_job(slurm):
    done, calls = slurm("75", STATE="CANCELLED")
    assert (done.returncode, len(calls)) == (75, 1)


def test_slurm_gives_up(slurm):
    done, calls = slurm("75", SLURM_RESTART_COUNT="3", JSER_RESTARTS="3")
    assert (done.returncode, len(calls)) == (75, 1)
    assert "given up" in done.stderr


def test_slurm_gives_a_process_all_gpus_of_its_node(slurm, stage):
    write(stage.command, '#!/bin/sh\necho "$JAX_LOCAL_DEVICE_IDS" >>"$LOG"\n')
    four = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1", "SLURM_GPUS_ON_NODE": "4"}
    slurm("0", **four)
    slurm("0", **four | {"SLURM_NTASKS_PER_NODE": "4", "SLURM_NTASKS": "8"})
    slurm("0", SLURM_GPUS_ON_NODE="4")
    assert stage.calls() == ["0,1,2,3", "", ""]


def test_slurm_options():
    options = re.findall(r"^#SBATCH (\S+)$", (LAUNCH / "slurm.sh").read_text(), re.MULTILINE)
    assert {"--requeue", "--open-mode=append", "--signal=TERM@120"} <= set(options)
