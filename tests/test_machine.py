"""The machine's own faults: disks, memory, outputs; and interrupts."""

import errno
import io
import signal
import subprocess
import time

import pytest

from jser import cli, interrupt, progress
from jser.commands import corpora
from tests.conftest import jser, refused, train_command


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x"), ["x: cannot be written", "free"]),
        (OSError(errno.EROFS, "Read-only file system", "x"), ["x: cannot be written"]),
        (PermissionError(errno.EACCES, "Permission denied", "x"), ["x: cannot be used (Perm"]),
        (OSError(errno.EIO, "Input/output error"), ["output: cannot be used (Input/output"]),
        (
            MemoryError("Unable to allocate 9 GiB\nmore"),
            ["out of memory (Unable to allocate 9 GiB)"],
        ),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory"), ["out of memory", "batch_size"]),
    ],
)
def test_faults_of_the_machine(run, monkeypatch, error, words):
    def fails(_):
        raise error

    monkeypatch.setattr(corpora, "doctor", fails)
    refused(run("doctor"), 1, *words)


def test_a_bug_is_called_one(run, monkeypatch):
    def fails(_):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(corpora, "doctor", fails)
    status, _, err = run("doctor")
    assert status == 70
    assert "Traceback" in err
    assert "this is a bug" in err


def test_outputs_that_nobody_reads_or_that_are_full(data):
    command = jser("audit", "synthetic", "--protocol=leave_one_speaker_out", f"--data_dir={data}")

    def status(**changed):
        with subprocess.Popen(**command | changed) as program:
            if program.stdout is not None and changed.get("stdout") is subprocess.PIPE:
                program.stdout.close()
            # Bars stand on stderr too, where the audit was not kept from before.
            said = [line for line in program.stderr if line.startswith("jser: ")]
            return program.wait(60), "".join(said)

    with open("/dev/full", "w") as full:
        assert status(stdout=full) == (
            1,
            "jser: output: cannot be written (No space left on device); free some space or choose "
            "another folder, then give the same command to go on\n",
        )
    assert status(stdout=subprocess.PIPE) == (1, "")


def test_outputs_without_unicode_or_closed(data, monkeypatch):
    words = ["audit", "synthetic", "--protocol=leave_one_speaker_out", f"--data_dir={data}"]
    shown = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(shown, encoding="ascii"))
    assert cli.main(words) == 0
    assert b"leave_one_speaker_out" in shown.getvalue()
    monkeypatch.setattr("sys.stdout", None)
    assert cli.main(words) == 0


def test_interrupts_are_heard(data, tmp_path):
    """In the midst of a training: status 130 and one sentence."""
    # Long by its seeds, so that its programs are those that the tiny run has compiled.
    seeds = ",".join(map(str, range(900)))
    words = train_command(data, tmp_path / "run", seeds=seeds)
    with subprocess.Popen(**jser(*words) | {"stdout": subprocess.DEVNULL}) as program:
        while not (tmp_path / "run" / "config.json").exists():
            time.sleep(0.05)
            assert program.poll() is None, program.stderr.read()
        time.sleep(0.5)
        program.send_signal(signal.SIGINT)
        err = program.stderr.read()
        assert program.wait(60) == 130, err
    assert err.splitlines()[-1].startswith("jser: interrupted; what was finished is kept")
    assert "Traceback" not in err


def test_an_interrupt_that_is_swallowed_comes_again(monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.default_int_handler)

    class Swallows:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    with interrupt.heard(), progress.bar(9, "work") as tick:
        tick()
        thing = Swallows()
        del thing  # Python prints what __del__ raises, and forgets it.
        with pytest.raises(KeyboardInterrupt):
            tick()
        tick()  # once
