"""What of an audit a person should know first, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jser.audit.measures import Kind, shown
from jser.audit.sound import KINDS
from jser.evaluation.formats import percent, plural
from jser.frontend.waveform import SAMPLE_RATE
from jser.records.audit import describe_missing
from jser.records.selection import MARK

# 'alert': a result on this would mislead, or training refuses it; 'warn': look at it; 'note': know
# it; 'good': looked for, and not there.
WEIGHTS = ("alert", "warn", "note", "good")
# Facts that an emotion may well have; the others are the recording's business.
_OF_SPEECH = frozenset({"duration", "peak level"})
NAMED = 3  # of a list in a sentence


@dataclass(frozen=True)
class Finding:
    """One sentence and how much it weighs; see `WEIGHTS`."""

    weight: str
    text: str


def list_all(audit: Mapping[str, Any]) -> list[Finding]:
    """The findings of what `content.gather` returns, the heaviest first."""
    found = [
        *_marks(audit),
        *_joined(audit),
        *_protocol(audit),
        *_twice(audit),
        *_gives_away(audit),
        *_sound(audit),
        *_files(audit["built"]),
    ]
    return sorted(found, key=lambda f: WEIGHTS.index(f.weight))


def _marks(audit: Mapping[str, Any]) -> list[Finding]:
    found = []
    if audit["synthetic"]:
        found.append(Finding("alert", "synthetic: made by a generator, says nothing about speech"))
    short = describe_missing(audit["built"]["missing"])
    if audit["partial"]:
        found.append(Finding("alert", f"incomplete: {short or 'recordings are missing'}"))
    if audit["built"]["n_expected"] is None:
        found.append(Finding("note", "not checked against published counts: none are known"))
    if unknown := audit["balance"]["speakers"].get("", {}).get("utterances"):
        found.append(Finding("warn", f"speaker unknown: {plural(unknown, 'recording')}"))
    if audit["note"]:
        found.append(Finding("note", audit["note"]))
    return found


def _joined(audit: Mapping[str, Any]) -> list[Finding]:
    made = audit["joined"]
    if made is None:
        return []
    found = []
    renamed = [
        f"{word} ({n}) for {name} in {part['name']}"
        for part in made["corpora"]
        for name, words in part["taken"].items()
        for word, n in words.items()
        if word != name
    ]
    if renamed:
        found.append(
            Finding("warn", f"labels {made['labels']}: taken {', '.join(renamed)}. {made['lost']}")
        )
    for part in made["corpora"]:
        if part["left_out"]:
            words = ", ".join(f"{word} {n}" for word, n in part["left_out"].items())
            n = sum(part["left_out"].values())
            found.append(
                Finding("note", f"{part['name']}: {n} of {part['n_whole']} utterances are of "
                        f"classes that are left out: {words}")
            )  # fmt: skip
    if len(made["corpora"]) > 1:
        between = [p for p in audit["near_duplicates"] if not p["same_corpus"]]
        if between:
            found.append(
                Finding("alert", f"{plural(len(between), 'pair')} of near-duplicates "
                        f"{'lies' if len(between) == 1 else 'lie'} in two corpora: "
                        f"{_pairs(between)}")
            )  # fmt: skip
        shared = [n for n in audit["identical"] if len({one.partition(MARK)[0] for one in n}) > 1]
        if shared:
            named = ", ".join(" = ".join(names) for names in shared[:NAMED])
            found.append(
                Finding("alert", f"{plural(len(shared), 'recording')} of one corpus "
                        f"{'lies' if len(shared) == 1 else 'lie'} in another too, sample by "
                        f"sample: {named}")
            )  # fmt: skip
        if not between and not shared:
            found.append(Finding("good", "no recording lies in two of the corpora"))
    return found


def _protocol(audit: Mapping[str, Any]) -> list[Finding]:
    made = audit["protocol"]
    if made is None:
        return []
    found = []
    if made["refused"]:
        shared = "; ".join(made["summary"])
        found.append(Finding("alert", f"training refuses this protocol: {shared}"))
    elif made["leak"]:
        found.append(Finding("alert", f"this protocol leaks and says so: {made['leak']}"))
    else:
        found.append(
            Finding("good", "train, dev and test share no speaker, recording or utterance, and "
                    "train shares no session with the others")
        )  # fmt: skip
    if near := made["near_duplicates"]:
        found.append(
            Finding("alert", f"{plural(len(near), 'pair')} of near-duplicates "
                    f"{'lies' if len(near) == 1 else 'lie'} in two parts of a fold: "
                    f"{_pairs(near)}; training goes on and warns")
        )  # fmt: skip
    found += [Finding("warn", sentence) for sentence in made["warnings"]]
    if made["text_seen"]:
        heard, tested = made["sentences_heard"], made["sentences_tested"]
        found.append(
            Finding("note", f"{heard} of {tested} sentences of the test, counted fold by fold, are "
                    "also heard in training")
        )  # fmt: skip
    return found


def _pairs(near: list[Mapping[str, Any]]) -> str:
    return first_of([f"{p['first']} ~ {p['second']}" for p in near])


def first_of(names: Sequence[str], between: str = ", ") -> str:
    """The first of some names, and how many more there are."""
    rest = len(names) - NAMED
    return between.join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _twice(audit: Mapping[str, Any]) -> list[Finding]:
    found = []
    same, near = audit["identical"], audit["near_duplicates"]
    if same:
        named = first_of([" = ".join(names) for names in same])
        many = plural(len(same), "recording") + (" is" if len(same) == 1 else " are")
        found.append(Finding("warn", f"{many} there more than once, sample by sample: {named}"))
    if near:
        other = sum(not p["same_class"] for p in near)
        said = f"; {other} of them in two classes" if other else ""
        found.append(
            Finding("warn", f"{plural(len(near), 'pair')} of near-duplicates, one recording at "
                    f"another level, rate, codec or cut: {_pairs(near)}{said}")
        )  # fmt: skip
    if not same and not near:
        found.append(Finding("good", "no recording is there twice, and no near-duplicate"))
    elif not near:
        found.append(Finding("good", "no near-duplicate beside those"))
    return found


def _gives_away(audit: Mapping[str, Any]) -> list[Finding]:
    found = []
    told = sorted((g for g in audit["give_aways"] if g["tells"]), key=lambda g: -g["uar"])
    for of_speech, weight, words in (
        (False, "warn", "gives the class away, which is no matter of voice"),
        (True, "note", "tells the class, as an emotion may"),
    ):
        named = [
            f"{g['fact']} {percent(g['uar'])} %"
            for g in told
            if (g["fact"] in _OF_SPEECH) is of_speech
        ]
        if named:
            classes = audit["balance"]["classes"].values()
            chance = percent(1 / sum(entry["utterances"] > 0 for entry in classes))
            found.append(Finding(weight, f"one fact alone {words}: {', '.join(named)} "
                                 f"(recall; chance {chance} %)"))  # fmt: skip
    return found


def _sound(audit: Mapping[str, Any]) -> list[Finding]:
    if audit["sound"] is None:
        return [Finding("note", f"not listened to: {audit['sound_missing']}")]
    return measured(KINDS, audit["sound"], audit["built"]["n_utterances"])


def measured(kinds: Sequence[Kind], entries: Mapping[str, Any], total: int) -> list[Finding]:
    """Findings of measures of `total` recordings or pictures, by the name of their kind."""
    found, clean = [], []
    for kind in kinds:
        entry = entries[kind.name]
        if entry["n"]:
            named = ", ".join(shown(kind, entry, NAMED))
            found.append(
                Finding("warn", f"{kind.title}: {entry['n']} of {total} ({kind.limit()}): {named}")
            )
        else:
            clean.append(kind.title)
    if clean:
        found.append(Finding("good", f"none: {', '.join(clean)}"))
    return found


def _files(built: Mapping[str, Any]) -> list[Finding]:
    """What only the files could tell, noted when the records were built."""
    found = [Finding("note", f"left out: {n} x {why}") for why, n in built["skipped"].items()]
    if clipped := built["clipped"]:
        found.append(
            Finding("warn", f"{plural(len(clipped), 'file')} with samples at full scale: "
                    f"{', '.join(list(clipped)[:NAMED])}")
        )  # fmt: skip
    if stereo := built["stereo"]:
        found.append(
            Finding("note", f"{plural(len(stereo), 'file')} of more than one channel, averaged: "
                    f"{', '.join(stereo[:NAMED])}")
        )  # fmt: skip
    rates = {int(rate): n for rate, n in built["sample_rates"].items()}
    if set(rates) - {SAMPLE_RATE}:
        text = ", ".join(f"{n} at {rate} Hz" for rate, n in rates.items())
        weight = "warn" if len(rates) > 1 or min(rates) < SAMPLE_RATE else "note"
        mixed = "; the bandwidth may give speaker or class away" if weight == "warn" else ""
        found.append(Finding(weight, f"resampled to {SAMPLE_RATE} Hz: {text}{mixed}"))
    return found
