"""Corpora, their records, and what an installation has."""

from __future__ import annotations

import argparse
import functools
import json
import os
import shlex
from pathlib import Path
from typing import Any

from jser.commands import showing, words
from jser.commands.words import Commands
from jser.errors import InputError
from jser.records.manifest import options
from jser.store import urls

# Imports of the heavy rooms wait until a command needs them: `jser --help` answers at once.


def add_to(to: Commands) -> None:
    """The words of these commands."""
    command = to.add(
        "build",
        build,
        "Turn a corpus on disk into audited, sharded records.",
        "jser build emodb --corpus_dir=~/corpora/emodb",
    )
    command.add_argument(
        "corpus",
        metavar="CORPUS",
        help="for example emodb, ravdess, synthetic, fi; manifest: your own",
    )
    command.add_argument(
        "--corpus_dir",
        metavar="DIR",
        help="the recordings or pictures, in the published layout or flat",
    )
    words.add_data_dir(command)
    command.add_argument(
        "--variant",
        choices=("waveform", "log_mel", "image"),
        help="default: waveform, of pictures image; log_mel leaves the audio out: half the size, "
        "but no descriptors, no augmented copies",
    )
    command.add_argument(
        "--allow_partial",
        action="store_true",
        help="accept an incomplete corpus; every later result says so",
    )
    command.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes, a shard each (docs/scale.md)",
    )
    command.add_argument(
        "--runner",
        choices=("local", "beam"),
        default="local",
        help="beam: Apache Beam, on many machines",
    )
    command.add_argument(
        "--beam_options", metavar="OPTIONS", help="of Apache Beam, in one pair of quotes"
    )
    options.add_arguments(command)

    command = to.add(
        "audit",
        audit,
        "Show what a built corpus holds, what is in it twice, how it sounds, and what a protocol "
        "shares between its parts.",
        "jser audit ravdess --protocol=ravdess_emobox --html=ravdess.html",
    )
    command.add_argument("corpus", metavar="CORPUS", help="or several, joined: A+B")
    command.add_argument(
        "--labels", metavar="MAP", help="between the corpora's labels, as --config.labels of train"
    )
    command.add_argument("--classes", metavar="A,B", help="only these of the shared classes")
    command.add_argument("--protocol", metavar="NAME", help="for example leave_one_speaker_out")
    command.add_argument(
        "--dev_speakers", type=int, metavar="N", help="of the protocol's folds; default: 2"
    )
    command.add_argument("--html", metavar="FILE", help="the same as a page that needs no network")
    command.add_argument("--json", metavar="FILE", help="the same as data, with every figure")
    words.add_data_dir(command)

    command = to.add(
        "weights",
        weights,
        "Show which ImageNet weights are there, or fetch or convert those of a net.",
        "jser weights alexnet --file=~/Downloads/alexnet-owt-7be5be79.pth",
    )
    command.add_argument("net", nargs="?", metavar="NET", help="for example alexnet, resnet18")
    command.add_argument(
        "--file", metavar="PATH", help="a copy that you have; without it the file is fetched"
    )
    words.add_data_dir(command)

    to.add(
        "doctor",
        doctor,
        "Show devices, versions, weights and built corpora.",
        "jser doctor",
    )


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
    showing.print_(pictures.render(found) if seen else text.render(found))
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
