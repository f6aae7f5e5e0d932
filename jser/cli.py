"""The commands, one table.

Exit status: 0 done, 1 the user's input is at fault (one sentence on stderr), 2 usage, 70 a bug of
ours, 130 interrupted.
"""

from __future__ import annotations

import argparse
import errno
import functools
import json
import os
import shlex
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jser import interrupt
from jser.errors import InputError
from jser.records.manifest import options

# The disk is full, the quota is used up, or the disk is read-only.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# Other states of the user's disk that no program can do anything about.
NO_ACCESS = (
    errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP,
    errno.ENAMETOOLONG, errno.EIO, errno.EFBIG, errno.ESTALE, errno.EMFILE, errno.ENFILE,
)  # fmt: skip
NO_MEMORY = ("RESOURCE_EXHAUSTED", "Out of memory")

# Imports of the heavy rooms wait until a command needs them: `jser --help` answers at once.


def _build(args: argparse.Namespace) -> None:
    from jser.datasets import builder_class
    from jser.records.builder import build
    from jser.records.manifest import corpus as own
    from jser.records.sound_kind import SOUND

    understood: list[str] = []
    kind = SOUND if options.is_meant(args) else builder_class(args.corpus).KIND
    variant = args.variant or kind.variants[-1]
    places = (args.corpus_dir, args.data_dir, variant, args.allow_partial)
    way = _way(args)
    if options.is_meant(args):
        result, understood = own.build(args.manifest, options.given(args), *places, way)
    else:
        result = build(args.corpus, *places, way=way)
    print(kind.render(result.audit))
    for line in understood:
        print(line)
    for reason, count in result.skipped.items():
        print(f"left out: {count} ({reason})")
    if result.faults_list:
        print(f"every broken {kind.things[:-1]}, one a line: {result.faults_list}")
    if result.already_built:
        print(f"already built, nothing has changed: {result.path}")
        return
    seconds = max(result.seconds, 1e-9)
    speed = f"{result.audio_seconds / seconds:,.0f} x real time"
    if not result.audio_seconds:
        speed = f"{result.computed / seconds:,.0f} a second"
    resumed = f", {result.resumed} taken from an unfinished build" if result.resumed else ""
    what = "pictures" if kind.name == "picture" else "utterances"
    print(
        f"built {result.computed} {what}{resumed} in {result.seconds:.1f} s ({speed}): "
        f"{result.path}"
    )


def _way(args: argparse.Namespace) -> Any:
    """How the records are to be built; None: in this process alone."""
    if args.runner == "local" and args.beam_options is not None:
        raise InputError(f"--beam_options={args.beam_options}: belongs to --runner=beam; add it")
    if args.runner == "beam" and args.workers is not None:
        raise InputError(
            f"--workers={args.workers}: is of --runner=local; Beam is told by --beam_options how "
            "many it may start"
        )
    if args.runner == "local" and args.workers is None:
        return None
    from jser.records import beam, parts, workers

    if args.runner == "local":
        if args.workers < 1:
            raise InputError(f"--workers={args.workers}: is less than 1; give 1 or more")
        return parts.Parts(functools.partial(workers.run, n=args.workers))
    try:
        given = shlex.split(args.beam_options or "")
    except ValueError as error:
        raise InputError(f"--beam_options={args.beam_options}: {error}; see its quotes") from error
    beam.check()
    return parts.Parts(functools.partial(beam.run, options=given))


def _train(args: argparse.Namespace) -> None:
    from jser import config as configs
    from jser import experiment, preparation, run_directory

    config = configs.load(args.config, args.overrides)
    workdir = Path(args.workdir)
    with run_directory.only_here(workdir):
        _use_compilation_cache(preparation.data_dir(config))
        _show(experiment.run(config, workdir, args.allow_leak, not args.no_sound), workdir)


def _cross(args: argparse.Namespace) -> None:
    from jser import cross, preparation, run_directory
    from jser.evaluation import matrix

    cells = cross.plan(args.config, args.corpora, args.overrides)
    workdir = Path(args.workdir)
    with run_directory.only_here(workdir):
        _use_compilation_cache(preparation.data_dir(cells[0].config))
        result = cross.run(cells, workdir, args.allow_leak, not args.no_sound)
    print(matrix.text(result, _width()))
    print(f"table: {', '.join(str(workdir / name) for name in cross.FILES)}")


