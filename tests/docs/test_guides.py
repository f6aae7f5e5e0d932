"""Every command of the guides, run as it stands there, and what the guides say it prints.

The guides are one story: the first is run by itself, each of the others in the folder that it
leaves behind, which is a checkout.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.conftest import QUICK
from tests.launch import test_tpu_vm as tpu
from tests.launch.conftest import ROOT, write

GUIDES = {path.stem: path for path in sorted((ROOT / "docs" / "guides").glob("*.md"))}
FIRST = "first_run"
# How many blocks of all guides cannot be run; each says why on the page's line before it.
NOT_RUN = 1

FENCE = re.compile(
    r"(?:<!-- not run: (?P<reason>.+?) -->\n)?^```(?P<kind>\w*) ?(?P<file>\S*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)

pytestmark = pytest.mark.timeout(600)


@dataclass
class Block:
    """A fenced block of a guide."""

    kind: str
    file: str
    text: str
    reason: str | None


def blocks(name):
    found = FENCE.finditer(GUIDES[name].read_text())
    return [Block(m["kind"], m["file"], m["text"], m["reason"]) for m in found]


# --- what is printed ------------------------------------------------------------------------------


def words(text):
    """Its words, without layout and bars, with # for each number: those differ by machine."""
    text = re.sub(r"[━─╸╺]+", " ", text)
    text = re.sub(r"[+-]?\d[\d.,]*(?:st|nd|rd|th)?", "#", text)
    return text.split()


def is_printed(shown, printed):
    """Whether the pieces of `shown` between lines of dots are in `printed`, in this order."""
    have, start = words(printed), 0
    for piece in re.split(r"^\s*\.\.\.\s*$", shown, flags=re.MULTILINE):
        want = words(piece)
        places = range(start, len(have) - len(want) + 1)
        place = next((i for i in places if have[i : i + len(want)] == want), None)
        if place is None:
            return False
        start = place + len(want)
    return True


# --- where they are run ---------------------------------------------------------------------------


@pytest.fixture(scope="session")
def checkout(once, xla_cache):
    """A copy of what a checkout has, where the first guide has been run."""

    def make(folder):
        for part in ("jser", "configs", "datasets", "launch"):
            shutil.copytree(ROOT / part, folder / part, symlinks=True)
        for part in ("configs", "datasets"):  # an installation finds them inside jser
            (folder / "jser" / part).unlink(missing_ok=True)
            (folder / "jser" / part).symlink_to(folder / part)
        (folder / "data" / "cache").mkdir(parents=True)
        (folder / "data" / "cache" / "xla").symlink_to(xla_cache)
        stand_ins(folder)
        go_through(FIRST, folder)

    return once("guides", make)


def stand_ins(folder):
    """`jser` and `python` of this environment, and programs of a cloud."""
    bin_ = folder / ".stand_ins"
    write(bin_ / "jser", f'#!/bin/sh\nexec {sys.executable} -W ignore -m jser "$@"\n')
    write(bin_ / "python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    write(bin_ / "mountpoint", "#!/bin/sh\n")
    cloud = {"gcloud": tpu.GCLOUD, "uv": tpu.UV, "curl": tpu.CURL, "git": tpu.GIT}
    for name, text in cloud.items():
        write(bin_ / name, text)
    write(bin_ / "on_machine", '#!/bin/sh\necho "jser $*"\n')
    (folder / ".states").write_text("\nWAITING_FOR_RESOURCES\nACTIVE\n")


def environment(folder):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("JSER", "XLA_", "JAX_"))}
    played = {
        "POLL": "0.1",
        "JSER_RESTART_WAIT": "0",
        "CALLS": folder / ".calls",
        "STATES": folder / ".states",
        "MACHINES": folder / ".machines",
        "ROOT": ROOT,
        "JSER_STAND_IN": folder / ".stand_ins" / "on_machine",
    }
    return {
        **clean,
        **QUICK,
        **{name: str(value) for name, value in played.items()},
        "PATH": f"{folder / '.stand_ins'}:{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "JSER_DATA": str(folder / "data"),
    }


def go_through(name, folder):
    """Write the guide's files, run its commands, hold what they print against what it shows."""
    printed = ""
    for block in blocks(name):
        if block.kind == "text":
            assert is_printed(block.text, printed), f"{block.text}\n{printed}"
        if block.file:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        if block.kind != "sh" or block.reason:
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.text],
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block.text}\n{done.stdout[-3000:]}"
        printed = done.stdout


# --- the tests ------------------------------------------------------------------------------------


def test_first(checkout):
    assert (checkout / "runs" / "first" / "report.json").exists()


@pytest.mark.parametrize("name", sorted(GUIDES.keys() - {FIRST}))
def test_guide(checkout, name):
    go_through(name, checkout)


def test_every_block_has_a_use():
    """A block is a command, what it prints, or a file; those that are not run are few."""
    reasons = []
    for name in GUIDES:
        before = None  # the last command
        for block in blocks(name):
            assert block.kind in ("sh", "text", "python", "csv"), block
            assert block.kind in ("sh", "text") or block.file, f"{name}: a file has a name: {block}"
            assert block.kind != "text" or (before and not before.reason), f"{name}: {block}"
            assert not block.reason or block.kind == "sh", block
            reasons += [block.reason] if block.reason else []
            before = block if block.kind == "sh" else before
        fences = re.findall(r"^\s*```", GUIDES[name].read_text(), re.MULTILINE)
        assert len(fences) == 2 * len(blocks(name)), f"{name}: a fence that was not understood"
    assert len(reasons) == NOT_RUN, reasons


def test_what_is_printed():
    printed = "a   1.5 ━━━\nb  (20 of 24)\nthe 2nd\nend"
    assert is_printed("a 77 ━\n...\nthe 13th end", printed)
    assert is_printed("b (1 of 2)", printed)
    assert not is_printed("b (1 of 2)\n...\na 1", printed)
    assert not is_printed("a\nb", printed)
