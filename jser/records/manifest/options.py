"""What the command line says about a manifest."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass

from jser.errors import InputError


@dataclass(frozen=True)
class Options:
    """How a manifest is to be read.

    Attributes:
        name: of the corpus; None: made from the manifest's file name.
        labels: 'known': words that `jser.emotions` knows; 'own': others are classes too.
        speaker: 'unknown': rows without a speaker are taken; None: they are faults.
        speaker_from: regular expression with a group ``speaker``, searched in the path.
        speaker_table: file of another table that has the speakers, by path.
        path_column: name of the column; None: 'path', or 'file' as audformat calls it.
        label_column: name of the column; None: 'label'.
        speaker_column: name of the column; None: 'speaker'.
    """

    name: str | None = None
    labels: str = "known"
    speaker: str | None = None
    speaker_from: str | None = None
    speaker_table: str | None = None
    path_column: str | None = None
    label_column: str | None = None
    speaker_column: str | None = None

    def command(self) -> str:
        """The options as they stand on a command line; the corpus' name apart."""
        words = [
            shlex.quote(f"--{field}={value}")
            for field, value in vars(self).items()
            if field != "name" and value not in (None, "known")
        ]
        return " ".join(words)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `jser build manifest`."""
    group = parser.add_argument_group("your own data (CORPUS is 'manifest'; docs/own_data.md)")
    group.add_argument(
        "--manifest", metavar="FILE", help="CSV, TSV, JSON lines, audformat: path, label, speaker"
    )
    group.add_argument("--name", help="of the corpus; default: from the manifest's file name")
    group.add_argument(
        "--labels",
        choices=("known", "own"),
        default="known",
        help="own: words that are no known emotion are classes too",
    )
    group.add_argument(
        "--speaker", choices=("unknown",), help="accept rows without one; random splits only"
    )
    group.add_argument("--speaker_from", metavar="REGEX", help="in the path: '(?P<speaker>[^/]+)/'")
    group.add_argument("--speaker_table", metavar="FILE", help="another table: path, speaker")
    for column in ("path", "label", "speaker"):
        group.add_argument(f"--{column}_column", metavar="NAME", help=argparse.SUPPRESS)


def is_meant(args: argparse.Namespace) -> bool:
    """Whether a command line means a manifest.

    Raises:
        InputError: it means one and gives none, or gives one for another corpus.
    """
    fields = [f"--{f}" for f, value in vars(given(args)).items() if value not in (None, "known")]
    if args.corpus == "manifest":
        if args.manifest is None:
            raise InputError(
                "build manifest: which one? give --manifest=FILE; docs/own_data.md says what is in "
                "it"
            )
        return True
    stray = ["--manifest"] * (args.manifest is not None) + fields
    if stray:
        raise InputError(
            f"build {args.corpus}: {stray[0]} is for data of your own: jser build manifest "
            "--manifest=FILE"
        )
    return False


def given(args: argparse.Namespace) -> Options:
    """The options that a command line gives."""
    return Options(**{field: getattr(args, field) for field in Options.__dataclass_fields__})