def _evaluate(args: argparse.Namespace) -> None:
    if len(args.run) == 2:
        from jser.evaluation import compare, page, tables
        from jser.evaluation.atomic import write_text

        result = compare.compare(Path(args.run[0]), Path(args.run[1]))
        print(tables.to_text(tables.render_comparison(result), _width()))
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
    from jser import experiment, preparation, run_directory

    run_dir = Path(args.run[0])
    config = run_directory.config_of(run_dir)
    with run_directory.only_here(run_dir):
        _use_compilation_cache(preparation.data_dir(config))
        _show(experiment.evaluate(run_dir, not args.no_sound), run_dir)


def _ladder(args: argparse.Namespace) -> None:
    from jser import config as configs
    from jser import ladder, preparation, run_directory
    from jser.evaluation import rungs, tables

    config = configs.load(args.config, args.overrides)
    workdir = Path(args.workdir)
    with run_directory.only_here(workdir):
        _use_compilation_cache(preparation.data_dir(config))
        made = ladder.climb(
            args.config, args.overrides, workdir, lambda line: print(line, file=sys.stderr)
        )
    print(tables.to_text(rungs.render(made), _width()))
    print(f"ladder: {', '.join(str(workdir / f'ladder.{k}') for k in ('html', 'json', 'txt'))}")


