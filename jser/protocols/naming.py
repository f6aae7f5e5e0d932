"""Names of protocols in a config or on the command line: `KIND`, `KIND:K`, `NAME+VARIANT`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from jser.errors import InputError

PROTOCOL_NAMES = (
    "leave_one_speaker_out",
    "speaker_k_fold:K",
    "leave_one_session_out",
    "session_k_fold:K",
    "iemocap_sessions",
    "iemocap_speakers",
    "ravdess_emobox",
    "savee_emobox",
    "cremad_tfds",
    "leave_one_corpus_out",
    "published_split",
    "published_split:TEST",
    "picture_split",
    "picture_k_fold:K",
    "random:K",
)
# What may stand behind any of them: see `text_disjoint`, and `making` for the last.
TEXT_VARIANTS = ("text_disjoint", "same_size")
VARIANTS = (*TEXT_VARIANTS, "test_selects")
# Of sentences, where a variant gives no number: RAVDESS has no more than two.
TEXT_GROUPS = 2


@dataclass(frozen=True)
class Name:
    """A protocol's name, taken apart.

    Attributes:
        full: as it was written.
        kind: one of `PROTOCOL_NAMES`, without its number.
        number: of folds; 0 where the kind has none.
        test: which of a corpus' own test sets; '' for the only one.
        variant: one of `VARIANTS`, or ''.
        text_groups: into how many the sentences are dealt; 0 where no sentence is held apart.
    """

    full: str
    kind: str
    number: int
    test: str
    variant: str
    text_groups: int

    @property
    def base(self) -> str:
        """Without the variant."""
        return self.full.partition("+")[0]


def parse(name: str) -> Name:
    """Take a name apart.

    Raises:
        InputError: an unknown kind or variant, or a number that is missing, wrong or too many.
    """
    base, plus, rest = name.partition("+")
    kind, colon, argument = base.partition(":")
    takes: dict[str, set[str]] = {}
    for known in PROTOCOL_NAMES:
        takes.setdefault(known.partition(":")[0], set()).add(known.partition(":")[2])
    if kind not in takes:
        close = difflib.get_close_matches(kind, takes, n=1, cutoff=0.4)
        hint = f"did you mean {close[0]}{':K' if 'K' in takes[close[0]] else ''}?" if close else ""
        raise InputError(
            f"protocol '{name}' is none of {', '.join(PROTOCOL_NAMES)}{'; ' if hint else '.'}{hint}"
        )
    counted = "K" in takes[kind]
    if colon and takes[kind] == {""}:
        raise InputError(f"protocol '{name}': {kind} takes no number; write {kind}.")
    if counted and not _is_number(argument):
        raise InputError(f"protocol '{name}': write the number of folds, 2 or more, as {kind}:10.")
    if colon and not argument:
        raise InputError(f"protocol '{name}': write what follows the colon, or leave it out.")
    folds, test = (int(argument), "") if counted else (0, argument)
    if not plus:
        return Name(name, kind, folds, test, "", 0)
    variant, colon, groups = rest.partition(":")
    if variant not in VARIANTS:
        close = difflib.get_close_matches(variant, VARIANTS, n=1, cutoff=0.4)
        hint = f"did you mean {base}+{close[0]}?" if close else f"write {base}+{VARIANTS[0]}."
        raise InputError(
            f"protocol '{name}': behind the + stands one of {', '.join(VARIANTS)}; {hint}"
        )
    if variant not in TEXT_VARIANTS:
        if colon:
            raise InputError(
                f"protocol '{name}': {variant} takes no number; write {base}+{variant}."
            )
        return Name(name, kind, folds, test, variant, 0)
    if colon and not _is_number(groups):
        raise InputError(
            f"protocol '{name}': write the number of groups of sentences, 2 or more, as "
            f"{base}+{variant}:5, or none for {TEXT_GROUPS}."
        )
    return Name(name, kind, folds, test, variant, int(groups) if colon else TEXT_GROUPS)


def _is_number(text: str) -> bool:
    # isdecimal alone lets through digits of other scripts, which a file name must not get.
    return text.isascii() and text.isdecimal() and 2 <= int(text) <= 1_000_000
