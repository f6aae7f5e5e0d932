"""The matrix of corpora: trained on each (rows), tested on each (columns), as runs of their own.

Off the diagonal, two corpora are joined and `leave_one_corpus_out` gives both directions in one
run; on it stands each corpus by its own protocol. All cells have the classes that all corpora
share, and one front end.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jser import config as configs
from jser import emotions, series
from jser.config import UsageError
from jser.evaluation import atomic, matrix, page
from jser.protocols import corpora as by_corpus
from jser.records import places, selection

# What the matrix decides itself.
_OURS = ("corpus", "protocol")
FILES = ("cross.txt", "cross.json", "cross.html")


def plan(
    reference: str, names: Sequence[str], overrides: Sequence[tuple[str, str]]
) -> list[series.Run]:
    """The runs of a matrix, those within a corpus first; two that test each other are one run.

    Args:
        reference: of the config, without a corpus.
        names: two corpora or more.
        overrides: fields for all runs.

    Raises:
        UsageError: the corpora or fields do not make a matrix.
        InputError: a corpus is not built, or too few classes are shared.
    """
    if ":" in reference:
        raise UsageError(
            f"--config={reference}: the corpora are arguments of `jser cross`; write "
            f"--config={reference.partition(':')[0]}"
        )
    for field, text in overrides:
        if field in _OURS:
            raise UsageError(
                f"--config.{field}={text}: `jser cross` sets it for each run; leave it out"
            )
    if len(names) < 2:
        raise UsageError(f"cross: {len(names)} corpus is no matrix; name two or more")
    joined = "+".join(names)
    together = selection.names_of(joined)
    # What decides features is of all corpora, in every cell: else the diagonal has another system.
    base = configs.load(f"{reference}:{joined}", overrides)
    by = emotions.label_map(base.labels)
    data_dir = places.of_config(base)
    label_sets = [selection.classes_of(name, data_dir) for name in together]
    classes = selection.shared_classes(together, label_sets, by, base.classes)
    own = {name: configs.load(f"{reference}:{name}", overrides) for name in together}
    cells = [
        series.Run(name, _changed(base, classes, name, own[name].protocol, own[name].dev_speakers))
        for name in together
    ]
    for pair in itertools.combinations(together, 2):
        name = "+".join(pair)
        fewest = min(own[one].dev_speakers for one in pair)
        cells.append(series.Run(name, _changed(base, classes, name, by_corpus.NAME, fewest)))
    return cells


def _changed(
    base: Any, classes: tuple[str, ...], corpus: str, protocol: str, dev_speakers: int
) -> Any:
    return configs.from_json(
        base.to_dict()
        | {
            "corpus": corpus,
            "classes": classes,
            "protocol": protocol,
            "dev_speakers": dev_speakers,
        }
    )


def run(
    cells: Sequence[series.Run], workdir: Path, allow_leak: str | None = None, sound: bool = True
) -> dict[str, Any]:
    """Train, or go on with, every run of a matrix, and write its table.

    Args:
        cells: from `plan`.
        workdir: gets a run directory a cell, and `FILES`.
        allow_leak: see `experiment.run`.
        sound: see `experiment.run`.

    Returns:
        See `matrix.build`.
    """
    reports = series.run(cells, workdir, allow_leak, sound)
    result = matrix.build(reports, {cell.name: cell.config.to_dict() for cell in cells})
    atomic.write_text(workdir / FILES[0], matrix.text(result))
    atomic.write_text(workdir / FILES[2], page.render_matrix(result))
    text = json.dumps(result, indent=1, allow_nan=False)
    atomic.write_text(workdir / FILES[1], text + "\n")
    return result