def _audit(args: argparse.Namespace) -> None:
    from jser import datasets
    from jser.audit import content, page, pictures, text
    from jser.evaluation.atomic import check_writable, write_text

    seen = args.corpus in datasets.PICTURES
    if seen and args.html:
        raise InputError(f"--html={args.html}: no page is made of pictures; --json=FILE has it all")
    for option in ("html", "json"):
        if path := getattr(args, option):
            check_writable(path, f"--{option}")
    gather = pictures.gather if seen else content.gather
    found = gather(args.corpus, args.data_dir, args.protocol, args.dev_speakers)
    _print(pictures.render(found) if seen else text.render(found))
    if args.html:
        write_text(args.html, page.render(found))
        print(f"page: {args.html}")
    if args.json:
        write_text(args.json, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
        print(f"json: {args.json}")


def _weights(args: argparse.Namespace) -> None:
    from jser.models import stems
    from jser.models.stems import convert, weights
    from jser.records import places

    folder = places.weights_dir(args.data_dir or places.default_data_dir())
    if args.net is None:
        if args.file:
            raise InputError(f"weights: --file={args.file} needs a net, for example alexnet")
        for name, blocks, state in weights.status(folder):
            print(f"{name}, {blocks}\n    {state}")
        return
    net = stems.get(args.net, "weights")
    if args.file:
        path = convert.convert(net, Path(args.file).expanduser(), folder)
    else:
        path = convert.fetch(net, folder)
    weights.read_converted(net, path)
    print(f"{net.title}: {net.count():,} parameters, hash checked: {path}")


def _doctor(args: argparse.Namespace) -> None:
    del args
    from jser import doctor

    doctor.show()


def _show(report: dict, run_dir: Path) -> None:
    from jser.evaluation.report import render

    _print(render(report))
    files = (str(run_dir / f"report.{kind}") for kind in ("html", "json", "txt"))
    print(f"report: {', '.join(files)}")


def _print(what: Any) -> None:
    """Tables with colour on a terminal, and as plain text of 100 columns elsewhere."""
    from rich.console import Console

    from jser.evaluation.tables import to_text

    if sys.stdout.isatty():
        Console().print(what)
    else:
        print(to_text(what))


def _width() -> int:
    return os.get_terminal_size().columns if sys.stdout.isatty() else 100


def _use_compilation_cache(data_dir: Path) -> None:
    """Compiled programs are kept beside the records, so the second run starts at once."""
    import jax

    jax.config.update("jax_compilation_cache_dir", str(data_dir / "cache" / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


class _Parser(argparse.ArgumentParser):
    """Options in full only, so that a script written today still means the same tomorrow."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **kwargs)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(
        prog="jser",
        description="Speech emotion recognition in JAX, with results that can be believed.",
        epilog="example: jser build synthetic && "
        "jser train --config=dcnn_blstm:synthetic --workdir=runs/first",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(
        name: str, run: Callable[[argparse.Namespace], None], text: str, example: str
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name, help=text, description=text, epilog=f"example: {example}"
        )
        command.set_defaults(run_command=run)
        return command

    def add_no_sound(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--no_sound",
            action="store_true",
            help="no recording in report.html, for a corpus that may not be passed on",
        )

    def add_data_dir(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--data_dir",
            metavar="DIR",
            help="where records lie; default: $JSER_DATA, then ~/jser_data",
        )

    build = add(
        "build",
        _build,
        "Turn a corpus on disk into audited, sharded records.",
        "jser build emodb --corpus_dir=~/corpora/emodb",
    )
    build.add_argument(
        "corpus",
        metavar="CORPUS",
        help="for example emodb, ravdess, synthetic, fi; manifest: your own",
    )
    build.add_argument(
        "--corpus_dir",
        metavar="DIR",
        help="the recordings or pictures, in the published layout or flat",
    )
    add_data_dir(build)
    build.add_argument(
        "--variant",
        choices=("waveform", "log_mel", "image"),
        help="default: waveform, of pictures image; log_mel leaves the audio out: half the size, "
        "but no descriptors, no augmented copies",
    )
    build.add_argument(
        "--allow_partial",
        action="store_true",
        help="accept an incomplete corpus; every later result says so",
    )
    build.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes, a shard each (docs/scale.md)",
    )
    build.add_argument(
        "--runner",
        choices=("local", "beam"),
        default="local",
        help="beam: Apache Beam, on many machines",
    )
    build.add_argument(
        "--beam_options", metavar="OPTIONS", help="of Apache Beam, in one pair of quotes"
    )
    options.add_arguments(build)

    train = add(
        "train",
        _train,
        "Cross-validate a system: train, select on dev speakers, score the test once.",
        "jser train --config=dcnn_blstm:emodb --workdir=runs/emodb --config.epochs=40",
    )
    train.add_argument(
        "--config", required=True, metavar="FILE.py[:ARG]", help="a file, or a packaged name"
    )
    train.add_argument("--workdir", required=True, metavar="RUN", help="run directory")
    train.add_argument(
        "--allow_leak", metavar="REASON", help="train in spite of a leak, and say why"
    )
    add_no_sound(train)

    cross = add(
        "cross",
        _cross,
        "Train on each corpus and test on each: the matrix of all ordered pairs, as runs.",
        "jser cross emodb_4class ravdess --config=dcnn_blstm --workdir=runs/cross",
    )
    cross.add_argument("corpora", nargs="+", metavar="CORPUS", help="two or more, all built")
    cross.add_argument(
        "--config", required=True, metavar="FILE.py", help="a file, or a packaged name; no argument"
    )
    cross.add_argument("--workdir", required=True, metavar="DIR", help="gets a run a pair")
    cross.add_argument(
        "--allow_leak", metavar="REASON", help="train in spite of a leak, and say why"
    )
    add_no_sound(cross)

    evaluate = add(
        "evaluate",
        _evaluate,
        "Make a run's report again from its checkpoints, or compare two runs by speaker.",
        "jser evaluate runs/a runs/b",
    )
    evaluate.add_argument("run", nargs="+", metavar="RUN")
    evaluate.add_argument("--html", metavar="FILE", help="a page of the comparison of two runs")
    add_no_sound(evaluate)

    ladder = add(
        "ladder",
        _ladder,
        "Show what each leak is worth: one system under ever stricter protocols.",
        "jser ladder --config=dcnn_blstm:ravdess --workdir=runs/ladder --config.seeds=0",
    )
    ladder.add_argument(
        "--config", required=True, metavar="FILE.py[:ARG]", help="a file, or a packaged name"
    )
    ladder.add_argument("--workdir", required=True, metavar="DIR", help="a run directory a rung")

    audit = add(
        "audit",
        _audit,
        "Show what a built corpus holds, what is in it twice, how it sounds, and what a protocol "
        "shares between its parts.",
        "jser audit ravdess --protocol=ravdess_emobox --html=ravdess.html",
    )
    audit.add_argument("corpus", metavar="CORPUS")
    audit.add_argument("--protocol", metavar="NAME", help="for example leave_one_speaker_out")
    audit.add_argument("--dev_speakers", type=int, default=2, metavar="N")
    audit.add_argument("--html", metavar="FILE", help="the same as one page that needs no network")
    audit.add_argument("--json", metavar="FILE", help="the same as data, with every figure")
    add_data_dir(audit)

    weights = add(
        "weights",
        _weights,
        "Show which ImageNet weights are there, or fetch or convert those of a net.",
        "jser weights alexnet --file=~/Downloads/alexnet-owt-7be5be79.pth",
    )
    weights.add_argument("net", nargs="?", metavar="NET", help="for example alexnet, resnet18")
    weights.add_argument(
        "--file", metavar="PATH", help="a copy that you have; without it the file is fetched"
    )
    add_data_dir(weights)

    add("doctor", _doctor, "Show devices, versions, weights and built corpora.", "jser doctor")
    return top


def _overrides(unknown: list[str], top: argparse.ArgumentParser) -> list[tuple[str, str]]:
    found = []
    rest = iter(unknown)
    for word in rest:
        if not word.startswith("--config."):
            top.error(f"unrecognised argument: {word}")
        field, has_value, value = word.removeprefix("--config.").partition("=")
        if not has_value:
            value = next(rest, "")
            if not value or value.startswith("--"):
                top.error(f"{word} needs a value: {word}=VALUE")
        found.append((field, value))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status.

    Without `argv` this is the program itself, which ends here where the command fails.
    """
    with interrupt.heard():
        status = _main(argv)
        if argv is None and status:
            interrupt.leave(status)
    return status


def _main(argv: Sequence[str] | None) -> int:
    _prepare_streams()
    warnings.formatwarning = _warning
    top = parser()
    args, unknown = top.parse_known_args(argv)
    if unknown and args.command not in ("train", "cross", "ladder"):
        top.error(f"unrecognised argument: {unknown[0]}")
    args.overrides = _overrides(unknown, top)
    try:
        args.run_command(args)
        sys.stdout.flush()
    except InputError as error:
        from jser.config import UsageError

        return _refuse(str(error), 2 if isinstance(error, UsageError) else 1)
    except BrokenPipeError:
        # The reader of our output has seen enough. What is left goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt:
        return _refuse("interrupted; what was finished is kept, the same command goes on", 130)
    except Exception as error:
        if fault := _fault_of_the_machine(error):
            return _refuse(fault, 1)
        traceback.print_exc()
        return _refuse("this is a bug, not your mistake; please report it", 70)
    return 0


_libraries_warning = warnings.formatwarning


def _warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """Our own warnings are for the user: a sentence, without the place in the code."""
    if category is UserWarning and f"{os.sep}jser{os.sep}" in filename:
        return f"jser: warning: {message}\n"
    return _libraries_warning(message, category, filename, lineno, line)


def _prepare_streams() -> None:
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            # A file's name may hold bytes that no terminal can show, and a terminal no Unicode.
            stream.reconfigure(errors="backslashreplace")


def _refuse(sentence: str, status: int) -> int:
    print(f"jser: {sentence}", file=sys.stderr)
    return status


def _fault_of_the_machine(error: Exception) -> str | None:
    """One sentence for a full disk, a path that cannot be used or too little memory."""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return (
            f"{error.filename or 'output'}: cannot be written ({error.strerror}); free some space "
            "or choose another folder, then give the same command to go on"
        )
    if isinstance(error, OSError) and error.errno in NO_ACCESS:
        return (
            f"{error.filename or 'output'}: cannot be used ({error.strerror}); put that right or "
            "choose another folder"
        )
    if isinstance(error, MemoryError) or any(sign in str(error) for sign in NO_MEMORY):
        what = str(error).partition("\n")[0][:150] or "an array"
        return (
            f"out of memory ({what}); lower --config.population.width, --config.batch_size or the "
            "layers' sizes, or use a machine that has more"
        )
    return None
