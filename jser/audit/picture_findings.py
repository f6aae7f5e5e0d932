"""What of an audit of pictures a person should know first, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jser.audit.findings import WEIGHTS, Finding, first_of, measured
from jser.audit.look import KINDS
from jser.evaluation.formats import plural
from jser.records.audit import describe_missing

# Between the commonest class and the rarest; UAR bears it, a plain loss does not.
_UNEQUAL = 3.0


def list_all(audit: Mapping[str, Any]) -> list[Finding]:
    """The findings of what `pictures.gather` returns, the heaviest first."""
    found = [
        *_marks(audit),
        *_protocol(audit),
        *_twice(audit["built"]),
        *_classes(audit["built"]),
        *measured(KINDS, audit["look"], audit["built"]["n_utterances"]),
        *_files(audit["built"]),
    ]
    return sorted(found, key=lambda f: WEIGHTS.index(f.weight))


def _marks(audit: Mapping[str, Any]) -> list[Finding]:
    found = []
    built = audit["built"]
    if audit["partial"]:
        short = describe_missing(built["missing"])
        found.append(Finding("alert", f"incomplete: {short or 'pictures are missing'}"))
    if broken := built["missing"]["broken"]:
        # Each is a file's name and why it cannot be used.
        found.append(
            Finding(
                "alert",
                f"{plural(len(broken), 'file')} left out as damaged: {first_of(broken, '; ')}",
            )
        )
    if built["n_expected"] is None:
        found.append(Finding("note", "not checked against published counts: none are confirmed"))
    if unknown := built["speakers"].get("", {}).get("found"):
        found.append(
            Finding("warn", f"who took or painted {plural(unknown, 'picture')} is not known, so "
                    "only random splits can be made, and what a test shares with training cannot "
                    "be counted")
        )  # fmt: skip
    if audit["note"]:
        found.append(Finding("note", audit["note"]))
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
        shared = "; ".join(made["summary"])
        more = f" ({shared})" if shared else ""
        found.append(Finding("alert", f"this protocol leaks and says so: {made['leak']}{more}"))
    else:
        found.append(Finding("good", "train, dev and test share no picture of equal pixels"))
    if near := made["near_duplicates"]:
        named = first_of([f"{p['first']} ~ {p['second']}" for p in near])
        found.append(
            Finding("alert", f"{plural(len(near), 'pair')} of nearly equal pictures "
                    f"{'lies' if len(near) == 1 else 'lie'} in two parts of a fold: {named}; "
                    "training goes on")
        )  # fmt: skip
    return found + [Finding("warn", sentence) for sentence in made["warnings"]]


def _twice(built: Mapping[str, Any]) -> list[Finding]:
    found = []
    same, near = built["duplicates"], built["near_duplicates"]
    if same:
        found.append(
            Finding("warn", f"{plural(len(same), 'picture')} {'is' if len(same) == 1 else 'are'} "
                    f"there more than once, pixel by pixel: "
                    f"{first_of([' = '.join(names) for names in same])}")
        )  # fmt: skip
    if near:
        found.append(
            Finding("warn", f"{plural(len(near), 'pair')} of nearly equal pictures, one at another "
                    f"size or quality: {first_of([f'{a} ~ {b}' for a, b, _ in near])}")
        )  # fmt: skip
    if two := built["two_labels"]:
        found.append(
            Finding("alert", f"{two} of the pictures that are there twice, or nearly so, "
                    f"{'stands' if two == 1 else 'stand'} under two labels: one of them is wrong "
                    "for whoever is tested on it")
        )  # fmt: skip
    if not same and not near:
        found.append(Finding("good", "no picture is there twice, or nearly so"))
    return found


def _classes(built: Mapping[str, Any]) -> list[Finding]:
    count = {name: entry["found"] for name, entry in built["classes"].items()}
    empty = [name for name, n in count.items() if not n]
    if empty:
        return [Finding("alert", f"no picture of {', '.join(empty)}")]
    most, least = max(count, key=count.__getitem__), min(count, key=count.__getitem__)
    if count[most] < _UNEQUAL * count[least]:
        return [Finding("good", f"classes of {count[least]} to {count[most]} pictures")]
    return [
        Finding("warn", f"classes are not equally common: {most} {count[most]}, {least} "
                f"{count[least]}, so accuracy (WA) says little and UAR is to be read")
    ]  # fmt: skip


def _files(built: Mapping[str, Any]) -> list[Finding]:
    """What only the files could tell, noted when the records were built."""
    found = [Finding("note", f"left out: {n} x {why}") for why, n in built["skipped"].items()]
    other = {mode: n for mode, n in built["modes"].items() if mode != "RGB"}
    if other:
        text = ", ".join(f"{n} {mode}" for mode, n in other.items())
        found.append(Finding("note", f"made RGB: {text}"))
    if built["rotated"]:
        found.append(Finding("note", f"turned upright as Exif says: {first_of(built['rotated'])}"))
    if small := built["enlarged"]:
        found.append(
            Finding("note", f"smaller than {built['side']} pixels, enlarged: {len(small)} of "
                    f"{built['n_utterances']}; they hold no finer detail than they came with")
        )  # fmt: skip
    return found
