"""Builds in a process of their own: a crash, a hang or a hog is seen, and whose it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
# Of one build; far above what the damaged files are worth, so that a loaded machine passes.
SECONDS = 240
# Of the child: jax and TFDS take 400 MiB, a batch of small files next to nothing.
MIB = 1500
# Reads jobs, a line each; answers each with a line as soon as it is done.
CHILD = """
import json, resource, sys, traceback
resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
import numpy as np
from jser.errors import InputError
from jser.records import corpus as corpora
from jser.records.faults import FilesAtFault
from jser.records.manifest import corpus as manifests
from jser.records.manifest.options import Options

def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) >> 10

for line in sys.stdin:
    job = json.loads(line)
    options = Options(**job["options"])
    answer = {"status": "built", "lines": []}
    try:
        result, _ = manifests.build(
            job["manifest"], options, job["corpus_dir"], job["data_dir"], "waveform",
            job["allow_partial"],
        )
        built = corpora.load(options.name, job["data_dir"])
        answer["lines"] = list(result.audit["missing"]["broken"])
        answer["records"] = [
            [str(i), built.classes[label], str(speaker)]
            for i, label, speaker in zip(built.utterance_id, built.label, built.speaker)
        ]
        np.savez(job["samples"], **{f"a{k}": x for k, x in enumerate(built.waveform)})
    except InputError as error:
        answer |= {"status": "refused", "text": str(error)}
        if isinstance(error, FilesAtFault):
            answer["lines"] = list(error.lines)
    except BaseException as error:
        answer |= {"status": "bug", "text": traceback.format_exc()[-2000:]}
    answer["peak"] = peak()
    print(json.dumps(answer), flush=True)
"""


@dataclass(frozen=True)
class Job:
    """One call of `jser.records.manifest.corpus.build`, in the variant with sound."""

    manifest: str
    data_dir: str
    samples: str
    corpus_dir: str | None = None
    allow_partial: bool = False
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What became of a job.

    Attributes:
        status: 'built', 'refused', 'bug' (something else was raised), 'crashed', 'hung'.
        text: of the error, or the end of what the process said.
        lines: one a recording at fault.
        records: (utterance id, class, speaker) of what was built.
        samples: int16 [n] of each.
        peak: MiB of the process until then.
    """

    status: str
    text: str = ""
    lines: tuple[str, ...] = ()
    records: tuple[tuple[str, str, str], ...] = ()
    samples: tuple[np.ndarray, ...] = ()
    peak: int = 0


def run(jobs: Sequence[Job], seconds: float = SECONDS) -> list[Answer]:
    """Do all jobs, one behind the other; where one ends its process, the rest goes on in another.

    Args:
        jobs: what to build.
        seconds: that one job may take (and, at first, the start of Python and jax).
    """
    answers: list[Answer] = []
    while len(answers) < len(jobs):
        answers += _until_the_end(jobs[len(answers) :], seconds)
    return answers


def _until_the_end(jobs: Sequence[Job], seconds: float) -> list[Answer]:
    """Answers up to the first job, included, that its process does not survive."""
    answers: list[Answer] = []
    with tempfile.TemporaryFile("w+", errors="replace") as err:
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, cwd=REPOSITORY, text=True,
            env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(REPOSITORY)},
            start_new_session=True,
        )  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        late: list[bool] = []

        def stop(*_: object) -> None:
            late.append(True)
            child.kill()

        before = signal.signal(signal.SIGALRM, stop)
        try:
            for job in jobs:
                signal.alarm(int(seconds))
                line = ""
                try:
                    child.stdin.write(json.dumps(asdict(job)) + "\n")
                    child.stdin.flush()
                    line = child.stdout.readline()
                except BrokenPipeError:
                    pass
                if not line:
                    child.wait()
                    err.seek(0)
                    said = f"status {child.returncode}: {err.read()[-1500:]}"
                    answers.append(Answer("hung" if late else "crashed", said))
                    break
                answers.append(_answer(json.loads(line), job))
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
            child.stdin.close()
            if child.wait(60) == 0:
                err.seek(0)
                said = [s for s in err.read().splitlines() if "mpg123" in s or "Traceback" in s]
                if said:
                    answers[-1] = Answer("bug", f"printed: {said[:3]}")
            child.stdout.close()
    return answers


def _answer(said: dict[str, Any], job: Job) -> Answer:
    samples: tuple[np.ndarray, ...] = ()
    if said["status"] == "built":
        with np.load(job.samples) as file:
            samples = tuple(file[f"a{k}"] for k in range(len(said["records"])))
    return Answer(
        said["status"],
        said.get("text", ""),
        tuple(said["lines"]),
        tuple(tuple(record) for record in said.get("records", ())),
        samples,
        said["peak"],
    )


def left_behind(data_dir: Path, name: str) -> list[str]:
    """What must not lie in a data folder once a build has ended, whole or refused."""
    strange = [path for path in data_dir.rglob("*") if ".part" in path.name]
    strange += list(data_dir.rglob("*incomplete*"))
    building = data_dir / "cache" / "building"
    if building.exists():
        strange += [path for path in building.iterdir() if path.suffix != ".lock"]
    records = data_dir / name
    if records.exists() and not list(records.rglob("jser_corpus.json")):
        strange.append(records)
    return sorted(str(path.relative_to(data_dir)) for path in strange)
