"""What stands in a manifest's cells: missing values, times, names."""

from __future__ import annotations

import math
import re

from jser.errors import InputError, one_line

# What programs write for nothing (lower case): an empty cell, pandas, R, SQL, JSON.
_NOTHING = frozenset({"", "nan", "<na>", "nat", "none", "null", "na", "n/a"})
LONGEST_NAME = 100
LONGEST_TEXT = 10_000

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# pandas' timedelta ("0 days 00:00:01.500000", "0 days"), and a clock's time.
_TIMEDELTA = re.compile(
    r"(?:(-?\d{1,6}) days?,?)?\s*(?:([+-]?)(\d{1,6}):(\d{2}):(\d{2}(?:\.\d+)?))?", re.ASCII
)
_DAY, _HOUR, _MINUTE = 86400.0, 3600.0, 60.0
_SEXES = {
    "f": "f", "female": "f", "w": "f", "woman": "f", "m": "m", "male": "m", "man": "m",
    "other": "", "unknown": "", "diverse": "", "d": "", "x": "", "?": "",
}  # fmt: skip


def is_missing(cell: str) -> bool:
    """Whether a cell holds nothing, or what a program writes for nothing."""
    return cell.strip().lower() in _NOTHING


def shown(cell: str) -> str:
    """A cell as it can stand in a sentence."""
    text = one_line(cell.encode("utf-8", "backslashreplace"))
    return (
        f"'{text}'" if len(text) <= LONGEST_NAME else f"'{text[:60]}...' ({len(text)} characters)"
    )


def name(column: str, cell: str, longest: int = LONGEST_NAME) -> str:
    """A cell as a name: white space made single blanks; '' where it is missing.

    Raises:
        InputError: too long, or characters that cannot be shown.
    """
    if is_missing(cell):
        return ""
    text = " ".join(cell.split())
    if len(text) > longest:
        raise InputError(f"{column} {shown(cell)} is too long; at most {longest} are taken")
    if not text.isprintable():
        raise InputError(f"{column} {shown(cell)} holds control characters; take them out")
    return text


def seconds(column: str, cell: str) -> float | None:
    """Seconds of a cell, None where it is missing: a number, or a time as pandas writes it.

    Raises:
        InputError: neither, not finite, or negative.
    """
    text = cell.strip()
    if is_missing(text):
        return None
    if _NUMBER.fullmatch(text):
        value = float(text)
    elif (match := _TIMEDELTA.fullmatch(text)) and match[0].strip():
        days, sign, hours, minutes, rest = match.groups()
        clock = float(hours or 0) * _HOUR + float(minutes or 0) * _MINUTE + float(rest or 0)
        value = float(days or 0) * _DAY + (-clock if sign == "-" else clock)
    else:
        hint = ""
        if re.fullmatch(r"-?\d+,\d+", text, re.ASCII):
            hint = f": write {text.replace(',', '.')}"
        raise InputError(f"{column} {shown(cell)} is no time in seconds{hint}")
    if not math.isfinite(value):
        raise InputError(f"{column} {shown(cell)} is not finite; give seconds")
    if value < 0:
        raise InputError(f"{column} {shown(cell)} is negative; give seconds from the beginning")
    return value


def sex(cell: str) -> str:
    """'f', 'm' or '' of a cell.

    Raises:
        InputError: none of the words for it.
    """
    word = cell.strip().lower()
    if is_missing(word):
        return ""
    if word not in _SEXES:
        raise InputError(f"sex {shown(cell)} is none of f, m; correct it, or leave it empty")
    return _SEXES[word]
