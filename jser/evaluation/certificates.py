"""A protocol's certificate as a table that a person can read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from jser.evaluation.tables import to_text
from jser.protocols import Certificate

PAIRS = ("train_dev", "train_test", "dev_test")
THINGS = ("speakers", "sessions", "recordings", "utterance_ids")


def render(certificate: Certificate) -> Group:
    """What the parts of each fold hold, and what they share."""
    return render_json(certificate.to_json())


def render_json(tree: Mapping[str, Any]) -> Group:
    """The same of a certificate as JSON has it, with the near-duplicates that an audit adds."""
    table = Table(title=f"{tree['corpus']}: {tree['description']}")
    spoken = not tree.get("of_pictures")
    columns = ["fold", "train", "dev", "test", "shared"]
    if spoken:
        columns = [*columns[:4], "test speakers", "shared", "sentences heard"]
    for column in columns:
        table.add_column(column)
    for fold in tree["folds"]:
        counts, speakers = fold["utterances"], fold["speakers"]
        shared = [
            f"{pair.replace('_', '/')} {fold['shared'][pair][thing]} {thing.replace('_', ' ')}"
            for pair in PAIRS
            for thing in THINGS
            if fold["shared"][pair].get(thing)
        ]
        shared += [
            f"{pair.replace('_', '/')} {n} near-duplicate{'s' * (n != 1)}"
            for pair, n in fold.get("near_duplicates", {}).items()
            if n
        ]
        table.add_row(
            fold["name"],
            *(_how_many(counts[part], speakers[part]) for part in ("train", "dev", "test")),
            *([" ".join(speakers["test"])] if spoken else []),
            "; ".join(shared) or "nothing",
            *([f"{fold['sentences_heard']} of {fold['sentences_tested']}"] if spoken else []),
        )
    # A protocol may leak by its own account, where nothing that is known is shared.
    leaks = tree["summary"] if tree["found"] else [tree["leak"]] if tree["leak"] else []
    verdict = f"LEAK: {'; '.join(leaks)}" if leaks else f"clean: {clean(tree)}"
    properties = _properties(tree) if spoken else _of_pictures(tree)
    return Group(table, *(Text(line) for line in (verdict, *properties)))


def _of_pictures(tree: Mapping[str, Any]) -> Iterator[str]:
    """What is allowed and has to be known of pictures."""
    near = tree["near_duplicates"]
    if isinstance(near, Mapping):
        counted = [f"{n} in {pair.replace('_', ' and ')}" for pair, n in near.items() if n]
    else:  # an audit's: each pair by name, and its folds count them
        counted = [f"{len(near)} pair{'s' * (len(near) != 1)}"] if near else []
    yield f"nearly equal pictures in two parts of a fold: {', '.join(counted) or 'none'}"
    yield from _missing(tree["folds"])
    unknown = sum(fold["speaker_unknown"]["test"] for fold in tree["folds"])
    if unknown:
        yield f"test pictures of unknown authors: {unknown}"


def clean(tree: Mapping[str, Any]) -> str:
    """What the parts of a certificate without a leak do not share, and what they do all the same.

    Near-duplicates are counted by fold in an audit, and for a run over all folds.
    """
    counts = tree.get("near_duplicates")
    near = bool(any(counts.values()) if isinstance(counts, Mapping) else counts)
    if tree.get("of_pictures"):
        said = "train, dev and test share no picture, and no author or session that is known"
        return f"{said}; but nearly equal pictures are shared" if near else said
    said = (
        "train, dev and test share no speaker, no recording and no utterance, and train no session "
        "with the others"
    )
    return f"{said}; but near-duplicates are shared" if near else said


def _properties(tree: Mapping[str, Any]) -> Iterator[str]:
    """What is allowed and has to be known of recordings, over all folds."""
    folds = tree["folds"]
    if tree["text_seen"] is None:
        yield "sentences: which are spoken is not known"
    else:
        yield (
            f"sentences: {tree['sentences_heard']} of {tree['sentences_tested']} tested are heard "
            "in training, counted fold by fold"
        )
    together = sum(fold["shared"]["dev_test"]["sessions"] > 0 for fold in folds)
    if together:
        yield f"dev and test speakers share a session in {together} of {len(folds)} folds"
    near = sum(any(fold.get("near_duplicates", {}).values()) for fold in folds)
    if near:
        yield f"near-duplicates lie in two parts in {near} of {len(folds)} folds"
    yield "utterances by women: " + ", ".join(
        f"{_women(folds, part)} of {part}" for part in ("train", "dev", "test")
    )
    yield from _missing(folds)
    unknown = sum(fold["speaker_unknown"]["test"] for fold in folds)
    if unknown:
        yield f"test utterances of unknown speakers: {unknown}"


def _missing(folds: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for part in ("train", "dev", "test"):
        lacking = [fold["name"] for fold in folds if fold["classes_missing"][part]]
        if lacking:
            yield f"classes missing from {part} in {len(lacking)} of {len(folds)} folds"


def _how_many(utterances: int, speakers: Sequence[str]) -> str:
    return f"{utterances} of {len(speakers)} spk" if speakers else str(utterances)


def _women(folds: Sequence[Mapping[str, Any]], part: str) -> str:
    known = [{k: fold["sex"][part].get(k, 0) for k in "fm"} for fold in folds]
    shares = [round(100 * n["f"] / (n["f"] + n["m"])) for n in known if n["f"] + n["m"]]
    if not shares:
        return "an unknown share"
    low, high = min(shares), max(shares)
    return f"{low} %" if low == high else f"{low} to {high} %"


def text(certificate: Certificate, width: int = 100) -> str:
    """The same as plain text."""
    return to_text(render(certificate), width)
