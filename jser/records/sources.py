"""The recordings on disk before any work: which they are, and whether all are there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jser.errors import InputError, one_line
from jser.frontend import opening
from jser.frontend.decoding import Cut
from jser.records import audit as auditing
from jser.records.extract import threads
from jser.records.faults import FilesAtFault
from jser.records.files import Skipped, Utterance

# Files whose hashes a thread takes in one go: handing a small one over takes as long as its hash.
_AT_ONCE = 32


def identify(
    name: str, source: Path, found: list[Utterance | Skipped], things: str = "recordings"
) -> tuple[list[Utterance], dict[Path, str], dict[str, int]]:
    """Utterances sorted by id, their files' hashes, and the counts of what is skipped.

    `things` is the word for them in messages: recordings or pictures.

    Some copies of RAVDESS hold every actor twice, in nested folders: equal files under one name are
    one recording, different files under one name are an error.
    """
    skipped = Counter(entry.reason for entry in found if isinstance(entry, Skipped))
    entries = [entry for entry in found if isinstance(entry, Utterance)]
    if not entries:
        reasons = ", ".join(f"{n} x {reason}" for reason, n in skipped.items())
        raise InputError(f"{source}: no {things[:-1]} of {name} in it (skipped: {reasons})")

    paths = list(dict.fromkeys(entry.path for entry in entries))  # Segments share a file.
    some = [paths[i : i + _AT_ONCE] for i in range(0, len(paths), _AT_ONCE)]
    with ThreadPoolExecutor(threads()) as pool:
        content = {path: found for part in pool.map(_contents, some) for path, found in part}
    kept: dict[str, Utterance] = {}
    clash: list[str] = []
    for entry in entries:
        first = kept.setdefault(entry.utterance_id, entry)
        if first is entry:
            continue
        if content[first.path] == content[entry.path] and first.cut == entry.cut:
            skipped[f"second copy of a {things[:-1]}"] += 1
        else:
            clash.append(
                f"{shown(first.path, source)} and {shown(entry.path, source)}: both are "
                f"'{entry.utterance_id}' but differ; remove one"
            )
    if len(clash) == 1:
        raise InputError(clash[0])
    if clash:
        raise FilesAtFault(
            f"{source}: {len(clash)} {things} of {name} are there twice and not the same; remove "
            "one of each",
            clash,
        )
    return sorted(kept.values(), key=lambda u: u.utterance_id), content, dict(skipped)


def _contents(paths: list[Path]) -> list[tuple[Path, str]]:
    return [(path, _content(path)) for path in paths]


def _content(path: Path) -> str:
    try:
        if path.is_file():  # A pipe would be waited for.
            return opening.content_sha256(path)
    except (OSError, ValueError):  # ValueError: a NUL byte, which no name can hold.
        pass
    return f"unreadable {path}"  # Decoding names it among the broken ones.


def sexes(speakers: Mapping[str, str] | None, utterances: list[Utterance]) -> dict[str, str]:
    """Speaker -> 'f' or 'm', from the corpus' table or else from the utterances.

    Where neither says it, the speaker is not in the map.

    Raises:
        InputError: the utterances give one speaker two sexes.
    """
    if speakers is not None:
        return dict(speakers)
    known: dict[str, str] = {}
    for u in utterances:
        if u.speaker and u.sex and known.setdefault(u.speaker, u.sex) != u.sex:
            raise InputError(
                f"{u.path.name}: speaker '{u.speaker}' is '{u.sex}' here and "
                f"'{known[u.speaker]}' in other recordings; correct one, or leave it empty"
            )
    return known


def check_complete(
    name: str,
    counts: Mapping[str, int] | None,
    counts_by_speaker: Mapping[str, int] | None,
    utterances: list[Utterance],
    skipped: dict[str, int],
    source: Path,
    things: str = "recordings",
) -> None:
    """Refuse an incomplete corpus before any work is done on it."""
    short: dict[str, Any] = {"classes": {}, "speakers": {}}
    if counts:
        short["classes"] = auditing.missing(Counter(u.label for u in utterances), counts)
    if counts_by_speaker:
        found = Counter(u.speaker for u in utterances)
        short["speakers"] = auditing.missing(found, counts_by_speaker)
    if short["classes"] or short["speakers"]:
        reasons = "".join(f", {n} skipped: {reason}" for reason, n in skipped.items())
        raise InputError(
            f"{source}: {len(utterances)} {things} of {name}, published are "
            f"{sum((counts or counts_by_speaker or {}).values())} "
            f"({auditing.describe_missing(short)}{reasons}); "
            "complete it, or use it as it is with --allow_partial"
        )


def shown(path: Path, source: Path, cut: Cut | None = None, line: int = 0) -> str:
    """A file's name in messages: below the corpus' folder where it lies there; and the segment."""
    name = one_line(path.relative_to(source) if path.is_relative_to(source) else path)
    if cut is not None:
        name += f", {cut.start:g} s to {'its end' if cut.end is None else f'{cut.end:g} s'}"
    return f"line {line}: {name}" if line else name
