"""A run leaves the laboratory, and what can be done with an artefact."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import sys
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jser.commands import showing, words
from jser.commands.words import Commands
from jser.errors import InputError, one_line
from jser.records.manifest import options

if TYPE_CHECKING:
    from jser.frontend.waveform import AudioError

# Imports of the heavy rooms wait until a command needs them: `jser --help` answers at once.


def add_to(to: Commands) -> None:
    """The words of these commands."""
    command = to.add(
        "export",
        export,
        "Make an artefact of a finished run: waveform in, probabilities out, held against the run.",
        "jser export runs/emodb --out=artefacts/emodb",
    )
    command.add_argument("run", metavar="RUN")
    command.add_argument("--out", required=True, metavar="DIR", help="a new folder")
    command.add_argument("--fold", type=int, metavar="K", help="from 1; default: all together")
    command.add_argument("--seed", type=int, metavar="S", help="default: all together")
    command.add_argument(
        "--onnx", action="store_true", help="model.onnx too; pip install onnx onnxruntime"
    )

    command = to.add(
        "predict",
        predict,
        "Name the emotions of sound files, of any rate and length, with an artefact.",
        "jser predict artefacts/emodb recordings/ --json",
    )
    words.add_artefact(command)
    command.add_argument(
        "path", nargs="+", metavar="PATH", help="sound files, folders, or - for the standard input"
    )
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="a JSON object a line")
    form.add_argument("--csv", action="store_true", help="comma-separated values")
    command.add_argument("--timeline", action="store_true", help="a row a window instead of a file")
    words.add_sure(command)
    command.add_argument(
        "--window", type=float, metavar="S", help="seconds; default: as training recordings were"
    )
    command.add_argument("--hop", type=float, metavar="S", help="seconds; default: half a window")

    command = to.add(
        "listen",
        listen,
        "Name emotions while somebody speaks: 16-bit mono samples in, a line every 0.64 s.",
        "arecord -q -f S16_LE -r 16000 -t raw | jser listen artefacts/emodb",
    )
    words.add_artefact(command)
    command.add_argument("--rate", type=int, default=16000, metavar="HZ", help="of the samples")
    command.add_argument("--microphone", action="store_true", help="instead of the standard input")
    command.add_argument("--json", action="store_true", help="a JSON object a line")
    words.add_sure(command)

    command = to.add(
        "serve",
        serve,
        "Serve an artefact's page on this computer: drop or record sound, see and hear the answer.",
        "jser serve artefacts/emodb --port=8000",
    )
    words.add_artefact(command)
    command.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="default: 127.0.0.1, no one else's"
    )
    command.add_argument("--port", type=int, default=8000, metavar="N", help="default: 8000")
    for name, kind, default, text in (
        ("max_mb", float, 50.0, "of a request, megabytes"),
        ("max_seconds", float, 600.0, "of a recording"),
        ("per_minute", int, 120, "requests of a client"),
        ("queue", int, 64, "requests in work and waiting; others are told to come again"),
    ):
        command.add_argument(
            f"--{name}",
            type=kind,
            default=default,
            metavar="N",
            help=f"{text}; default: {default:g}",
        )


# Options of `jser evaluate` that only an artefact has.
OF_ARTEFACT = (
    "data", "manifest", "name", "corpus_dir", "unheard", "allow_leak", "out", "json", "labels",
    "data_dir",
)  # fmt: skip


def evaluate_artefact(folder: Path, args: argparse.Namespace) -> None:
    """An artefact scored on a corpus."""
    from jser import compiled, emotions
    from jser.artefact import evaluating
    from jser.records import places

    if (args.data is None) == (args.manifest is None):
        raise InputError(
            f"{folder}: an artefact is scored on --data=CORPUS, a built one, or on "
            "--manifest=FILE; give one of them"
        )
    if args.name and args.manifest is None:
        raise InputError(f"--name={args.name}: is of a manifest's corpus; leave it out")
    if args.html:
        raise InputError(f"--html={args.html}: is for two runs; --out=DIR gets report.html")
    corpus = args.data
    if corpus is None:
        from jser.records import sidecar
        from jser.records.manifest import corpus as own

        named = options.Options(name=args.name)
        result, _ = own.build(args.manifest, named, args.corpus_dir, args.data_dir, "waveform")
        sidecar.push(result.path)
        corpus = own.name_of(Path(args.manifest).expanduser(), named)
    chosen = evaluating.Options(
        corpus, args.data_dir, args.labels or emotions.SHARED, args.unheard, args.allow_leak
    )
    out = Path(args.out) if args.out else folder / "evaluated" / corpus
    if out.exists() and not out.is_dir():
        raise InputError(f"--out={out}: is a file; name a folder")
    for name in ("config.json", "artefact.json", "checkpoints", "jser_corpus.json", "ledger"):
        if (out / name).exists():
            raise InputError(
                f"--out={out}: holds something else ({name}), whose report would be overwritten; "
                "name a folder of its own"
            )
    compiled.keep(places.root(args.data_dir))
    report = evaluating.evaluate(folder, chosen, out)
    if args.json:
        print(json.dumps(report, allow_nan=False))
    else:
        showing.show(report, out)


def export(args: argparse.Namespace) -> None:
    """A run as an artefact."""
    from jser import compiled, interrupt, run_directory
    from jser.artefact import export
    from jser.records import places

    run_dir = Path(args.run)
    compiled.keep(places.of_config(run_directory.config_of(run_dir)))
    with interrupt.ended_at_once():
        info = export.export(run_dir, Path(args.out), args.fold, args.seed, args.onnx)
    print(f"{len(info['members'])} members of {info['system']}")
    parity = info["parity"]
    print(f"parity with the run on {parity['recordings']} recordings (limit {parity['limit']:g}):")
    for name, row in parity["formats"].items():
        shown = "".join(
            f"  {what} {row[what]:.1e}" for what in ("logits", "scores", "probabilities")
        )
        print(f"  {name:<12}{shown}")
        if row["beyond"]:
            print(
                f"  {'':<12}  scores of {row['beyond']:.0%} beyond it: docs/artefacts.md says why"
            )
    print(f"artefact: {args.out}, a model card in {Path(args.out) / 'README.md'}")


def predict(args: argparse.Namespace) -> None:
    """What an artefact says of sound files."""
    from jser import compiled
    from jser.artefact import listening, opening, predicting
    from jser.records import places

    _check_sure(args.sure)
    folder = Path(args.artefact)
    info = opening.info(folder)
    cut = listening.cutting(info, args.window, args.hop)
    paths = predicting.files(args.path)
    compiled.keep(places.root(None))
    artefact = opening.load(folder)
    _note(folder, info)
    refused: list[InputError] = []

    def refuse(error: AudioError) -> None:
        refused.append(error)
        if args.json:
            predicting.write_refusal(error, sys.stdout)

    rows = predicting.predict(
        paths,
        artefact,
        info,
        cut,
        timeline=args.timeline,
        sure=args.sure,
        refuse=refuse,
    )
    write = predicting.write_table
    if args.json or args.csv:
        write = predicting.write_json_lines if args.json else predicting.write_csv
    write(predicting.counted(rows, len(paths)), info["classes"], sys.stdout)
    if refused:
        raise InputError("\n".join(str(error) for error in refused))


def _note(folder: Path, info: Mapping[str, Any]) -> None:
    """On the standard error, so that rows stay rows."""
    from jser.artefact import opening

    for what in opening.reservations(info):
        print(f"jser: {one_line(folder)}: {what}", file=sys.stderr)


def _check_sure(sure: float) -> None:
    if not 0 <= sure <= 1:
        raise InputError(f"--sure={sure:g}: is no probability; give one between 0 and 1")


def listen(args: argparse.Namespace) -> None:
    """A running answer to live sound."""
    from jser import compiled
    from jser.artefact import live, opening, predicting
    from jser.records import places

    _check_sure(args.sure)
    live.check_rate(args.rate)
    folder = Path(args.artefact)
    info = opening.info(folder)
    compiled.keep(places.root(None))
    artefact = opening.load(folder)
    source = live.from_microphone(args.rate)
    if not args.microphone:
        if sys.stdin is None:
            raise InputError("standard input: is closed; pipe 16-bit mono samples in")
        source = live.from_pipe(cast(BufferedReader, sys.stdin.buffer))
    answers = live.listen(source, args.rate, artefact, info)
    _note(folder, info)
    rows = (predicting.row("live", said, info, args.sure) for said in answers)
    write = predicting.write_json_lines if args.json else predicting.write_table
    with contextlib.suppress(KeyboardInterrupt):  # how a microphone's stream ends
        write(rows, info["classes"], sys.stdout)


# What `jser serve` needs beyond what every command does.
_OF_SERVING = ("starlette", "uvicorn", "python_multipart")


def serve(args: argparse.Namespace) -> None:
    """An artefact's page."""
    missing = [name for name in _OF_SERVING if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"serve: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed; "
            "pip install starlette uvicorn python-multipart"
        )
    from jser import compiled, interrupt
    from jser.artefact import opening
    from jser.records import places
    from jser.serving import app, gate, server, work
    from jser.serving.limits import Limits

    limits = Limits(args.max_mb, args.max_seconds, args.per_minute, args.queue)
    opening.info(Path(args.artefact))
    listening = server.listen(args.host, args.port)
    compiled.keep(places.root(None))
    heard = app.open_artefact(Path(args.artefact), limits)
    for what in work.warm(heard):
        print(f"compiling {what}", file=sys.stderr)
    made = app.make(heard, limits, gate.is_local(args.host))
    where = server.address(args.host, listening)

    def ending(seconds: float) -> None:
        if waiting := made.state.end(seconds):
            print(f"ending: requests in work: {waiting}, for {seconds:g} s more", file=sys.stderr)

    server.run(
        made, listening, lambda: print(f"ready: {where} (Ctrl-C ends it)", flush=True), ending
    )
    if not made.state.is_idle:
        interrupt.leave(0)  # without waiting for a call of the model that nobody asks for any more
