"""The leak ladder: one system under ever stricter protocols, so that each leak has its price.

The literature reports 94 to 99 % on corpora where an honest protocol gives two thirds of that.
Rungs go from the most flattering to the strictest; only the protocol and the normalisation change.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jser import config as configs
from jser import preparation, protocols, series
from jser.errors import InputError
from jser.evaluation import page, rungs, tables
from jser.evaluation.atomic import write_text
from jser.protocols import Protocol, Records
from jser.records import places, selection

SPEAKER = "speaker_disjoint"  # the rung that the others are held against
ENROL = "speaker_enrol:10"
MOST_RANDOM_FOLDS = 10


@dataclass(frozen=True)
class Step:
    """One rung and the config that makes it.

    Attributes:
        name: of its run directory.
        title: for tables.
        what: a sentence on what the system knows of its test.
        changes: config field -> value, as on the command line.
        beside: name of the rung whose difference to this one means one thing; '' for that rung.
    """

    name: str
    title: str
    what: str
    changes: tuple[tuple[str, str], ...]
    beside: str = SPEAKER


def plan(config: Any, corpus: Records) -> tuple[list[Step], list[str]]:
    """The rungs for a config and its corpus, and a sentence for each that cannot be had.

    Raises:
        InputError: the config's protocol is not by speaker or session, or is a variant itself.
    """
    name = config.protocol
    if "+" in name:
        raise InputError(
            f"ladder: protocol '{name}' is a variant already; give the protocol without what "
            "follows the +"
        )
    base = protocols.make(name, corpus, config.dev_speakers)
    if base.by not in ("speaker", "session"):
        raise InputError(
            f"ladder: protocol '{name}' is not by speaker, so nothing could be held against it; "
            "give one by speaker, for example --config.protocol=leave_one_speaker_out"
        )
    n_folds = min(max(len(base.folds), 2), MOST_RANDOM_FOLDS)
    random = f"random:{n_folds}"
    rows = [
        Step(
            "random_test_selects",
            "random split, the test chooses the epoch",
            "the speakers are trained on, and the best epoch on the test is the result",
            (("protocol", f"{random}+test_selects"), ("refit", "False")),
        ),
        Step(
            "random",
            "random split",
            "the speakers are trained on",
            (("protocol", random),),
        ),
        Step(
            "speaker_test_selects",
            "speaker-disjoint, the test chooses the epoch",
            "the best epoch on the test is the result",
            (("protocol", f"{name}+test_selects"), ("refit", "False")),
        ),
        *(
            Step(mode.partition(":")[0], f"speaker-disjoint, normalisation {mode}", what,
                 (("protocol", name), ("normalisation", mode)))
            for mode, what in (
                ("speaker_transductive", "all recordings of a test speaker, unlabelled, are seen"),
                (ENROL, "ten recordings of each test speaker, unlabelled, are seen"),
            )
        ),
        Step(
            SPEAKER,
            "speaker-disjoint, normalisation train",
            "no speaker of the test is in training",
            (("protocol", name), ("normalisation", "train")),
            "",
        ),
        *(
            Step(f"normalisation_{mode}", f"speaker-disjoint, normalisation {mode}",
                 "no speaker of the test is in training",
                 (("protocol", name), ("normalisation", mode)))
            for mode in ("utterance", "none")
        ),
    ]  # fmt: skip
    left_out = []
    try:
        apart = protocols.make(f"{name}+text_disjoint", corpus, config.dev_speakers)
    except InputError as error:
        left_out.append(f"text-disjoint: {error}")
    else:
        size = _share(apart, base)
        rows += [
            Step(
                "same_size",
                "speaker-disjoint, on fewer utterances",
                f"as speaker-disjoint, trained on {size:.0%} of its utterances, all sentences",
                (("protocol", f"{name}+same_size"), ("normalisation", "train")),
            ),
            Step(
                "text_disjoint",
                "speaker- and text-disjoint",
                f"neither speaker nor sentence of the test in training; {size:.0%} of the "
                "utterances",
                (("protocol", f"{name}+text_disjoint"), ("normalisation", "train")),
                "same_size",
            ),
        ]
    return rows, left_out


def _share(smaller: Protocol, base: Protocol) -> float:
    def mean(protocol: Protocol) -> float:
        return sum(len(f.train) + len(f.dev) for f in protocol.folds) / len(protocol.folds)

    return mean(smaller) / mean(base)


def _possible(
    steps: Sequence[Step], reference: str, overrides: Sequence[tuple[str, str]]
) -> tuple[list[Step], list[str]]:
    """The rungs that the system can climb, and a sentence for each normalisation that it refuses.

    Raises:
        InputError: what is refused is the config itself: the rung that others are held against.
    """
    possible, refused = [], []
    for step in steps:
        try:
            preparation.check(configs.load(reference, [*overrides, *step.changes]))
        except InputError as error:
            if step.name == SPEAKER or dict(step.changes).get("normalisation", "train") == "train":
                raise
            refused.append(f"{step.title}: {error}")
        else:
            possible.append(step)
    return possible, refused


def climb(reference: str, overrides: Sequence[tuple[str, str]], workdir: Path) -> dict[str, Any]:
    """Run every rung in a folder of its own under `workdir`, and make the table of them.

    A rung that is finished is not run again, one that was interrupted goes on.

    Args:
        reference: of the config, as `jser train` takes it.
        overrides: (field, value) pairs; normalisation is the ladder's own affair.
        workdir: gets a run directory a rung, ladder.json, ladder.txt and ladder.html.

    Returns:
        What ladder.json holds.
    """
    for field in ("normalisation", "refit"):
        if field in dict(overrides):
            raise InputError(f"ladder: --config.{field} is set by the rungs; leave it out")
    config = configs.load(reference, overrides)
    corpus = selection.load(
        config.corpus, places.of_config(config), "log_mel", config.labels, config.classes
    )
    steps, left_out = plan(config, corpus)
    steps, refused = _possible(steps, reference, overrides)
    left_out += refused
    # All configs are read before the first is trained: a fault is found at once.
    resolved = [configs.load(reference, [*overrides, *rung.changes]) for rung in steps]
    runs = [
        series.Run(rung.name, its_config, rung.title)
        for rung, its_config in zip(steps, resolved, strict=True)
    ]
    series.run(runs, workdir, sound=False)
    made = rungs.build(
        [
            rungs.Rung(rung.name, rung.title, rung.what, rung.beside, workdir / rung.name)
            for rung in steps
        ],
        left_out,
    )
    write_text(workdir / "ladder.txt", tables.to_text(rungs.render(made)))
    write_text(workdir / "ladder.html", page.render_ladder(made))
    write_text(workdir / "ladder.json", json.dumps(made, indent=1, allow_nan=False) + "\n")
    return made
