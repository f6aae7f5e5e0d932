"""The command line's part that the benchmarks share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path


def parser(description: str | None, repeats: int) -> argparse.ArgumentParser:
    """A parser whose help is `description` as it stands, with --repeats."""
    made = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--repeats", type=_positive, default=repeats, help=f"default: {repeats}")
    return made


def add_cores(to: argparse.ArgumentParser) -> None:
    """--cores, for `timing.pin` and `timing.as_training`."""
    to.add_argument("--cores", type=int, default=0, help="use only so many; 0: all")


def add_scratch(to: argparse.ArgumentParser) -> None:
    """--scratch, for `tempfile.TemporaryDirectory`."""
    to.add_argument("--scratch", metavar="DIR", help="where temporary data folders are made")


def add_data_dir(to: argparse.ArgumentParser) -> None:
    """--data_dir, whose default is that of `jser`; imports nothing of it (see `timing`)."""
    to.add_argument(
        "--data_dir",
        type=lambda text: Path(text).expanduser(),
        metavar="DIR",
        default=Path(os.environ.get("JSER_DATA") or Path.home() / "jser_data"),
        help="of built records; default: $JSER_DATA, then ~/jser_data",
    )


def names(parser: argparse.ArgumentParser, flag: str, text: str, known: Iterable[str]) -> list[str]:
    """The names of a comma-separated flag; ends with the usage where one is not known."""
    found, known = text.split(","), list(known)
    if set(found) - set(known):
        parser.error(f"--{flag}={text}: each must be one of {', '.join(known)}")
    return found


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value
