"""What is in a corpus of pictures, against what was published; and what is odd about them."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jser.records import audit as auditing
from jser.records import places
from jser.records.kind import Counted

# Bits of 256 in which the difference hashes of one picture differ when it is stored again, halved
# or compressed down to quality 30: of 24 crops of two photographs in the median 6, in 19 of 20
# cases at most 35. Crops of the one and the other differed in 103 or more.
NEAR_BITS = 32
# Of the smaller of bits that rise and bits that do not: a sky or a wall has a hash of nearly equal
# bits, as has every other sky.
FEWEST_BITS = 40
_ROWS_AT_ONCE = 256
SIZE_BINS = 32


@dataclass(frozen=True)
class Row:
    """One picture as the audit sees it; see `jser.frontend.image.Picture`."""

    utterance_id: str
    speaker: str
    label: str
    width_in: int
    height_in: int
    format_in: str
    mode_in: str
    rotated: bool
    pixel_sha256: str
    dhash: str


def make(rows: Sequence[Row], side: int, counted: Counted) -> dict[str, Any]:
    """Audit of a built corpus of pictures, as plain data for JSON; `render` shows it.

    Args:
        rows: one a picture.
        side: pixels of a side of a record.
        counted: what is published, and what was left out.
    """
    info = counted.info
    found = auditing.count(
        info.name,
        [(row.speaker, row.label) for row in rows],
        classes=info.classes,
        counts=info.counts,
        sex=counted.sex,
        counts_by_speaker=info.counts_by_speaker,
        skipped=counted.skipped,
        broken=counted.broken,
    )
    same: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        same[row.pixel_sha256].append(row)
    first = [group[0] for group in same.values()]
    near = [(first[i], first[j], bits) for i, j, bits in near_pairs([r.dhash for r in first])]
    by_class: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        by_class[row.label].append(min(row.width_in, row.height_in))
    shorter = sorted(min(row.width_in, row.height_in) for row in rows)
    return {
        **found,
        "kind": "picture",
        "side": side,
        "shorter_side": {
            "smallest": shorter[0] if shorter else 0,
            "median": statistics.median(shorter) if shorter else 0,
            "largest": shorter[-1] if shorter else 0,
        },
        "sizes": _sizes(shorter, side),
        "shapes": {
            "landscape": sum(row.width_in > row.height_in for row in rows),
            "portrait": sum(row.width_in < row.height_in for row in rows),
            "square": sum(row.width_in == row.height_in for row in rows),
        },
        "size_by_class": {
            name: statistics.median(sides) if (sides := by_class.get(name)) else None
            for name in info.classes
        },
        "duplicates": sorted(
            sorted(row.utterance_id for row in group) for group in same.values() if len(group) > 1
        ),
        "near_duplicates": sorted(
            [*sorted((a.utterance_id, b.utterance_id)), bits] for a, b, bits in near
        ),
        "two_labels": sum(len({row.label for row in group}) > 1 for group in same.values())
        + sum(a.label != b.label for a, b, _ in near),
        "formats": dict(Counter(row.format_in for row in rows).most_common()),
        "modes": dict(Counter(row.mode_in for row in rows).most_common()),
        "rotated": sorted(row.utterance_id for row in rows if row.rotated),
        "enlarged": sorted(
            row.utterance_id for row in rows if min(row.width_in, row.height_in) < side
        ),
    }


def _sizes(shorter: Sequence[int], side: int) -> dict[str, list]:
    """Pictures by their shorter side; the axis takes in the size of a record."""
    low, high = min([*shorter, side]), max([*shorter, side])
    counts, edges = np.histogram(shorter, SIZE_BINS, (low, high if high > low else low + 1))
    return {"counts": counts.tolist(), "edges": edges.tolist()}


def near_pairs(dhashes: Sequence[str]) -> list[tuple[int, int, int]]:
    """Pairs of difference hashes that differ in `NEAR_BITS` bits or less.

    Hashes of pictures without structure are not compared.

    Args:
        dhashes: hex, 256 bits each.

    Returns:
        First, second, bits that differ; first < second.
    """
    if not dhashes:
        return []
    bits = np.unpackbits(np.array([np.frombuffer(bytes.fromhex(h), np.uint8) for h in dhashes]), 1)
    ones = bits.sum(1, dtype=np.int64)
    n_bits = bits.shape[1]
    usable = np.flatnonzero(np.minimum(ones, n_bits - ones) >= FEWEST_BITS)
    # As signs, the product of two hashes is the bits that agree less those that differ: exact in
    # float32, and a matrix product is many times as fast as exclusive ors.
    signs = 2 * bits[usable].astype(np.float32) - 1
    pairs = []
    for start in range(0, len(signs), _ROWS_AT_ONCE):
        product = signs[start : start + _ROWS_AT_ONCE] @ signs[start:].T
        for i, j in zip(*np.nonzero(product >= n_bits - 2 * NEAR_BITS), strict=True):
            if i < j:
                differ = int(n_bits - product[i, j]) // 2
                pairs.append((int(usable[start + i]), int(usable[start + j]), differ))
    return pairs


def render(audit: Mapping[str, Any]) -> str:
    """The audit as text for a terminal: a table by class, then what is odd."""
    published, sizes = audit["n_expected"], audit["shorter_side"]
    shown = audit if set(audit["speakers"]) != {""} else {**audit, "speakers": {}}
    lines = [
        f"{audit['name']}: {audit['n_utterances']} "
        f"{'' if published is None else f'of {published} '}pictures, shorter side "
        f"{sizes['smallest']} to {sizes['largest']} pixels (median {sizes['median']:g}), each cut "
        f"to its middle square and resized to {audit['side']}",
        "",
        *auditing.table(shown, {}),
        "",
        *_facts(audit),
        *_findings(audit),
    ]
    return "\n".join(lines)


def _facts(audit: Mapping[str, Any]) -> list[str]:
    lines = []
    if "" in audit["speakers"]:
        n = audit["speakers"][""]["found"]
        lines.append(f"who took or painted them is not known: {n} pictures")
    if audit["n_expected"] is None:
        lines.append("not checked against published counts: none are confirmed")
    lines.append("files: " + ", ".join(f"{n} {name}" for name, n in audit["formats"].items()))
    return lines


def _findings(audit: Mapping[str, Any]) -> list[str]:
    lines = auditing.absent(audit)
    same, near = audit["duplicates"], audit["near_duplicates"]
    lines += [f"same picture: {auditing.some(ids, ' = ')}" for ids in same[: auditing.NAMES_SHOWN]]
    if len(same) > auditing.NAMES_SHOWN:
        lines.append(f"same picture: {len(same) - auditing.NAMES_SHOWN} more, in {places.SIDECAR}")
    if near:
        lines.append(
            f"nearly the same picture: {auditing.some([f'{a} ~ {b}' for a, b, _ in near])}"
        )
    if audit["two_labels"]:
        lines.append(f"same or nearly the same picture under two labels: {audit['two_labels']}")
    other = {mode: n for mode, n in audit["modes"].items() if mode != "RGB"}
    if other:
        text = ", ".join(f"{n} {mode}" for mode, n in other.items())
        lines.append(f"made RGB: {text}")
    if audit["rotated"]:
        lines.append(f"turned upright as Exif says: {auditing.some(audit['rotated'])}")
    if audit["enlarged"]:
        lines.append(
            f"smaller than {audit['side']} pixels, enlarged: {auditing.some(audit['enlarged'])}"
        )
    return lines or ["nothing odd: no picture twice, no grey or turned or small ones"]
