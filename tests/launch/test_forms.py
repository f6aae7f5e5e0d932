"""The forms of the launchers' files: scripts, manifests, tasks, the container."""

import os
import re
import shutil
import subprocess
import tomllib

import pytest
import yaml

from tests.launch.conftest import LAUNCH, ROOT, write

SCRIPTS = sorted(LAUNCH.glob("*.sh"))
MANIFESTS = sorted((LAUNCH / "kubernetes").glob("*.yaml"))
TASKS = sorted((LAUNCH / "skypilot").glob("*.yaml"))

pytestmark = pytest.mark.timeout(20)
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
