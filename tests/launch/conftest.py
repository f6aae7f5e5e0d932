"""Launchers run against stand-ins, in folders of their own."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "launch"
# A command that ends with the statuses of a list, one a start, and writes down how it was called.
COMMAND = """#!/usr/bin/env bash
echo "$*" | tee -a "$LOG-${WORKER:-0}" >>"$LOG"
count=$(wc -l <"$LOG-${WORKER:-0}")
status=$(cut -d' ' -f"$count" <<<"$STATUSES")
[ "$status" != KILL ] || kill -KILL $$
exit "$status"
"""


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
