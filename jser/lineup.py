"""Several systems on one corpus and protocol, each a run, and one table of them all."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jser import config as configs
from jser import series, systems
from jser.config import UsageError
from jser.evaluation import atomic, lineup, page

FILES = ("compare.txt", "compare.json", "compare.html")
# What has to be equal for systems to be told apart by nothing else.
_SAME = ("corpus", "data_dir", "protocol", "dev_speakers", "labels", "classes")
# Commas between configs, but not those inside the brackets of a field's list.
_BETWEEN = re.compile(r",(?![^(),]*(?:,[^(),]*)*\))")

# The path of a config file, in which an @ may be.
_FILE = re.compile(r"[^:]*?\.py(?=[:@]|$)")


def plan(references: str, overrides: Sequence[tuple[str, str]]) -> list[series.Run]:
    """The runs of a comparison, in the order in which they are named.

    Args:
        references: configs with commas between, each ``NAME:CORPUS`` or ``FILE.py:CORPUS``, with
            fields of its own behind an @: ``rnn_elm:emodb@model.labels=frames``; a list is in
            brackets: ``@elm.widths=(1,3)``. An @ before a file's ``.py`` belongs to its path.
        overrides: fields for all runs.

    Raises:
        UsageError: fewer than two, a config or field that there is not, or configs of different
            corpora or protocols.
    """
    words = [word.strip() for word in _BETWEEN.split(references) if word.strip()]
    if len(words) < 2:
        raise UsageError(
            f"--configs={references}: {len(words)} config is no comparison; name two or more, for "
            "example --configs=acoustic_rnn:emodb,dcnn_blstm:emodb"
        )
    runs: list[series.Run] = []
    for word in words:
        reference, fields = _apart(word)
        own = []
        for text in fields:
            field, _, value = text.partition("=")
            if not value:
                raise UsageError(f"--configs={word}: '{field}' needs a value: @FIELD=VALUE")
            own.append((field, value))
        with _faults_of(word, words):
            _check_for_all(reference, overrides)
            config = configs.load(reference, [*overrides, *own])
        # The corpus is the same for all, and so not in the name.
        words_of = [Path(reference.partition(":")[0]).stem, *fields]
        name = re.sub(r"[^A-Za-z0-9_.+=-]+", "-", " ".join(words_of))
        title = systems.get(config.system).title(config)
        runs.append(series.Run(name, config, title))
    for one in runs[1:]:
        for field in _SAME:
            ours, first = one.config.get(field), runs[0].config.get(field)
            if ours != first:
                raise UsageError(
                    f"--configs: {runs[0].name} has {field}={first} and {one.name} has {ours}; "
                    f"systems are compared on one corpus and protocol (--config.{field}=... sets "
                    "it for all)"
                )
    return runs


def _apart(word: str) -> tuple[str, list[str]]:
    """A config's reference, and the texts of its own fields."""
    file = _FILE.match(word)
    end = file.end() if file else 0
    rest, *fields = word[end:].split("@")
    return word[:end] + rest, fields


@contextlib.contextmanager
def _faults_of(word: str, words: Sequence[str]) -> Iterator[None]:
    """Where a word is what a comma cut off a list, say how lists are given."""
    try:
        yield
    except UsageError as error:
        before = words[words.index(word) - 1] if word != words[0] else ""
        if not _apart(before)[1] or ":" in word or "@" in word:
            raise
        raise UsageError(
            f"{error}; if it belongs to the list before it, put that in brackets: "
            f"{before.rpartition('=')[0]}=({before.rpartition('=')[2]},{word})"
        ) from error


def _check_for_all(reference: str, overrides: Sequence[tuple[str, str]]) -> None:
    """Refuse a field for all systems that one has not.

    Raises:
        UsageError: see above.
    """
    place = [(field, text) for field, text in overrides if field == "data_dir"]
    known = dict(configs.fields(configs.load(reference, place)))
    for field, text in overrides:
        if field not in known and field in configs.everywhere():
            raise UsageError(
                f"--config.{field}={text}: is set for all systems, and {reference} has no such "
                f"field; give it to those that have it, behind an @: NAME:CORPUS@{field}={text}"
            )


def run(
    runs: Sequence[series.Run], workdir: Path, allow_leak: str | None = None, sound: bool = True
) -> dict[str, Any]:
    """Train, or go on with, every run, and write the table.

    Args:
        runs: from `plan`.
        workdir: gets a run directory a system, and `FILES`.
        allow_leak: see `experiment.run`.
        sound: see `experiment.run`.

    Returns:
        See `evaluation.lineup.build`.
    """
    reports = series.run(runs, workdir, allow_leak, sound)
    result = lineup.build({one.name: workdir / one.name for one in runs}, reports)
    atomic.write_text(workdir / FILES[0], lineup.text(result))
    atomic.write_text(workdir / FILES[2], page.render_lineup(result))
    atomic.write_text(workdir / FILES[1], json.dumps(result, indent=1, allow_nan=False) + "\n")
    return result
