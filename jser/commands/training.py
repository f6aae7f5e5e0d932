"""All that trains."""

from __future__ import annotations

import argparse
from pathlib import Path

from jser.commands import showing, words
from jser.commands.words import Commands
from jser.errors import InputError
from jser.store import urls

# Imports of the heavy rooms wait until a command needs them: `jser --help` answers at once.


def add_to(to: Commands) -> None:
    """The words of these commands."""
    command = to.add(
        "train",
        train,
        "Cross-validate a system: train, select on dev speakers, score the test once.",
        "jser train --config=dcnn_blstm:emodb --workdir=runs/emodb --config.epochs=40",
    )
    words.add_config(command)
    command.add_argument("--workdir", required=True, metavar="RUN", help="run directory")
    command.add_argument(
        "--dry_run", action="store_true", help="show members, memory, compilations; train nothing"
    )
    words.add_allow_leak(command)
    words.add_no_sound(command)

    command = to.add(
        "compare",
        compare,
        "Run several systems on one corpus and protocol, and show them in one table.",
        "jser compare --configs=acoustic_rnn:emodb,dcnn_blstm:emodb --workdir=runs/systems",
    )
    command.add_argument(
        "--configs",
        required=True,
        metavar="CONFIG,CONFIG",
        help="the first is what the others are held against; one may have fields of its own: "
        "NAME:CORPUS@FIELD=VALUE; an @ before a file's .py is part of its path",
    )
    command.add_argument("--workdir", required=True, metavar="DIR", help="gets a run a system")
    words.add_allow_leak(command)
    words.add_no_sound(command)

    command = to.add(
        "cross",
        cross,
        "Train on each corpus and test on each: the matrix of all ordered pairs, as runs.",
        "jser cross emodb_4class ravdess --config=dcnn_blstm --workdir=runs/cross",
    )
    command.add_argument("corpora", nargs="+", metavar="CORPUS", help="two or more, all built")
    command.add_argument(
        "--config", required=True, metavar="FILE.py", help="a file, or a packaged name; no argument"
    )
    command.add_argument("--workdir", required=True, metavar="DIR", help="gets a run a pair")
    words.add_allow_leak(command)
    words.add_no_sound(command)

    command = to.add(
        "ladder",
        ladder,
        "Show what each leak is worth: one system under ever stricter protocols.",
        "jser ladder --config=dcnn_blstm:ravdess --workdir=runs/ladder --config.seeds=0",
    )
    words.add_config(command)
    command.add_argument("--workdir", required=True, metavar="DIR", help="a run directory a rung")

    command = to.add(
        "sweep",
        sweep,
        "Choose hyperparameters in each fold by its own dev speakers with Optuna, then score the "
        "chosen once.",
        "jser sweep --config=dcnn_blstm:emodb --workdir=runs/sweep --trials=20",
    )
    words.add_config(command)
    command.add_argument(
        "--workdir", required=True, metavar="DIR", help="gets the trials and the winners' run"
    )
    command.add_argument("--trials", type=int, metavar="N", help="of each fold; default: 20")
    command.add_argument(
        "--space", metavar="FILE.py", help="whose sweep() says what to try; default: the config's"
    )
    command.add_argument(
        "--storage",
        metavar="URL",
        help="sqlite:///FILE (default: in DIR), journal:///FILE, postgresql://USER@HOST/DATABASE",
    )
    command.add_argument("--name", metavar="NAME", help="in the storage; default: the folder's")
    command.add_argument("--sampler", default="tpe", metavar="NAME", help="tpe, random, qmc")
    command.add_argument(
        "--pruner", default="halving", metavar="NAME", help="halving, hyperband, none"
    )
    command.add_argument("--seed", type=int, default=0, metavar="N", help="of the sampler")
    command.add_argument(
        "--batch", type=int, metavar="N", help="trials trained at once; default: a block full"
    )
    command.add_argument(
        "--heartbeat",
        type=int,
        default=60,
        metavar="SECONDS",
        help="a worker silent for two of these is taken for dead; default: 60",
    )
    words.add_allow_leak(command)
    words.add_no_sound(command)


def train(args: argparse.Namespace) -> None:
    """A cross-validation, or what is left of one."""
    from jser import compiled, experiment
    from jser import config as configs
    from jser.records import places
    from jser.training import hosts

    config = configs.load(args.config, args.overrides)
    if args.dry_run:
        from jser import dry_run

        compiled.keep(places.of_config(config))
        showing.print_(dry_run.render(dry_run.describe(config, args.allow_leak)))
        return
    hosts.join()
    with showing.own_place(args.workdir) as run_dir:
        compiled.keep(places.of_config(config))
        report = experiment.run(config, run_dir, args.allow_leak, not args.no_sound)
    if report:
        showing.show(report, run_dir)


def compare(args: argparse.Namespace) -> None:
    """Several systems on one corpus."""
    from jser import compiled, lineup
    from jser.evaluation import lineup as table
    from jser.records import places

    runs = lineup.plan(args.configs, args.overrides)
    with showing.place(args.workdir) as workdir:
        compiled.keep(places.of_config(runs[0].config))
        result = lineup.run(runs, workdir, args.allow_leak, not args.no_sound)
    print(table.text(result, showing.width()))
    print(f"table: {showing.files(workdir, lineup.FILES)}")


def cross(args: argparse.Namespace) -> None:
    """The matrix of corpora."""
    from jser import compiled, cross
    from jser.evaluation import matrix
    from jser.records import places

    cells = cross.plan(args.config, args.corpora, args.overrides)
    with showing.place(args.workdir) as workdir:
        compiled.keep(places.of_config(cells[0].config))
        result = cross.run(cells, workdir, args.allow_leak, not args.no_sound)
    print(matrix.text(result, showing.width()))
    print(f"table: {showing.files(workdir, cross.FILES)}")


def ladder(args: argparse.Namespace) -> None:
    """The leak ladder."""
    from jser import compiled, ladder
    from jser import config as configs
    from jser.evaluation import rungs, tables
    from jser.records import places

    config = configs.load(args.config, args.overrides)
    with showing.place(args.workdir) as workdir:
        compiled.keep(places.of_config(config))
        made = ladder.climb(args.config, args.overrides, workdir)
    print(tables.to_text(rungs.render(made), showing.width()))
    print(f"ladder: {showing.files(workdir, [f'ladder.{k}' for k in ('html', 'json', 'txt')])}")


def sweep(args: argparse.Namespace) -> None:
    """One worker of a sweep."""
    from jser.sweep import storage

    storage.optuna()
    from jser import compiled, run_directory
    from jser import config as configs
    from jser.evaluation import sweep as table
    from jser.records import places
    from jser.sweep import reading, run

    if urls.is_url(args.workdir):
        raise InputError(
            f"--workdir={args.workdir}: a sweep's workers share their folder, which has to be on a "
            "disk; give a folder (docs/launch.md)"
        )
    config = configs.load(args.config, args.overrides)
    found = reading.load(args.config, config, args.space)
    workdir = Path(args.workdir)
    names = ("trials", "storage", "name", "sampler", "pruner", "batch", "seed", "heartbeat")
    options = run.Options(**{name: getattr(args, name) for name in names})
    run.check(options, found)
    run_directory.make(workdir)
    compiled.keep(places.of_config(config))
    result = run.run(config, found, workdir, options, args.allow_leak, not args.no_sound)
    if result is not None:
        showing.print_(table.render(result))
        print(f"sweep: {', '.join(str(workdir / name) for name in run.FILES)}")
