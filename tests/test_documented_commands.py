"""Every training or comparing command of the README and docs is one that the program takes."""

import re
from pathlib import Path

import pytest

from jser import cli, lineup, ranges
from jser import config as configs
from jser.training import fusion, narrow_view, tuning

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands():
    for page in PAGES:
        for block in re.findall(r"```\n(.*?)```", page.read_text(), re.DOTALL):
            joined = block.replace("\\\n", " ")
            for line in re.split(r"\n|&&", joined):
                words = line.split("#")[0].split()
                options = {"train": "--config=", "compare": "--configs=", "sweep": "--config="}
                option = options.get(" ".join(words[1:2]))
                if words[:1] == ["jser"] and option and option in line:
                    yield pytest.param(words[1:], id=f"{page.name}: {' '.join(words)[:60]}")


FOUND = list(commands())


def test_commands_are_found():
    assert len(FOUND) > 6


@pytest.mark.parametrize("words", FOUND)
def test_command(words):
    top = cli.parser()
    args, unknown = top.parse_known_args(words)
    overrides = cli._overrides(unknown, top)
    if args.command == "compare":
        for run in lineup.plan(args.configs, overrides):
            ranges.check(run.config)
        return
    config = configs.load(args.config, overrides)
    ranges.check(config)
    if config.system != "dcnn_blstm":
        return
    spec, _ = tuning.parts(config.stem.to_dict())
    fusion.check_views(config.readout.views)
    if "narrow" in config.readout.views:
        narrow_view.check(spec)
