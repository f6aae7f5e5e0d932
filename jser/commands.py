"""What each command does, given its words; `cli` is the table of the words."""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.util
import json
import os
import shlex
import sys
import tempfile
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

from jser.errors import InputError
from jser.records.manifest import options
from jser.store import urls

# Imports of the heavy rooms wait until a command needs them: `jser --help` answers at once.


def build(args: argparse.Namespace) -> None:
    """Records of a corpus, or of a manifest."""
    from jser.datasets import builder_class
    from jser.records import sidecar
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
    sidecar.push(result.path)
    print(kind.render(result.audit))
    for line in understood:
        print(line)
    for reason, count in result.skipped.items():
        print(f"left out: {count} ({reason})")
    if result.faults_list:
        print(f"every broken {kind.things[:-1]}, one a line: {result.faults_list}")
    if result.already_built:
        print(f"already built, nothing has changed: {urls.shown(result.path)}")
        return
    seconds = max(result.seconds, 1e-9)
    speed = f"{result.audio_seconds / seconds:,.0f} x real time"
    if not result.audio_seconds:
        speed = f"{result.computed / seconds:,.0f} a second"
    resumed = f", {result.resumed} taken from an unfinished build" if result.resumed else ""
    what = "pictures" if kind.name == "picture" else "utterances"
    print(
        f"built {result.computed} {what}{resumed} in {result.seconds:.1f} s ({speed}): "
        f"{urls.shown(result.path)}"
    )


def _way(args: argparse.Namespace) -> Any:
    """How the records are to be built; None: in this process alone."""
    data_dir = args.data_dir or os.environ.get("JSER_DATA")
    if args.runner == "beam" and urls.is_url(data_dir):
        raise InputError(
            f"--data_dir={data_dir}: Beam's workers need a data folder that all of them see as "
            "files; give a folder, and copy the records"
        )
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
        _print(dry_run.render(dry_run.describe(config, args.allow_leak)))
        return
    hosts.join()
    with _own_place(args.workdir) as run_dir:
        compiled.keep(places.of_config(config))
        report = experiment.run(config, run_dir, args.allow_leak, not args.no_sound)
    if report:
        _show(report, run_dir)


@contextlib.contextmanager
def _place(workdir: str, option: str = "--workdir", must_exist: bool = False) -> Iterator[Path]:
    """A run directory held against others: the folder, or what mirrors the URL."""
    from jser import run_directory
    from jser.store import pushing

    if urls.is_url(workdir):
        with pushing.opened(workdir, option, must_exist) as run_dir:
            yield run_dir
        return
    with run_directory.only_here(Path(workdir)):
        yield Path(workdir)


@contextlib.contextmanager
def _own_place(workdir: str) -> Iterator[Path]:
    """The run directory; of several hosts for all but the first, who writes, a passing one."""
    from jser import progress
    from jser.training import hosts

    if hosts.is_first():
        with _place(workdir) as run_dir:
            yield run_dir
        return
    progress.be_silent()
    with tempfile.TemporaryDirectory(prefix="jser-") as passing:
        yield Path(passing) / "run"


def compare(args: argparse.Namespace) -> None:
    """Several systems on one corpus."""
    from jser import compiled, lineup
    from jser.evaluation import lineup as table
    from jser.records import places

    runs = lineup.plan(args.configs, args.overrides)
    with _place(args.workdir) as workdir:
        compiled.keep(places.of_config(runs[0].config))
        result = lineup.run(runs, workdir, args.allow_leak, not args.no_sound)
    print(table.text(result, _width()))
    print(f"table: {_files(workdir, lineup.FILES)}")


def cross(args: argparse.Namespace) -> None:
    """The matrix of corpora."""
    from jser import compiled, cross
    from jser.evaluation import matrix
    from jser.records import places

    cells = cross.plan(args.config, args.corpora, args.overrides)
    with _place(args.workdir) as workdir:
        compiled.keep(places.of_config(cells[0].config))
        result = cross.run(cells, workdir, args.allow_leak, not args.no_sound)
    print(matrix.text(result, _width()))
    print(f"table: {_files(workdir, cross.FILES)}")


