"""Runs that are there: how they are doing, and their figures again."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from jser.commands import artefacts, showing, words
from jser.commands.words import Commands
from jser.errors import InputError
from jser.store import urls

# Imports of the heavy rooms wait until a command needs them: `jser --help` answers at once.


def add_to(to: Commands) -> None:
    """The words of these commands."""
    command = to.add(
        "status",
        status,
        "Show how runs are doing, from their folders: stage, time left, starts, failed members.",
        "jser status runs/emodb",
    )
    command.add_argument("dir", nargs="+", metavar="DIR", help="a run, or a folder of runs")
    command.add_argument("--json", action="store_true", help="the same as data (docs/files.md)")

    command = to.add(
        "evaluate",
        evaluate,
        "Report a run again, compare two by speaker, or score an artefact on any corpus.",
        "jser evaluate artefacts/emodb --data=ravdess --json",
    )
    command.add_argument("run", nargs="+", metavar="RUN | ARTEFACT")
    command.add_argument("--html", metavar="FILE", help="a page of the comparison of two runs")
    command.add_argument("--data", metavar="CORPUS", help="a built corpus to score an artefact on")
    command.add_argument("--manifest", metavar="FILE", help="or a table of recordings and labels")
    command.add_argument("--name", help="of its corpus; default: from the manifest's file name")
    command.add_argument("--corpus_dir", metavar="DIR", help="of a manifest's recordings")
    command.add_argument(
        "--unheard", action="store_true", help="leave out speakers that were heard in training"
    )
    command.add_argument(
        "--allow_leak", metavar="REASON", help="score them too, with the reason on the result"
    )
    command.add_argument("--labels", metavar="MAP", help="between label sets; default: shared")
    command.add_argument(
        "--out", metavar="DIR", help="gets the report; default: ARTEFACT/evaluated/CORPUS"
    )
    command.add_argument("--json", action="store_true", help="the report as JSON on the output")
    words.add_data_dir(command)
    words.add_no_sound(command)


def status(args: argparse.Namespace) -> None:
    """How runs are doing."""
    from jser import status, status_text

    found, refused = status.gather(args.dir)
    if args.json:
        print(json.dumps(found, indent=1, allow_nan=False))
    elif found["runs"]:
        print(status_text.text(found), end="")
    if refused:
        raise InputError("; ".join(refused))


def evaluate(args: argparse.Namespace) -> None:
    """A run scored again, two compared, or an artefact on a corpus."""
    asked = [name for name in artefacts.OF_ARTEFACT if getattr(args, name) not in (None, False)]
    if len(args.run) == 1 and (Path(args.run[0]) / "artefact.json").is_file():
        artefacts.evaluate_artefact(Path(args.run[0]), args)
        return
    for one in args.run if asked else ():
        if (Path(one) / "artefact.json").is_file():
            raise InputError(f"--{asked[0]}: one artefact is scored at a time; give {one} alone")
    if asked:
        raise InputError(
            f"--{asked[0]}: is for an artefact, and {args.run[0]} is none; `jser export RUN "
            "--out=DIR` makes one"
        )
    if len(args.run) == 2:
        from jser.evaluation import compare, page, tables
        from jser.evaluation.atomic import check_writable, write_text

        if args.html:
            check_writable(args.html, "--html")
        with showing.to_read(args.run[0]) as first, showing.to_read(args.run[1]) as second:
            result = compare.compare(first, second)
        print(tables.to_text(tables.render_comparison(result), showing.width()))
        if args.html:
            write_text(args.html, page.render_comparison(result))
            print(f"page: {args.html}")
        return
    if len(args.run) > 2:
        raise InputError(
            f"evaluate: {len(args.run)} runs were given; give one to score it again, or two to "
            "compare them"
        )
    if args.html:
        raise InputError(
            f"--html={args.html}: is for two runs; the page of one is {args.run[0]}/report.html"
        )
    from jser import compiled, experiment, run_directory
    from jser.records import places

    if not urls.is_url(args.run[0]):
        run_directory.config_of(Path(args.run[0]))  # else its folder would be made
    with showing.place(args.run[0], "RUN", must_exist=True) as run_dir:
        compiled.keep(places.of_config(run_directory.config_of(run_dir)))
        report = experiment.evaluate(run_dir, not args.no_sound)
    showing.show(report, run_dir)
