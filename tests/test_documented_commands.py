"""Every command of the README, the docs and the launchers is one that the program takes."""

import re
import shlex
from pathlib import Path

import pytest

from jser import cli, datasets, lineup, ranges
from jser import config as configs
from jser.protocols import naming
from jser.records.manifest import built
from jser.training import fusion, narrow_view, tuning

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "datasets").rglob("README.md")),
    *sorted((ROOT / "launch").rglob("*.sh")),
    *sorted((ROOT / "launch").rglob("*.yaml")),
]
# What stands before the words of a command: `jser`, or a launcher that starts it.
STARTS = re.compile(
    r"^(?:.*[\s/])?(?:jser|launch/slurm\.sh|launch/tpu_vm\.sh run [\w-]+) (?=[a-z])(.*)"
)
COMMANDS = {
    "build", "train", "compare", "cross", "evaluate", "status", "ladder", "sweep", "audit",
    "weights", "doctor",
}  # fmt: skip


def lines(page):
    """Lines of fenced blocks, and of the comments of scripts, continued ones as one.

    Of the guides also what stands between words.
    """
    text = page.read_text().replace("\\\n", " ")
    if page.suffix == ".md":
        fences = re.findall(r"^ *```(?:sh)?\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
        inline = re.findall(r"`(jser \w+ [^`]+)`", text) if page.parent.name == "guides" else []
        return [line for block in fences for line in block.splitlines()] + inline
    return re.findall(r"^#  +(.*)", text, re.MULTILINE)


def commands():
    for page in PAGES:
        for line in lines(page):
            for part in re.split(r"&&|\|\||[|>]", line):
                found = STARTS.match(part)
                words = shlex.split(found[1], comments=True) if found else []
                if words and words[0] in COMMANDS and not re.search(r"\.\.\.|\[", part):
                    name = f"{page.relative_to(ROOT)}: {' '.join(words)}"
                    yield pytest.param(words, id=name[:90])


FOUND = list(commands())


@pytest.fixture(autouse=True)
def own_corpora(monkeypatch):
    """The pages' own corpora (`talks`) and config files (`small.py`) are there."""
    monkeypatch.setattr(built, "is_there", lambda *_: True)
    monkeypatch.setattr(built, "protocol", lambda *_: "leave_one_speaker_out")


def test_commands_are_found():
    kinds = {param.values[0][0] for param in FOUND}
    assert kinds >= COMMANDS - {"doctor", "weights"}
    assert len(FOUND) > 70


@pytest.mark.parametrize("words", FOUND)
def test_command(words):
    top = cli.parser()
    args, unknown = top.parse_known_args(words)
    assert not unknown or args.command in cli.TRAINING
    overrides = cli._overrides(unknown, top)
    if args.command == "compare":
        for run in lineup.plan(args.configs, overrides):
            ranges.check(run.config)
    elif args.command in ("train", "sweep", "ladder", "cross"):
        joined = "+".join(args.corpora) if args.command == "cross" else ""
        check(args.config + f":{joined}" * bool(joined), overrides)
    elif args.command == "build" and args.corpus != "manifest":
        datasets.builder_class(args.corpus)
    elif args.command == "audit" and args.protocol:
        naming.parse(args.protocol)


def check(reference, overrides):
    name = reference.partition(":")[0]
    if name.endswith(".py"):  # a file that the page shows: docs/guides/first_run.md
        reference = reference.replace(name, "dcnn_blstm")
    config = configs.load(reference, overrides)
    ranges.check(config)
    if config.system != "dcnn_blstm":
        return
    spec, _ = tuning.parts(config.stem.to_dict())
    fusion.check_views(config.readout.views)
    if "narrow" in config.readout.views:
        narrow_view.check(spec)


def test_scripts_are_there():
    """`python tests/benchmarks/soak.py`, `launch/slurm.sh`, and files that are only named."""
    named = {
        (page.name, path)
        for page in PAGES
        for path in re.findall(
            r"(?<![\w/.<])((?:tests|launch|configs|jser|docs)/[\w/]+\.(?:py|sh|yaml|md))\b",
            page.read_text(),
        )
    }
    missing = {(page, path) for page, path in named if not (ROOT / path).exists()}
    assert {path for _, path in missing} <= {
        "jser/models/mean_mlp.py", "jser/systems/mean_mlp.py", "configs/mean_mlp.py"
    }  # fmt: skip