def evaluate(args: argparse.Namespace) -> None:
    """A run scored again, two compared, or an artefact on a corpus."""
    asked = [name for name in _OF_ARTEFACT if getattr(args, name) not in (None, False)]
    if len(args.run) == 1 and (Path(args.run[0]) / "artefact.json").is_file():
        _evaluate_artefact(Path(args.run[0]), args)
        return
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
        with _to_read(args.run[0]) as first, _to_read(args.run[1]) as second:
            result = compare.compare(first, second)
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
    from jser import compiled, experiment, run_directory
    from jser.records import places

    if not urls.is_url(args.run[0]):
        run_directory.config_of(Path(args.run[0]))  # else its folder would be made
    with _place(args.run[0], "RUN", must_exist=True) as run_dir:
        compiled.keep(places.of_config(run_directory.config_of(run_dir)))
        report = experiment.evaluate(run_dir, not args.no_sound)
    _show(report, run_dir)


# Options of `jser evaluate` that only an artefact has.
_OF_ARTEFACT = (
    "data", "manifest", "corpus_dir", "unheard", "allow_leak", "out", "json", "labels", "data_dir",
)  # fmt: skip


def _evaluate_artefact(folder: Path, args: argparse.Namespace) -> None:
    from jser import compiled, emotions
    from jser.artefact import evaluating
    from jser.records import places

    if (args.data is None) == (args.manifest is None):
        raise InputError(
            f"{folder}: an artefact is scored on --data=CORPUS, a built one, or on "
            "--manifest=FILE; give one of them"
        )
    if args.html:
        raise InputError(f"--html={args.html}: is for two runs; --out=DIR gets report.html")
    corpus = args.data
    if corpus is None:
        from jser.records import sidecar
        from jser.records.manifest import corpus as own

        result, _ = own.build(args.manifest, None, args.corpus_dir, args.data_dir, "waveform")
        sidecar.push(result.path)
        corpus = own.name_of(Path(args.manifest).expanduser(), options.Options())
    chosen = evaluating.Options(
        corpus, args.data_dir, args.labels or emotions.SHARED, args.unheard, args.allow_leak
    )
    out = Path(args.out) if args.out else folder / "evaluated" / corpus
    if out.exists() and not out.is_dir():
        raise InputError(f"--out={out}: is a file; name a folder")
    compiled.keep(places.root(args.data_dir))
    report = evaluating.evaluate(folder, chosen, out)
    if args.json:
        print(json.dumps(report, allow_nan=False))
    else:
        _show(report, out)


@contextlib.contextmanager
def _to_read(run: str) -> Iterator[Path]:
    """A run directory without a hold on it; of one on a store a copy of what is compared."""
    from jser.store import snapshot

    if not urls.is_url(run):
        yield Path(run)
        return
    needed = ("config.json", "report.json", "predictions.csv", "parts.csv")
    with snapshot.taken(run, lambda name: name in needed) as copy:
        yield copy.folder


def export(args: argparse.Namespace) -> None:
    """A run as an artefact."""
    from jser import compiled, run_directory
    from jser.artefact import export
    from jser.records import places

    run_dir = Path(args.run)
    compiled.keep(places.of_config(run_directory.config_of(run_dir)))
    info = export.export(run_dir, Path(args.out), args.fold, args.seed, args.onnx)
    print(f"{len(info['members'])} members of {info['system']}")
    parity = info["parity"]
    print(f"parity with the run on {parity['recordings']} recordings (limit {parity['limit']:g}):")
    for name, row in parity["formats"].items():
        print(f"  {name:<12}" + "".join(f"  {what} {value:.1e}" for what, value in row.items()))
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
    refused: list[InputError] = []
    rows = predicting.predict(
        paths,
        artefact,
        info,
        cut,
        timeline=args.timeline,
        sure=args.sure,
        refuse=refused.append,
    )
    write = predicting.write_table
    if args.json or args.csv:
        write = predicting.write_json_lines if args.json else predicting.write_csv
    write(rows, info["classes"], sys.stdout)
    if refused:
        raise InputError("\n".join(str(error) for error in refused))


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
        source = live.from_pipe(cast(BufferedReader, sys.stdin.buffer))
    rows = (
        predicting.row("live", said, info, args.sure)
        for said in live.listen(source, args.rate, artefact, info)
    )
    write = predicting.write_json_lines if args.json else predicting.write_table
    write(rows, info["classes"], sys.stdout)


