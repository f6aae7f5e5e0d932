"""Parts made by processes of this machine."""

import errno
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from jser import cli
from jser.errors import InputError
from jser.records import corpus, parts, places, workers
from jser.records.builder import build


@pytest.fixture(scope="module")
def fingerprint(built):
    return corpus.load("emodb", built[0]).fingerprint


@pytest.mark.parametrize("n", [1, 2])
def test_workers_make_the_corpus_of_the_local_build(source, fingerprint, tmp_path, n):
    way = parts.Parts(lambda todo: workers.run(todo, n), 30)
    result = build("emodb", source, tmp_path, allow_partial=True, way=way)
    assert (result.computed, result.resumed) == (56, 0)
    assert corpus.load("emodb", tmp_path).fingerprint == fingerprint


SCRIPT = """
import functools, sys
from jser.records import builder, parts, workers
if __name__ == "__main__":
    way = parts.Parts(functools.partial(workers.run, n=2), 5)
    builder.build("emodb", sys.argv[1], sys.argv[2], allow_partial=True, way=way)
"""


def test_killed_build_takes_its_workers_along_and_goes_on(source, fingerprint, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    folder = places.parts_dir(tmp_path, "emodb", "log_mel")
    process = subprocess.Popen([sys.executable, script, source, tmp_path])
    until = time.monotonic() + 100
    while not list(folder.glob("*.json")) and time.monotonic() < until:
        time.sleep(0.01)
    children = _children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert children
    while any(map(_alive, children)) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(map(_alive, children))
    result = build(
        "emodb",
        source,
        tmp_path,
        allow_partial=True,
        way=parts.Parts(lambda t: workers.run(t, 1), 5),
    )
    assert result.resumed > 0
    assert result.resumed + result.computed == 56
    assert corpus.load("emodb", tmp_path).fingerprint == fingerprint


def _children(pid):
    return [child.pid for child in psutil.Process(pid).children()]


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_command(source, tmp_path, capsys):
    words = ["build", "emodb", f"--corpus_dir={source}", f"--data_dir={tmp_path}"]
    assert cli.main([*words, "--allow_partial", "--workers=1"]) == 0
    assert "built 56 utterances" in capsys.readouterr().out
    assert cli.main([*words, "--allow_partial", "--workers=0"]) == 1
    assert "--workers=0: is less than 1" in capsys.readouterr().err
    assert cli.main([*words, "--runner=beam", "--workers=2"]) == 1
    assert "Beam is told by --beam_options" in capsys.readouterr().err


def test_a_worker_without_space_is_understood(source, tmp_path):
    """The error of another process arrives with its number."""
    way = parts.Parts(lambda todo: workers.run([_NoSpace(part) for part in todo], 2), 30)
    with pytest.raises(InputError, match="no space left on the disk"):
        build("emodb", source, tmp_path, allow_partial=True, way=way)


class _NoSpace:
    def __init__(self, part):
        self.utterances = part.utterances

    @property
    def digest(self):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folder = digest
