"""The launchers: what starts again, against stand-ins for Slurm and gcloud; the files' forms."""

import os
import re
import shutil
import signal
import subprocess
import time
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
LAUNCH = ROOT / "launch"
SCRIPTS = sorted(LAUNCH.glob("*.sh"))
MANIFESTS = sorted((LAUNCH / "kubernetes").glob("*.yaml"))
TASKS = sorted((LAUNCH / "skypilot").glob("*.yaml"))
# A command that ends with the statuses of a list, one a start, and writes down how it was called.
COMMAND = """#!/usr/bin/env bash
echo "$*" | tee -a "$LOG-${WORKER:-0}" >>"$LOG"
count=$(wc -l <"$LOG-${WORKER:-0}")
status=$(cut -d' ' -f"$count" <<<"$STATUSES")
[ "$status" != KILL ] || kill -KILL $$
exit "$status"
"""

pytestmark = pytest.mark.timeout(20)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def stage(tmp_path):
    """A folder of stand-ins in front of PATH, and a way to run a script there."""

    class Stage:
        folder = tmp_path
        bin = tmp_path / "bin"
        log = tmp_path / "log"

        def __init__(self):
            self.command = write(self.bin / "command", COMMAND)

        def env(self, **given):
            path = f"{self.bin}:{os.environ['PATH']}"
            clean = {k: v for k, v in os.environ.items() if not k.startswith(("JSER", "SLURM"))}
            return {**clean, "PATH": path, "LOG": str(self.log), **given}

        def run(self, *words, **given):
            return subprocess.run(
                [str(word) for word in words],
                cwd=tmp_path,
                env=self.env(**given),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=15,
                check=False,
            )

        def calls(self):
            return self.log.read_text().splitlines() if self.log.exists() else []

    return Stage()


# --- scripts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script(script):
    assert os.access(script, os.X_OK)
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck():
    done = subprocess.run(["shellcheck", *SCRIPTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["restart.sh", "slurm.sh", "tpu_vm.sh"])
def test_without_arguments(stage, name):
    done = stage.run(LAUNCH / name)
    assert done.returncode == 2
    assert name in done.stderr


# --- restart.sh -----------------------------------------------------------------------------------


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


# --- slurm.sh -------------------------------------------------------------------------------------


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


# --- tpu_vm.sh ------------------------------------------------------------------------------------

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


@pytest.fixture
def tpu(stage):
    write(stage.bin / "gcloud", GCLOUD)
    write(stage.bin / "uv", UV)
    write(stage.bin / "curl", CURL)
    write(stage.bin / "git", '#!/bin/sh\ntar -czf "${3#--output=}" -C "$ROOT" launch/restart.sh\n')
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


# --- kubernetes -----------------------------------------------------------------------------------


def pods(manifest):
    """The job specification of a manifest, with its pod."""
    spec = manifest["spec"]
    if manifest["kind"] == "JobSet":
        spec = spec["replicatedJobs"][0]["template"]["spec"]
    return spec, spec["template"]["spec"]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifest(path):
    manifest = yaml.safe_load(path.read_text())
    job, pod = pods(manifest)
    (container,) = pod["containers"]
    env = {variable["name"]: variable.get("value") for variable in container["env"]}
    actions = {
        status: rule["action"]
        for rule in job["podFailurePolicy"]["rules"]
        for status in rule.get("onExitCodes", {}).get("values", ())
    }
    assert manifest["metadata"]["labels"]["kueue.x-k8s.io/queue-name"]
    assert (actions.pop(1), actions.pop(2)) == ("FailJob", "FailJob")
    assert pod["restartPolicy"] == "Never"  # or podFailurePolicy is refused
    assert pod["securityContext"]["runAsNonRoot"]
    assert job["completionMode"] == "Indexed"
    if manifest["kind"] == "JobSet":
        assert not actions
        assert job["parallelism"] == job["completions"] == int(env["JSER_PROCESSES"])
        assert env["JSER_COORDINATOR"] == "$(JOBSET)-workers-0-0.$(JOBSET):8476"
        assert job["backoffLimit"] == 0
        (rule,) = manifest["spec"]["failurePolicy"]["rules"]
        assert rule["action"] == "FailJobSet"
        assert rule["onJobFailureReasons"] == ["PodFailurePolicy"]
    else:
        assert actions == {75: "Ignore"}
        assert job["podFailurePolicy"]["rules"][0]["onPodConditions"][0]["status"] == "True"


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifest_against_schema(path):
    """Of Kubernetes; 108 MB, so by hand: pip install kubernetes-validate kubeflow-trainer-api."""
    reason = "not installed"
    schemas = pytest.importorskip("kubernetes_validate", reason=reason)
    manifest = yaml.safe_load(path.read_text())
    if manifest["kind"] == "JobSet":
        name = "kubeflow_trainer_api.models.jobset_v1alpha2_job_set"
        models = pytest.importorskip(name, reason=reason)
        # A field that the model does not know would be dropped.
        read = models.JobsetV1alpha2JobSet.from_dict(yaml.safe_load(path.read_text()))
        assert paths(manifest) <= paths(read.to_dict())
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}}
    schemas.validate(job | {"spec": pods(manifest)[0]}, "1.31", strict=True)


def paths(value, at=()):
    if isinstance(value, dict):
        return {at}.union(*(paths(inner, (*at, key)) for key, inner in value.items()))
    if isinstance(value, list):
        return {at}.union(*(paths(inner, (*at, place)) for place, inner in enumerate(value)))
    return {at}


# --- skypilot -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.name)
def test_task(path, tmp_path):
    task = yaml.safe_load(path.read_text())
    assert task["resources"]["use_spot"]
    assert task["resources"]["job_recovery"]["recover_on_exit_codes"] == [75]
    assert task["file_mounts"]["/mnt/jser"]["source"] == "$BUCKET"
    assert "launch/restart.sh .venv/bin/jser" in task["run"]
    for part in ("setup", "run"):
        script = write(tmp_path / part, task[part])
        done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.name)
def test_task_against_schema(path):
    """SkyPilot's own; 200 packages, so by hand: pip install skypilot."""
    sky = pytest.importorskip("sky", reason="SkyPilot is not installed")
    task = yaml.safe_load(path.read_text())
    secrets = [("STORAGE", "postgresql://host/jser")] if "secrets" in task else None
    bucket = [("BUCKET", "gs://jser-example")]
    sky.Task.from_yaml_config(task, env_overrides=bucket, secrets_overrides=secrets)


# --- container ------------------------------------------------------------------------------------


def test_dockerfile():
    text = (LAUNCH / "container" / "Dockerfile").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert re.search(r"^USER 1000$", text, re.MULTILINE)
    assert "-c constraints.txt" in text
    assert re.search(r"^ARG EXTRA=(\w+)$", text, re.MULTILINE)[1] in extras["optional-dependencies"]
    assert extras["optional-dependencies"]["tpu"]


def test_dockerignore_lets_through_what_an_image_needs():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    needed = {"jser", "configs", "datasets", "pyproject.toml", "constraints.txt", "README.md"}
    assert needed | {"launch/restart.sh"} == let
    assert all((ROOT / name).exists() for name in let)