# What `jser serve` needs beyond what every command does.
_OF_SERVING = ("starlette", "uvicorn", "python_multipart")


def serve(args: argparse.Namespace) -> None:
    """An artefact's page."""
    missing = [name for name in _OF_SERVING if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"serve: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed; "
            "pip install 'jser[serve]'"
        )
    from jser import compiled
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
    server.run(made, listening, lambda: print(f"ready: {where} (Ctrl-C ends it)", flush=True))


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


def ladder(args: argparse.Namespace) -> None:
    """The leak ladder."""
    from jser import compiled, ladder
    from jser import config as configs
    from jser.evaluation import rungs, tables
    from jser.records import places

    config = configs.load(args.config, args.overrides)
    with _place(args.workdir) as workdir:
        compiled.keep(places.of_config(config))
        made = ladder.climb(args.config, args.overrides, workdir)
    print(tables.to_text(rungs.render(made), _width()))
    print(f"ladder: {_files(workdir, [f'ladder.{k}' for k in ('html', 'json', 'txt')])}")


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
        _print(table.render(result))
        print(f"sweep: {', '.join(str(workdir / name) for name in run.FILES)}")


_AUDIT_EXAMPLES = {
    "protocol": "leave_one_speaker_out",
    "html": "audit.html",
    "json": "audit.json",
    "data_dir": "~/jser_data",
    "labels": "calm_as_neutral",
    "classes": "anger,sadness",
}


def audit(args: argparse.Namespace) -> None:
    """What a built corpus holds."""
    from jser import datasets, emotions
    from jser.audit import content, page, picture_page, pictures, text
    from jser.config import UsageError
    from jser.evaluation.atomic import check_writable, write_text

    for option, example in _AUDIT_EXAMPLES.items():
        if getattr(args, option) == "":
            raise UsageError(
                f"--{option}= is empty; give a value, for example --{option}={example}, or leave "
                "it out"
            )
    if args.dev_speakers is not None and not args.protocol:
        raise UsageError(
            f"--dev_speakers={args.dev_speakers}: is of a protocol's folds; add --protocol=NAME, "
            "for example --protocol=leave_one_speaker_out"
        )
    seen = args.corpus in datasets.PICTURES
    for option in ("labels", "classes"):
        if seen and (value := getattr(args, option)):
            raise UsageError(
                f"--{option}={value}: is for recordings, and {args.corpus} is of pictures; leave "
                "it out"
            )
    if args.html and args.json and Path(args.html).absolute() == Path(args.json).absolute():
        raise InputError(f"--html={args.html}: --json names the same file; name two")
    for option in ("html", "json"):
        if path := getattr(args, option):
            check_writable(path, f"--{option}")
    dev_speakers = 2 if args.dev_speakers is None else args.dev_speakers
    chosen = (args.corpus, args.data_dir, args.protocol, dev_speakers)
    if seen:
        found = pictures.gather(*chosen)
    else:
        classes = [name.strip() for name in (args.classes or "").split(",")]
        labels = args.labels or emotions.SHARED
        found = content.gather(*chosen, labels, [name for name in classes if name])
    _print(pictures.render(found) if seen else text.render(found))
    if args.html:
        write_text(args.html, picture_page.render(found) if seen else page.render(found))
        print(f"page: {args.html}")
    if args.json:
        write_text(args.json, json.dumps(found, indent=1, ensure_ascii=False) + "\n")
        print(f"json: {args.json}")


def weights(args: argparse.Namespace) -> None:
    """ImageNet weights: shown, fetched or converted."""
    from jser.models import stems
    from jser.models.stems import convert, weights
    from jser.records import places

    folder = places.weights_dir(places.root(args.data_dir))
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


def doctor(args: argparse.Namespace) -> None:
    """What is here."""
    del args
    from jser import doctor

    doctor.show()


def _show(report: dict, run_dir: Path) -> None:
    from jser.evaluation.report import render

    _print(render(report))
    print(f"report: {_files(run_dir, [f'report.{kind}' for kind in ('html', 'json', 'txt')])}")


def _files(folder: Path, names: Iterable[str]) -> str:
    return ", ".join(urls.shown(folder / name) for name in names)


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
