"""One tiny corpus and one whole run on it, made once for all tests and all pytest workers."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from jser import cli
from jser.datasets.synthetic import fake
from jser.records.builder import build
from tests.file_server import FileServer

# Most of the tests' time is the compiler's: without its optimisations it is a third less.
QUICK = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
os.environ |= QUICK  # of processes that tests start
jax.config.update("jax_disable_most_optimizations", True)

# Four folds, one seed, six epochs; nothing is downloaded.
TINY = {
    "epochs": "6",
    "batch_size": "8",
    "seeds": "0",
    "dev_speakers": "1",
    "components": "8",
    "stem.weights": "random",
    "stem.net": "alexnet",
    "stem.taps": "conv1",
    "stem.scale": "1",
    "stem.pool": "mean",
    "augment.copies": "",
    "readout.views": "stem",
    "mixup": "false",
    "model.units": "4",
    "model.dense": "4",
    "checkpoint.every_seconds": "0",
}

# A `tensorflow` and a `torch` that note who asks for them, and are not there.
TELLTALE = """
import os, traceback
with open(os.environ["JSER_TEST_IMPORTS"], "a") as file:
    asker = [f.filename for f in traceback.extract_stack() if "<frozen" not in f.filename][-2]
    file.write(__name__ + " " + asker + "\\n")
raise ModuleNotFoundError("No module named " + repr(__name__), name=__name__)
"""


def flags(**changed):
    """Command line of the tiny config; `stem__taps="1"` sets the field stem.taps."""
    fields = TINY | {name.replace("__", "."): value for name, value in changed.items()}
    return [f"--config.{name}={value}" for name, value in fields.items()]


def train_command(data, workdir, **changed):
    return [
        "train",
        "--config=dcnn_blstm:synthetic",
        f"--workdir={workdir}",
        f"--config.data_dir={data}",
        *flags(**changed),
    ]


def jser(*words, **environment):
    """Popen arguments of `jser WORDS` as the shell runs it."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("XLA_", "JAX_", "COV_"))}
    return {
        "args": [sys.executable, "-m", "jser", *map(str, words)],
        "env": env | {"PYTHONWARNINGS": ""} | QUICK | environment,
        "cwd": Path(__file__).parents[1],
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }


@pytest.fixture(scope="session")
def once(tmp_path_factory):
    """`once(name, make)`: a folder that `make(folder)` fills, one for all pytest workers."""
    base = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        base = base.parent

    def shared(name, make):
        folder = base / f"once-{name}"
        with (base / f"once-{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (base / f"once-{name}.done").exists():
                folder.mkdir()
                make(folder)
                (base / f"once-{name}.done").touch()
        return folder

    return shared


@pytest.fixture(scope="session")
def xla_cache(once):
    """What one worker or subprocess has compiled, the others find."""
    folder = once("xla", lambda _: None)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
    return folder


@pytest.fixture(scope="session")
def data(once, xla_cache):
    """A data folder with 20 utterances of `synthetic`: four speakers, five emotions."""

    def make(folder):
        (folder / "cache").mkdir()
        (folder / "cache" / "xla").symlink_to(xla_cache)
        source = fake.make(folder / "source", sentences=1)
        for variant in ("log_mel", "waveform"):
            build("synthetic", source, folder, variant, allow_partial=True)

    return once("data", make)


@pytest.fixture(scope="module")
def data_without_ledger(data, tmp_path_factory):
    """The same records and caches, and nothing scored on them yet: a ledger counts, and what the
    tests of one module score would be counted by those of others."""
    return without_ledger(data, tmp_path_factory)


def without_ledger(data, tmp_path_factory):
    """A data folder of links to all of `data` but its ledger."""
    folder = tmp_path_factory.mktemp("data")
    for part in data.iterdir():
        if part.name != "ledger":
            (folder / part.name).symlink_to(part)
    return folder


@pytest.fixture(scope="session")
def tiny_run(once, data):
    """A finished run of the tiny config, trained by the command line in its own process."""

    def make(folder):
        for name in ("tensorflow", "torch"):
            (folder / "path" / name).mkdir(parents=True)
            (folder / "path" / name / "__init__.py").write_text(TELLTALE)
        done = subprocess.run(
            **jser(
                *train_command(data, folder / "run"),
                PYTHONPATH=str(folder / "path"),
                JSER_TEST_IMPORTS=str(folder / "imports"),
            ),
            check=False,
        )
        (folder / "stdout").write_text(done.stdout)
        (folder / "stderr").write_text(done.stderr)
        assert done.returncode == 0, done.stderr[-3000:]

    return once("run", make)


@pytest.fixture
def server(monkeypatch):
    """A `FileServer` on this machine."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = FileServer()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture(autouse=True)
def own_surroundings(tmp_path, monkeypatch):
    """No test reads or writes the user's own data folder, or leaves JAX's settings changed."""
    monkeypatch.setenv("JSER_DATA", str(tmp_path / "no_data"))
    before = jax.config.jax_compilation_cache_dir
    yield
    jax.config.update("jax_compilation_cache_dir", before)


@pytest.fixture
def run(capfd):
    """`run(*words)`: exit status, stdout and stderr of a command in this process."""

    def call(*words):
        capfd.readouterr()
        try:
            status = cli.main([str(word) for word in words])
        except SystemExit as error:
            status = error.code
        out, err = capfd.readouterr()
        return status, out, err

    return call


def refused(result, status, *words):
    """One line on stderr that names the words, and the status."""
    code, _, err = result
    assert code == status, err
    lines = [line for line in err.splitlines() if line.startswith("jser: ")]
    assert len(lines) == 1, err
    assert "Traceback" not in err
    for word in words:
        assert word in lines[0], lines[0]
