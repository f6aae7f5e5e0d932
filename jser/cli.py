"""The commands, one table.

Exit status: 0 done, 1 the user's input is at fault (one sentence on stderr), 2 usage, 70 a bug of
ours, 75 preempted (SIGTERM; the same command goes on), 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from jser import allocator, commands, interrupt
from jser.errors import HostsUnreachable, InputError
from jser.records.manifest import options
from jser.store import urls

# The disk is full, the quota is used up, or the disk is read-only.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
# Other states of the user's disk that no program can do anything about.
NO_ACCESS = (
    errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP,
    errno.ENAMETOOLONG, errno.EIO, errno.EFBIG, errno.ESTALE, errno.EMFILE, errno.ENFILE,
)  # fmt: skip
# Commands that train: they take the config's fields, and large blocks of memory again and again.
TRAINING = ("train", "compare", "cross", "ladder", "sweep")
# Commands whose work goes on where it was left, when the same command is given again.
RESUMABLE = (*TRAINING, "build")
# What a collective says when a host that takes part in it has gone.
HOST_GONE = ("Gloo", "NCCL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "Connection reset", "heartbeat")
NO_MEMORY = ("RESOURCE_EXHAUSTED", "Out of memory")


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
    found = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(
        name: str, run: Callable[[argparse.Namespace], None], text: str, example: str
    ) -> argparse.ArgumentParser:
        command = found.add_parser(name, help=text, description=text, epilog=f"example: {example}")
        command.set_defaults(run_command=run)
        return command

    def add_no_sound(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--no_sound",
            action="store_true",
            help="no recording in report.html, for a corpus that may not be passed on",
        )

    def add_allow_leak(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--allow_leak", metavar="REASON", help="train in spite of a leak, and say why"
        )

    def add_data_dir(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--data_dir",
            metavar="DIR",
            help="default: $JSER_DATA, then ~/jser_data",
        )

    build = add(
        "build",
        commands.build,
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
        commands.train,
        "Cross-validate a system: train, select on dev speakers, score the test once.",
        "jser train --config=dcnn_blstm:emodb --workdir=runs/emodb --config.epochs=40",
    )
    train.add_argument(
        "--config", required=True, metavar="FILE.py[:ARG]", help="a file, or a packaged name"
    )
    train.add_argument("--workdir", required=True, metavar="RUN", help="run directory")
    train.add_argument(
        "--dry_run", action="store_true", help="show members, memory, compilations; train nothing"
    )
    add_allow_leak(train)
    add_no_sound(train)

    compare = add(
        "compare",
        commands.compare,
        "Run several systems on one corpus and protocol, and show them in one table.",
        "jser compare --configs=acoustic_rnn:emodb,dcnn_blstm:emodb --workdir=runs/systems",
    )
    compare.add_argument(
        "--configs",
        required=True,
        metavar="CONFIG,CONFIG",
        help="the first is what the others are held against; one may have fields of its own: "
        "NAME:CORPUS@FIELD=VALUE; an @ before a file's .py is part of its path",
    )
    compare.add_argument("--workdir", required=True, metavar="DIR", help="gets a run a system")
    add_allow_leak(compare)
    add_no_sound(compare)

    cross = add(
        "cross",
        commands.cross,
        "Train on each corpus and test on each: the matrix of all ordered pairs, as runs.",
        "jser cross emodb_4class ravdess --config=dcnn_blstm --workdir=runs/cross",
    )
    cross.add_argument("corpora", nargs="+", metavar="CORPUS", help="two or more, all built")
    cross.add_argument(
        "--config", required=True, metavar="FILE.py", help="a file, or a packaged name; no argument"
    )
    cross.add_argument("--workdir", required=True, metavar="DIR", help="gets a run a pair")
    add_allow_leak(cross)
    add_no_sound(cross)

    evaluate = add(
        "evaluate",
        commands.evaluate,
        "Report a run again, compare two by speaker, or score an artefact on any corpus.",
        "jser evaluate artefacts/emodb --data=ravdess --json",
    )
    evaluate.add_argument("run", nargs="+", metavar="RUN | ARTEFACT")
    evaluate.add_argument("--html", metavar="FILE", help="a page of the comparison of two runs")
    evaluate.add_argument("--data", metavar="CORPUS", help="a built corpus to score an artefact on")
    evaluate.add_argument("--manifest", metavar="FILE", help="or a table of recordings and labels")
    evaluate.add_argument("--corpus_dir", metavar="DIR", help="of a manifest's recordings")
    evaluate.add_argument(
        "--unheard", action="store_true", help="leave out speakers that were heard in training"
    )
    evaluate.add_argument(
        "--allow_leak", metavar="REASON", help="score them too, with the reason on the result"
    )
    evaluate.add_argument("--labels", metavar="MAP", help="between label sets; default: shared")
    evaluate.add_argument(
        "--out", metavar="DIR", help="gets the report; default: ARTEFACT/evaluated/CORPUS"
    )
    evaluate.add_argument("--json", action="store_true", help="the report as JSON on the output")
    evaluate.add_argument("--data_dir", metavar="DIR", help="default: $JSER_DATA, ~/jser_data")
    add_no_sound(evaluate)

    export = add(
        "export",
        commands.export,
        "Make an artefact of a finished run: waveform in, probabilities out, held against the run.",
        "jser export runs/emodb --out=artefacts/emodb",
    )
    export.add_argument("run", metavar="RUN")
    export.add_argument("--out", required=True, metavar="DIR", help="a new folder")
    export.add_argument("--fold", type=int, metavar="K", help="from 1; default: all folds together")
    export.add_argument("--seed", type=int, metavar="S", help="default: all seeds together")
    export.add_argument(
        "--onnx", action="store_true", help="model.onnx too; pip install 'jser[onnx]'"
    )

    predict = add(
        "predict",
        commands.predict,
        "Name the emotions of sound files, of any rate and length, with an artefact.",
        "jser predict artefacts/emodb recordings/ --json",
    )
    predict.add_argument("artefact", metavar="ARTEFACT", help="a folder from `jser export`")
    predict.add_argument(
        "path", nargs="+", metavar="PATH", help="sound files, folders, or - for the standard input"
    )
    form = predict.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="a JSON object a line")
    form.add_argument("--csv", action="store_true", help="comma-separated values")
    predict.add_argument("--timeline", action="store_true", help="a row a window instead of a file")
    predict.add_argument(
        "--sure", type=float, default=0.0, metavar="P", help="below this probability: not sure"
    )
    predict.add_argument(
        "--window", type=float, metavar="S", help="seconds; default: as training recordings were"
    )
    predict.add_argument("--hop", type=float, metavar="S", help="seconds; default: half a window")

    listen = add(
        "listen",
        commands.listen,
        "Name emotions while somebody speaks: 16-bit mono samples in, a line every half second.",
        "arecord -q -f S16_LE -r 16000 -t raw | jser listen artefacts/emodb",
    )
    listen.add_argument("artefact", metavar="ARTEFACT", help="a folder from `jser export`")
    listen.add_argument("--rate", type=int, default=16000, metavar="HZ", help="of the samples")
    listen.add_argument("--microphone", action="store_true", help="instead of the standard input")
    listen.add_argument("--json", action="store_true", help="a JSON object a line")
    listen.add_argument(
        "--sure", type=float, default=0.0, metavar="P", help="below this probability: not sure"
    )

    serve = add(
        "serve",
        commands.serve,
        "Serve an artefact's page on this computer: drop or record sound, see and hear the answer.",
        "jser serve artefacts/emodb --port=8000",
    )
    serve.add_argument("artefact", metavar="ARTEFACT", help="a folder from `jser export`")
    serve.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="default: 127.0.0.1, no one else's"
    )
    serve.add_argument("--port", type=int, default=8000, metavar="N", help="default: 8000; 0: any")
    for name, kind, default, text in (
        ("max_mb", float, 50.0, "of a request, megabytes"),
        ("max_seconds", float, 600.0, "of a recording"),
        ("per_minute", int, 120, "requests of a client"),
        ("queue", int, 64, "requests in work and waiting; others are told to come again"),
    ):
        serve.add_argument(
            f"--{name}",
            type=kind,
            default=default,
            metavar="N",
            help=f"{text}; default: {default:g}",
        )

    status = add(
        "status",
        commands.status,
        "Show how runs are doing, from their folders: stage, time left, starts, failed members.",
        "jser status runs/emodb",
    )
    status.add_argument("dir", nargs="+", metavar="DIR", help="a run, or a folder of runs")
    status.add_argument("--json", action="store_true", help="the same as data (docs/files.md)")

    ladder = add(
        "ladder",
        commands.ladder,
        "Show what each leak is worth: one system under ever stricter protocols.",
        "jser ladder --config=dcnn_blstm:ravdess --workdir=runs/ladder --config.seeds=0",
    )
    ladder.add_argument(
        "--config", required=True, metavar="FILE.py[:ARG]", help="a file, or a packaged name"
    )
    ladder.add_argument("--workdir", required=True, metavar="DIR", help="a run directory a rung")

    sweep = add(
        "sweep",
        commands.sweep,
        "Choose hyperparameters in each fold by its own dev speakers with Optuna, then score the "
        "chosen once.",
        "jser sweep --config=dcnn_blstm:emodb --workdir=runs/sweep --trials=20",
    )
    sweep.add_argument(
        "--config", required=True, metavar="FILE.py[:ARG]", help="a file, or a packaged name"
    )
    sweep.add_argument(
        "--workdir", required=True, metavar="DIR", help="gets the trials and the winners' run"
    )
    sweep.add_argument("--trials", type=int, metavar="N", help="of each fold; default: 20")
    sweep.add_argument(
        "--space", metavar="FILE.py", help="whose sweep() says what to try; default: the config's"
    )
    sweep.add_argument(
        "--storage",
        metavar="URL",
        help="sqlite:///FILE (default: in DIR), journal:///FILE, postgresql://USER@HOST/DATABASE",
    )
    sweep.add_argument("--name", metavar="NAME", help="in the storage; default: the folder's")
    sweep.add_argument("--sampler", default="tpe", metavar="NAME", help="tpe, random, qmc")
    sweep.add_argument(
        "--pruner", default="halving", metavar="NAME", help="halving, hyperband, none"
    )
    sweep.add_argument("--seed", type=int, default=0, metavar="N", help="of the sampler")
    sweep.add_argument(
        "--batch", type=int, metavar="N", help="trials trained at once; default: a block full"
    )
    sweep.add_argument(
        "--heartbeat",
        type=int,
        default=60,
        metavar="SECONDS",
        help="a worker silent for two of these is taken for dead; default: 60",
    )
    add_allow_leak(sweep)
    add_no_sound(sweep)

    audit = add(
        "audit",
        commands.audit,
        "Show what a built corpus holds, what is in it twice, how it sounds, and what a protocol "
        "shares between its parts.",
        "jser audit ravdess --protocol=ravdess_emobox --html=ravdess.html",
    )
    audit.add_argument("corpus", metavar="CORPUS", help="or several, joined: A+B")
    audit.add_argument(
        "--labels", metavar="MAP", help="between the corpora's labels, as --config.labels of train"
    )
    audit.add_argument("--classes", metavar="A,B", help="only these of the shared classes")
    audit.add_argument("--protocol", metavar="NAME", help="for example leave_one_speaker_out")
    audit.add_argument(
        "--dev_speakers", type=int, metavar="N", help="of the protocol's folds; default: 2"
    )
    audit.add_argument("--html", metavar="FILE", help="the same as one page that needs no network")
    audit.add_argument("--json", metavar="FILE", help="the same as data, with every figure")
    add_data_dir(audit)

    weights = add(
        "weights",
        commands.weights,
        "Show which ImageNet weights are there, or fetch or convert those of a net.",
        "jser weights alexnet --file=~/Downloads/alexnet-owt-7be5be79.pth",
    )
    weights.add_argument("net", nargs="?", metavar="NET", help="for example alexnet, resnet18")
    weights.add_argument(
        "--file", metavar="PATH", help="a copy that you have; without it the file is fetched"
    )
    add_data_dir(weights)

    add(
        "doctor",
        commands.doctor,
        "Show devices, versions, weights and built corpora.",
        "jser doctor",
    )
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
    if unknown and args.command not in TRAINING:
        top.error(f"unrecognised argument: {unknown[0]}")
    if args.command in TRAINING:
        allocator.keep_freed()
    args.overrides = _overrides(unknown, top)
    resumable = args.command in RESUMABLE
    try:
        with interrupt.preemptible() if resumable else contextlib.nullcontext():
            args.run_command(args)
        sys.stdout.flush()
    except InputError as error:
        from jser.config import UsageError

        return _refuse(str(error), 2 if isinstance(error, UsageError) else 1)
    except HostsUnreachable as error:
        return _refuse(str(error), 75)
    except BrokenPipeError:
        # The reader of our output has seen enough. What is left goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except interrupt.Preempted:
        return _refuse("told to end; what was finished is kept, the same command goes on", 75)
    except KeyboardInterrupt:
        return _refuse("interrupted; what was finished is kept, the same command goes on", 130)
    except Exception as error:
        if _another_host_has_gone(error):
            return _refuse(
                "another host has ended; what was finished is kept, the same command on all hosts "
                "goes on",
                75,
            )
        if fault := _fault_of_the_machine(error):
            return _refuse(fault, 1, shown=str)  # the disk's folder, of whatever it is a mirror
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
        return f"jser: warning: {urls.shown(str(message))}\n"
    return _libraries_warning(message, category, filename, lineno, line)


def _prepare_streams() -> None:
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            # A file's name may hold bytes that no terminal can show, and a terminal no Unicode.
            stream.reconfigure(errors="backslashreplace")


def _refuse(sentence: str, status: int, shown: Callable[[str], str] = urls.shown) -> int:
    print(f"jser: {shown(sentence)}", file=sys.stderr)
    return status


def _another_host_has_gone(error: Exception) -> bool:
    if "jser.training.hosts" not in sys.modules or not any(s in str(error) for s in HOST_GONE):
        return False
    from jser.training import hosts

    return hosts.several()


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
