"""What the words of several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


class Commands:
    """The commands of a parser, to which rooms add theirs."""

    def __init__(self, found: Any):
        """Take what `ArgumentParser.add_subparsers` gave."""
        self._found = found

    def add(
        self, name: str, run: Callable[[argparse.Namespace], None], text: str, example: str
    ) -> argparse.ArgumentParser:
        """A command: what it is called, what it runs, and what its help says."""
        command: argparse.ArgumentParser = self._found.add_parser(
            name, help=text, description=text, epilog=f"example: {example}"
        )
        command.set_defaults(run_command=run)
        return command


def add_no_sound(to: argparse.ArgumentParser) -> None:
    """--no_sound."""
    to.add_argument(
        "--no_sound",
        action="store_true",
        help="no recording in report.html, for a corpus that may not be passed on",
    )


def add_allow_leak(to: argparse.ArgumentParser) -> None:
    """--allow_leak."""
    to.add_argument("--allow_leak", metavar="REASON", help="train in spite of a leak, and say why")


def add_config(to: argparse.ArgumentParser) -> None:
    """--config."""
    to.add_argument(
        "--config", required=True, metavar="FILE.py[:ARG]", help="a file, or a packaged name"
    )


def add_data_dir(to: argparse.ArgumentParser) -> None:
    """--data_dir."""
    to.add_argument("--data_dir", metavar="DIR", help="default: $JSER_DATA, then ~/jser_data")


def add_artefact(to: argparse.ArgumentParser) -> None:
    """ARTEFACT."""
    to.add_argument("artefact", metavar="ARTEFACT", help="a folder from `jser export`")


def add_sure(to: argparse.ArgumentParser) -> None:
    """--sure."""
    to.add_argument(
        "--sure", type=float, default=0.0, metavar="P", help="below this probability: not sure"
    )
